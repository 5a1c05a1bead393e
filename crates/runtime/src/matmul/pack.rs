//! Copying parts of operands into panels that tiles read in sequence.

#![expect(unsafe_code, reason = "operands are addresses")]

use super::lanes::Lanes;
use super::limits::AHEAD;
use super::shape::Shape;
use super::split::Pieces;

/// A matrix somewhere in memory.
#[derive(Clone, Copy)]
pub(super) struct View<T> {
    pub(super) first: *const T,
    pub(super) row: isize,
    pub(super) col: isize,
}

impl<T> View<T> {
    /// The matrix without the rows and columns before these.
    ///
    /// # Safety
    ///
    /// They must lie in the matrix.
    #[inline(always)]
    pub(super) unsafe fn from(self, row: usize, col: usize) -> View<T> {
        // SAFETY: the element lies in the matrix.
        let first = unsafe { self.first.offset(row as isize * self.row + col as isize * self.col) };
        View { first, ..self }
    }
}

/// How copies of groups of rows of a left operand lie.
#[derive(Clone, Copy)]
pub(super) struct Copies {
    steps: usize,
    /// From one step of a group to the next.
    step: usize,
    /// From one group to the next: a line further than the elements need, since groups a power of two apart would compete
    /// for places of the cache, and whole vectors are stored at the end.
    group: usize,
}

impl Copies {
    /// Those of so many steps of groups for tiles of so many rows.
    pub(super) fn new<L: Lanes>(rows: usize, steps: usize) -> Copies {
        Copies { steps, step: rows, group: steps * rows + 64 / size_of::<L::Float>() }
    }

    /// Elements of scratch for groups of at most so many rows together.
    pub(super) fn elements<L: Lanes>(self, rows: usize) -> usize {
        rows.div_ceil(L::WIDE.rows.min(self.step)) * self.group
    }

    /// A group of those at `first`, and how far after it the next one is.
    ///
    /// # Safety
    ///
    /// [`left`] must have made a copy of this group there.
    #[inline(always)]
    pub(super) unsafe fn view<T>(self, first: *const T, group: usize) -> (View<T>, isize) {
        // SAFETY: handed on from the caller.
        let first = unsafe { first.add(group * self.group) };
        (View { first, row: 1, col: self.step as isize }, self.group as isize)
    }
}

/// Elements of scratch for the widest panel of a right operand of `steps`.
pub(super) fn right_elements<L: Lanes>(steps: usize) -> usize {
    steps * Shape::LONE_ROW.vectors * L::WIDTH
}

/// Copies groups of rows of the left operand, so that what a tile reads in one step is adjacent, and its steps, too.
///
/// # Safety
///
/// `view` must have these rows and the steps of `copies`, `to` room for their elements, and a group at most the rows of a tile.
#[inline(always)]
pub(super) unsafe fn left<L: Lanes>(view: View<L::Float>, groups: Pieces, copies: Copies, to: *mut L::Float) {
    let (steps, step_pitch, pitch) = (copies.steps, copies.step, copies.group);
    if view.col == 1 {
        for (idx, rows) in groups.iter().enumerate() {
            // SAFETY: the rows lie in the operand, and their copies in the place of their group.
            unsafe {
                transpose::<L>(view.from(rows.start, 0), rows.len(), steps, to.add(idx * pitch), step_pitch);
            }
        }
        return;
    }
    let (all, length) = (groups.extent, groups.get(0).len());
    // Whole vectors are read from full groups that have as many rows after them.
    let mut whole = 0;
    while view.row == 1
        && groups.get(whole).len() == length
        && whole * length + length.next_multiple_of(L::WIDTH) <= all
    {
        whole += 1;
    }
    for step in 0..steps {
        // SAFETY: the rows lie in the operand, and their copies in the place of their group and step. Lanes after them
        // are stored where the next step is copied later, or in the line after the last one.
        unsafe {
            let (mut from, mut line) = (view.from(0, step).first, to.add(step * step_pitch));
            let mut row = 0;
            while row < all {
                L::prefetch(from.wrapping_offset(AHEAD * view.col + row as isize * view.row));
                row += 64 / size_of::<L::Float>();
            }
            for _ in 0..whole {
                let mut row = 0;
                while row < length {
                    L::load(from.add(row)).store(line.add(row));
                    row += L::WIDTH;
                }
                (from, line) = (from.add(length), line.add(pitch));
            }
            for rows in whole..groups.count {
                let rows = groups.get(rows).len();
                copy_line::<L>(from, view.row, rows, line);
                (from, line) = (from.wrapping_offset(rows as isize * view.row), line.wrapping_add(pitch));
            }
        }
    }
}

/// Copies a panel of the right operand, `steps` by `columns`, into rows of `vectors`.
/// The lanes after the last column hold numbers that do not matter.
///
/// # Safety
///
/// `from` must have these steps and columns, at least one and at most `vectors` full,
/// and `to` room for `steps * vectors` vectors.
#[inline(always)]
pub(super) unsafe fn right<L: Lanes>(
    from: View<L::Float>,
    steps: usize,
    columns: usize,
    vectors: usize,
    to: *mut L::Float,
) {
    let width = vectors * L::WIDTH;
    // SAFETY: step < steps and column < columns, or the last column; all lie in the operand and their copies in the panel.
    unsafe {
        if from.col == 1 {
            match (columns == width, vectors) {
                (true, 1) => return whole_rows::<L, 1>(from, steps, to),
                (true, 2) => return whole_rows::<L, 2>(from, steps, to),
                (true, 3) => return whole_rows::<L, 3>(from, steps, to),
                (true, 4) => return whole_rows::<L, 4>(from, steps, to),
                _ => {}
            }
            for step in 0..steps {
                let to = to.add(step * width);
                let later = from.first.wrapping_offset((step as isize + AHEAD) * from.row);
                for vector in 0..vectors {
                    L::prefetch(later.wrapping_add(vector * L::WIDTH));
                }
                // What is left of the last vector is read, too: zeros cost nothing there, as odd numbers might.
                L::zero().store(to.add(width - L::WIDTH));
                copy_line::<L>(from.from(step, 0).first, 1, columns, to);
            }
            return;
        }
        for column in (0..width).step_by(L::WIDTH) {
            let last = (columns - column).min(L::WIDTH) - 1;
            let (from, to) = (from.from(0, column), to.add(column));
            let mut step = 0;
            while from.row == 1 && step + 4 <= steps {
                let rows = L::load_transposed(from.first.add(step), from.col, last);
                for (idx, row) in rows.into_iter().enumerate() {
                    row.store(to.add((step + idx) * width));
                }
                step += 4;
            }
            while step < steps {
                copy_line::<L>(from.from(step, 0).first, from.col, last + 1, to.add(step * width));
                step += 1;
            }
        }
    }
}

/// [`right`] for columns that are adjacent and fill their vectors.
///
/// # Safety
///
/// As there.
#[inline(always)]
unsafe fn whole_rows<L: Lanes, const VECTORS: usize>(from: View<L::Float>, steps: usize, to: *mut L::Float) {
    let (mut row, mut to) = (from.first, to);
    for _ in 0..steps {
        for line in (0..VECTORS * L::WIDTH).step_by(64 / size_of::<L::Float>()) {
            L::prefetch(row.wrapping_offset(AHEAD * from.row).wrapping_add(line));
        }
        for vector in (0..VECTORS * L::WIDTH).step_by(L::WIDTH) {
            // SAFETY: handed on from the caller: there are so many steps, each of so many vectors.
            unsafe { L::load(row.add(vector)).store(to.add(vector)) };
        }
        (row, to) = (row.wrapping_offset(from.row), to.wrapping_add(VECTORS * L::WIDTH));
    }
}

/// Copies rows, so that their elements of one step are adjacent, and `pitch` elements before those of the next.
///
/// # Safety
///
/// `from` must have these rows and steps, its steps adjacent, and `to` room for them and a line more.
#[inline(always)]
unsafe fn transpose<L: Lanes>(from: View<L::Float>, rows: usize, steps: usize, to: *mut L::Float, pitch: usize) {
    // SAFETY: rows and steps lie in the operand. The lanes after the last row are in the place of the next step, whose
    // first rows are stored after them, or in the line after the last one.
    unsafe {
        let mut step = 0;
        while step + 4 <= steps {
            for row in (0..rows).step_by(L::WIDTH).rev() {
                let lines = L::load_transposed(from.from(row, step).first, from.row, rows - row - 1);
                for (idx, line) in lines.into_iter().enumerate() {
                    line.store(to.add((step + idx) * pitch + row));
                }
            }
            step += 4;
        }
        while step < steps {
            copy_line::<L>(from.from(0, step).first, from.row, rows, to.add(step * pitch));
            step += 1;
        }
    }
}

/// Copies elements that lie `stride` apart to adjacent places.
#[inline(always)]
unsafe fn copy_line<L: Lanes>(from: *const L::Float, stride: isize, length: usize, to: *mut L::Float) {
    // SAFETY: the caller vouches for `length` elements on both sides.
    unsafe {
        if stride != 1 {
            for idx in 0..length {
                to.add(idx).write(from.offset(idx as isize * stride).read());
            }
            return;
        }
        let full = length - length % L::WIDTH;
        for idx in (0..full).step_by(L::WIDTH) {
            L::load(from.add(idx)).store(to.add(idx));
        }
        if full < length {
            let tail = L::tail(length - full);
            L::load_tail(from.add(full), tail).store_tail(to.add(full), tail);
        }
    }
}
