//! Arrays as NumPy prints them: aligned columns, lines of 75, the inner items of large arrays left out.

use std::fmt;

use super::{
    Array,
    format::{ItemFormat, scalar},
};
use crate::Shape;

/// Arrays of more items are shortened to the outer ones of each axis.
const THRESHOLD: usize = 1000;
const EDGE_ITEMS: usize = 3;
const LINE_WIDTH: usize = 75;

/// As `print(a)` in NumPy.
pub(super) fn write(array: &Array, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if array.rank() == 0 {
        return f.write_str(&scalar(array));
    }
    f.write_str(&Printer::new(array, " ", 0, LINE_WIDTH).text())
}

/// As NumPy's `repr(a)`, always with shape and dtype.
pub(super) fn write_debug(array: &Array, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const PREFIX: &str = "array(";
    let text = Printer::new(array, ", ", PREFIX.len(), LINE_WIDTH - 1).text();
    write!(f, "{PREFIX}{text}, shape={}, dtype={})", Shape::from(array.shape()), array.dtype())
}

struct Printer<'a> {
    array: &'a Array,
    strides: Vec<usize>,
    format: ItemFormat,
    summarise: bool,
    separator: &'static str,
    prefix: usize,
    width: usize,
}

impl<'a> Printer<'a> {
    fn new(array: &'a Array, separator: &'static str, prefix: usize, width: usize) -> Self {
        let mut strides = vec![1usize; array.rank()];
        for axis in (1..array.rank()).rev() {
            // Only an empty array can have sizes whose product is beyond measure.
            strides[axis - 1] = strides[axis].saturating_mul(array.shape()[axis]);
        }
        let summarise = array.len() > THRESHOLD;
        let mut printer = Printer { array, strides, format: ItemFormat::bool(), summarise, separator, prefix, width };
        printer.format = ItemFormat::new(array, &printer.shown_items());
        printer
    }

    fn text(&self) -> String {
        if self.array.is_empty() {
            return "[]".to_owned();
        }
        self.block(0, 0, self.width)
    }

    /// Row-major numbers of all items that are shown: they alone decide the format.
    fn shown_items(&self) -> Vec<usize> {
        if self.array.is_empty() {
            return Vec::new();
        }
        let mut items = vec![0];
        for axis in 0..self.array.rank() {
            let offsets: Vec<usize> = self.shown(axis).flatten().map(|i| i * self.strides[axis]).collect();
            items = items.iter().flat_map(|item| offsets.iter().map(move |offset| item + offset)).collect();
        }
        items
    }

    /// Indices shown of an axis, in order; `None` for those left out.
    fn shown(&self, axis: usize) -> impl Iterator<Item = Option<usize>> {
        let n = self.array.shape()[axis];
        let (head, tail) = if self.summarise && n > 2 * EDGE_ITEMS { (EDGE_ITEMS, n - EDGE_ITEMS) } else { (n, n) };
        let gap = if head < tail { Some(None) } else { None };
        (0..head).map(Some).chain(gap).chain((tail..n).map(Some))
    }

    /// Everything below `axis` from item number `start`, in brackets; the text begins where the cursor stands.
    fn block(&self, axis: usize, start: usize, width: usize) -> String {
        let axes_left = self.array.rank() - axis;
        if axes_left == 0 {
            return self.format.item(self.array, start);
        }
        let indent = " ".repeat(self.prefix + axis + 1);
        let words = self.shown(axis).map(|i| match i {
            Some(i) => self.block(axis + 1, start + i * self.strides[axis], width - 1),
            None => "...".to_owned(),
        });
        let body =
            if axes_left == 1 { self.wrap(words, &indent, width) } else { self.stack(words, &indent, axes_left) };
        format!("[{body}]")
    }

    /// Items side by side, going on in the next line where one ends.
    fn wrap(&self, words: impl Iterator<Item = String>, indent: &str, width: usize) -> String {
        let item_width = width - self.separator.trim_end().len().max("]".len());
        let (mut lines, mut line) = (String::new(), indent.to_owned());
        let mut first = true;
        for word in words {
            if !first {
                line.push_str(self.separator);
            }
            first = false;
            // A new line helps only if this one holds something.
            if line.len() + word.len() > item_width && line.len() > indent.len() {
                lines.push_str(line.trim_end());
                lines.push('\n');
                line = indent.to_owned();
            }
            line.push_str(&word);
        }
        lines.push_str(&line);
        lines[indent.len()..].to_owned()
    }

    /// Rows, planes, … below each other, with empty lines between planes.
    fn stack(&self, rows: impl Iterator<Item = String>, indent: &str, axes_left: usize) -> String {
        let between = format!("{}{}{indent}", self.separator.trim_end(), "\n".repeat(axes_left - 1));
        rows.collect::<Vec<_>>().join(&between)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Array, Element, F32, I32};

    fn text<T: Element>(shape: &[usize], items: &[T]) -> String {
        Array::new(shape, items).unwrap().to_string()
    }

    #[test]
    fn columns_align_at_the_point() {
        assert_eq!(text(&[2, 2], &[1.0f32, 2.5, -3.0, 10.25]), "[[ 1.    2.5 ]\n [-3.   10.25]]");
        assert_eq!(text(&[3], &[1.0f32, 2.0, 3.0]), "[1. 2. 3.]");
        assert_eq!(text(&[3], &[0.1f64, 1.0 / 3.0, -0.0]), "[ 0.1         0.33333333 -0.        ]");
        assert_eq!(text(&[2], &[1.0f32 / 3.0, 0.1]), "[0.33333334 0.1       ]");
    }

    #[test]
    fn an_empty_array_of_any_sizes_prints_at_once() {
        for shape in [vec![0], vec![0, i32::MAX as usize], vec![usize::MAX, 0, 3], vec![0, usize::MAX, 5]] {
            assert_eq!(Array::zeros(F32, &shape).unwrap().to_string(), "[]");
        }
    }

    #[test]
    fn nan_and_infinities_take_part_in_the_alignment() {
        assert_eq!(text(&[4], &[f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY]), "[ nan   1.  inf -inf]");
        assert_eq!(text(&[2], &[f64::NAN, f64::INFINITY]), "[nan inf]");
        assert_eq!(text(&[2], &[f64::NAN, 1.5]), "[nan 1.5]");
        assert_eq!(text(&[2], &[f64::NEG_INFINITY, 1.5e10]), "[   -inf 1.5e+10]");
    }

    #[test]
    fn wide_ranges_print_with_exponents() {
        assert_eq!(text(&[2], &[1e-5f64, 1234.5]), "[1.0000e-05 1.2345e+03]");
        assert_eq!(text(&[1], &[1e8f64]), "[1.e+08]");
        assert_eq!(text(&[1], &[99_999_999.0f64]), "[99999999.]");
        assert_eq!(text(&[2], &[1e-200f64, -1e100]), "[ 1.e-200 -1.e+100]");
        assert_eq!(text(&[2], &[1e-5f64, f64::INFINITY]), "[1.e-05    inf]");
        // The limit is compared in the array's own dtype.
        assert_eq!(text(&[1], &[0.0001f32]), "[0.0001]");
        assert_eq!(text(&[1], &[9.99e-5f32]), "[9.99e-05]");
        assert_eq!([text(&[1], &[999_999.0f32]), text(&[1], &[1e6f32])], ["[999999.]", "[1.e+06]"]);
        assert_eq!(text(&[2], &[1.0f32, 1000.0]), "[   1. 1000.]");
        assert_eq!(text(&[2], &[1.0f32, 1001.0]), "[1.000e+00 1.001e+03]");
    }

    #[test]
    fn scalars_print_in_full() {
        let scalar = |x: f64| Array::scalar(x).to_string();
        assert_eq!([scalar(1.0), scalar(1.0 / 3.0), scalar(-0.0)], ["1.0", "0.3333333333333333", "-0.0"]);
        assert_eq!([scalar(1e16), scalar(1e15), scalar(0.0001)], ["1e+16", "1000000000000000.0", "0.0001"]);
        assert_eq!([scalar(1.5e-5), scalar(f64::NAN), scalar(f64::NEG_INFINITY)], ["1.5e-05", "nan", "-inf"]);
        assert_eq!(Array::scalar(0.1f32).to_string(), "0.1");
        assert_eq!(Array::scalar(7u8).to_string(), "7");
        assert_eq!(Array::scalar(true).to_string(), "True");
        assert_eq!(format!("{:?}", Array::scalar(2.0f32)), "array(2., shape=[], dtype=f32)");
        assert_eq!(format!("{:?}", Array::scalar(true)), "array(True, shape=[], dtype=bool)");
    }

    #[test]
    fn integers_and_bools_align_right() {
        assert_eq!(text(&[2, 2], &[1i32, -20, 300, 4]), "[[  1 -20]\n [300   4]]");
        assert_eq!(text(&[2], &[true, false]), "[ True False]");
        assert_eq!(text(&[1], &[i64::MIN]), "[-9223372036854775808]");
        assert_eq!(format!("{:?}", Array::new([1, 2], [1u8, 2]).unwrap()), "array([[1, 2]], shape=[1, 2], dtype=u8)");
    }

    #[test]
    fn planes_are_parted_by_empty_lines() {
        let items: Vec<i32> = (0..8).collect();
        assert_eq!(text(&[2, 2, 2], &items), "[[[0 1]\n  [2 3]]\n\n [[4 5]\n  [6 7]]]");
        let debug = format!("{:?}", Array::new([2, 2], [1.0f32, 2.0, 3.0, 4.5]).unwrap());
        assert_eq!(debug, "array([[1. , 2. ],\n       [3. , 4.5]], shape=[2, 2], dtype=f32)");
    }

    #[test]
    fn long_rows_wrap_at_75() {
        let items: Vec<i32> = (0..30).collect();
        let expect = "[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n 24 25 26 27 28 29]";
        assert_eq!(text(&[30], &items), expect);
    }

    #[test]
    fn large_arrays_show_their_edges() {
        let items: Vec<i32> = (0..1001).collect();
        assert_eq!(text(&[1001], &items), "[   0    1    2 ...  998  999 1000]");
        assert!(!text(&[1000], &items[..1000]).contains("..."));
        let square = Array::full(F32, [100, 100], 0.5).unwrap().to_string();
        let row = "[0.5 0.5 0.5 ... 0.5 0.5 0.5]";
        assert_eq!(square, format!("[{row}\n {row}\n {row}\n ...\n {row}\n {row}\n {row}]"));
        // Short axes stay whole; hidden items do not widen columns.
        let mut items = vec![1i32; 2000];
        items[500] = 1_000_000;
        assert_eq!(text(&[2, 1000], &items), "[[1 1 1 ... 1 1 1]\n [1 1 1 ... 1 1 1]]");
    }

    #[test]
    fn empty_arrays() {
        assert_eq!(Array::zeros(F32, [0, 3]).unwrap().to_string(), "[]");
        let debug = format!("{:?}", Array::zeros(I32, [2, 0]).unwrap());
        assert_eq!(debug, "array([], shape=[2, 0], dtype=i32)");
    }
}
