//! How a product is divided into tasks. Nothing in here changes a bit of the result.

use super::{Element, How, MatMul, Order};

/// Multiply-adds that are worth a task: about a microsecond; waking a worker costs half of that.
const WORTH_A_TASK: usize = 32 * 1024;
/// Multiply-adds beyond which claiming a task costs nothing; smaller tasks leave less to wait for at the end.
const LARGE_TASK: usize = 1 << 19;
/// Rows, and multiply-adds of a matrix, from which on it pays to pack the right operand once for all rows.
const SHARING_ROWS: usize = 128;
const SHARING_WORK: usize = 1 << 22;
/// Steps along `k` that are packed at a time.
const PACKED_STEPS: usize = 512;
/// Bytes of a packed block that a thread finds near. Smaller ones, for a processor whose second cache has 512 KiB, were no
/// faster there: the left operand is read once more for each block.
const NEAR_BYTES: usize = 1 << 20;
/// Threads that have columns of their own in a packed block, at most: it has as many times [`NEAR_BYTES`].
const MOST_SHARES: usize = 4;
/// Columns of a task at least; those of a task that packs for itself are whole panels on all paths.
const FEWEST_COLUMNS: usize = 128;
const PANEL_COLUMNS: usize = 64;
/// Rows of a task are whole groups of the widest tiles, and whole cache lines of a left operand whose rows are adjacent.
const ROWS_OF_GROUPS: usize = 12;
const ROWS_OF_LINES: usize = 48;

/// What is divided among the threads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Division {
    /// So many rows are a task, with all columns and steps.
    Rows(usize),
    /// So many columns are a task, with all rows and steps of one matrix.
    Columns(usize),
    /// Blocks of the right operand are packed by all threads for all rows.
    Shared(Blocks),
}

/// The blocks of a product whose right operand is packed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Columns and steps that are packed at a time.
    pub(super) columns: usize,
    pub(super) steps: usize,
    /// Columns and rows of a task.
    pub(super) task_columns: usize,
    pub(super) task_rows: usize,
}

impl Division {
    pub(super) fn of<T: Element>(spec: &MatMul, how: &How) -> Division {
        let rows = spec.rows();
        let per_row = spec.k.saturating_mul(spec.n).max(1);
        let work = rows.saturating_mul(per_row);
        if work < 4 * WORTH_A_TASK {
            return Division::Rows(rows);
        }
        let is_chain = T::PACKS && spec.order == Order::Chain;
        let of_matrix = spec.m.saturating_mul(spec.k).saturating_mul(spec.n);
        let is_wide = spec.n >= 2 * FEWEST_COLUMNS || spec.b.col != 1;
        if is_chain && is_wide && spec.m >= SHARING_ROWS && of_matrix >= SHARING_WORK {
            return Division::Shared(Blocks::of::<T>(spec, how));
        }
        if how.threads <= 1 {
            return Division::Rows(rows);
        }
        let tasks = how.threads.saturating_mul(4);
        // Each task packs the columns that it has; tasks of rows would all pack the same.
        if is_chain && how.epilogue.is_none() && spec.b.col != 1 && spec.n >= 2 * PANEL_COLUMNS {
            return Division::Columns(spec.n.div_ceil(tasks).next_multiple_of(PANEL_COLUMNS));
        }
        Division::Rows(rows.div_ceil(tasks).next_multiple_of(8).max(WORTH_A_TASK.div_ceil(per_row)))
    }
}

impl Blocks {
    fn of<T: Element>(spec: &MatMul, how: &How) -> Blocks {
        let near = NEAR_BYTES / size_of::<T>() / PACKED_STEPS;
        // A thread packs and uses columns of its own until it helps others; an epilogue wants rows of all columns.
        let shares = if how.epilogue.is_some() { 1 } else { how.threads.clamp(1, MOST_SHARES) };
        let columns = spec.n.div_ceil(spec.n.div_ceil(near * shares)).next_multiple_of(16);
        let task_columns = columns.div_ceil(shares).next_multiple_of(16).max(FEWEST_COLUMNS).min(columns);
        let steps = spec.k.div_ceil(spec.k.div_ceil(PACKED_STEPS));
        let unit = if spec.a.col == 1 { ROWS_OF_GROUPS } else { ROWS_OF_LINES };
        let task_rows = (LARGE_TASK / (task_columns * steps)).clamp(1, ROWS_OF_LINES).next_multiple_of(unit);
        Blocks { columns, steps, task_columns, task_rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide(spec: MatMul, threads: usize) -> Division {
        Division::of::<f32>(&spec, &How { threads, ..How::default() })
    }

    #[test]
    fn small_products_are_one_task_and_few_rows_are_divided_as_they_are_stored() {
        assert_eq!(divide(MatMul::row_major(32, 8, 30), 2), Division::Rows(32));
        assert_eq!(divide(MatMul::row_major(32, 784, 100), 2), Division::Rows(8));
        assert_eq!(divide(MatMul::row_major(32, 784, 100), 1), Division::Rows(32));
        assert_eq!(divide(MatMul::row_major(32, 100, 784).with_b_transposed(), 2), Division::Columns(128));
        assert_eq!(divide(MatMul::row_major(0, 0, 0), 2), Division::Rows(0));
        assert_eq!(Division::of::<i32>(&MatMul::row_major(999, 999, 999), &How::default()), Division::Rows(999));
    }

    #[test]
    fn blocks_of_many_rows_fit_into_the_caches() {
        let spec = MatMul::row_major(2048, 2048, 2048);
        for threads in [1, 2, 16] {
            let blocks = Blocks::of::<f32>(&spec, &How { threads, ..How::default() });
            assert!(blocks.task_columns * blocks.steps * 4 <= NEAR_BYTES, "{blocks:?}");
            assert!(blocks.columns * blocks.steps * 4 <= MOST_SHARES * NEAR_BYTES, "{blocks:?}");
        }
        let blocks = Blocks { columns: 1024, steps: 512, task_columns: 512, task_rows: 12 };
        assert_eq!(divide(spec, 2), Division::Shared(blocks));
        assert_eq!(divide(spec.with_a_transposed(), 2), Division::Shared(Blocks { task_rows: 48, ..blocks }));
    }
}
