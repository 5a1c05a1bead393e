//! Even splitting of an extent.

use std::ops::Range;

/// Cuts `0..extent` into as few pieces as possible of at most `most`, whose lengths differ by at most one.
///
/// Even pieces keep the last tile from being a thin one that wastes the registers.
#[inline(always)]
pub(super) fn evenly(extent: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let pieces = extent.div_ceil(most);
    // No pieces, no length: the divisor only has to be there.
    let (length, longer) = (extent / pieces.max(1), extent % pieces.max(1));
    let mut start = 0;
    (0..pieces).map(move |idx| {
        let piece = start..start + length + usize::from(idx < longer);
        start = piece.end;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_even_and_cover_the_extent() {
        assert_eq!(evenly(30, 8).collect::<Vec<_>>(), [0..8, 8..16, 16..23, 23..30]);
        assert_eq!(evenly(7, 3).collect::<Vec<_>>(), [0..3, 3..5, 5..7]);
        assert_eq!(evenly(0, 3).count(), 0);
        assert_eq!(evenly(3, 8).map(|piece| piece.len()).collect::<Vec<_>>(), [3]);
    }
}
