//! Left operands whose rows or steps are not evenly spaced: those of windows, read where they are.
//!
//! The element of row `i` and step `p` lies at `row[i] + step[p]`, whatever the axes are that rows and steps are made of.
//! So a convolution is a product of which no left operand is ever copied: two tables of offsets, a few hundred entries
//! each, stand in for it.

#![expect(unsafe_code, reason = "vector instructions and loads from addresses")]

use super::lanes::Lanes;
use super::tile::{Shape, Tile, load_row, step, store_row};
use std::array::from_fn;
use std::ops::Range;

/// Rows of the small tiles, for groups of no more; others have as many as the registers hold.
const FEW: usize = 4;

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

/// Computes a tile whose left elements lie `rows[i] + steps[p]` bytes after `tile.a.first`, of `vectors`, of which the last
/// has `tail_lanes`, at least one; all lanes of the right operand can be read.
///
/// # Safety
///
/// The tile's addresses must be valid for these rows, steps and columns, `rows` and `vectors` at most those of
/// [`of_many_rows`](Shape::of_many_rows), at least one row, and the machine must have the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn compute<L: Lanes>(
    tile: &Tile<L::Float>,
    rows: &[usize],
    steps: &[usize],
    vectors: usize,
    tail_lanes: usize,
) {
    macro_rules! choose {
        ($($rows:literal x [$($vectors:literal)*])*) => {
            match (if rows.len() <= FEW { FEW } else { Shape::of_many_rows::<L>(vectors).rows }, vectors) {
                // SAFETY: handed on from the caller.
                $($(($rows, $vectors) => unsafe {
                    compute_sized::<L, $rows, $vectors>(tile, rows, steps, tail_lanes);
                },)*)*
                (rows, _) => unreachable!("no tile has {rows} rows of {vectors} vectors"),
            }
        };
    }
    choose! {
        4 x [1 2 3 4]
        6 x [1 2 4]
        8 x [1 2 3]
    }
}

/// Rows beyond the last are the last once more, so few shapes serve all numbers of rows.
#[inline(always)]
unsafe fn compute_sized<L: Lanes, const ROWS: usize, const VECTORS: usize>(
    tile: &Tile<L::Float>,
    rows: &[usize],
    steps: &[usize],
    tail_lanes: usize,
) {
    let is_wanted = const {
        let shape = if VECTORS <= L::TALL.vectors { L::TALL } else { L::WIDE };
        shape.holds(ROWS, VECTORS) && (ROWS == FEW || ROWS == shape.rows)
    };
    if !is_wanted {
        unreachable!("no tile of {VECTORS} vectors has {ROWS} rows");
    }
    let is_full = tail_lanes == L::WIDTH;
    let last = rows.len() - 1;
    // SAFETY: every address below is one of an element that the caller vouches for.
    unsafe {
        let tail = L::tail(tail_lanes);
        let mut acc = [[L::zero(); VECTORS]; ROWS];
        if !tile.begins {
            for (row, acc) in acc.iter_mut().enumerate() {
                *acc = load_row::<L, VECTORS>(tile.c.add(row.min(last) * tile.c_row), tail, is_full);
            }
        }
        let first = tile.a.first;
        let left: [_; ROWS] =
            from_fn(|row| first.with_addr(L::kept(first.wrapping_byte_add(rows[row.min(last)]).addr())));
        let (mut at, mut b) = (steps.as_ptr(), tile.b);
        for _ in 0..L::kept(steps.len()) {
            step::<L, ROWS, VECTORS, true>(&mut acc, &left, at.read(), b, tail);
            (at, b) = (at.add(1), b.wrapping_offset(tile.b_row));
        }
        for (row, acc) in acc.into_iter().enumerate() {
            store_row::<L, VECTORS>(acc, tile.c.add(row.min(last) * tile.c_row), tail, is_full);
        }
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
