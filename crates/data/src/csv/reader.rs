//! From bytes to rows of fields: the faults a CSV file can have.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

use tracelift_tensor::{Error, Result};

use super::{Csv, CsvOptions, Row, shortened};

/// How far the parser reads ahead.
const READ_AHEAD: usize = 8 << 10;

pub(super) fn read(from: &mut dyn Read, source: &str, options: &CsvOptions) -> Result<Csv> {
    let budget = Rc::new(Cell::new(0));
    let refill = || budget.set(options.max_row_bytes.saturating_add(READ_AHEAD));
    let capped = Capped { from, budget: Rc::clone(&budget) };
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(options.delimiter)
        .buffer_capacity(READ_AHEAD)
        .has_headers(false)
        .trim(::csv::Trim::Headers)
        .from_reader(capped);
    let mut records = Records { source, max_row_bytes: options.max_row_bytes, rows: 0, names: Vec::new() };
    let mut rows = Vec::new();
    loop {
        refill();
        let mut fields = ::csv::StringRecord::new();
        match reader.read_record(&mut fields) {
            Ok(false) => break,
            Ok(true) if records.names.is_empty() => records.take_names(&fields)?,
            Ok(true) => {
                records.rows += 1;
                let line = fields.position().map_or(0, ::csv::Position::line);
                rows.push(Row { line, fields });
            }
            Err(error) => return Err(records.explain(error)),
        }
    }
    match (records.names.is_empty(), rows.is_empty()) {
        (true, _) => Err(Error::format(format!("{source} is empty: 0 rows"))),
        (false, true) => Err(Error::format(format!("{source} has 0 rows below its names"))),
        (false, false) => Ok(Csv { source: source.to_owned(), names: records.names, rows }),
    }
}

/// What has been read so far, as far as errors tell it.
struct Records<'a> {
    source: &'a str,
    max_row_bytes: usize,
    rows: u64,
    names: Vec<String>,
}

impl Records<'_> {
    fn take_names(&mut self, fields: &::csv::StringRecord) -> Result {
        for name in fields.iter().map(str::trim) {
            if self.names.iter().any(|known| known == name) {
                return Err(Error::format(format!("{}: two columns are named `{}`", self.source, shortened(name))));
            }
            self.names.push(name.to_owned());
        }
        Ok(())
    }

    fn explain(&self, error: ::csv::Error) -> Error {
        let source = self.source;
        let place = |position: &Option<::csv::Position>| match (self.names.is_empty(), position) {
            (true, _) => format!("{source}: the names of the columns"),
            (false, Some(position)) => format!("{source}: row {} (line {})", self.rows + 1, position.line()),
            (false, None) => format!("{source}: row {}", self.rows + 1),
        };
        match error.kind() {
            ::csv::ErrorKind::UnequalLengths { pos, expected_len, len } => Error::format(format!(
                "{}: it has {}, but there are {expected_len} columns",
                place(pos),
                if *len == 1 { "1 field".to_owned() } else { format!("{len} fields") }
            )),
            ::csv::ErrorKind::Utf8 { pos, err } => {
                let column = self.names.get(err.field()).map_or(String::new(), |name| format!(", column `{name}`"));
                Error::format(format!("{}{column}: it is not UTF-8", place(pos)))
            }
            ::csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<RowTooLong>()) => {
                Error::format(format!("{}: it is longer than {} bytes", place(&None), self.max_row_bytes))
            }
            _ => Error::io(format!("cannot read {source}: {error}")),
        }
    }
}

/// A reader that fails when a row does not end: the budget is filled up at the start of each.
struct Capped<'a> {
    from: &'a mut dyn Read,
    budget: Rc<Cell<usize>>,
}

/// What [`Capped`] fails with.
#[derive(Debug)]
struct RowTooLong;

impl std::fmt::Display for RowTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a row is too long")
    }
}

impl std::error::Error for RowTooLong {}

impl Read for Capped<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.budget.get() == 0 {
            return Err(io::Error::other(RowTooLong));
        }
        let room = into.len().min(self.budget.get());
        let n = self.from.read(&mut into[..room])?;
        self.budget.set(self.budget.get() - n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Missing;
    use proptest::prelude::*;
    use tracelift_tensor::ErrorKind;

    fn error(text: impl AsRef<[u8]>) -> String {
        let error = Csv::parse(text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Format);
        error.to_string()
    }

    #[test]
    fn marks_and_line_ends_do_not_matter() {
        for text in ["a,b\n1,2\n3,4\n", "\u{feff}a,b\r\n1,2\r\n3,4\r\n", "a,b\r1,2\r3,4", "\n\na,b\n\n1,2\n\n3,4\n\n"] {
            let table = Csv::parse(text).unwrap();
            assert_eq!(table.names(), ["a", "b"], "{text:?}");
            assert_eq!(
                table.columns(&["a", "b"], Missing::Error).unwrap().to_vec::<f64>().unwrap(),
                [1.0, 2.0, 3.0, 4.0]
            );
        }
        let quoted = Csv::parse("\"a,\n1\",b\n\"x \"\"y\"\"\",2").unwrap();
        assert_eq!((quoted.names()[0].as_str(), quoted.text("a,\n1").unwrap()), ("a,\n1", vec!["x \"y\""]));
    }

    #[test]
    fn no_rows_are_an_error() {
        for text in ["", "\n\n", "\u{feff}", "\r\n"] {
            assert_eq!(error(text), "the text is empty: 0 rows", "{text:?}");
        }
        assert_eq!(error("a,b"), "the text has 0 rows below its names");
        assert_eq!(error("a,b\r\n\r\n"), "the text has 0 rows below its names");
    }

    #[test]
    fn ragged_rows_are_an_error_with_row_and_line() {
        assert_eq!(error("a,b\n1,2\n3\n"), "the text: row 2 (line 3): it has 1 field, but there are 2 columns");
        assert_eq!(error("a,b\n1,2,3\n"), "the text: row 1 (line 2): it has 3 fields, but there are 2 columns");
        assert_eq!(
            error("a,b\n\n\"1\n\",2\n3,4,5"),
            "the text: row 2 (line 5): it has 3 fields, but there are 2 columns"
        );
    }

    #[test]
    fn bad_names_and_bad_bytes_are_errors() {
        assert_eq!(error("a,b, a\n1,2,3"), "the text: two columns are named `a`");
        assert_eq!(error(b"a,b\n1,2\n3,\xff4\n"), "the text: row 2 (line 3), column `b`: it is not UTF-8");
        assert_eq!(error(b"a,\xff\n1,2\n"), "the text: the names of the columns: it is not UTF-8");
    }

    /// A reader without end, and without memory.
    struct Endless(u8);

    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            into.fill(self.0);
            Ok(into.len())
        }
    }

    #[test]
    fn a_row_without_end_is_an_error() {
        let options = CsvOptions { max_row_bytes: 100_000, ..CsvOptions::default() };
        // In a line, in a quoted field over many lines, and before there are names.
        for (start, endless, place) in
            [("a,b\n1,2\n", b'7', "row 2"), ("a,b\n1,2\n3,\"", b'\n', "row 2"), ("", b'a', "the names of the columns")]
        {
            let mut from = start.as_bytes().chain(Endless(endless));
            let error = Csv::from_reader(&mut from, "t", &options).unwrap_err().to_string();
            assert_eq!(error, format!("t: {place}: it is longer than 100000 bytes"));
        }
        let long = format!("a\n{}\n{}\n", "1".repeat(99_999), "2".repeat(99_999));
        assert_eq!(Csv::from_reader(&mut long.as_bytes(), "t", &options).unwrap().num_rows(), 2);
    }

    #[test]
    fn a_failing_reader_is_an_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let error = Csv::from_reader(&mut Broken, "t", &CsvOptions::default()).unwrap_err();
        assert_eq!((error.kind, error.to_string().as_str()), (ErrorKind::Io, "cannot read t: the disk is gone"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\n\r,\"1a".to_vec())], 0..200)) {
            if let Ok(table) = Csv::parse(&bytes) {
                for name in table.names() {
                    prop_assert_eq!(table.text(name).unwrap().len(), table.num_rows());
                    for missing in [Missing::Nan, Missing::Median, Missing::Error] {
                        if let Ok(numbers) = table.column(name, missing) {
                            prop_assert_eq!(numbers.len(), table.num_rows());
                        }
                    }
                }
            }
        }

        #[test]
        fn numbers_read_back(numbers in prop::collection::vec((-1e300..1e300f64, any::<i32>()), 1..20)) {
            let rows: String = numbers.iter().map(|(x, n)| format!("{x:e},{n}\r\n")).collect();
            let table = Csv::parse(format!("x,n\r\n{rows}")).unwrap();
            let (x, n): (Vec<f64>, Vec<f64>) = numbers.into_iter().map(|(x, n)| (x, f64::from(n))).unzip();
            prop_assert_eq!(table.column("x", Missing::Error).unwrap(), x);
            prop_assert_eq!(table.column("n", Missing::Error).unwrap(), n);
        }
    }
}
