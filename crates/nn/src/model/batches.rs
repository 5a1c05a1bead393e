//! Batches of rows in buffers that are used again.

use std::time::Duration;
use tracelift_data::take_rows_in_parts;
use tracelift_function::{__rt::pool, Array, Result, Tensor};

use super::columns::Columns;

/// Bytes that are worth a part of their own: reading rows from anywhere in memory takes some microseconds.
const PART_BYTES: usize = 24 << 10;
/// Bytes that one thread gathers in a nanosecond, about.
const BYTES_PER_NANO: usize = 4;

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
    fn gather(&mut self, columns: &Columns, rows: &[usize], threads: usize) -> Result<&[Tensor]> {
        for (tensor, array) in self.tensors.iter_mut().zip(columns.arrays()) {
            let mut buffer = tensor.to_array()?;
            // The tensor's own hold must go, or writing would copy.
            *tensor = self.nothing.clone();
            let parts = if threads > 1 { buffer.num_bytes() / PART_BYTES } else { 1 };
            let alone = Duration::from_nanos((buffer.num_bytes() / BYTES_PER_NANO) as u64);
            take_rows_in_parts(array, rows, &mut buffer, parts, |parts, part| {
                if let Err(panic) = pool::run(threads, parts, alone, part) {
                    std::panic::resume_unwind(panic);
                }
            })?;
            *tensor = Tensor::from(buffer);
        }
        Ok(&self.tensors)
    }
}

/// The buffers of full batches and of a smaller last one.
pub(super) struct Batches {
    threads: usize,
    full: Buffers,
    last: Option<Buffers>,
}

impl Batches {
    /// Batches that so many threads gather.
    pub(super) fn new(columns: &Columns, batch_size: usize, threads: usize) -> Result<Batches> {
        let n_rows = columns.n_rows();
        let rest = n_rows % batch_size;
        let full = Buffers::new(columns, batch_size.min(n_rows))?;
        let last = (rest > 0 && n_rows > batch_size).then(|| Buffers::new(columns, rest)).transpose()?;
        Ok(Batches { threads, full, last })
    }

    /// The rows of these numbers: inputs, then targets and weights if there are any.
    pub(super) fn gather(&mut self, columns: &Columns, rows: &[usize]) -> Result<&[Tensor]> {
        match &mut self.last {
            Some(last) if last.rows == rows.len() => last.gather(columns, rows, self.threads),
            _ => self.full.gather(columns, rows, self.threads),
        }
    }
}
