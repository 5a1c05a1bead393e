//! Which tiles there are: rows, vectors, and how the last vector is read.

use super::lanes::Lanes;
use super::tile::Left;

/// Rows and vectors of a tile.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub rows: usize,
    pub vectors: usize,
}

/// Rows of the small tiles, for groups of no more; larger groups take a tile of as many as the registers hold.
pub(super) const FEW: usize = 4;

impl Shape {
    /// One row and enough independent chains to hide the latency of an addition.
    pub(super) const LONE_ROW: Shape = Shape { rows: 1, vectors: 8 };

    /// The shape of the tiles of `vectors` by any number of rows.
    ///
    /// A wide tile takes the fewest instructions, a tall one has the chains that few vectors lack.
    #[inline(always)]
    pub(super) const fn of_many_rows<L: Lanes>(vectors: usize) -> Shape {
        if vectors <= L::TALL.vectors { L::TALL } else { L::WIDE }
    }

    /// The shape that cuts `rows` of `vectors` into the fewest tiles.
    #[inline(always)]
    pub(super) fn of<L: Lanes>(rows: usize, vectors: usize) -> Shape {
        let tiles = |shape: Shape| rows.div_ceil(shape.rows) * vectors.div_ceil(shape.vectors);
        if rows == 1 {
            Shape::LONE_ROW
        } else if tiles(L::TALL) < tiles(L::WIDE) {
            L::TALL
        } else {
            L::WIDE
        }
    }

    /// The rows of the tile that computes `rows` of `vectors`: no more than those of the largest shape there may be.
    #[inline(always)]
    pub(super) fn rows_for<L: Lanes, A: Left>(rows: usize, vectors: usize) -> usize {
        if rows == 1 && !A::IS_SPREAD {
            1
        } else if rows <= FEW {
            FEW
        } else if rows <= L::WIDE.rows {
            // Also of fewer vectors: the last panel of columns may have no more.
            L::WIDE.rows
        } else {
            let full = Shape::of_many_rows::<L>(vectors).rows;
            if rows <= full { full } else { L::COPIED.rows }
        }
    }

    /// Whether there are tiles of this shape.
    const fn is_used<L: Lanes, A: Left>(self) -> bool {
        let full = Shape::of_many_rows::<L>(self.vectors);
        if self.rows == 1 {
            !A::IS_SPREAD && self.vectors <= Shape::LONE_ROW.vectors
        } else {
            let is_kind = self.rows == FEW || self.rows == L::WIDE.rows || self.rows == full.rows;
            let is_copied = !A::IS_SPREAD && self.rows == L::COPIED.rows && self.vectors <= L::COPIED.vectors;
            (is_kind && self.vectors <= full.vectors) || is_copied
        }
    }

    /// Whether there are tiles of this shape with such a last vector.
    pub(super) const fn is_used_with<L: Lanes, A: Left>(self, last: Last) -> bool {
        // A lone row waits for memory anyhow.
        let has_masks = !L::TAILS_COST || (self.rows == 1 && !A::IS_SPREAD);
        let is_kind = match last {
            Last::Masked => has_masks,
            Last::Whole => !has_masks,
            // What is to gain must be worth the code: not for few rows, nor for one of many panels.
            Last::Half => L::HAS_HALVES && !has_masks && self.rows > FEW && self.rows <= L::TALL.rows,
        };
        is_kind && self.is_used::<L, A>()
    }
}

/// The last vector of a tile, of which some lanes may be no columns.
#[derive(Clone, Copy)]
pub(super) enum Last {
    /// Only the lanes that are columns are read, by a mask.
    Masked,
    /// All lanes are read, as long as there is something: a mask takes the time of a multiply-add.
    Whole,
    /// The same for the lower half, which has all columns and alone is multiplied: half of the work where a multiply-add of a
    /// whole vector takes two units of a processor.
    Half,
}

/// A [`Last`] as a type.
pub(super) trait LastVector {
    const IS: Last;
}

pub(super) struct Masked;
pub(super) struct Whole;
pub(super) struct Half;

impl LastVector for Masked {
    const IS: Last = Last::Masked;
}

impl LastVector for Whole {
    const IS: Last = Last::Whole;
}

impl LastVector for Half {
    const IS: Last = Last::Half;
}
