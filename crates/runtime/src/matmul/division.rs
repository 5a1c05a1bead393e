//! How a product is divided into tasks. Nothing in here changes a bit of the result.

use super::limits::{
    FAR_APART, FEWEST_COLUMNS, LARGE_TASK, MOST_SHARES, NEAR_BYTES, PACKED_STEPS, PANEL_COLUMNS, ROOMY_CACHE,
    ROWS_OF_GROUPS, ROWS_OF_LINES, SHARING_ROWS, SHARING_ROWS_OF_FEW, SHARING_STEPS_OF_FEW, SHARING_WORK,
    VECTORS_FOR_ROWS, WIDE_BYTES, WIDE_STEPS, WORTH_A_TASK,
};
use super::{Element, How, MatMul, Order};
use crate::cpu::Path;
use std::ops::Range;
use tracelift_codegen::second_cache;

/// What is divided among the threads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Division {
    /// Some rows are a task, with all columns and steps.
    Rows(Rows),
    /// So many columns are a task, with all rows and steps of one matrix.
    Columns(usize),
    /// Blocks of the right operand are packed by all threads for all rows.
    Shared(Blocks),
}

/// All rows in so many tasks, whose borders are multiples of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) all: usize,
    pub(super) tasks: usize,
    pub(super) unit: usize,
}

impl Rows {
    /// One task.
    fn undivided(all: usize) -> Rows {
        Rows { all, tasks: 1, unit: 1 }
    }

    /// Tasks for some threads: as many for each, so that threads find what they had before, of whole matrices or of rows
    /// that leave no tile half empty.
    fn divided(spec: &MatMul, threads: usize, work: usize) -> Rows {
        let all = spec.rows();
        let tasks = threads.saturating_mul(4).min(work / WORTH_A_TASK);
        let tasks = if tasks > threads { tasks - tasks % threads } else { tasks };
        let rows = all.div_ceil(tasks);
        let unit = if spec.batch > 1 && rows >= spec.m {
            spec.m
        } else if rows >= ROWS_OF_LINES {
            ROWS_OF_GROUPS
        } else {
            8
        };
        Rows { all, tasks: tasks.min(all.div_ceil(unit)), unit }
    }

    /// The rows of a task.
    pub(super) fn of(self, task: usize) -> Range<usize> {
        let border = |task: usize| self.all.min(self.all.div_ceil(self.unit) * task / self.tasks * self.unit);
        border(task)..border(task + 1)
    }
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
    /// Whether tasks copy rows of the left operand that lie far apart.
    pub(super) copies_rows: bool,
}

impl Division {
    pub(super) fn of<T: Element>(spec: &MatMul, how: &How) -> Division {
        let rows = spec.rows();
        let work = spec.multiply_adds();
        if work < 4 * WORTH_A_TASK {
            return Division::Rows(Rows::undivided(rows));
        }
        let is_chain = T::PACKS && spec.order == Order::Chain;
        let of_matrix = spec.m.saturating_mul(spec.k).saturating_mul(spec.n);
        let is_wide = spec.n >= 2 * FEWEST_COLUMNS || spec.b.col != 1;
        let is_deep = spec.m >= SHARING_ROWS_OF_FEW && spec.k >= SHARING_STEPS_OF_FEW;
        if is_chain && (is_wide || is_deep) && spec.m >= SHARING_ROWS && of_matrix >= SHARING_WORK {
            return Division::Shared(Blocks::of::<T>(spec, how, second_cache()));
        }
        if how.threads <= 1 {
            return Division::Rows(Rows::undivided(rows));
        }
        let tasks = how.threads.saturating_mul(4);
        // Each task packs the columns that it has; tasks of rows would all pack the same.
        if is_chain && how.epilogue.is_none() && spec.b.col != 1 && spec.n >= 2 * PANEL_COLUMNS {
            return Division::Columns(spec.n.div_ceil(tasks).next_multiple_of(PANEL_COLUMNS));
        }
        Division::Rows(Rows::divided(spec, how.threads, work))
    }
}

impl Blocks {
    /// Those for machines with second caches of so many bytes.
    fn of<T: Element>(spec: &MatMul, how: &How, second_cache: u64) -> Blocks {
        let path = how.path.or_best();
        let is_far = spec.a.row.unsigned_abs().saturating_mul(size_of::<T>()) >= FAR_APART;
        // A second cache that has room for a block and for all that goes by needs no copies; wide vectors want many columns.
        let copies_rows = match path {
            Path::Avx2 => true,
            Path::Avx512 => {
                is_far && spec.n.saturating_mul(size_of::<T>()) >= VECTORS_FOR_ROWS * 64 && second_cache < ROOMY_CACHE
            }
            Path::Scalar => false,
        };
        // A thread packs and uses columns of its own until it helps others; an epilogue wants rows of all columns.
        let (shares, bytes, most_steps) = match how.epilogue {
            _ if path == Path::Avx2 => (1, WIDE_BYTES, WIDE_STEPS),
            _ if copies_rows => (1, WIDE_BYTES, PACKED_STEPS),
            Some(_) => (1, NEAR_BYTES, PACKED_STEPS),
            None => (how.threads.clamp(1, MOST_SHARES), NEAR_BYTES, PACKED_STEPS),
        };
        let most_columns = bytes / size_of::<T>() / most_steps * shares;
        let columns = spec.n.div_ceil(spec.n.div_ceil(most_columns)).next_multiple_of(16);
        let task_columns = columns.div_ceil(shares).next_multiple_of(16).max(FEWEST_COLUMNS).min(columns);
        let steps = spec.k.div_ceil(spec.k.div_ceil(most_steps));
        let unit = if spec.a.col == 1 { ROWS_OF_GROUPS } else { ROWS_OF_LINES };
        let task_rows = (LARGE_TASK / (task_columns * steps)).clamp(1, ROWS_OF_LINES).next_multiple_of(unit);
        Blocks { columns, steps, task_columns, task_rows, copies_rows }
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
        let rows = |spec, threads| -> Vec<usize> {
            let Division::Rows(rows) = divide(spec, threads) else { panic!("it is not divided by rows") };
            (0..rows.tasks).map(|task| rows.of(task).len()).collect()
        };
        assert_eq!(rows(MatMul::row_major(32, 8, 30), 2), [32]);
        assert_eq!(rows(MatMul::row_major(32, 784, 100), 2), [8, 8, 8, 8]);
        assert_eq!(rows(MatMul::row_major(32, 784, 100), 1), [32]);
        assert_eq!(rows(MatMul::row_major(0, 0, 0), 2), [0]);
        let backward = MatMul::row_major(784, 32, 100).with_a_transposed();
        assert_eq!(rows(backward, 2), [96, 96, 96, 108, 96, 96, 96, 100]);
        assert_eq!(rows(MatMul::row_major(60, 64, 48).with_batch(20), 2), [120, 180, 120, 180, 120, 180, 120, 180]);
        assert_eq!(rows(MatMul::row_major(50, 64, 48), 2), [8, 16, 16, 10]);
        assert_eq!(divide(MatMul::row_major(32, 100, 784).with_b_transposed(), 2), Division::Columns(128));
        let undivided = Division::Rows(Rows::undivided(999));
        assert_eq!(Division::of::<i32>(&MatMul::row_major(999, 999, 999), &How::default()), undivided);
    }

    #[test]
    fn many_rows_and_steps_share_a_packed_operand_even_for_few_columns() {
        let is_shared = |(m, k, n)| matches!(divide(MatMul::row_major(m, k, n), 2), Division::Shared(_));
        assert!(is_shared((512, 784, 100)));
        assert!(is_shared((128, 512, 256)));
        assert!(!is_shared((160, 784, 100)));
        assert!(!is_shared((2048, 64, 48)));
    }

    #[test]
    fn blocks_of_many_rows_fit_into_the_caches() {
        let spec = MatMul::row_major(2048, 2048, 2048);
        for path in Path::ALL {
            for threads in [1, 2, 16] {
                for second_cache in [1 << 20, 2 << 20] {
                    let blocks = Blocks::of::<f32>(&spec, &How { path, threads, epilogue: None }, second_cache);
                    let copies = match path.or_best() {
                        Path::Scalar => false,
                        Path::Avx2 => true,
                        Path::Avx512 => second_cache < ROOMY_CACHE,
                    };
                    assert_eq!(blocks.copies_rows, copies, "{path:?}");
                    let most = if blocks.copies_rows { WIDE_BYTES } else { NEAR_BYTES };
                    assert!(blocks.task_columns * blocks.steps * 4 <= most, "{blocks:?}");
                    let most = WIDE_BYTES.max(MOST_SHARES * NEAR_BYTES);
                    assert!(blocks.columns * blocks.steps * 4 <= most, "{blocks:?}");
                }
            }
        }
        let scalar = |spec: MatMul| Division::of::<f32>(&spec, &How { path: Path::Scalar, threads: 2, epilogue: None });
        let blocks = Blocks { columns: 1024, steps: 512, task_columns: 512, task_rows: 12, copies_rows: false };
        assert_eq!(scalar(spec), Division::Shared(blocks));
        assert_eq!(scalar(spec.with_a_transposed()), Division::Shared(Blocks { task_rows: 48, ..blocks }));
    }
}
