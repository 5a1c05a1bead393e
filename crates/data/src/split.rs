//! Splitting rows at random into two parts.

use tracelift_tensor::{Array, Error, Result};

use crate::{
    RandomState,
    rows::{count_rows, take_rows},
};

/// Inputs and targets in two parts.
#[derive(Clone, Debug)]
pub struct Split {
    /// Inputs to train with.
    pub x_train: Array,
    /// Inputs to test with.
    pub x_test: Array,
    /// The targets of `x_train`.
    pub y_train: Array,
    /// The targets of `x_test`.
    pub y_test: Array,
}

/// Puts this share of the rows aside for testing, exactly the rows that scikit-learn's
/// `train_test_split(x, y, test_size=…, random_state=seed)` does, in its order.
///
/// ```
/// use tracelift_data::train_test_split;
/// use tracelift_tensor::Array;
///
/// let x = Array::new([4, 1], vec![0.0f32, 1.0, 2.0, 3.0])?;
/// let y = Array::vector([0, 10, 20, 30])?;
/// let split = train_test_split(&x, &y, 0.25, 42)?;
/// assert_eq!(split.x_train.to_vec::<f32>()?, [3.0, 0.0, 2.0]);
/// assert_eq!(split.y_test.to_vec::<i32>()?, [10]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn train_test_split(x: &Array, y: &Array, test_size: f64, seed: u32) -> Result<Split> {
    let (train, test) = split_rows(count_rows(&[x, y])?, test_size, seed)?;
    Ok(Split {
        x_train: take_rows(x, &train)?,
        x_test: take_rows(x, &test)?,
        y_train: take_rows(y, &train)?,
        y_test: take_rows(y, &test)?,
    })
}

/// The row numbers of both parts, as [`train_test_split`] takes them: those to train with, those to test with.
///
/// ```
/// let (train, test) = tracelift_data::split_rows(5, 0.25, 42)?;
/// assert_eq!((train, test), (vec![2, 0, 3], vec![1, 4]));
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn split_rows(n_rows: usize, test_size: f64, seed: u32) -> Result<(Vec<usize>, Vec<usize>)> {
    if !(test_size > 0.0 && test_size < 1.0) {
        return Err(Error::value(format!("the test size is {test_size}, no share between 0 and 1")));
    }
    let n_test = (test_size * n_rows as f64).ceil() as usize;
    if n_test == 0 || n_test >= n_rows {
        return Err(Error::value(format!("a test size of {test_size} leaves one part of {n_rows} rows empty")));
    }
    let mut test = RandomState::new(seed).permutation(n_rows);
    let train = test.split_off(n_test);
    Ok((train, test))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of scikit-learn's rule, `RandomState(seed).permutation(n)`, first part to test with.
    #[test]
    fn the_test_part_comes_first_and_is_rounded_up() {
        let (train, test) = split_rows(10, 0.25, 42).unwrap();
        assert_eq!((train, test), (vec![0, 7, 2, 9, 4, 3, 6], vec![8, 1, 5]));
    }

    #[test]
    fn shares_that_make_no_sense_are_errors() {
        let text = |n, share| split_rows(n, share, 0).unwrap_err().to_string();
        for share in [0.0, 1.0, -0.5, 2.0, f64::NAN] {
            assert_eq!(text(10, share), format!("the test size is {share}, no share between 0 and 1"));
        }
        assert_eq!(text(1, 0.5), "a test size of 0.5 leaves one part of 1 rows empty");
        assert_eq!(text(0, 0.5), "a test size of 0.5 leaves one part of 0 rows empty");
        let (x, y) = (Array::vector([1, 2]).unwrap(), Array::vector([1, 2, 3]).unwrap());
        let error = train_test_split(&x, &y, 0.5, 0).unwrap_err().to_string();
        assert_eq!(error, "the row counts of i32[2] and i32[3] differ");
    }
}
