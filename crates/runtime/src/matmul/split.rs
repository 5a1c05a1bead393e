//! Splitting of an extent.

use std::ops::Range;

/// `0..extent` in as few pieces as possible of at most so many.
#[derive(Clone, Copy)]
pub(super) struct Pieces {
    pub(super) count: usize,
    pub(super) extent: usize,
    length: usize,
    /// So many of the first pieces are longer by so much.
    longer: usize,
    by: usize,
}

impl Pieces {
    /// Pieces whose lengths differ by at most one: the last tile is no thin one that wastes the registers.
    #[inline(always)]
    pub(super) fn of(extent: usize, most: usize) -> Pieces {
        let count = extent.div_ceil(most);
        // No pieces, no length: the divisor only has to be there.
        Pieces { count, extent, length: extent / count.max(1), longer: extent % count.max(1), by: 1 }
    }

    /// Pieces of `most`, but for one or two at the end of at most `few`, where these leave less to spare: tiles that hold
    /// more than they need compute it all the same.
    #[inline(always)]
    pub(super) fn full(extent: usize, most: usize, few: usize) -> Pieces {
        let (few, full, rest) = (few.min(most), extent / most, extent % most);
        // The last full piece and the rest are as much as two small pieces hold, or the rest is as much as one.
        let longer = match rest {
            1.. if full > 0 && most + rest <= 2 * few => full - 1,
            1.. if rest > few => full + 1,
            _ => full,
        };
        Pieces { count: extent.div_ceil(most), extent, length: few, longer, by: most - few }
    }

    #[inline(always)]
    pub(super) fn get(self, idx: usize) -> Range<usize> {
        let start = idx * self.length + idx.min(self.longer) * self.by;
        start..self.extent.min(start + self.length + if idx < self.longer { self.by } else { 0 })
    }

    /// How many pieces are as long as this one, from it on and before another one.
    #[inline(always)]
    pub(super) fn alike(self, idx: usize, end: usize) -> usize {
        let alike = if idx < self.longer { end.min(self.longer) } else { end };
        // The last piece may be cut.
        let is_cut = alike == self.count && self.get(alike - 1).len() < self.get(idx).len();
        alike - idx - usize::from(is_cut)
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
    fn pieces_are_full_but_for_few_at_the_end() {
        let lengths =
            |extent, most, few| Pieces::full(extent, most, few).iter().map(|piece| piece.len()).collect::<Vec<_>>();
        assert_eq!(lengths(30, 8, 4), [8, 8, 8, 6]);
        assert_eq!(lengths(8, 4, 4), [4, 4]);
        assert_eq!(lengths(8, 6, 4), [4, 4]);
        assert_eq!(lengths(13, 6, 4), [6, 4, 3]);
        assert_eq!(lengths(16, 6, 4), [6, 6, 4]);
        assert_eq!(lengths(11, 6, 4), [6, 5]);
        assert_eq!(lengths(3, 6, 4), [3]);
        assert_eq!(lengths(1, 1, 4), [1]);
        assert_eq!(lengths(0, 6, 4), []);
        let pieces: Vec<_> = Pieces::full(13, 6, 4).iter().collect();
        assert_eq!(pieces, [0..6, 6..10, 10..13]);
    }

    #[test]
    fn neighbours_of_one_length_are_counted() {
        for pieces in [Pieces::full(30, 8, 4), Pieces::full(21, 6, 4), Pieces::full(16, 6, 4), Pieces::of(30, 8)] {
            for end in 1..=pieces.count {
                for idx in 0..end {
                    let length = |idx| pieces.get(idx).len();
                    let expected = (idx..end).take_while(|at| length(*at) == length(idx)).count();
                    assert_eq!(pieces.alike(idx, end), expected);
                }
            }
        }
    }
}
