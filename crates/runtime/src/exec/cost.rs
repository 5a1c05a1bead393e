//! How much work a kernel is: launches worth it are split over threads, and profiles say how many operations they are.

use std::time::Duration;
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::loops::{Kernel, Loop, LoopKind, LoopVar, Stmt};
use tracelift_kernel::meaning::{BLOCK, ReduceOrder};
use tracelift_tensor::{Binding, Dim};

/// Launches with less work than this stay on one thread: about four microseconds, ten times a fork-join.
const WORTH_SPLITTING: u64 = 1 << 16;

/// About how much work a thread does in a nanosecond.
const WORK_PER_NANO: u64 = 16;

/// The most results that the tiles of a reduction have together.
pub(super) const MOST_PARTIAL_RESULTS: usize = 64;

/// No tile has less work than this.
const TILE_WORK: u64 = 1 << 14;

/// Columns of a piece of a matrix that is summed down: eight vectors of 256 bits, whose additions take turns.
const FEWEST_COLUMNS: u64 = 64;

/// The work on an element that is done while an addition waits for the one before it.
const PLAIN_WORK: u64 = 4;

/// How many tiles a launch is cut into on `threads` threads; 1 if splitting does not pay.
///
/// Tiles are ranges of the outermost `par` loop, or runs of blocks of a reduction; a kernel without either is never cut.
pub(super) fn tiles(kernel: &Kernel, sizes: &Binding, threads: usize) -> usize {
    let Some(range) = kernel.range() else { return 1 };
    if threads < 2 {
        return 1;
    }
    let work = work(kernel, sizes);
    if work < WORTH_SPLITTING {
        return 1;
    }
    if kernel.outer_par().is_none() {
        // Runs are powers of two long, so that the last one may be much shorter: more of them are more even.
        let most =
            (work / TILE_WORK).min(threads as u64 * 16).min((MOST_PARTIAL_RESULTS / kernel.results.len()) as u64);
        let length = run_length(extent(&range, sizes) as i64, most.max(1) as usize);
        return extent(&range, sizes).div_ceil(length as u64).max(1) as usize;
    }
    if !kernel.results.is_empty() {
        return 1;
    }
    // What goes down columns reads a piece of every row: the wider the pieces, the fewer pages; and narrow ones wait for
    // their additions, if that is most of what they do.
    let per_thread = if goes_down_columns(kernel) { 1 } else { 4 };
    let waits = cuts_columns(kernel) && work <= elements_reduced(kernel, sizes).saturating_mul(PLAIN_WORK);
    let fewest = if waits { FEWEST_COLUMNS } else { 1 };
    let most = (work / TILE_WORK).min(threads as u64 * per_thread);
    most.min(extent(&range, sizes) / fewest).max(1) as usize
}

/// About how long one thread takes for a launch.
pub(super) fn alone(kernel: &Kernel, sizes: &Binding) -> Duration {
    Duration::from_nanos(work(kernel, sizes) / WORK_PER_NANO)
}

/// Whether a kernel's outermost loop runs along rows, and reductions inside of it down the columns.
fn goes_down_columns(kernel: &Kernel) -> bool {
    let mut chains = false;
    kernel.for_each_stmt(&mut |stmt| {
        chains |= matches!(stmt, Stmt::Loop(Loop { kind: LoopKind::Reduce { order: ReduceOrder::Chain, .. }, .. }));
    });
    chains
}

/// Whether it is columns that a kernel's outermost loop numbers, rather than matrices of columns.
fn cuts_columns(kernel: &Kernel) -> bool {
    let chain =
        |stmt: &Stmt| matches!(stmt, Stmt::Loop(Loop { kind: LoopKind::Reduce { order: ReduceOrder::Chain, .. }, .. }));
    kernel.outer_par().is_some_and(|outer| outer.axes.len() == 1 && outer.body.stmts.iter().any(chain))
}

/// How many elements a run of blocks has, if a reduction of `extent` elements is cut into at most `tiles` runs: each is
/// a subtree of the tree over block numbers.
pub(super) fn run_length(extent: i64, tiles: usize) -> i64 {
    let mut length = BLOCK as i64;
    while extent > length.saturating_mul(tiles as i64) {
        length = length.saturating_mul(2);
    }
    length
}

/// The number of statements that are run, weighted by what they cost beside an addition.
fn work(kernel: &Kernel, sizes: &Binding) -> u64 {
    sum(kernel, sizes, |stmt| match stmt {
        Stmt::Load { .. } | Stmt::Store { .. } | Stmt::Index { .. } => 1,
        Stmt::Lane { op, .. } => weight(*op),
        Stmt::Loop(_) => 0,
    })
}

/// The number of operations on elements, weighted by what they cost beside an addition.
pub(super) fn operations(kernel: &Kernel, sizes: &Binding) -> u64 {
    sum(kernel, sizes, |stmt| match stmt {
        Stmt::Lane { op, .. } => weight(*op),
        // What is yielded is joined with what there is.
        Stmt::Loop(Loop { kind: LoopKind::Reduce { kinds, .. }, axes, .. }) => {
            (kinds.len() as u64).saturating_mul(trips(axes, sizes))
        }
        Stmt::Loop(_) | Stmt::Load { .. } | Stmt::Store { .. } | Stmt::Index { .. } => 0,
    })
}

/// The number of elements that reductions go through.
fn elements_reduced(kernel: &Kernel, sizes: &Binding) -> u64 {
    sum(kernel, sizes, |stmt| match stmt {
        Stmt::Loop(Loop { kind: LoopKind::Reduce { .. }, axes, .. }) => trips(axes, sizes),
        _ => 0,
    })
}

/// The cost of all statements, each as often as it is run.
fn sum(kernel: &Kernel, sizes: &Binding, cost: impl Fn(&Stmt) -> u64) -> u64 {
    let mut total = 0u64;
    let mut pending = vec![(&kernel.body, 1u64)];
    while let Some((block, times)) = pending.pop() {
        for stmt in &block.stmts {
            total = total.saturating_add(times.saturating_mul(cost(stmt)));
            if let Stmt::Loop(inner) = stmt {
                pending.push((&inner.body, times.saturating_mul(trips(&inner.axes, sizes))));
            }
        }
    }
    total
}

/// How often the body of a loop is run.
fn trips(axes: &[(LoopVar, Dim)], sizes: &Binding) -> u64 {
    axes.iter().fold(1, |trips: u64, (_, n)| trips.saturating_mul(extent(n, sizes)))
}

/// Sizes that cannot be evaluated are reported by the plan; here they count as nothing.
fn extent(dim: &Dim, sizes: &Binding) -> u64 {
    dim.eval(sizes).unwrap_or(0).max(0) as u64
}

fn weight(op: LaneOp) -> u64 {
    use LaneOp::*;
    match op {
        Exp | Expm1 | Ln | LnOctave | Ln1p | Ln1pUnit | Sin | Cos | Tanh | Logistic | Erf => 16,
        Pow | RandomBits | RandomUniform(_) | RandomNormal(_) => 40,
        Div | Sqrt | Rsqrt | FloorDiv | Rem | Powi(_) => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_kernel::text::{Module, Source};

    fn kernel(body: &str) -> Module {
        kernel_of(&format!("kernel @k(%x: f32[B, N], out %y: f32[B, N]) {{ {body} }}"))
    }

    fn kernel_of(text: &str) -> Module {
        Module::parse(Source::new("test", text)).unwrap_or_else(|mistake| panic!("{mistake}"))
    }

    fn sizes(b: i64, n: i64) -> Binding {
        [("B", b), ("N", n)].into_iter().collect()
    }

    const ROWS: &str = "par %i in 0..B { par %j in 0..N { %0 = load %x[%i, %j] %1 = OP %0 store %y[%i, %j], %1 } }";

    #[test]
    fn work_is_the_statements_times_the_iterations() {
        let plain = kernel(&ROWS.replace("OP", "neg"));
        assert_eq!(work(&plain.kernels[0], &sizes(5, 7)), 3 * 35);
        let dear = kernel(&ROWS.replace("OP", "exp"));
        assert_eq!(work(&dear.kernels[0], &sizes(5, 7)), (2 + 16) * 35);
        assert_eq!(work(&dear.kernels[0], &sizes(i64::MAX, i64::MAX)), u64::MAX);
    }

    #[test]
    fn operations_are_those_on_elements_and_one_for_each_element_reduced() {
        let dear = kernel(&ROWS.replace("OP", "exp"));
        assert_eq!(operations(&dear.kernels[0], &sizes(5, 7)), 16 * 35);
        let sums = "par %i in 0..B { %s = reduce sum %j in 0..N { %0 = load %x[%i, %j] %1 = neg %0 yield %1 }
            store %y[%i, 0], %s }";
        assert_eq!(operations(&kernel(sums).kernels[0], &sizes(5, 7)), 2 * 35);
    }

    #[test]
    fn only_large_work_is_cut_and_never_into_more_tiles_than_rows() {
        let exp = kernel(&ROWS.replace("OP", "exp"));
        let tiles_for = |b, n, threads| tiles(&exp.kernels[0], &sizes(b, n), threads);
        assert_eq!(tiles_for(10, 10, 2), 1);
        assert_eq!(tiles_for(1000, 1000, 1), 1);
        assert_eq!(tiles_for(1000, 1000, 2), 8);
        assert_eq!(tiles_for(3, 1_000_000, 2), 3);
        assert_eq!(tiles_for(64, 64, 8), 4, "no tile has less than its share");
        assert_eq!(tiles_for(0, 1000, 2), 1);
    }

    #[test]
    fn sums_down_few_columns_are_cut_only_if_there_is_more_to_do_than_to_add() {
        let down = |body: &str| {
            let text = format!(
                "kernel @k(%x: f32[B, N], out %y: f32[N]) {{ par %j in 0..N {{
                    %s = reduce sum chain %i in 0..B {{ %0 = load %x[%i, %j] {body} }} store %y[%j], %s
                }} }}"
            );
            kernel_of(&text)
        };
        let (plain, dear) = (down("yield %0"), down("%1 = exp %0 yield %1"));
        let tiles_for = |module: &Module, n| tiles(&module.kernels[0], &sizes(20_000, n), 2);
        assert_eq!((tiles_for(&plain, 32), tiles_for(&plain, 127), tiles_for(&plain, 128)), (1, 1, 2));
        assert_eq!((tiles_for(&dear, 1), tiles_for(&dear, 32), tiles_for(&dear, 1000)), (1, 2, 2));
        let matrices = "kernel @k(%x: f32[N, B, 8], out %y: f32[N, 8]) { par %n in 0..N { par %j in 0..8 {
            %s = reduce sum chain %i in 0..B { %0 = load %x[%n, %i, %j] yield %0 } store %y[%n, %j], %s
        } } }";
        assert_eq!(tiles_for(&kernel_of(matrices), 6), 2, "matrices are cut apart");
    }

    #[test]
    fn a_kernel_of_several_loops_is_not_cut() {
        let two = kernel(&format!(
            "{} {}",
            ROWS.replace("OP", "exp"),
            ROWS.replace("OP", "exp").replace("%0", "%2").replace("%1", "%3")
        ));
        assert_eq!(tiles(&two.kernels[0], &sizes(1000, 1000), 2), 1);
    }

    #[test]
    fn a_large_reduction_is_cut_into_runs_of_blocks() {
        let text = "kernel @k(%x: f32[N]) -> (f32) {
            %s = reduce sum lanes %i in 0..N { %0 = load %x[%i] %1 = exp %0 yield %1 } yield %s
        }";
        let sum = Module::parse(Source::new("test", text)).unwrap_or_else(|mistake| panic!("{mistake}"));
        let tiles_for = |n, threads| tiles(&sum.kernels[0], &sizes(1, n), threads);
        assert_eq!((tiles_for(1000, 2), tiles_for(100_000, 1), tiles_for(0, 2)), (1, 1, 1));
        assert_eq!(tiles_for(100_000, 2), 25, "a run for each block");
        assert_eq!(tiles_for(10_000_000, 2), 20, "runs of 128 blocks");
        assert_eq!((run_length(100_000, 25), run_length(10_000_000, 20)), (4096, 128 * 4096));
    }
}
