//! Left operands whose rows or steps are not evenly spaced: those of windows, read where they are.
//!
//! The element of row `i` and step `p` lies at `row[i] + step[p]`, whatever the axes are that rows and steps are made of.
//! So a convolution is a product of which no left operand is ever copied: two tables of offsets, a few hundred entries
//! each, stand in for it.

#![expect(unsafe_code, reason = "steps are read from addresses")]

use super::lanes::Lanes;
use super::tile::Left;
use std::ops::Range;

/// Rows and steps as several axes each, outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The axes of the rows.
    pub rows: Vec<Axis>,
    /// The axes of the steps along `k`.
    pub steps: Vec<Axis>,
}

/// An axis of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// How many elements it has.
    pub size: usize,
    /// From one to the next, in elements.
    pub stride: isize,
}

impl Axis {
    /// The number of places along some axes.
    pub(super) fn count(axes: &[Axis]) -> usize {
        axes.iter().map(|axis| axis.size).product()
    }

    /// The lowest and the highest offset along some axes, which are not empty.
    pub(super) fn reach(axes: &[Axis]) -> Option<(isize, isize)> {
        let (mut lowest, mut highest) = (0_isize, 0_isize);
        for axis in axes {
            let reach = isize::try_from(axis.size.checked_sub(1)?).ok()?.checked_mul(axis.stride)?;
            lowest = lowest.checked_add(reach.min(0))?;
            highest = highest.checked_add(reach.max(0))?;
        }
        Some((lowest, highest))
    }

    /// Writes the offsets of some places, numbered in row-major order, each times `unit`.
    pub(super) fn offsets(axes: &[Axis], places: Range<usize>, unit: usize, to: &mut [usize]) {
        let Some((inner, outer)) = axes.split_last() else { return to.fill(0) };
        let stride = inner.stride.wrapping_mul(unit as isize);
        let (mut place, mut to) = (places.start, &mut to[..places.len()]);
        while !to.is_empty() {
            let (mut rest, first) = (place / inner.size, place % inner.size);
            let mut base = (first as isize).wrapping_mul(stride);
            for axis in outer.iter().rev() {
                base = base
                    .wrapping_add(((rest % axis.size) as isize).wrapping_mul(axis.stride).wrapping_mul(unit as isize));
                rest /= axis.size;
            }
            let (run, others) = to.split_at_mut(to.len().min(inner.size - first));
            for (idx, offset) in run.iter_mut().enumerate() {
                *offset = base.wrapping_add((idx as isize).wrapping_mul(stride)).cast_unsigned();
            }
            place += run.len();
            to = others;
        }
    }
}

/// The rows and steps of a tile as a table of each.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    rows: &'a [usize],
    next: *const usize,
}

impl<'a> Table<'a> {
    #[inline(always)]
    pub(super) fn of(rows: &'a [usize], steps: &'a [usize]) -> Table<'a> {
        Table { rows, next: steps.as_ptr() }
    }
}

impl Left for Table<'_> {
    // Blocks pack the right operand where it has a tail.
    const IS_SPREAD: bool = true;

    #[inline(always)]
    fn go_down(&mut self, rows: usize) {
        self.rows = &self.rows[rows.min(self.rows.len())..];
    }

    #[inline(always)]
    fn row(&self, row: usize) -> usize {
        self.rows[row]
    }

    #[inline(always)]
    unsafe fn next<L: Lanes>(&mut self) -> usize {
        // SAFETY: the caller takes no more steps than there are.
        unsafe {
            let at = self.next.read();
            self.next = self.next.add(1);
            at
        }
    }

    #[inline(always)]
    fn next_adjacent<L: Lanes>(&mut self, _: usize) -> Option<usize> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_of_the_axes() {
        let axis = |size, stride| Axis { size, stride };
        let axes = [axis(2, 100), axis(3, 10), axis(4, -1)];
        let mut all = [0; 24];
        Axis::offsets(&axes, 0..24, 1, &mut all);
        for (n, offset) in all.iter().enumerate() {
            assert_eq!(offset.cast_signed(), (n / 12 * 100 + n / 4 % 3 * 10) as isize - (n % 4) as isize);
        }
        let mut some = [0; 9];
        Axis::offsets(&axes, 5..14, 4, &mut some);
        assert!(some.iter().zip(&all[5..14]).all(|(four, one)| *four == one.wrapping_mul(4)));
        assert_eq!(Axis::reach(&axes), Some((-3, 120)));
        assert_eq!(Axis::count(&axes), 24);
    }
}
