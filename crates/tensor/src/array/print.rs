//! Arrays as NumPy prints them.
use std::fmt;

use super::Array;

pub(super) fn write(array: &Array, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&array.type_text())
}

/// `Display`, with shape and dtype.
pub(super) fn write_debug(array: &Array, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write(array, f)
}
