//! Batches of rows in buffers that are used again.

use tracelift_data::take_rows_into;
use tracelift_function::{Array, Result, Tensor};

use super::columns::Columns;

/// Buffers for batches of one size; the rows of a batch are gathered into them.
pub(super) struct Buffers {
    rows: usize,
    tensors: Vec<Tensor>,
    /// What stands for a tensor whose buffer is being written.
    nothing: Tensor,
}

impl Buffers {
    pub(super) fn new(columns: &Columns, rows: usize) -> Result<Buffers> {
        let tensors = columns.arrays().map(|array| {
            let shape: Vec<usize> = std::iter::once(rows).chain(array.shape()[1..].iter().copied()).collect();
            Ok(Tensor::from(Array::zeros(array.dtype(), shape)?))
        });
        Ok(Buffers { rows, tensors: tensors.collect::<Result<_>>()?, nothing: Tensor::from(0.0f32) })
    }

    /// The rows of these numbers, in a buffer that nobody else holds.
    fn gather(&mut self, columns: &Columns, rows: &[usize]) -> Result<&[Tensor]> {
        for (tensor, array) in self.tensors.iter_mut().zip(columns.arrays()) {
            let mut buffer = tensor.to_array()?;
            // The tensor's own hold must go, or writing would copy.
            *tensor = self.nothing.clone();
            take_rows_into(array, rows, &mut buffer)?;
            *tensor = Tensor::from(buffer);
        }
        Ok(&self.tensors)
    }
}

/// The buffers of full batches and of a smaller last one.
pub(super) struct Batches {
    full: Buffers,
    last: Option<Buffers>,
}

impl Batches {
    pub(super) fn new(columns: &Columns, batch_size: usize) -> Result<Batches> {
        let n_rows = columns.n_rows();
        let rest = n_rows % batch_size;
        let full = Buffers::new(columns, batch_size.min(n_rows))?;
        let last = (rest > 0 && n_rows > batch_size).then(|| Buffers::new(columns, rest)).transpose()?;
        Ok(Batches { full, last })
    }

    /// The rows of these numbers: inputs, then targets and weights if there are any.
    pub(super) fn gather(&mut self, columns: &Columns, rows: &[usize]) -> Result<&[Tensor]> {
        match &mut self.last {
            Some(last) if last.rows == rows.len() => last.gather(columns, rows),
            _ => self.full.gather(columns, rows),
        }
    }
}
