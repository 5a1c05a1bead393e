//! Products in chain order: blocks of rows, blocks of `k`, panels of columns, tiles.
//!
//! Blocks of rows are outermost, so that an epilogue finds its rows complete and hot.

#![expect(unsafe_code, reason = "operands are addresses")]

use super::lanes::{Float, Lanes};
use super::pack::{self, View};
use super::scratch::Scratch;
use super::split::evenly;
use super::task::Task;
use super::tile::{self, LONE_ROW_VECTORS, Tile};
use std::ops::Range;
use std::ptr;

/// Steps along `k` in a block: a panel of the right operand this deep stays near the processor.
const BLOCK_STEPS: usize = 256;
/// Rows in a block, and the fewest of them where a block shares the cost of packing.
const BLOCK_ROWS: usize = 256;
const FEWEST_PACKED_ROWS: usize = 64;
/// Bytes of the result in a block that an epilogue is to find in the second-level cache.
const HOT_BYTES: usize = 64 << 10;
/// Lines further apart than this, in bytes, cost a page of the address cache each and compete for places of the cache.
const FAR_APART: usize = 2048;

/// Computes the rows of a task.
///
/// # Safety
///
/// As for [`super::run`]; the machine must have the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn product<L: Lanes>(task: &Task<'_, L::Float>) -> i32 {
    let spec = task.spec;
    let blocking = Blocking::of::<L>(task);
    let needed = blocking.scratch_elements::<L>();
    let mut scratch = (needed > 0).then(|| Scratch::take(needed));
    let room = scratch.as_mut().map_or(ptr::dangling_mut(), Scratch::address);
    let mut row = task.rows.start;
    while row < task.rows.end {
        let (matrix, i) = (row / spec.m, row % spec.m);
        let end = task.rows.end.min(row + blocking.rows.min(spec.m - i));
        // SAFETY: the caller vouches for all elements that the strides reach, and these rows lie in matrix `matrix`.
        unsafe {
            let a = task.operands.a.offset(matrix as isize * spec.a.batch);
            let b = task.operands.b.offset(matrix as isize * spec.b.batch);
            let block = Block {
                rows: end - row,
                k: spec.k,
                n: spec.n,
                a: View { first: a, row: spec.a.row, col: spec.a.col }.from(i, 0),
                b: View { first: b, row: spec.b.row, col: spec.b.col },
                c: task.operands.c.add(matrix * spec.c_batch + i * spec.c_row),
                c_row: spec.c_row,
            };
            block.compute::<L>(&blocking, room);
        }
        let status = task.finish(row..end);
        if status != 0 {
            return status;
        }
        row = end;
    }
    0
}

/// How a product is cut into blocks, and which operands are copied first.
struct Blocking {
    rows: usize,
    steps: usize,
    packs_left: bool,
    packs_right: bool,
}

impl Blocking {
    #[inline(always)]
    fn of<L: Lanes>(task: &Task<'_, L::Float>) -> Blocking {
        let spec = task.spec;
        let bytes = size_of::<L::Float>();
        let rows = spec.m.min(task.rows.len());
        let is_far = |stride: isize| stride.unsigned_abs().saturating_mul(bytes) >= FAR_APART;
        // A panel is read by every tile of its block, a block of the left operand by every panel.
        let packs_right = spec.b.col != 1 || (is_far(spec.b.row) && rows >= BLOCK_ROWS);
        let left_line = if spec.a.row == 1 { spec.a.col } else { spec.a.row };
        let packs_left = is_far(left_line) && rows >= FEWEST_PACKED_ROWS && spec.n >= 8 * L::TILE_VECTORS * L::WIDTH;
        let hot_rows = match task.epilogue {
            Some(_) => (HOT_BYTES / bytes / spec.n.max(1)).next_multiple_of(L::TILE_ROWS),
            None => BLOCK_ROWS,
        };
        let fewest = if packs_right { FEWEST_PACKED_ROWS } else { L::TILE_ROWS };
        Blocking {
            rows: hot_rows.clamp(fewest, BLOCK_ROWS).min(rows),
            steps: BLOCK_STEPS.min(spec.k),
            packs_left,
            packs_right,
        }
    }

    #[inline(always)]
    fn scratch_elements<L: Lanes>(&self) -> usize {
        let left = if self.packs_left { pack::left_elements(self.rows, self.steps) } else { 0 };
        let right = if self.packs_right { pack::right_elements::<L>(self.steps) } else { 0 };
        left + right
    }
}

/// Some rows of one matrix product.
struct Block<T> {
    rows: usize,
    k: usize,
    n: usize,
    a: View<T>,
    b: View<T>,
    c: *mut T,
    c_row: usize,
}

impl<T: Float> Block<T> {
    #[inline(always)]
    unsafe fn compute<L: Lanes<Float = T>>(&self, blocking: &Blocking, scratch: *mut T) {
        for steps in blocks_of_steps(self.k, blocking.steps) {
            // SAFETY: rows, steps and columns of the panels lie in this block, and the scratch has room for
            // a left operand of the blocking's rows and steps, then for the widest panel of its steps.
            unsafe {
                let mut a = self.a.from(0, steps.start);
                let mut panel_scratch = scratch;
                if blocking.packs_left {
                    a = pack::left::<L>(a, self.rows, steps.len(), scratch);
                    panel_scratch = scratch.add(pack::left_elements(blocking.rows, blocking.steps));
                }
                for panel in Panel::all::<L>(self.n, self.rows) {
                    let mut b = self.b.from(steps.start, panel.column);
                    if blocking.packs_right {
                        pack::right::<L>(b, steps.len(), panel.columns, panel.vectors, panel_scratch);
                        b = View { first: panel_scratch, row: (panel.vectors * L::WIDTH) as isize, col: 1 };
                    }
                    let tail_lanes = panel.tail_lanes::<L>();
                    for rows in evenly(self.rows, L::TILE_ROWS) {
                        let tile = Tile {
                            k: steps.len(),
                            a: a.from(rows.start, 0),
                            b: b.first,
                            b_row: b.row,
                            c: self.c.add(rows.start * self.c_row + panel.column),
                            c_row: self.c_row,
                            begins: steps.start == 0,
                        };
                        tile::compute::<L>(&tile, rows.len(), panel.vectors, tail_lanes);
                    }
                }
            }
        }
    }
}

/// Blocks of steps along `k`; no step at all is one empty block, whose tiles write zeros.
#[inline(always)]
fn blocks_of_steps(k: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let none = (k == 0).then_some(0..0);
    none.into_iter().chain(evenly(k, most.max(1)))
}

/// Neighbouring columns, a few vectors wide.
struct Panel {
    column: usize,
    columns: usize,
    vectors: usize,
}

impl Panel {
    #[inline(always)]
    fn all<L: Lanes>(n: usize, rows: usize) -> impl Iterator<Item = Panel> {
        let most = if rows == 1 { LONE_ROW_VECTORS } else { L::TILE_VECTORS };
        evenly(n.div_ceil(L::WIDTH), most).map(move |vectors| {
            let column = vectors.start * L::WIDTH;
            Panel { column, columns: n.min(vectors.end * L::WIDTH) - column, vectors: vectors.len() }
        })
    }

    /// Lanes of the last vector that are columns.
    #[inline(always)]
    fn tail_lanes<L: Lanes>(&self) -> usize {
        self.columns - (self.vectors - 1) * L::WIDTH
    }
}
