//! Rows of arrays: the items along the first axis.

use std::sync::{Mutex, PoisonError};

use tracelift_tensor::{Array, DType, Error, Result};

/// The rows of these numbers, in this order; a number may come more than once.
///
/// ```
/// use tracelift_data::take_rows;
/// use tracelift_tensor::Array;
///
/// let x = Array::new([3, 2], vec![0, 1, 10, 11, 20, 21])?;
/// assert_eq!(take_rows(&x, &[2, 0])?.to_vec::<i32>()?, [20, 21, 0, 1]);
/// assert_eq!(take_rows(&x, &[3]).unwrap_err().to_string(), "there is no row 3 in i32[3, 2]");
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn take_rows(array: &Array, rows: &[usize]) -> Result<Array> {
    let mut shape = array.shape().to_vec();
    match shape.first_mut() {
        Some(first) => *first = rows.len(),
        None => return Err(no_rows(array)),
    }
    let mut taken = Array::zeros(array.dtype(), shape)?;
    take_rows_into(array, rows, &mut taken)?;
    Ok(taken)
}

/// Likewise into an array of the right shape, whose bytes are used again unless a clone shares them.
///
/// On an error `into` is as before.
///
/// ```
/// use tracelift_data::take_rows_into;
/// use tracelift_tensor::{Array, I32};
///
/// let mut batch = Array::zeros(I32, [2])?;
/// take_rows_into(&Array::vector([5, 6, 7])?, &[2, 2], &mut batch)?;
/// assert_eq!(batch.to_vec::<i32>()?, [7, 7]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn take_rows_into(array: &Array, rows: &[usize], into: &mut Array) -> Result {
    take_rows_in_parts(array, rows, into, 1, |_, part| part(0))
}

/// The most parts of [`take_rows_in_parts`].
const MOST_PARTS: usize = 16;

/// Likewise in parts, at the most 16, which `run` may do in any order and at the same time: it is given their number and
/// what does one of them.
///
/// ```
/// use tracelift_data::take_rows_in_parts;
/// use tracelift_tensor::{Array, I32};
///
/// let mut batch = Array::zeros(I32, [3])?;
/// take_rows_in_parts(&Array::vector([5, 6, 7])?, &[2, 2, 0], &mut batch, 2, |parts, part| (0..parts).rev().for_each(part))?;
/// assert_eq!(batch.to_vec::<i32>()?, [7, 7, 5]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn take_rows_in_parts(
    array: &Array,
    rows: &[usize],
    into: &mut Array,
    parts: usize,
    run: impl FnOnce(usize, &(dyn Fn(usize) + Sync)),
) -> Result {
    let (Some((&n_rows, row_shape)), Some((&n_taken, taken_shape))) =
        (array.shape().split_first(), into.shape().split_first())
    else {
        return Err(no_rows(array));
    };
    if (array.dtype(), row_shape, rows.len()) != (into.dtype(), taken_shape, n_taken) {
        let (from, to) = (array.type_text(), into.type_text());
        return Err(Error::invalid(format!("{} rows of {from} do not go into {to}", rows.len())));
    }
    if let Some(row) = rows.iter().find(|&&row| row >= n_rows) {
        return Err(Error::invalid(format!("there is no row {row} in {}", array.type_text())));
    }
    let row_bytes = row_shape.iter().product::<usize>() * array.dtype().size();
    if row_bytes == 0 || rows.is_empty() {
        return Ok(());
    }
    let rows_per_part = rows.len().div_ceil(parts.clamp(1, MOST_PARTS));
    let from = array.bytes();
    // What one part writes is locked by it alone.
    let mut places = [const { Mutex::new(None) }; MOST_PARTS];
    let mut parts = 0;
    for (place, to) in places.iter_mut().zip(into.bytes_mut().chunks_mut(rows_per_part * row_bytes)) {
        *place = Mutex::new(Some(to));
        parts += 1;
    }
    run(parts, &|part| {
        let mut place = places[part].lock().unwrap_or_else(PoisonError::into_inner);
        let Some(to) = place.as_mut() else { return };
        for (to, &row) in to.chunks_exact_mut(row_bytes).zip(&rows[part * rows_per_part..]) {
            to.copy_from_slice(&from[row * row_bytes..][..row_bytes]);
        }
    });
    Ok(())
}

pub(crate) fn no_rows(array: &Array) -> Error {
    Error::invalid(format!("{} has no rows: it has no axes", array.type_text()))
}

/// The number of rows, the same in all arrays.
pub(crate) fn count_rows(arrays: &[&Array]) -> Result<usize> {
    let counts = arrays.iter().map(|array| array.shape().first().copied().ok_or_else(|| no_rows(array)));
    let counts = counts.collect::<Result<Vec<_>>>()?;
    match counts.as_slice() {
        [] => Ok(0),
        [first, rest @ ..] if rest.iter().all(|count| count == first) => Ok(*first),
        _ => {
            let types: Vec<String> = arrays.iter().map(|array| array.type_text()).collect();
            Err(Error::invalid(format!("the row counts of {} differ", types.join(" and "))))
        }
    }
}

/// The elements as `f32`, rounded to the nearest; for `bool` 0 and 1.
///
/// ```
/// use tracelift_data::to_f32;
/// use tracelift_tensor::Array;
///
/// assert_eq!(to_f32(&Array::vector([0.1, 2.0])?)?.to_vec::<f32>()?, [0.1, 2.0]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn to_f32(array: &Array) -> Result<Array> {
    let rounded: Vec<f32> = match array.dtype() {
        DType::F32 => return Ok(array.clone()),
        // By way of f64 such an integer would be rounded twice.
        DType::I64 => array.as_slice::<i64>().iter().map(|&n| n as f32).collect(),
        _ => (0..array.len()).map(|i| array.get_f64(i) as f32).collect(),
    };
    Array::new(array.shape(), rounded)
}

/// The elements as `i32`; an error if one is not a whole number in its range.
///
/// ```
/// use tracelift_data::to_i32;
/// use tracelift_tensor::Array;
///
/// assert_eq!(to_i32(&Array::vector([7u8, 9])?)?.to_vec::<i32>()?, [7, 9]);
/// assert!(to_i32(&Array::vector([0.5f32])?).is_err());
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn to_i32(array: &Array) -> Result<Array> {
    let exact = |i: usize| {
        let n = i32::try_from(array.get_i64(i)).ok().filter(|&n| f64::from(n) == array.get_f64(i));
        n.ok_or_else(|| Error::value(format!("element {i} of {} is no i32", array.type_text())))
    };
    Array::new(array.shape(), (0..array.len()).map(exact).collect::<Result<Vec<i32>>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_tensor::{F32, U8};

    #[test]
    fn rows_of_any_shape() {
        let x = Array::new([2, 1, 2], [1u8, 2, 3, 4]).unwrap();
        let taken = take_rows(&x, &[1, 1, 0]).unwrap();
        assert_eq!((taken.shape(), taken.as_slice::<u8>()), ([3, 1, 2].as_slice(), [3u8, 4, 3, 4, 1, 2].as_slice()));
        assert_eq!(take_rows(&x, &[]).unwrap().shape(), [0, 1, 2]);
        assert_eq!(take_rows(&Array::zeros(F32, [2, 0]).unwrap(), &[1]).unwrap().shape(), [1, 0]);
        let labels = take_rows(&Array::vector([5i64, 6]).unwrap(), &[1]).unwrap();
        assert_eq!(labels.to_vec::<i64>().unwrap(), [6]);
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_changes_nothing() {
        let x = Array::new([2, 2], [1.0f32, 2.0, 3.0, 4.0]).unwrap();
        let mut into = Array::zeros(F32, [2, 2]).unwrap();
        let text = |result: Result| result.unwrap_err().to_string();
        assert_eq!(text(take_rows_into(&x, &[0], &mut into)), "1 rows of f32[2, 2] do not go into f32[2, 2]");
        assert_eq!(text(take_rows_into(&x, &[0, 2], &mut into)), "there is no row 2 in f32[2, 2]");
        let mut bytes = Array::zeros(U8, [1, 2]).unwrap();
        assert_eq!(text(take_rows_into(&x, &[0], &mut bytes)), "1 rows of f32[2, 2] do not go into u8[1, 2]");
        assert_eq!(
            take_rows(&Array::scalar(1.0f32), &[0]).unwrap_err().to_string(),
            "f32[] has no rows: it has no axes"
        );
        assert_eq!(into.as_slice::<f32>(), [0.0; 4]);
        let error = count_rows(&[&x, &Array::zeros(U8, [3]).unwrap()]).unwrap_err().to_string();
        assert_eq!(error, "the row counts of f32[2, 2] and u8[3] differ");
    }

    #[test]
    fn conversions_round_once_and_refuse_the_rest() {
        let halfway = (1i64 << 54) + (1 << 30) + 1;
        assert_eq!(to_f32(&Array::vector([halfway]).unwrap()).unwrap().to_vec::<f32>().unwrap(), [halfway as f32]);
        assert_eq!(to_f32(&Array::vector([true]).unwrap()).unwrap().to_vec::<f32>().unwrap(), [1.0]);
        for bad in [f64::NAN, 1e10, -0.5, f64::INFINITY] {
            assert_eq!(
                to_i32(&Array::vector([bad]).unwrap()).unwrap_err().to_string(),
                "element 0 of f64[1] is no i32"
            );
        }
        assert!(to_i32(&Array::vector([1i64 << 31]).unwrap()).is_err());
        assert_eq!(to_i32(&Array::vector([-3.0f32]).unwrap()).unwrap().to_vec::<i32>().unwrap(), [-3]);
    }
}
