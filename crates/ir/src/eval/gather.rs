//! Elements picked by an affine map: broadcast, transpose, slice, reverse.

use super::context::KnownAxis;
use super::with_raw;
use tracelift_tensor::{Array, Raw, Result};

/// The array of shape `dims` whose elements are found in `x` by the map.
pub(crate) fn gather_affine(x: &Array, dims: &[usize], map: &[KnownAxis]) -> Result<Array> {
    let mut y = Array::zeros(x.dtype(), dims)?;
    if y.is_empty() {
        // Whatever is empty may have axes whose product is beyond all bounds.
        return Ok(y);
    }
    let mut strides = vec![0i64; dims.len()];
    let (mut base, mut stride) = (0i64, 1i64);
    for (axis, size) in map.iter().zip(x.shape()).rev() {
        base += axis.start.wrapping_mul(stride);
        for &(to, step) in &axis.terms {
            strides[to] = strides[to].wrapping_add(step.wrapping_mul(stride));
        }
        stride *= *size as i64;
    }
    with_raw!(x.dtype(), T => copy::<T>(x.as_slice(), y.as_mut_slice(), dims, base, &strides));
    Ok(y)
}

fn copy<T: Raw>(x: &[T], y: &mut [T], dims: &[usize], base: i64, strides: &[i64]) {
    let (Some((row, outer)), Some((step, outer_strides))) = (dims.split_last(), strides.split_last()) else {
        y[0] = x[base as usize];
        return;
    };
    let mut index = vec![0usize; outer.len()];
    let mut start = base;
    for line in y.chunks_exact_mut(*row) {
        match step {
            0 => line.fill(x[start as usize]),
            1 => line.copy_from_slice(&x[start as usize..start as usize + row]),
            _ => {
                let mut at = start;
                for item in line {
                    *item = x[at as usize];
                    at += step;
                }
            }
        }
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            start += outer_strides[axis];
            if index[axis] < outer[axis] {
                break;
            }
            start -= outer_strides[axis] * outer[axis] as i64;
            index[axis] = 0;
        }
    }
}

/// Calls `visit` with each index of a shape and its row-major number.
pub(crate) fn for_each_index(dims: &[usize], mut visit: impl FnMut(usize, &[usize])) {
    let count = count(dims);
    let mut index = vec![0usize; dims.len()];
    for number in 0..count {
        visit(number, &index);
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            if index[axis] < dims[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// How many elements axes have together: of an array that has elements, or where one of them is empty.
pub(crate) fn count(dims: &[usize]) -> usize {
    if dims.contains(&0) { 0 } else { dims.iter().product() }
}

/// Row-major strides; of an array without elements they mean nothing.
pub(crate) fn row_major(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis].wrapping_mul(dims[axis]);
    }
    strides
}
