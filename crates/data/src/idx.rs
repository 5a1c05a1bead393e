//! Arrays in IDX files, the format of MNIST and its relatives, plain or gzipped.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;
use tracelift_tensor::{Array, Element, Error, Result, count_elements};

use crate::file;

/// A gzipped file may unpack to this many bytes in any case …
const SMALL: u64 = 16 << 20;
/// … and to this many times its own length beyond.
const MAX_EXPANSION: u64 = 100;

/// Reads the array of an IDX file; whether it is gzipped shows in its first bytes.
///
/// Elements are `u8`, `i32`, `f32` or `f64`; signed bytes and 16-bit integers become `i32`.
///
/// ```
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/fashion-mnist-mini");
/// let labels = tracelift_data::read_idx(format!("{folder}/t10k-labels-idx1-ubyte.gz"))?;
/// assert_eq!(labels.type_text(), "u8[150]");
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn read_idx(path: impl AsRef<Path>) -> Result<Array> {
    let path = path.as_ref();
    let (file, len) = file::open(path)?;
    let source = format!("`{}`", path.display());
    Source { name: &source, stored: len }.read(&mut BufReader::new(file))
}

/// Reads the array of an IDX file that is in memory.
///
/// ```
/// let array = tracelift_data::parse_idx(&[0, 0, 8, 1, 0, 0, 0, 2, 7, 9])?;
/// assert_eq!(array.to_vec::<u8>()?, [7, 9]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn parse_idx(mut bytes: &[u8]) -> Result<Array> {
    Source { name: "the bytes", stored: bytes.len() as u64 }.read(&mut bytes)
}

struct Source<'a> {
    name: &'a str,
    /// The length of the file.
    stored: u64,
}

impl Source<'_> {
    fn read(&self, from: &mut dyn BufRead) -> Result<Array> {
        let gzipped = from.fill_buf().map_err(|error| self.io(error))?.starts_with(&[0x1f, 0x8b]);
        if gzipped { self.array(&mut MultiGzDecoder::new(from), true) } else { self.array(from, false) }
    }

    fn array(&self, from: &mut dyn Read, gzipped: bool) -> Result<Array> {
        let [zero, zero_too, code, rank] = self.header_bytes(from)?;
        let kind = match (zero, zero_too, Kind::from_code(code)) {
            (0, 0, Some(kind)) => kind,
            _ => {
                let found = format!("{zero:02x} {zero_too:02x} {code:02x} {rank:02x}");
                return Err(
                    self.error(format!("it is no IDX file, which begins 00 00 (08, 09, 0b to 0e): found {found}"))
                );
            }
        };
        let mut shape = Vec::with_capacity(rank.into());
        for _ in 0..rank {
            shape.push(u32::from_be_bytes(self.header_bytes(from)?) as usize);
        }
        let count = count_elements(&shape).map_err(|error| self.error(&error.message))?;
        // Both factors are below 2^47 and 9.
        let expected = (count * kind.size()) as u64;
        if gzipped && expected > SMALL && expected > self.stored.saturating_mul(MAX_EXPANSION) {
            return Err(self.error(format!(
                "its shape {shape:?} promises {expected} bytes, over {MAX_EXPANSION} times the file's {}",
                self.stored
            )));
        }
        let body = self.body(from, expected, &shape)?;
        kind.array(&shape, &body).map_err(|error| Error::new(error.kind, format!("{}: {}", self.name, error.message)))
    }

    fn header_bytes(&self, from: &mut dyn Read) -> Result<[u8; 4]> {
        let mut bytes = [0; 4];
        match from.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.error("it ends within its header"))
            }
            Err(error) => Err(self.io(error)),
        }
    }

    /// The elements' bytes: as many as the shape says, no more and no less.
    fn body(&self, from: &mut dyn Read, expected: u64, shape: &[usize]) -> Result<Vec<u8>> {
        // Grows with what is really there; one byte more shows whether the file goes on, and has gzip check its sum.
        let mut body = Vec::new();
        from.take(expected + 1).read_to_end(&mut body).map_err(|error| self.io(error))?;
        match (body.len() as u64).cmp(&expected) {
            std::cmp::Ordering::Equal => Ok(body),
            std::cmp::Ordering::Less => Err(self
                .error(format!("it ends after {} of the {expected} bytes that its shape {shape:?} takes", body.len()))),
            std::cmp::Ordering::Greater => {
                Err(self.error(format!("it goes on after the {expected} bytes that its shape {shape:?} takes")))
            }
        }
    }

    fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::format(format!("{}: {what}", self.name))
    }

    /// A fault of the disk, or of the packed data.
    fn io(&self, error: std::io::Error) -> Error {
        use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        match error.kind() {
            InvalidData | InvalidInput | UnexpectedEof => self.error(format!("its gzip data is damaged: {error}")),
            _ => Error::io(format!("cannot read {}: {error}", self.name)),
        }
    }
}

/// The element types of IDX.
#[derive(Clone, Copy)]
enum Kind {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Kind {
    fn from_code(code: u8) -> Option<Kind> {
        match code {
            0x08 => Some(Kind::U8),
            0x09 => Some(Kind::I8),
            0x0b => Some(Kind::I16),
            0x0c => Some(Kind::I32),
            0x0d => Some(Kind::F32),
            0x0e => Some(Kind::F64),
            _ => None,
        }
    }

    fn size(self) -> usize {
        match self {
            Kind::U8 | Kind::I8 => 1,
            Kind::I16 => 2,
            Kind::I32 | Kind::F32 => 4,
            Kind::F64 => 8,
        }
    }

    /// The array of big-endian elements.
    fn array(self, shape: &[usize], body: &[u8]) -> Result<Array> {
        fn read<const N: usize, T: Element>(shape: &[usize], body: &[u8], element: fn([u8; N]) -> T) -> Result<Array> {
            Array::new(shape, body.as_chunks::<N>().0.iter().map(|&bytes| element(bytes)).collect::<Vec<T>>())
        }
        match self {
            Kind::U8 => Array::new(shape, body),
            Kind::I8 => read(shape, body, |bytes| i32::from(i8::from_be_bytes(bytes))),
            Kind::I16 => read(shape, body, |bytes| i32::from(i16::from_be_bytes(bytes))),
            Kind::I32 => read(shape, body, i32::from_be_bytes),
            Kind::F32 => read(shape, body, f32::from_be_bytes),
            Kind::F64 => read(shape, body, f64::from_be_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;
    use tracelift_tensor::ErrorKind;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn idx(code: u8, shape: &[u32], body: &[u8]) -> Vec<u8> {
        let sizes = shape.iter().flat_map(|n| n.to_be_bytes());
        [0, 0, code, shape.len() as u8].into_iter().chain(sizes).chain(body.iter().copied()).collect()
    }

    fn error(bytes: &[u8]) -> String {
        let error = parse_idx(bytes).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Format);
        error.to_string().strip_prefix("the bytes: ").expect("errors name their source").to_owned()
    }

    #[test]
    fn reads_every_element_type_plain_and_gzipped() {
        let cases: [(Vec<u8>, &str); 7] = [
            (idx(8, &[2, 2], &[1, 2, 3, 255]), "array([[  1,   2],\n       [  3, 255]], shape=[2, 2], dtype=u8)"),
            (idx(9, &[2], &[1, 0xff]), "array([ 1, -1], shape=[2], dtype=i32)"),
            (idx(0xb, &[1], &[0xff, 0xfe]), "array([-2], shape=[1], dtype=i32)"),
            (idx(0xc, &[1], &[0, 0, 1, 0]), "array([256], shape=[1], dtype=i32)"),
            (idx(0xd, &[1], &1.5f32.to_be_bytes()), "array([1.5], shape=[1], dtype=f32)"),
            (idx(0xe, &[1], &0.1f64.to_be_bytes()), "array([0.1], shape=[1], dtype=f64)"),
            (idx(8, &[0, 5], &[]), "array([], shape=[0, 5], dtype=u8)"),
        ];
        for (bytes, text) in cases {
            assert_eq!(format!("{:?}", parse_idx(&bytes).unwrap()), text);
            assert_eq!(format!("{:?}", parse_idx(&gzip(&bytes)).unwrap()), text);
        }
    }

    #[test]
    fn a_wrong_start_is_an_error() {
        let no_idx = "it is no IDX file, which begins 00 00 (08, 09, 0b to 0e): found ";
        assert_eq!(error(b"PK\x03\x04 and so on"), format!("{no_idx}50 4b 03 04"));
        assert_eq!(error(&[0, 0, 0x0a, 1, 0, 0, 0, 0]), format!("{no_idx}00 00 0a 01"));
        for len in 0..8 {
            assert_eq!(error(&idx(8, &[3], &[1, 2, 3])[..len]), "it ends within its header");
        }
    }

    #[test]
    fn bodies_of_another_length_are_an_error() {
        let whole = idx(0xc, &[2, 1], &[0; 8]);
        for len in 12..whole.len() {
            let text = format!("it ends after {} of the 8 bytes that its shape [2, 1] takes", len - 12);
            assert_eq!(error(&whole[..len]), text);
            assert_eq!(error(&gzip(&whole[..len])), text);
        }
        let longer = [whole.as_slice(), &[0]].concat();
        assert_eq!(error(&longer), "it goes on after the 8 bytes that its shape [2, 1] takes");
        assert_eq!(error(&gzip(&longer)), "it goes on after the 8 bytes that its shape [2, 1] takes");
    }

    #[test]
    fn shapes_that_overflow_are_an_error() {
        let huge = "the element count of [4294967295, 4294967295, 4294967295] overflows: 2^47 or more";
        assert_eq!(error(&idx(8, &[u32::MAX; 3], &[0; 9])), huge);
        assert_eq!(error(&idx(8, &[1; 255], &[0])), "an array of 255 axes: at most 32 are possible");
        // Large, yet countable: nothing is allocated for what is not there.
        assert!(
            error(&idx(0xe, &[u32::MAX, 1000], &[0; 9])).starts_with("it ends after 9 of the 34359738360000 bytes")
        );
    }

    #[test]
    fn gzip_bombs_are_refused() {
        // Promised by the shape, and there: a thousandfold.
        let bomb = gzip(&idx(8, &[24 << 20], &vec![0; 24 << 20]));
        let text = error(&bomb);
        assert!(text.starts_with("its shape [25165824] promises 25165824 bytes, over 100 times the file's "), "{text}");
        // Not promised: reading stops one byte after the shape's.
        let bomb = gzip(&idx(8, &[3], &vec![0; 24 << 20]));
        assert_eq!(error(&bomb), "it goes on after the 3 bytes that its shape [3] takes");
    }

    #[test]
    fn damaged_gzip_is_an_error() {
        let whole = gzip(&idx(8, &[200], &(0..200).collect::<Vec<u8>>()));
        for len in 2..whole.len() {
            assert!(parse_idx(&whole[..len]).is_err(), "{len} bytes");
        }
        let mut wrong_sum = whole.clone();
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        assert!(error(&wrong_sum).starts_with("its gzip data is damaged: "), "{}", error(&wrong_sum));
        assert!(parse_idx(&[whole.as_slice(), b"more"].concat()).is_err());
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_idx("no such file").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Io);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            start in prop::sample::select(vec![vec![], vec![0, 0, 8], vec![0, 0, 13, 2, 0, 0], vec![0x1f, 0x8b, 8, 0]]),
            rest in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let bytes = [start, rest].concat();
            let (plain, packed) = (parse_idx(&bytes), parse_idx(&gzip(&bytes)));
            if !bytes.starts_with(&[0x1f, 0x8b]) {
                prop_assert_eq!(plain.is_ok(), packed.is_ok());
            }
        }
    }
}
