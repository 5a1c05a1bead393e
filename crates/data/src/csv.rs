//! Tables in CSV files.

mod reader;

use std::{io::Read, path::Path};

use tracelift_tensor::{Array, Error, Result};

use crate::file;

/// A table with named columns, read from a CSV file.
///
/// Fields are kept as text; each column is converted when it is asked for, so columns that nobody reads may hold anything.
///
/// ```
/// use tracelift_data::{Csv, Missing};
///
/// let table = Csv::parse("name,height\nAnn,1.5\nBob,\nCid,1.75\n")?;
/// assert_eq!((table.num_rows(), table.names()), (3, ["name", "height"].map(String::from).as_slice()));
/// assert_eq!(table.column("height", Missing::Median)?, [1.5, 1.625, 1.75]);
/// assert_eq!(table.text("name")?, ["Ann", "Bob", "Cid"]);
/// assert_eq!(
///     table.column("name", Missing::Error).unwrap_err().to_string(),
///     "the text: row 1 (line 2), column `name`: `Ann` is no number"
/// );
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Csv {
    source: String,
    names: Vec<String>,
    rows: Vec<Row>,
}

/// The fields of a row and the line it begins in.
#[derive(Clone, Debug)]
struct Row {
    line: u64,
    fields: ::csv::StringRecord,
}

/// How a CSV file is read.
///
/// ```
/// use tracelift_data::{Csv, CsvOptions, Missing};
///
/// let mut options = CsvOptions::default();
/// options.delimiter = b';';
/// let table = Csv::from_reader(&mut "a;b\n1;2\n".as_bytes(), "a table", &options)?;
/// assert_eq!(table.column("b", Missing::Error)?, [2.0]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CsvOptions {
    /// What stands between fields: a comma.
    pub delimiter: u8,
    /// The most bytes a row may have: one MiB.
    pub max_row_bytes: usize,
}

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions { delimiter: b',', max_row_bytes: 1 << 20 }
    }
}

/// What stands for a missing number: an empty field, `NA` or `NaN`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Missing {
    /// Nothing: it is an error.
    Error,
    /// NaN.
    Nan,
    /// The median of the column's other numbers.
    Median,
    /// This number.
    Value(f64),
}

impl Csv {
    /// Reads a file whose first row names the columns.
    pub fn read(path: impl AsRef<Path>) -> Result<Csv> {
        Csv::read_with(path, &CsvOptions::default())
    }

    /// Reads a file in another form.
    pub fn read_with(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Csv> {
        let path = path.as_ref();
        let (mut file, _) = file::open(path)?;
        Csv::from_reader(&mut file, &format!("`{}`", path.display()), options)
    }

    /// Reads a text whose first row names the columns.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Csv> {
        Csv::from_reader(&mut text.as_ref(), "the text", &CsvOptions::default())
    }

    /// Reads from anywhere; `source` is what errors call it.
    pub fn from_reader(from: &mut dyn Read, source: &str, options: &CsvOptions) -> Result<Csv> {
        reader::read(from, source, options)
    }

    /// The names of the columns, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of rows below the names; never 0.
    pub fn num_rows(&self) -> usize {
        self.rows.len()
    }

    /// The fields of a column as they stand there.
    pub fn text(&self, name: &str) -> Result<Vec<&str>> {
        let column = self.find(name)?;
        Ok(self.rows.iter().map(|row| &row.fields[column]).collect())
    }

    /// The numbers of a column.
    pub fn column(&self, name: &str, missing: Missing) -> Result<Vec<f64>> {
        let column = self.find(name)?;
        let mut numbers = Vec::with_capacity(self.rows.len());
        let mut holes = Vec::new();
        for (i, row) in self.rows.iter().enumerate() {
            let field = row.fields[column].trim();
            if matches!(field, "" | "NA" | "NaN" | "nan") {
                if missing == Missing::Error {
                    return Err(self.field_error(i, column, "the number is missing").help("say what stands for it"));
                }
                holes.push(i);
                numbers.push(f64::NAN);
            } else {
                let number = field.parse().ok().filter(|x: &f64| x.is_finite());
                numbers.push(
                    number
                        .ok_or_else(|| self.field_error(i, column, format!("`{}` is no number", shortened(field))))?,
                );
            }
        }
        let filler = match missing {
            Missing::Error | Missing::Nan => f64::NAN,
            Missing::Value(x) => x,
            Missing::Median if holes.is_empty() => f64::NAN,
            Missing::Median => median(numbers.iter().copied().filter(|x| !x.is_nan())).ok_or_else(|| {
                Error::value(format!("{}: column `{name}` has no numbers to take a median of", self.source))
            })?,
        };
        holes.into_iter().for_each(|i| numbers[i] = filler);
        Ok(numbers)
    }

    /// Several columns side by side: `f64[rows, columns]`.
    ///
    /// ```
    /// use tracelift_data::{Csv, Missing};
    ///
    /// let table = Csv::parse("a,b,c\n1,2,3\n4,5,6\n")?;
    /// let array = table.columns(&["c", "a"], Missing::Error)?;
    /// assert_eq!(array.to_string(), "[[3. 1.]\n [6. 4.]]");
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn columns(&self, names: &[&str], missing: Missing) -> Result<Array> {
        let columns = names.iter().map(|name| self.column(name, missing)).collect::<Result<Vec<_>>>()?;
        let numbers: Vec<f64> =
            (0..self.num_rows()).flat_map(|i| columns.iter().map(move |column| column[i])).collect();
        Array::new([self.num_rows(), names.len()], numbers)
    }

    fn find(&self, name: &str) -> Result<usize> {
        self.names.iter().position(|known| known == name).ok_or_else(|| {
            Error::key(format!("{}: there is no column `{name}`", self.source))
                .help(format!("the columns are {}", shortened(&self.names.join(", "))))
        })
    }

    fn field_error(&self, row_idx: usize, column: usize, what: impl std::fmt::Display) -> Error {
        let (source, line, name) = (&self.source, self.rows[row_idx].line, &self.names[column]);
        Error::format(format!("{source}: row {} (line {line}), column `{name}`: {what}", row_idx + 1))
    }
}

/// The middle number, or the mean of the two in the middle.
fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(sorted[middle - 1].midpoint(sorted[middle])),
    }
}

/// A text from a file, cut and cleaned for a message.
fn shortened(text: &str) -> String {
    let mut clean: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_tensor::ErrorKind;

    #[test]
    fn columns_become_numbers() {
        let table = Csv::parse("a, b ,c\n1,-2.5e3,x\n+0.5,  7 ,y\n").unwrap();
        assert_eq!(table.names(), ["a", "b", "c"]);
        assert_eq!(table.column("a", Missing::Error).unwrap(), [1.0, 0.5]);
        assert_eq!(table.column("b", Missing::Error).unwrap(), [-2500.0, 7.0]);
        assert_eq!(table.text("c").unwrap(), ["x", "y"]);
    }

    #[test]
    fn missing_numbers_are_filled_as_asked() {
        let table = Csv::parse("a,b,c\n1,,\n,,\n3,4,NA\nNaN,5,nan\n8,6,").unwrap();
        let filled = table.column("a", Missing::Nan).unwrap();
        assert_eq!((filled[0], filled[1].is_nan(), filled[3].is_nan()), (1.0, true, true));
        assert_eq!(table.column("a", Missing::Median).unwrap(), [1.0, 3.0, 3.0, 3.0, 8.0]);
        assert_eq!(table.column("b", Missing::Value(-1.0)).unwrap(), [-1.0, -1.0, 4.0, 5.0, 6.0]);
        let error = table.column("a", Missing::Error).unwrap_err().to_string();
        assert_eq!(
            error,
            "the text: row 2 (line 3), column `a`: the number is missing\n  help: say what stands for it"
        );
        let error = table.column("c", Missing::Median).unwrap_err().to_string();
        assert_eq!(error, "the text: column `c` has no numbers to take a median of");
    }

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median([f64::MAX, f64::MAX].into_iter()), Some(f64::MAX));
        assert_eq!(median([].into_iter()), None);
    }

    #[test]
    fn an_unknown_column_names_the_known_ones() {
        let error = Csv::parse("a,b\n1,2").unwrap().column("c", Missing::Nan).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Key);
        assert_eq!(error.to_string(), "the text: there is no column `c`\n  help: the columns are a, b");
    }

    #[test]
    fn what_is_no_number_is_named_with_its_place() {
        for text in ["1,5", "0x10", "1e400", "inf", "1_000", "\u{1b}[31m"] {
            let options = CsvOptions { delimiter: b';', ..CsvOptions::default() };
            // Row 2 begins in line 4, since a field of row 1 goes over two lines.
            let bytes = format!("a;b\n1;\"2\n\"\n{text};3\n");
            let table = Csv::from_reader(&mut bytes.as_bytes(), "t", &options).unwrap();
            let error = table.column("a", Missing::Nan).unwrap_err().to_string();
            assert_eq!(error, format!("t: row 2 (line 4), column `a`: `{}` is no number", text.replace('\u{1b}', " ")));
        }
        assert_eq!(shortened(&"é".repeat(100)), "é".repeat(60) + "…");
    }
}
