//! Batches of rows: in order, shuffled once per epoch, or drawn at random.

use std::{num::NonZeroUsize, slice::Chunks};

use tracelift_tensor::{Array, Error, Generator, Result, fold_in};

use crate::rows::{count_rows, take_rows};

/// The row numbers of one epoch, cut into batches; the last one may be smaller.
///
/// ```
/// use tracelift_data::BatchIndices;
///
/// let batches = BatchIndices::shuffled(10, 4, 42, 0)?;
/// assert_eq!(batches.num_batches(), 3);
/// assert_eq!(batches.iter().map(|rows| rows.len()).collect::<Vec<_>>(), [4, 4, 2]);
/// // The same seed and epoch give the same order, another epoch another one.
/// assert_eq!(batches, BatchIndices::shuffled(10, 4, 42, 0)?);
/// assert_ne!(batches, BatchIndices::shuffled(10, 4, 42, 1)?);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchIndices {
    rows: Vec<usize>,
    batch_size: NonZeroUsize,
}

impl BatchIndices {
    /// All rows in their order.
    pub fn in_order(n_rows: usize, batch_size: usize) -> Result<BatchIndices> {
        BatchIndices::of((0..n_rows).collect(), batch_size)
    }

    /// All rows in an order that seed and epoch decide, each once.
    pub fn shuffled(n_rows: usize, batch_size: usize, seed: i64, epoch: u64) -> Result<BatchIndices> {
        BatchIndices::of(epoch_permutation(n_rows, seed, epoch), batch_size)
    }

    /// These rows.
    pub fn of(rows: Vec<usize>, batch_size: usize) -> Result<BatchIndices> {
        match NonZeroUsize::new(batch_size) {
            Some(batch_size) => Ok(BatchIndices { rows, batch_size }),
            None => Err(Error::invalid("a batch of 0 rows: the batch size must be at least 1")),
        }
    }

    /// How many batches there are, a smaller last one included.
    pub fn num_batches(&self) -> usize {
        self.rows.len().div_ceil(self.batch_size.get())
    }

    /// All rows, in the order of the batches.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The row numbers of each batch.
    pub fn iter(&self) -> Chunks<'_, usize> {
        self.rows.chunks(self.batch_size.get())
    }
}

impl<'a> IntoIterator for &'a BatchIndices {
    type Item = &'a [usize];
    type IntoIter = Chunks<'a, usize>;

    fn into_iter(self) -> Chunks<'a, usize> {
        self.iter()
    }
}

/// The order in which an epoch visits the rows: a function of seed and epoch alone.
///
/// ```
/// use tracelift_data::epoch_permutation;
///
/// assert_eq!(epoch_permutation(100, 42, 3), epoch_permutation(100, 42, 3));
/// assert_ne!(epoch_permutation(100, 42, 3), epoch_permutation(100, 42, 4));
/// ```
pub fn epoch_permutation(n_rows: usize, seed: i64, epoch: u64) -> Vec<usize> {
    Generator::new(fold_in(fold_in(seed, "shuffle"), epoch)).permutation(n_rows)
}

/// Rows of inputs and targets drawn at random; a row may be drawn twice.
///
/// ```
/// use tracelift_data::random_batch;
/// use tracelift_tensor::{Array, Generator};
///
/// let (x, y) = (Array::vector([0.0f32, 1.0, 2.0])?, Array::vector([0, 1, 2])?);
/// let mut generator = Generator::new(42);
/// let (x_batch, y_batch) = random_batch(&x, &y, 32, &mut generator)?;
/// assert_eq!((x_batch.shape(), y_batch.shape()), ([32].as_slice(), [32].as_slice()));
/// assert_eq!(x_batch.get_i64(7), y_batch.get_i64(7));
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn random_batch(x: &Array, y: &Array, batch_size: usize, generator: &mut Generator) -> Result<(Array, Array)> {
    let n_rows = count_rows(&[x, y])?;
    if n_rows == 0 && batch_size > 0 {
        return Err(Error::invalid(format!("{} has no rows to draw from", x.type_text())));
    }
    let rows = generator.indices(batch_size, n_rows);
    Ok((take_rows(x, &rows)?, take_rows(y, &rows)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_tensor::F32;

    #[test]
    fn every_epoch_visits_each_row_once() {
        let orders: Vec<Vec<usize>> = (0..5).map(|epoch| epoch_permutation(1000, 3, epoch)).collect();
        for (epoch, order) in orders.iter().enumerate() {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..1000));
            assert!(!orders[..epoch].contains(order));
        }
        assert_ne!(orders[0], epoch_permutation(1000, 4, 0));
    }

    #[test]
    fn batches_cover_the_rows_in_order() {
        let batches = BatchIndices::in_order(7, 3).unwrap();
        let seen: Vec<&[usize]> = batches.iter().collect();
        assert_eq!(seen, [[0, 1, 2].as_slice(), &[3, 4, 5], &[6]]);
        assert_eq!(batches.num_batches(), 3);
        assert_eq!(BatchIndices::in_order(6, 3).unwrap().num_batches(), 2);
        assert_eq!(BatchIndices::in_order(0, 3).unwrap().iter().next(), None);
        assert_eq!(BatchIndices::in_order(2, usize::MAX).unwrap().num_batches(), 1);
        let error = BatchIndices::shuffled(5, 0, 0, 0).unwrap_err().to_string();
        assert_eq!(error, "a batch of 0 rows: the batch size must be at least 1");
    }

    #[test]
    fn random_batches_draw_with_replacement() {
        let x = Array::vector((0..10).collect::<Vec<i32>>()).unwrap();
        let mut generator = Generator::new(0);
        let (batch, _) = random_batch(&x, &x, 10_000, &mut generator).unwrap();
        let mut counts = [0; 10];
        batch.as_slice::<i32>().iter().for_each(|&i| counts[i as usize] += 1);
        // Ten standard deviations.
        assert!(counts.iter().all(|count| (700..1300).contains(count)), "{counts:?}");
        let (next, _) = random_batch(&x, &x, 10_000, &mut generator).unwrap();
        assert!(!next.bit_eq(&batch));
        let empty = Array::zeros(F32, [0, 2]).unwrap();
        let error = random_batch(&empty, &empty, 1, &mut generator).unwrap_err().to_string();
        assert_eq!(error, "f32[0, 2] has no rows to draw from");
    }
}
