//! Copying parts of operands into panels that tiles read in sequence.

#![expect(unsafe_code, reason = "operands are addresses")]

use super::lanes::Lanes;
use super::tile::LONE_ROW_VECTORS;

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

/// Elements between the lines of a packed left operand beyond their length,
/// lest lines a power of two apart compete for the same places of the cache.
const GAP: usize = 16;

/// Elements of scratch for a left operand of `rows` and `steps`.
pub(super) fn left_elements(rows: usize, steps: usize) -> usize {
    (rows * (steps + GAP)).max(steps * (rows + GAP))
}

/// Elements of scratch for the widest panel of a right operand of `steps`.
pub(super) fn right_elements<L: Lanes>(steps: usize) -> usize {
    steps * LONE_ROW_VECTORS.max(L::TILE_VECTORS) * L::WIDTH
}

/// Copies `rows` and `steps` of the left operand line by line, in the order in which they lie.
///
/// # Safety
///
/// `from` must have these rows and steps, `to` room for [`left_elements`].
#[inline(always)]
pub(super) unsafe fn left<L: Lanes>(
    from: View<L::Float>,
    rows: usize,
    steps: usize,
    to: *mut L::Float,
) -> View<L::Float> {
    let (lines, length) = if from.row == 1 { (steps, rows) } else { (rows, steps) };
    let (line, element) = if from.row == 1 { (from.col, from.row) } else { (from.row, from.col) };
    let pitch = length + GAP;
    for idx in 0..lines {
        // SAFETY: line idx lies in the operand, and its copy in the scratch.
        unsafe { copy_line::<L>(from.first.offset(idx as isize * line), element, length, to.add(idx * pitch)) };
    }
    if from.row == 1 {
        View { first: to, row: 1, col: pitch as isize }
    } else {
        View { first: to, row: pitch as isize, col: 1 }
    }
}

/// Copies a panel of the right operand, `steps` by `columns`, into rows of `vectors`.
/// The lanes after the last column hold anything.
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
                copy_line::<L>(from.from(step, 0).first, 1, columns, to.add(step * width));
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
