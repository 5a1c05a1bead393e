//! Rust types that are tensor elements, and how they lie in memory.

use crate::DType;

/// A Rust type that is an element of a tensor: `f32 f64 i32 i64 u8 bool`.
///
/// ```
/// use tracelift_tensor::{Array, DType, Element, Result};
///
/// fn doubled<T: Element + std::ops::Add<Output = T>>(array: &Array) -> Result<Array> {
///     Array::new(array.shape(), array.to_vec::<T>()?.into_iter().map(|x| x + x).collect::<Vec<T>>())
/// }
///
/// assert_eq!(f32::DTYPE, DType::F32);
/// assert_eq!(doubled::<f32>(&Array::vector([1.0f32, 2.5])?)?.to_vec::<f32>()?, [2.0, 5.0]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub trait Element: Copy + PartialEq + std::fmt::Debug + Send + Sync + sealed::Sealed + 'static {
    /// The element type.
    const DTYPE: DType;
    /// How an element lies in memory: the type itself, except that `bool` is a byte of 0 or 1.
    type Raw: Raw;
    /// The element as it lies in memory.
    fn to_raw(self) -> Self::Raw;
    /// The element read from memory.
    fn from_raw(raw: Self::Raw) -> Self;
}

/// A type whose every bit pattern is a value, read and written in place: `f32 f64 i32 i64 u8`.
pub trait Raw: bytemuck::Pod + PartialEq + std::fmt::Debug + Send + Sync + sealed::Sealed {
    /// Whether elements of that dtype lie in memory like this.
    fn reads(dtype: DType) -> bool;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! plain_elements {
    ($($ty:ty => $dtype:ident),*) => {$(
        impl sealed::Sealed for $ty {}
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
            type Raw = $ty;
            fn to_raw(self) -> $ty {
                self
            }
            fn from_raw(raw: $ty) -> $ty {
                raw
            }
        }
        impl Raw for $ty {
            fn reads(dtype: DType) -> bool {
                // A bool is stored as a byte.
                dtype == DType::$dtype || (dtype, DType::$dtype) == (DType::Bool, DType::U8)
            }
        }
    )*};
}
plain_elements!(f32 => F32, f64 => F64, i32 => I32, i64 => I64, u8 => U8);

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: DType = DType::Bool;
    type Raw = u8;
    fn to_raw(self) -> u8 {
        self.into()
    }
    fn from_raw(raw: u8) -> bool {
        raw != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_types_read_their_dtype_alone() {
        let readers = [f32::reads, f64::reads, i32::reads, i64::reads, u8::reads]
            .map(|reads: fn(DType) -> bool| DType::ALL.into_iter().filter(|&dtype| reads(dtype)).collect::<Vec<_>>());
        use DType::*;
        assert_eq!(readers, [vec![F32], vec![F64], vec![I32], vec![I64], vec![U8, Bool]]);
    }
}
