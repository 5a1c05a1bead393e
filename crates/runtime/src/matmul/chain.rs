//! Products in chain order: blocks of rows, blocks of `k`, panels of columns, tiles.
//!
//! Blocks of rows are outermost, so that an epilogue finds its rows complete and hot.

#![expect(unsafe_code, reason = "operands are addresses")]

use super::lanes::{Float, Lanes};
use super::pack::{self, Scratch};
use super::split::evenly;
use super::task::Task;
use super::tile::{self, LONE_ROW_VECTORS, Tile};
use super::{MatMul, Strides};
use std::ops::Range;

/// Steps along `k` in a block: a panel of the right operand this deep stays in the first-level cache.
const BLOCK_STEPS: usize = 256;
/// Rows in a block when operands are packed: a block of the left operand stays in the second-level cache.
const PACKED_ROWS: usize = 128;
/// Elements of the result in a block that an epilogue still finds in the first-level cache.
const HOT_ELEMENTS: usize = 4096;

/// Computes the rows of a task.
///
/// # Safety
///
/// As for [`super::run`]; the machine must have the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn product<L: Lanes>(task: &Task<'_, L::Float>) -> i32 {
    let spec = task.spec;
    let packs = packs(spec, task.rows.len(), size_of::<L::Float>());
    let most = rows_per_block::<L>(spec, packs, task.epilogue.is_some());
    let mut scratch = packs.then(|| Scratch::take(pack::elements::<L>(BLOCK_STEPS, PACKED_ROWS)));
    let mut row = task.rows.start;
    while row < task.rows.end {
        let (matrix, i) = (row / spec.m, row % spec.m);
        let block = row..task.rows.end.min(row + most.min(spec.m - i));
        // SAFETY: the caller vouches for all elements that the strides reach, and block `i` lies in matrix `matrix`.
        unsafe {
            let from = Block {
                k: spec.k,
                n: spec.n,
                a: task.operands.a.offset(matrix as isize * spec.a.batch + i as isize * spec.a.row),
                a_strides: spec.a,
                b: task.operands.b.offset(matrix as isize * spec.b.batch),
                b_strides: spec.b,
                c: task.operands.c.add(matrix * spec.c_batch + i * spec.c_row),
                c_row: spec.c_row,
            };
            match &mut scratch {
                None => from.compute::<L>(block.len()),
                Some(scratch) => from.compute_packed::<L>(block.len(), scratch),
            }
        }
        row = block.end;
        let status = task.finish(block);
        if status != 0 {
            return status;
        }
    }
    0
}

/// Whether operands are copied into contiguous panels first.
fn packs(spec: &MatMul, rows: usize, element_bytes: usize) -> bool {
    let rows = rows.min(spec.m);
    let b_bytes = spec.k.saturating_mul(spec.n).saturating_mul(element_bytes);
    spec.b.col != 1 || (rows >= 64 && b_bytes > 256 << 10)
}

fn rows_per_block<L: Lanes>(spec: &MatMul, packs: bool, has_epilogue: bool) -> usize {
    match (packs, has_epilogue) {
        (true, _) => PACKED_ROWS,
        (false, false) => usize::MAX,
        (false, true) => (HOT_ELEMENTS / spec.n.max(1)).next_multiple_of(L::TILE_ROWS),
    }
}

/// Some rows of one matrix product.
struct Block<T> {
    k: usize,
    n: usize,
    a: *const T,
    a_strides: Strides,
    b: *const T,
    b_strides: Strides,
    c: *mut T,
    c_row: usize,
}

impl<T: Float> Block<T> {
    /// Computes the rows on the operands as they lie; columns of the right one must be adjacent.
    #[inline(always)]
    unsafe fn compute<L: Lanes<Float = T>>(&self, rows: usize) {
        for steps in blocks_of_steps(self.k) {
            for panel in Panel::all::<L>(self.n, rows) {
                for tile_rows in evenly(rows, L::TILE_ROWS) {
                    // SAFETY: rows, steps and columns of the panel lie in this block.
                    unsafe {
                        let a = self.a.offset(tile_rows.start as isize * self.a_strides.row);
                        let tile = Tile {
                            k: steps.len(),
                            a: a.offset(steps.start as isize * self.a_strides.col),
                            a_row: self.a_strides.row,
                            a_col: self.a_strides.col,
                            b: self.b.offset(steps.start as isize * self.b_strides.row).add(panel.column),
                            b_row: self.b_strides.row,
                            c: self.c.add(tile_rows.start * self.c_row + panel.column),
                            c_row: self.c_row,
                            begins: steps.start == 0,
                        };
                        let tail = L::tail(panel.tail_lanes::<L>());
                        tile::compute::<L>(&tile, tile_rows.len(), panel.vectors, tail);
                    }
                }
            }
        }
    }

    /// Computes the rows on panels of both operands, copied so that tiles read them in sequence.
    #[inline(always)]
    unsafe fn compute_packed<L: Lanes<Float = T>>(&self, rows: usize, scratch: &mut Scratch<T>) {
        for steps in blocks_of_steps(self.k) {
            // SAFETY: rows, steps and columns of the panel lie in this block, and the scratch holds
            // BLOCK_STEPS of PACKED_ROWS rows and of the widest panel.
            unsafe {
                let left = scratch.address();
                let right = left.add(BLOCK_STEPS * PACKED_ROWS);
                let a = self.a.offset(steps.start as isize * self.a_strides.col);
                for tile_rows in evenly(rows, L::TILE_ROWS) {
                    let from = a.offset(tile_rows.start as isize * self.a_strides.row);
                    let to = left.add(tile_rows.start * steps.len());
                    pack::left(from, self.a_strides, tile_rows.len(), steps.len(), to);
                }
                for panel in Panel::all::<L>(self.n, rows) {
                    let b = self.b.offset(steps.start as isize * self.b_strides.row);
                    let from = b.offset(panel.column as isize * self.b_strides.col);
                    let width = panel.vectors * L::WIDTH;
                    pack::right(from, self.b_strides, steps.len(), panel.columns, width, right);
                    let tail = L::tail(panel.tail_lanes::<L>());
                    for tile_rows in evenly(rows, L::TILE_ROWS) {
                        let tile = Tile {
                            k: steps.len(),
                            a: left.add(tile_rows.start * steps.len()),
                            a_row: 1,
                            a_col: tile_rows.len() as isize,
                            b: right,
                            b_row: width as isize,
                            c: self.c.add(tile_rows.start * self.c_row + panel.column),
                            c_row: self.c_row,
                            begins: steps.start == 0,
                        };
                        tile::compute::<L>(&tile, tile_rows.len(), panel.vectors, tail);
                    }
                }
            }
        }
    }
}

/// Blocks of steps along `k`; no step at all is one empty block, whose tiles write zeros.
#[inline(always)]
fn blocks_of_steps(k: usize) -> impl Iterator<Item = Range<usize>> {
    let none = (k == 0).then_some(0..0);
    none.into_iter().chain(evenly(k, BLOCK_STEPS))
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
