//! Arrays: a dtype, a shape of known sizes, and aligned bytes that clones share.

mod block;
mod held;
mod storage;
mod format;
mod literal;
mod print;

pub use literal::Literal;

use std::{collections::TryReserveError, sync::Arc};

pub use block::Block;
use held::Held;
pub(crate) use storage::Storage;

use crate::{DType, Dims, Element, Error, Raw, Result, Shape, shape::count_elements};

/// A block of numbers in memory: row-major, without gaps, starting at a multiple of 64 bytes.
///
/// Cloning is cheap, since clones share their bytes until one of them is written.
///
/// ```
/// use tracelift_tensor::{Array, F32};
///
/// let a = Array::new([2, 3], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// let mut b = a.clone().reshape([3, 2])?;
/// b.as_mut_slice::<f32>()[0] = -1.0;
/// assert_eq!(b.to_vec::<f32>()?, [-1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// assert_eq!(a.as_slice::<f32>()[0], 1.0);
/// assert_eq!((a.dtype(), a.shape(), a.len(), a.num_bytes()), (F32, [2, 3].as_slice(), 6, 24));
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
#[derive(Clone)]
pub struct Array {
    // One pointer, since arrays are moved and cloned in every call of a function.
    held: Arc<Held>,
}

impl Array {
    /// An array of these elements, in row-major order.
    pub fn new<T: Element>(shape: impl AsRef<[usize]>, elements: impl AsRef<[T]>) -> Result<Array> {
        let (shape, elements) = (shape.as_ref(), elements.as_ref());
        let expected = count_elements(shape)?;
        if expected != elements.len() {
            return Err(Error::invalid(format!(
                "{} elements do not fill the shape {shape:?}, which holds {expected}",
                elements.len()
            )));
        }
        let mut array = Array::for_overwrite(T::DTYPE, shape)?;
        for (raw, element) in array.as_mut_slice::<T::Raw>().iter_mut().zip(elements) {
            *raw = element.to_raw();
        }
        Ok(array)
    }

    /// An array of one axis.
    pub fn vector<T: Element>(elements: impl AsRef<[T]>) -> Result<Array> {
        let elements = elements.as_ref();
        Array::new([elements.len()], elements)
    }

    /// A single number: an array without axes.
    pub fn scalar<T: Element>(element: T) -> Array {
        Array::new([0; 0], [element]).expect("one element fills the shape [] and a few bytes can be had")
    }

    /// An array of zeros (of `false` for bool).
    ///
    /// Too many elements are an `InvalidArgument` error, too few bytes in the machine an `OutOfMemory` one.
    ///
    /// ```
    /// use tracelift_tensor::{Array, ErrorKind, I32};
    ///
    /// assert_eq!(Array::zeros(I32, [2])?.to_vec::<i32>()?, [0, 0]);
    /// assert_eq!(Array::zeros(I32, [usize::MAX, 3]).unwrap_err().kind, ErrorKind::InvalidArgument);
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn zeros(dtype: DType, shape: impl AsRef<[usize]>) -> Result<Array> {
        Array::from_block(dtype, shape.as_ref(), Block::zeros)
    }

    /// An array whose elements are whatever its memory held before: for those who write all of them.
    ///
    /// Unlike [`Array::zeros`] it does not touch large memory that was in use before (see [`memory`](crate::memory)). Errors
    /// are the same.
    ///
    /// ```
    /// use tracelift_tensor::{Array, F32};
    ///
    /// let mut a = Array::for_overwrite(F32, [3])?;
    /// a.as_mut_slice().copy_from_slice(&[1.0f32, 2.0, 3.0]);
    /// assert_eq!(a.to_vec::<f32>()?, [1.0, 2.0, 3.0]);
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn for_overwrite(dtype: DType, shape: impl AsRef<[usize]>) -> Result<Array> {
        Array::from_block(dtype, shape.as_ref(), Block::unspecified)
    }

    fn from_block(
        dtype: DType,
        shape: &[usize],
        make: impl FnOnce(usize) -> Result<Block, TryReserveError>,
    ) -> Result<Array> {
        let bytes = count_elements(shape)?
            .checked_mul(dtype.size())
            .ok_or_else(|| Error::invalid(format!("the size of {dtype}{shape:?} in bytes overflows")))?;
        let data = make(bytes).map_err(|_| {
            Error::out_of_memory(format!("there is no memory for {dtype}{shape:?}, which takes {bytes} bytes"))
        })?;
        Ok(Array { held: Arc::new(Held::new(dtype, shape, data)) })
    }

    /// An array of equal elements, given as any number: floats are rounded to the dtype, integers must fit.
    ///
    /// ```
    /// use tracelift_tensor::{Array, F64, U8};
    ///
    /// assert_eq!(Array::full(F64, [2], 1)?.to_vec::<f64>()?, [1.0, 1.0]);
    /// assert!(Array::full(U8, [2], 256).is_err());
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn full(dtype: DType, shape: impl AsRef<[usize]>, value: impl Into<Literal>) -> Result<Array> {
        let value = value.into();
        let mut array = Array::for_overwrite(dtype, shape)?;
        match dtype {
            DType::F32 => array.as_mut_slice::<f32>().fill(value.to_f64() as f32),
            DType::F64 => array.as_mut_slice::<f64>().fill(value.to_f64()),
            DType::I32 => array.as_mut_slice().fill(value.to_int::<i32>(dtype)?),
            DType::I64 => array.as_mut_slice().fill(value.to_int::<i64>(dtype)?),
            DType::U8 => array.as_mut_slice().fill(value.to_int::<u8>(dtype)?),
            DType::Bool => array.as_mut_slice().fill(u8::from(value.to_bool()?)),
        }
        Ok(array)
    }

    /// The element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.held.dtype
    }

    /// The sizes of the axes.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        &self.held.shape
    }

    /// The number of axes.
    #[inline]
    pub fn rank(&self) -> usize {
        self.held.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.num_bytes() / self.dtype().size()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.num_bytes() == 0
    }

    /// The number of bytes.
    #[inline]
    pub fn num_bytes(&self) -> usize {
        self.bytes().len()
    }

    /// Dtype and shape as texts write them: `f32[2, 3]`.
    pub fn type_text(&self) -> String {
        format!("{}{}", self.dtype(), Shape::from(&self.held.shape))
    }

    /// The elements as they lie in memory.
    ///
    /// # Panics
    ///
    /// If the dtype is another: whoever asks must know it. [`Array::to_vec`] and [`Array::item`] are for those who do not.
    #[track_caller]
    pub fn as_slice<T: Raw>(&self) -> &[T] {
        self.check_raw::<T>();
        bytemuck::cast_slice(self.bytes())
    }

    /// The elements for writing; bytes shared with a clone are copied first.
    ///
    /// For a bool array only 0 and 1 may be written.
    ///
    /// # Panics
    ///
    /// If the dtype is another, as [`Array::as_slice`].
    #[track_caller]
    pub fn as_mut_slice<T: Raw>(&mut self) -> &mut [T] {
        self.check_raw::<T>();
        bytemuck::cast_slice_mut(self.bytes_mut())
    }

    #[track_caller]
    fn check_raw<T: Raw>(&self) {
        assert!(T::reads(self.dtype()), "elements of {} read as {}", self.type_text(), std::any::type_name::<T>());
    }

    /// The elements; an error if the dtype is another.
    ///
    /// ```
    /// use tracelift_tensor::Array;
    ///
    /// let a = Array::vector([true, false])?;
    /// assert_eq!(a.to_vec::<bool>()?, [true, false]);
    /// assert_eq!(a.to_vec::<f32>().unwrap_err().to_string(), "cannot read elements of bool[2] as f32");
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.check_element::<T>()?;
        Ok(self.as_slice::<T::Raw>().iter().map(|&raw| T::from_raw(raw)).collect())
    }

    /// The only element of an array that has one, whatever its rank.
    pub fn item<T: Element>(&self) -> Result<T> {
        self.check_element::<T>()?;
        match self.as_slice::<T::Raw>() {
            &[raw] => Ok(T::from_raw(raw)),
            _ => Err(Error::invalid(format!("needs a single number, not {}", self.type_text())).help("use `to_vec`")),
        }
    }

    fn check_element<T: Element>(&self) -> Result {
        match self.dtype() == T::DTYPE {
            true => Ok(()),
            false => Err(Error::type_(format!("cannot read elements of {} as {}", self.type_text(), T::DTYPE))),
        }
    }

    /// Element number `i` in row-major order as f64; i64 beyond 2^53 is rounded.
    ///
    /// # Panics
    ///
    /// If there is no such element.
    #[track_caller]
    pub fn get_f64(&self, i: usize) -> f64 {
        match self.dtype() {
            DType::F32 => self.as_slice::<f32>()[i].into(),
            DType::F64 => self.as_slice::<f64>()[i],
            DType::I32 => self.as_slice::<i32>()[i].into(),
            DType::I64 => self.as_slice::<i64>()[i] as f64,
            DType::U8 | DType::Bool => self.as_slice::<u8>()[i].into(),
        }
    }

    /// Element number `i` in row-major order as i64; floats are cut off at the point, as by Rust's `as`.
    ///
    /// # Panics
    ///
    /// If there is no such element.
    #[track_caller]
    pub fn get_i64(&self, i: usize) -> i64 {
        match self.dtype() {
            DType::F32 => self.as_slice::<f32>()[i] as i64,
            DType::F64 => self.as_slice::<f64>()[i] as i64,
            DType::I32 => self.as_slice::<i32>()[i].into(),
            DType::I64 => self.as_slice::<i64>()[i],
            DType::U8 | DType::Bool => self.as_slice::<u8>()[i].into(),
        }
    }

    /// All bytes, as they lie in memory; the first is aligned to 64.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.held.block().bytes()
    }

    /// All bytes for writing; those shared with a clone are copied first.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        if !self.is_unique() {
            let copy = self.held.block().clone();
            self.held = Arc::new(Held::new(self.dtype(), self.shape(), copy));
        }
        Held::block_mut(&mut self.held)
    }

    /// Whether no clone shares the bytes, so that writing copies nothing.
    #[inline]
    pub fn is_unique(&self) -> bool {
        Held::is_unique(&self.held)
    }

    /// The same elements under another shape.
    pub fn reshape(mut self, shape: impl AsRef<[usize]>) -> Result<Array> {
        let shape = shape.as_ref();
        if count_elements(shape)? != self.len() {
            return Err(Error::invalid(format!(
                "cannot reshape {} to {shape:?}: the element counts differ",
                self.type_text()
            )));
        }
        match Arc::get_mut(&mut self.held) {
            Some(held) => held.shape = Dims::from_slice(shape),
            None => self.held = Arc::new(Held::reshaped(&self.held, shape)),
        }
        Ok(self)
    }

    /// Whether dtype, shape and all bits are equal; all NaNs count as equal, 0 and -0 do not.
    ///
    /// ```
    /// use tracelift_tensor::Array;
    ///
    /// assert!(Array::scalar(f32::NAN).bit_eq(&Array::scalar(-f32::NAN)));
    /// assert!(!Array::scalar(0.0f32).bit_eq(&Array::scalar(-0.0f32)));
    /// ```
    pub fn bit_eq(&self, other: &Array) -> bool {
        /// Compares two slices with what makes elements equal.
        fn equal<T: Raw>(a: &Array, b: &Array, same: impl Fn(T, T) -> bool) -> bool {
            a.as_slice().iter().zip(b.as_slice()).all(|(&x, &y)| same(x, y))
        }
        (self.dtype(), self.shape()) == (other.dtype(), other.shape())
            && match self.dtype() {
                DType::F32 => equal(self, other, |x: f32, y| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan())),
                DType::F64 => equal(self, other, |x: f64, y| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan())),
                DType::I32 | DType::I64 | DType::U8 | DType::Bool => self.bytes() == other.bytes(),
            }
    }
}

/// As [`Array::bit_eq`]: type, shape and bits, all NaNs counting as one.
impl PartialEq for Array {
    fn eq(&self, other: &Array) -> bool {
        self.bit_eq(other)
    }
}

impl std::fmt::Display for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        print::write(self, f)
    }
}

impl std::fmt::Debug for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        print::write_debug(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, F32, F64, I64, U8};

    #[test]
    fn elements_go_in_and_out() {
        fn check<T: Element>(elements: [T; 3]) {
            let array = Array::new([3], elements).unwrap();
            assert_eq!((array.dtype(), array.len()), (T::DTYPE, 3));
            assert_eq!(array.to_vec::<T>().unwrap(), elements);
            assert_eq!(array.bytes().as_ptr().addr() % 64, 0);
            assert_eq!(Array::scalar(elements[1]).item::<T>().unwrap(), elements[1]);
        }
        check([1.5f32, -0.0, f32::MAX]);
        check([1.5f64, -0.0, f64::MAX]);
        check([i32::MIN, 0, i32::MAX]);
        check([i64::MIN, 0, i64::MAX]);
        check([0u8, 1, 255]);
        check([true, false, true]);
    }

    #[test]
    fn wrong_counts_shapes_and_dtypes_are_errors() {
        let text = |result: Result<Array>| result.unwrap_err().to_string();
        assert_eq!(text(Array::new([2, 2], [1.0f32])), "1 elements do not fill the shape [2, 2], which holds 4");
        assert_eq!(
            text(Array::zeros(F32, [6]).unwrap().reshape([4])),
            "cannot reshape f32[6] to [4]: the element counts differ"
        );
        assert_eq!(text(Array::zeros(U8, [1; 33])), "an array of 33 axes: at most 32 are possible");
        assert_eq!(
            text(Array::zeros(U8, [1 << 40, 1 << 40])),
            "the element count of [1099511627776, 1099511627776] overflows: 2^47 or more"
        );
        let error = Array::vector([1.0f32, 2.0]).unwrap().item::<f32>().unwrap_err();
        assert_eq!(error.to_string(), "needs a single number, not f32[2]\n  help: use `to_vec`");
        assert_eq!(Array::scalar(1i32).item::<i64>().unwrap_err().kind, ErrorKind::Type);
    }

    #[test]
    fn more_memory_than_there_is_is_an_error() {
        let error = Array::zeros(F64, [(1 << 47) - 1]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutOfMemory);
        assert!(error.message.starts_with("there is no memory for f64[140737488355327]"), "{error}");
    }

    #[test]
    fn writing_copies_shared_bytes() {
        let a = Array::full(F32, [4], 1.0).unwrap();
        let mut b = a.clone();
        assert!(!a.is_unique() && a.bit_eq(&b));
        b.as_mut_slice::<f32>()[0] = 2.0;
        assert!(a.is_unique() && b.is_unique() && !a.bit_eq(&b));
        assert_eq!(a.as_slice::<f32>(), [1.0; 4]);
        let before = b.bytes().as_ptr();
        b.bytes_mut()[0] = 0;
        assert_eq!(b.bytes().as_ptr(), before);
    }

    #[test]
    fn other_shapes_share_the_bytes_until_one_is_written() {
        let a = Array::full(F32, [4], 1.0).unwrap();
        let (address, square) = (a.bytes().as_ptr(), a.clone().reshape([2, 2]).unwrap());
        let mut column = square.clone().reshape([4, 1]).unwrap();
        assert_eq!((square.bytes().as_ptr(), column.bytes().as_ptr()), (address, address));
        assert_eq!((a.shape(), square.shape(), column.shape()), (&[4][..], &[2, 2][..], &[4, 1][..]));
        column.as_mut_slice::<f32>()[0] = 2.0;
        assert_eq!((a.as_slice::<f32>()[0], square.as_slice::<f32>()[0]), (1.0, 1.0));
        // The last that holds the bytes writes them where they are.
        assert!(column.is_unique() && !square.is_unique() && !a.is_unique());
        drop(a);
        let mut square = square;
        square.as_mut_slice::<f32>()[3] = 3.0;
        assert_eq!((square.bytes().as_ptr(), square.as_slice::<f32>()), (address, &[1.0, 1.0, 1.0, 3.0][..]));
        assert_eq!(square.reshape([4]).unwrap().bytes().as_ptr(), address);
    }

    #[test]
    fn equal_bits_means_dtype_and_shape_too() {
        let a = Array::vector([1i64, 2]).unwrap();
        assert!(a.bit_eq(&a.clone()));
        assert!(!a.bit_eq(&a.clone().reshape([2, 1]).unwrap()));
        assert!(!Array::scalar(0.0f32).bit_eq(&Array::scalar(0i32)));
        assert!(Array::zeros(F32, [0]).unwrap().bit_eq(&Array::zeros(F32, [0]).unwrap()));
        let nans = [f64::NAN, f64::from_bits(0x7ff0_0000_0000_0001)];
        assert!(Array::scalar(nans[0]).bit_eq(&Array::scalar(nans[1])));
    }

    #[test]
    fn single_elements_as_wide_numbers() {
        let array = Array::vector([1.75f32, f32::NAN, -1e30]).unwrap();
        assert_eq!([array.get_i64(0), array.get_i64(1), array.get_i64(2)], [1, 0, i64::MIN]);
        assert_eq!(array.get_f64(0), 1.75);
        assert_eq!(Array::scalar(true).get_f64(0), 1.0);
        assert_eq!(Array::full(I64, [1], i64::MAX).unwrap().get_i64(0), i64::MAX);
    }

    #[test]
    #[should_panic(expected = "elements of f32[1] read as i32")]
    fn a_slice_of_the_wrong_type_is_our_bug() {
        Array::vector([1.0f32]).unwrap().as_slice::<i32>();
    }
}
