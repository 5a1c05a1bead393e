//! Splitting of an extent.

use std::ops::Range;

/// `0..extent` in as few pieces as possible of at most so many.
#[derive(Clone, Copy)]
pub(super) struct Pieces {
    pub(super) count: usize,
    pub(super) extent: usize,
    length: usize,
    longer: usize,
}

impl Pieces {
    /// Pieces whose lengths differ by at most one: the last tile is no thin one that wastes the registers.
    #[inline(always)]
    pub(super) fn of(extent: usize, most: usize) -> Pieces {
        let count = extent.div_ceil(most);
        // No pieces, no length: the divisor only has to be there.
        Pieces { count, extent, length: extent / count.max(1), longer: extent % count.max(1) }
    }

    /// Pieces of `most`, but for the last one.
    #[inline(always)]
    pub(super) fn full(extent: usize, most: usize) -> Pieces {
        Pieces { count: extent.div_ceil(most), extent, length: most, longer: 0 }
    }

    #[inline(always)]
    pub(super) fn get(self, idx: usize) -> Range<usize> {
        let start = idx * self.length + idx.min(self.longer);
        start..self.extent.min(start + self.length + usize::from(idx < self.longer))
    }

    #[inline(always)]
    pub(super) fn iter(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.count).map(move |idx| self.get(idx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_even_and_cover_the_extent() {
        let evenly = |extent, most| Pieces::of(extent, most).iter().collect::<Vec<_>>();
        assert_eq!(evenly(30, 8), [0..8, 8..16, 16..23, 23..30]);
        assert_eq!(evenly(7, 3), [0..3, 3..5, 5..7]);
        assert_eq!(evenly(0, 3), []);
        assert_eq!(evenly(8, 4), [0..4, 4..8]);
    }

    #[test]
    fn all_pieces_but_the_last_are_full() {
        let fully = |extent, most| Pieces::full(extent, most).iter().collect::<Vec<_>>();
        assert_eq!(fully(30, 8), [0..8, 8..16, 16..24, 24..30]);
        assert_eq!(fully(8, 4), [0..4, 4..8]);
        assert_eq!(fully(0, 3), []);
    }
}
