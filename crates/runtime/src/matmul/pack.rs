//! Copying parts of operands into panels that tiles read in sequence.

#![expect(unsafe_code, reason = "operands are addresses")]

use super::Strides;
use super::lanes::Lanes;
use super::tile::LONE_ROW_VECTORS;
use std::cell::Cell;
use std::marker::PhantomData;

/// Memory for packed panels, kept by the thread from one product to the next.
pub(super) struct Scratch<T> {
    lines: Vec<Line>,
    elements: PhantomData<T>,
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; 64],
}

thread_local! {
    static KEPT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

impl<T> Scratch<T> {
    /// Takes the thread's scratch, grown to hold `elements`.
    pub(super) fn take(elements: usize) -> Scratch<T> {
        let mut lines = KEPT.take();
        let needed = (elements * size_of::<T>()).div_ceil(size_of::<Line>());
        if lines.len() < needed {
            lines.resize(needed, Line { _bytes: [0; 64] });
        }
        Scratch { lines, elements: PhantomData }
    }

    /// The address of the scratch.
    pub(super) fn address(&mut self) -> *mut T {
        self.lines.as_mut_ptr().cast()
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        KEPT.set(std::mem::take(&mut self.lines));
    }
}

/// Elements of scratch for blocks of `steps` and `rows`, with the widest panel of `L`.
pub(super) fn elements<L: Lanes>(steps: usize, rows: usize) -> usize {
    steps * (rows + LONE_ROW_VECTORS.max(L::TILE_VECTORS) * L::WIDTH)
}

/// Copies `rows` of the left operand so that those of one step are adjacent.
///
/// # Safety
///
/// `from` must be valid for these rows and steps, `to` for their product.
#[inline(always)]
pub(super) unsafe fn left<T: Copy>(from: *const T, strides: Strides, rows: usize, steps: usize, to: *mut T) {
    for row in 0..rows {
        for step in 0..steps {
            // SAFETY: row < rows and step < steps.
            unsafe {
                let at = row as isize * strides.row + step as isize * strides.col;
                to.add(step * rows + row).write(from.offset(at).read());
            }
        }
    }
}

/// Copies `columns` of the right operand into rows of `width`, filled up with zeros.
///
/// # Safety
///
/// `from` must be valid for these steps and columns, `to` for `steps * width` elements.
#[inline(always)]
pub(super) unsafe fn right<T: Copy + Default>(
    from: *const T,
    strides: Strides,
    steps: usize,
    columns: usize,
    width: usize,
    to: *mut T,
) {
    /// Steps copied at a time, so that a cache line of a column is read once.
    const RUN: usize = 16;
    for first in (0..steps).step_by(RUN) {
        for column in 0..width {
            for step in first..steps.min(first + RUN) {
                // SAFETY: step < steps, and the operand is read for column < columns only.
                unsafe {
                    let at = step as isize * strides.row + column as isize * strides.col;
                    let x = if column < columns { from.offset(at).read() } else { T::default() };
                    to.add(step * width + column).write(x);
                }
            }
        }
    }
}
