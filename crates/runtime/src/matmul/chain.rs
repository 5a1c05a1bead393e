//! Products in chain order: blocks of rows, blocks of `k`, panels of columns, tiles.
//!
//! A task finishes some rows before it begins others, so that an epilogue finds its rows complete and hot.

#![expect(unsafe_code, reason = "operands are addresses")]

use super::lanes::{Float, Lanes};
use super::limits::{
    BLOCK_ROWS, BLOCK_STEPS, FAR_APART, FEWEST_PACKED_ROWS, HOT_BYTES, LARGE_OPERAND, VECTORS_FOR_ROWS,
    vectors_for_steps,
};
use super::pack::{self, View};
use super::scratch::Scratch;
use super::shape::{self, Shape};
use super::split::Pieces;
use super::spread::{Axis, Spread, Table};
use super::task::Task;
use super::tile::{self, Beyond, Even, Tile};
use std::ops::Range;
use std::ptr;

/// Computes the rows and columns of a task.
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
    let mut tables = task.operands.spread.map(|_| Scratch::offsets(blocking.rows + blocking.steps));
    let mut offsets = tables.as_mut().zip(task.operands.spread).map(|(tables, spread)| {
        let (rows, steps) = tables.numbers().split_at_mut(blocking.rows);
        Offsets { spread, rows, steps }
    });
    let mut row = task.rows.start;
    while row < task.rows.end {
        let (matrix, i) = (row / spec.m, row % spec.m);
        let end = task.rows.end.min(row + blocking.rows.min(spec.m - i));
        // SAFETY: the caller vouches for all elements that the strides reach, and these rows lie in matrix `matrix`.
        unsafe {
            let a = task.operands.a.offset(matrix as isize * spec.a.batch);
            let b = task.operands.b.offset(matrix as isize * spec.b.batch);
            let columns = &task.columns;
            if let Some(Offsets { spread, rows, .. }) = &mut offsets {
                Axis::offsets(&spread.rows, i..i + end - row, size_of::<L::Float>(), rows);
            }
            let whole = View { first: a, row: spec.a.row, col: spec.a.col };
            let block = Block {
                rows: end - row,
                columns: columns.len(),
                steps: task.steps.clone(),
                a: if offsets.is_some() { whole } else { whole.from(i, 0) },
                b: View { first: b, row: spec.b.row, col: spec.b.col }.from(0, columns.start),
                c: task.operands.c.add(matrix * spec.c_batch + i * spec.c_row + columns.start),
                c_row: spec.c_row,
                packed: task.packed,
            };
            block.compute::<L>(&blocking, room, offsets.as_mut());
        }
        let status = task.finish(row..end);
        if status != 0 {
            return status;
        }
        row = end;
    }
    0
}

/// Packs the columns of a task and a part of its steps to where `task.packed` says that other tasks will find them.
///
/// # Safety
///
/// As for [`super::run`]; `to` must have room for the task's steps of its columns, rounded up to whole vectors,
/// and the machine the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn pack_right<L: Lanes>(task: &Task<'_, L::Float>, steps: Range<usize>, to: *mut L::Float) {
    let (spec, columns) = (task.spec, &task.columns);
    let depth = task.steps.len();
    // SAFETY: the panels lie in the right operand of the task's matrix, and their copies side by side in `to`.
    unsafe {
        let matrix = task.rows.start / spec.m;
        let first = task.operands.b.offset(matrix as isize * spec.b.batch);
        let b = View { first, row: spec.b.row, col: spec.b.col }.from(steps.start, columns.start);
        let vectors = columns.len().div_ceil(L::WIDTH);
        let shape = Blocking::of::<L>(task).shape.unwrap_or(Shape::of_many_rows::<L>(vectors));
        let panels = Pieces::of(vectors, shape.vectors);
        for panel in panels.iter().map(|vectors| Panel::new::<L>(vectors, columns.len())) {
            let before = panel.column * depth + (steps.start - task.steps.start) * panel.vectors * L::WIDTH;
            L::pack_right(b.from(0, panel.column), steps.len(), panel.columns, panel.vectors, to.add(before));
        }
    }
}

/// Where the elements of a spread left operand lie, in bytes: those of the rows and steps of a block.
struct Offsets<'a> {
    spread: &'a Spread,
    rows: &'a mut [usize],
    steps: &'a mut [usize],
}

/// How a task is cut into blocks, which operands are copied first, and what is fetched before it is used.
struct Blocking {
    rows: usize,
    steps: usize,
    /// The shape of the tiles by many rows, unless rows and columns decide.
    shape: Option<Shape>,
    packs_left: bool,
    packs_right: bool,
    /// What lies beyond the columns of a right operand that is not packed.
    beyond: Beyond,
    fetches_rows: bool,
    has_large_result: bool,
}

impl Blocking {
    #[inline(always)]
    fn of<L: Lanes>(task: &Task<'_, L::Float>) -> Blocking {
        let spec = task.spec;
        let bytes = size_of::<L::Float>();
        let rows = spec.m.min(task.rows.len());
        let is_far = |stride: isize| stride.unsigned_abs().saturating_mul(bytes) >= FAR_APART;
        // A panel is read by every tile of its block, a block of the left operand by every panel.
        let is_spread = task.operands.spread.is_some();
        let steps = if task.packed.is_some() { task.steps.len() } else { BLOCK_STEPS.min(spec.k) };
        let vectors = task.columns.len().div_ceil(L::WIDTH);
        let is_left_costly = match spec.a.col {
            1 => task.copies_rows && is_far(spec.a.row) && vectors >= VECTORS_FOR_ROWS,
            step => vectors >= vectors_for_steps(step.unsigned_abs().saturating_mul(bytes), steps),
        };
        let packs_left = !is_spread && is_left_costly;
        let has_gaps = spec.b.col != 1 || spec.b.row != spec.n as isize;
        let beyond = if has_gaps { Beyond::Nothing } else { Beyond::Rows };
        let shape = match task.packed {
            Some(_) if packs_left && vectors >= VECTORS_FOR_ROWS => Some(L::COPIED),
            Some(_) => Some(Shape::of_many_rows::<L>(vectors)),
            None => is_spread.then(|| Shape::of_many_rows::<L>(vectors)),
        };
        if task.packed.is_some() {
            let is_large = |columns: usize| spec.m.saturating_mul(columns).saturating_mul(bytes) >= LARGE_OPERAND;
            let fetches_rows = !is_spread && !packs_left && spec.a.col == 1 && is_large(spec.k);
            let has_large_result = is_large(spec.n);
            let packs_right = false;
            return Blocking { rows, steps, shape, packs_left, packs_right, beyond, fetches_rows, has_large_result };
        }
        // Tiles of spread rows read all lanes of the right operand.
        let has_tail = !task.columns.len().is_multiple_of(L::WIDTH);
        let packs_right = spec.b.col != 1 || (is_far(spec.b.row) && rows >= BLOCK_ROWS) || (is_spread && has_tail);
        let hot_rows = match task.epilogue {
            Some(_) => (HOT_BYTES / bytes / spec.n.max(1)).next_multiple_of(L::WIDE.rows),
            None => BLOCK_ROWS,
        };
        let fewest = if packs_right { FEWEST_PACKED_ROWS } else { L::WIDE.rows };
        let rows = hot_rows.clamp(fewest, BLOCK_ROWS).min(rows);
        let (fetches_rows, has_large_result) = (false, false);
        Blocking { rows, steps, shape, packs_left, packs_right, beyond, fetches_rows, has_large_result }
    }

    /// How copies of so many steps of the left operand lie.
    #[inline(always)]
    fn copies<L: Lanes>(&self, steps: usize) -> pack::Copies {
        let rows = self.shape.map_or(0, |shape| shape.rows);
        pack::Copies::new::<L>(rows.max(L::TALL.rows).max(L::WIDE.rows), steps)
    }

    #[inline(always)]
    fn scratch_elements<L: Lanes>(&self) -> usize {
        let left = if self.packs_left { self.copies::<L>(self.steps).elements::<L>(self.rows) } else { 0 };
        let right = if self.packs_right { pack::right_elements::<L>(self.steps) } else { 0 };
        left + right
    }
}

/// Some rows and columns of one matrix product.
struct Block<T> {
    rows: usize,
    columns: usize,
    steps: Range<usize>,
    a: View<T>,
    b: View<T>,
    c: *mut T,
    c_row: usize,
    packed: Option<*const T>,
}

impl<T: Float> Block<T> {
    #[inline(always)]
    unsafe fn compute<L: Lanes<Float = T>>(
        &self,
        blocking: &Blocking,
        scratch: *mut T,
        mut offsets: Option<&mut Offsets<'_>>,
    ) {
        let vectors = self.columns.div_ceil(L::WIDTH);
        let shape = blocking.shape.unwrap_or_else(|| Shape::of::<L>(self.rows, vectors));
        let panels = Pieces::of(vectors, shape.vectors);
        let groups = Pieces::full(self.rows, shape.rows, shape::FEW);
        // No step at all is one empty block, whose tiles write zeros.
        let blocks = Pieces::of(self.steps.len().max(1), blocking.steps.max(1));
        for steps in blocks.iter() {
            let steps = self.steps.start + steps.start..self.steps.end.min(self.steps.start + steps.end);
            if let Some(Offsets { spread, steps: table, .. }) = &mut offsets {
                Axis::offsets(&spread.steps, steps.clone(), size_of::<T>(), table);
            }
            // SAFETY: rows, steps and columns of the panels lie in this block, and the scratch has room for
            // a left operand of the blocking's rows and steps, then for the widest panel of its steps.
            unsafe {
                let mut panel_scratch = scratch;
                let copies = blocking.copies::<L>(steps.len());
                if blocking.packs_left {
                    pack::left::<L>(self.a.from(0, steps.start), groups, copies, scratch);
                    let most = blocking.copies::<L>(blocking.steps);
                    panel_scratch = scratch.add(most.elements::<L>(blocking.rows));
                }
                // What was packed for all is read again and again from the second-level cache by a few rows after the
                // other; what is packed here, or lies where it is, is used by all of them while it is near.
                let is_shared = self.packed.is_some();
                let full_panels = panels.count - usize::from(!self.columns.is_multiple_of(L::WIDTH));
                let mut first = 0;
                while first < groups.count {
                    let end = if is_shared { first + 1 } else { groups.count };
                    let mut panel_idx = 0;
                    while panel_idx < panels.count {
                        let panel = Panel::new::<L>(panels.get(panel_idx), self.columns);
                        let packed_row = (panel.vectors * L::WIDTH) as isize;
                        let mut b = self.b.from(steps.start, panel.column);
                        if let Some(packed) = self.packed {
                            b = View { first: packed.add(panel.column * steps.len()), row: packed_row, col: 1 };
                        } else if blocking.packs_right {
                            L::pack_right(b, steps.len(), panel.columns, panel.vectors, panel_scratch);
                            b = View { first: panel_scratch, row: packed_row, col: 1 };
                        }
                        let (vectors, tail_lanes) = (panel.vectors, panel.tail_lanes::<L>());
                        let to_the_right = match is_shared && !blocking.fetches_rows && tail_lanes == L::WIDTH {
                            true => panels.alike(panel_idx, full_panels),
                            false => 1,
                        };
                        let mut group = first;
                        while group < end {
                            let rows = groups.get(group);
                            let (a, below) = match &offsets {
                                Some(_) => (self.a, 0),
                                None if blocking.packs_left => copies.view(scratch.cast_const(), group),
                                None => (self.a.from(rows.start, steps.start), rows.len() as isize * self.a.row),
                            };
                            if blocking.fetches_rows && group + 1 < groups.count {
                                // The rows of the next group, a part with each panel.
                                let part = Pieces::of(steps.len(), steps.len().div_ceil(panels.count)).get(panel_idx);
                                for row in groups.get(group + 1) {
                                    fetch::<L>(self.a.from(row, steps.start).first, part.clone());
                                }
                            }
                            let downwards = groups.alike(group, end);
                            let (is_packed, begins) = (is_shared || blocking.packs_right, steps.start == 0);
                            let tile = Tile {
                                count: downwards.max(to_the_right),
                                goes_right: to_the_right > 1,
                                k: steps.len(),
                                a: a.first,
                                b: b.first,
                                b_row: b.row,
                                beyond: if is_packed { Beyond::Anything } else { blocking.beyond },
                                c: self.c.add(rows.start * self.c_row + panel.column),
                                c_row: self.c_row,
                                begins,
                                fetches_result: is_packed && (!begins || blocking.has_large_result),
                            };
                            match &offsets {
                                Some(Offsets { rows: from, steps, .. }) => {
                                    let left = Table::of(&from[rows.start..], steps);
                                    tile::compute::<L, _>(&tile, left, rows.len(), vectors, tail_lanes);
                                }
                                None => {
                                    let left = Even::of(&a, below);
                                    tile::compute::<L, _>(&tile, left, rows.len(), vectors, tail_lanes);
                                }
                            }
                            group += downwards;
                        }
                        panel_idx += to_the_right;
                    }
                    first = end;
                }
            }
        }
    }
}

/// Fetches the lines of some elements of a row.
#[inline(always)]
fn fetch<L: Lanes>(row: *const L::Float, elements: Range<usize>) {
    for idx in elements.step_by(64 / size_of::<L::Float>()) {
        L::prefetch(row.wrapping_add(idx));
    }
}

/// Neighbouring columns, a few vectors wide.
struct Panel {
    column: usize,
    columns: usize,
    vectors: usize,
}

impl Panel {
    /// The panel of these vectors of `columns`.
    #[inline(always)]
    fn new<L: Lanes>(vectors: Range<usize>, columns: usize) -> Panel {
        let column = vectors.start * L::WIDTH;
        Panel { column, columns: columns.min(vectors.end * L::WIDTH) - column, vectors: vectors.len() }
    }

    /// Lanes of the last vector that are columns.
    #[inline(always)]
    fn tail_lanes<L: Lanes>(&self) -> usize {
        self.columns - (self.vectors - 1) * L::WIDTH
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::{Portable, Shapes};
    use super::super::{MatMul, Operands, Strides};
    use super::*;

    /// The tiles of 512-bit vectors, for all machines.
    #[derive(Clone, Copy)]
    struct ManyRegisters;

    impl Shapes for ManyRegisters {
        const TALL: Shape = Shape { rows: 8, vectors: 3 };
        const WIDE: Shape = Shape { rows: 6, vectors: 4 };
        const COPIED: Shape = Shape { rows: 12, vectors: 2 };
        const TAILS_COST: bool = true;
        const HAS_HALVES: bool = true;
    }

    type Vectors = Portable<f32, ManyRegisters>;

    /// A product whose right operand is packed first, for all rows at once, or not.
    fn multiplied(spec: &MatMul, a: &[f32], b: &[f32], packs: bool) -> Vec<f32> {
        let mut c = vec![f32::NAN; spec.m * spec.n];
        let operands = Operands { a: a.as_ptr(), b: b.as_ptr(), c: c.as_mut_ptr(), spread: None };
        let mut task = Task::of_rows(spec, operands, 0..spec.m, None);
        let mut packed = vec![f32::NAN; spec.k * spec.n.next_multiple_of(Vectors::WIDTH)];
        // SAFETY: the slices have the rows and columns of the product, and `packed` has those of whole vectors.
        unsafe {
            if packs {
                task.packed = Some(packed.as_ptr());
                task.copies_rows = true;
                pack_right::<Vectors>(&task, 0..spec.k, packed.as_mut_ptr());
            }
            assert_eq!(product::<Vectors>(&task), 0);
        }
        c
    }

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|i| (i * 37 % 101) as f32 / 16.0 - 3.0).collect()
    }

    /// The product of a left operand with rows so far apart and a right one without gaps, by the definition.
    fn chains(spec: &MatMul, a: &[f32], b: &[f32]) -> Vec<f32> {
        let [row, k, n] = [spec.a.row.cast_unsigned(), spec.k, spec.n];
        let chain = |i: usize, j: usize| (0..k).fold(0.0f32, |acc, p| a[i * row + p].mul_add(b[p * n + j], acc));
        (0..spec.m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| chain(i, j)).collect()
    }

    #[test]
    fn wide_and_tall_tiles_of_all_sizes_give_the_same_chains() {
        for (m, k) in [(1, 3), (2, 1), (5, 9), (6, 4), (7, 8), (13, 5), (16, 6), (25, 7), (32, 12)] {
            for n in (1..90).chain([127, 128]) {
                let (a, b) = (numbers(m * k), numbers(k * n));
                let spec = MatMul::row_major(m, k, n);
                let expected = chains(&spec, &a, &b);
                for packs in [false, true] {
                    assert_eq!(multiplied(&spec, &a, &b, packs), expected, "{m} x {k} x {n}, packed: {packs}");
                }
            }
        }
    }

    #[test]
    fn tiles_of_rows_copied_for_many_columns_give_the_same_chains() {
        let (k, row) = (9, FAR_APART / size_of::<f32>());
        for m in (1..30).chain([48, 61]) {
            for n in [VECTORS_FOR_ROWS * Vectors::WIDTH, 193, 198, 200] {
                let (a, b) = (numbers(m * row), numbers(k * n));
                let plain = MatMul::row_major(m, k, n);
                let spec = MatMul { a: Strides { row: row as isize, ..plain.a }, ..plain };
                assert_eq!(multiplied(&spec, &a, &b, true), chains(&spec, &a, &b), "{m} x {k} x {n}");
            }
        }
    }
}
