//! Arrays as lists of scalars, and their comparison.

use tracelift_kernel::lane::Scalar;
use tracelift_tensor::{Array, DType};

/// The elements of an array.
pub(crate) fn scalars_of(array: &Array) -> Vec<Scalar> {
    let size = array.dtype().size();
    let bits = |chunk: &[u8]| chunk.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    array.bytes()[..array.len() * size].chunks(size).map(|c| Scalar::from_bits(array.dtype(), bits(c))).collect()
}

/// An array of given elements, which begin anew where they end.
pub(crate) fn array_of(dtype: DType, shape: &[usize], values: &[Scalar]) -> Array {
    let (mut array, size) = (Array::zeros(dtype, shape).unwrap(), dtype.size());
    let all = array.num_bytes();
    let bytes = &mut array.bytes_mut()[..all];
    for (element, value) in bytes.chunks_exact_mut(size).zip(values) {
        element.copy_from_slice(&value.bits().to_le_bytes()[..size]);
    }
    let (mut known, round) = (values.len() * size, values.len() * size);
    while known < all {
        let more = round.min(all - known);
        bytes.copy_within(..more, known);
        known += more;
    }
    array
}

/// Whether two buffers agree to the bit, all NaNs counting as one.
pub(crate) fn assert_same(what: &str, got: &Array, expect: &Array) {
    if got.bit_eq(expect) {
        return;
    }
    let (got, expect) = (scalars_of(got), scalars_of(expect));
    for (n, (got, expect)) in got.iter().zip(&expect).enumerate() {
        assert!(got.same(*expect), "{what}: element {n} of {} is {got}, not {expect}", expect.dtype());
    }
    panic!("{what}: shapes differ");
}
