//! How much work a kernel is, so that only launches worth it are split over threads.

use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::loops::{Kernel, Stmt};
use tracelift_tensor::{Binding, Dim};

/// Launches with less work than this stay on one thread: about four microseconds, ten times a fork-join.
const WORTH_SPLITTING: u64 = 1 << 16;

/// No tile has less work than this.
const TILE_WORK: u64 = 1 << 14;

/// How many tiles a launch is cut into on `threads` threads; 1 if splitting does not pay.
///
/// Tiles are ranges of the outermost `par` loop, so a kernel without one is never cut.
pub(super) fn tiles(kernel: &Kernel, sizes: &Binding, threads: usize) -> usize {
    let Some(outer) = kernel.outer_par() else { return 1 };
    if threads < 2 || !kernel.results.is_empty() {
        return 1;
    }
    let work = work(kernel, sizes);
    if work < WORTH_SPLITTING {
        return 1;
    }
    let most = (work / TILE_WORK).min(threads as u64 * 4);
    most.min(extent(&outer.axes[0].1, sizes)).max(1) as usize
}

/// The number of scalar operations, weighted by what they cost beside an addition.
fn work(kernel: &Kernel, sizes: &Binding) -> u64 {
    let mut total = 0u64;
    let mut pending = vec![(&kernel.body, 1u64)];
    while let Some((block, times)) = pending.pop() {
        for stmt in &block.stmts {
            let cost = match stmt {
                Stmt::Load { .. } | Stmt::Store { .. } | Stmt::Index { .. } => 1,
                Stmt::Lane { op, .. } => weight(*op),
                Stmt::Loop(inner) => {
                    let trips = inner.axes.iter().fold(1, |trips: u64, (_, n)| trips.saturating_mul(extent(n, sizes)));
                    pending.push((&inner.body, times.saturating_mul(trips)));
                    continue;
                }
            };
            total = total.saturating_add(times.saturating_mul(cost));
        }
    }
    total
}

/// Sizes that cannot be evaluated are reported by the plan; here they count as nothing.
fn extent(dim: &Dim, sizes: &Binding) -> u64 {
    dim.eval(sizes).unwrap_or(0).max(0) as u64
}

fn weight(op: LaneOp) -> u64 {
    use LaneOp::*;
    match op {
        Exp | Expm1 | Ln | Ln1p | Sin | Cos | Tanh | Logistic | Erf | Pow => 16,
        RandomBits | RandomUniform(_) | RandomNormal(_) => 40,
        Div | Sqrt | Rsqrt | FloorDiv | Rem | Powi(_) => 4,
        _ => 1,
    }
}
