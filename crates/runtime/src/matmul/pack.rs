//! Copying parts of operands into panels that tiles read in sequence.

#![expect(unsafe_code, reason = "operands are addresses")]

use super::lanes::Lanes;
use super::split::Pieces;
use super::tile::Shape;

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

/// From one step of a packed group of rows to the next.
fn left_pitch<L: Lanes>() -> usize {
    L::TALL.rows.max(L::WIDE.rows)
}

/// Elements of scratch for a left operand of `rows` and `steps`.
pub(super) fn left_elements<L: Lanes>(rows: usize, steps: usize) -> usize {
    rows.div_ceil(L::WIDE.rows) * left_pitch::<L>() * steps
}

/// Elements of scratch for the widest panel of a right operand of `steps`.
pub(super) fn right_elements<L: Lanes>(steps: usize) -> usize {
    steps * Shape::LONE_ROW.vectors * L::WIDTH
}

/// Copies groups of rows of the left operand, so that what a tile reads in one step is adjacent, and its steps, too.
///
/// # Safety
///
/// `from` must have these rows and steps, `to` room for [`left_elements`], and a group at most the rows of a tile.
#[inline(always)]
pub(super) unsafe fn left<L: Lanes>(from: View<L::Float>, groups: Pieces, steps: usize, to: *mut L::Float) {
    for step in 0..steps {
        for (idx, rows) in groups.iter().enumerate() {
            // SAFETY: the rows lie in the operand, and their copies in the place of their group and step.
            unsafe {
                let line = to.add((idx * steps + step) * left_pitch::<L>());
                copy_line::<L>(from.from(rows.start, step).first, from.row, rows.len(), line);
            }
        }
    }
}

/// The copy of a group of rows that [`left`] has made.
///
/// # Safety
///
/// It must have made one of this group and so many steps.
#[inline(always)]
pub(super) unsafe fn packed_left<L: Lanes>(copies: *const L::Float, group: usize, steps: usize) -> View<L::Float> {
    // SAFETY: handed on from the caller.
    let first = unsafe { copies.add(group * steps * left_pitch::<L>()) };
    View { first, row: 1, col: left_pitch::<L>() as isize }
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
            for step in 0..steps {
                let to = to.add(step * width);
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
