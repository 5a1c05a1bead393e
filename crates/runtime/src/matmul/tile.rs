//! The innermost piece of a product: a tile of the result held in registers while `k` runs.

#![expect(unsafe_code, reason = "vector instructions and loads from addresses")]

use super::lanes::Lanes;
use super::pack::View;
use std::array::from_fn;

/// A tile: some rows of the left operand times some vectors of columns of the right one.
#[derive(Clone, Copy)]
pub(super) struct Tile<T> {
    /// Steps along `k`.
    pub k: usize,
    /// The left operand.
    pub a: View<T>,
    /// First element of the right operand, whose columns are adjacent.
    pub b: *const T,
    pub b_row: isize,
    /// Whether there is something to read in all lanes of the last vector, even if they are no columns.
    pub b_is_whole: bool,
    /// First element of the result.
    pub c: *mut T,
    pub c_row: usize,
    /// Whether the chains begin here, at 0.0, rather than with the partial sums in the result.
    pub begins: bool,
}

/// Rows and vectors of a tile.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub rows: usize,
    pub vectors: usize,
}

impl Shape {
    /// One row and enough independent chains to hide the latency of an addition.
    pub(super) const LONE_ROW: Shape = Shape { rows: 1, vectors: 8 };

    /// The shape of the tiles of `vectors` by any number of rows.
    ///
    /// A wide tile takes the fewest instructions, a tall one has the chains that few vectors lack.
    #[inline(always)]
    pub(super) fn of_many_rows<L: Lanes>(vectors: usize) -> Shape {
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

    pub(super) const fn holds(self, rows: usize, vectors: usize) -> bool {
        rows <= self.rows && vectors <= self.vectors
    }
}

/// Computes a tile of `rows × vectors`, of which the last vector has `tail_lanes`, at least one.
///
/// # Safety
///
/// The tile's addresses must be valid for these rows and columns, `rows` and `vectors` at most those of a shape of `L`
/// or of [`Shape::LONE_ROW`], and the machine must have the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn compute<L: Lanes>(tile: &Tile<L::Float>, rows: usize, vectors: usize, tail_lanes: usize) {
    macro_rules! choose {
        ($whole:literal: $($rows:literal x [$($vectors:literal)*])*) => {
            match (rows, vectors) {
                // SAFETY: handed on from the caller.
                $($(($rows, $vectors) => unsafe { compute_sized::<L, $rows, $vectors, $whole>(tile, tail_lanes) },)*)*
                _ => unreachable!("no tile has {rows} rows of {vectors} vectors"),
            }
        };
        ($whole:literal) => {
            choose! {
                $whole:
                1 x [1 2 3 4 5 6 7 8]
                2 x [1 2 3 4]
                3 x [1 2 3 4]
                4 x [1 2 3 4]
                5 x [1 2 3 4]
                6 x [1 2 3 4]
                7 x [1 2 3]
                8 x [1 2 3]
            }
        };
    }
    if L::TAILS_COST && (tile.b_is_whole || tail_lanes == L::WIDTH) {
        choose!(true);
    } else {
        choose!(false);
    }
}

/// `WHOLE` says that all lanes of the right operand are read: a mask would take the time of a multiply-add.
#[inline(always)]
unsafe fn compute_sized<L: Lanes, const ROWS: usize, const VECTORS: usize, const WHOLE: bool>(
    tile: &Tile<L::Float>,
    tail_lanes: usize,
) {
    let fits =
        const { L::TALL.holds(ROWS, VECTORS) || L::WIDE.holds(ROWS, VECTORS) || Shape::LONE_ROW.holds(ROWS, VECTORS) };
    if !fits {
        unreachable!("{ROWS} rows of {VECTORS} vectors do not fit into the registers");
    }
    let is_full = tail_lanes == L::WIDTH;
    // SAFETY: every address below is one of an element that the caller vouches for:
    // row < ROWS, column < VECTORS * WIDTH within the tail, step < k.
    unsafe {
        let tail = L::tail(tail_lanes);
        let mut acc = [[L::zero(); VECTORS]; ROWS];
        if !tile.begins {
            for (row, acc) in acc.iter_mut().enumerate() {
                *acc = load_row::<L, VECTORS>(tile.c.add(row * tile.c_row), tail, is_full);
            }
        }
        // One offset serves all rows, and in the largest tiles one count two steps: instructions beside the multiply-adds
        // are what limits a core that another thread shares.
        let first = tile.a.first;
        let rows: [_; ROWS] =
            from_fn(|row| first.with_addr(L::kept(first.wrapping_offset(row as isize * tile.a.row).addr())));
        let step_bytes = tile.a.col.wrapping_mul(size_of::<L::Float>() as isize).cast_unsigned();
        let (mut at, mut b, mut steps) = (0, tile.b, tile.k);
        // A closure would not have the instructions of `L`.
        macro_rules! next {
            () => {
                step::<L, ROWS, VECTORS, WHOLE>(&mut acc, &rows, at, b, tail);
                at = L::kept(at.wrapping_add(step_bytes));
                b = b.wrapping_offset(tile.b_row);
            };
        }
        while ROWS * VECTORS == const { L::WIDE.rows * L::WIDE.vectors } && ROWS * VECTORS >= 12 && steps >= 2 {
            next!();
            next!();
            steps -= 2;
        }
        for _ in 0..steps {
            next!();
        }
        for (row, acc) in acc.into_iter().enumerate() {
            store_row::<L, VECTORS>(acc, tile.c.add(row * tile.c_row), tail, is_full);
        }
    }
}

/// Adds the products of one step along `k`, whose left elements lie `at` bytes after the `rows`.
#[inline(always)]
pub(super) unsafe fn step<L: Lanes, const ROWS: usize, const VECTORS: usize, const WHOLE: bool>(
    acc: &mut [[L; VECTORS]; ROWS],
    rows: &[*const L::Float; ROWS],
    at: usize,
    b: *const L::Float,
    tail: L::Tail,
) {
    // SAFETY: the caller vouches for an element of each row and for a row of VECTORS vectors.
    unsafe {
        let right = load_row::<L, VECTORS>(b, tail, WHOLE);
        for (acc, row) in acc.iter_mut().zip(rows) {
            let left = L::splat(*row.wrapping_byte_add(at));
            for (acc, right) in acc.iter_mut().zip(right) {
                *acc = left.mul_add(right, *acc);
            }
        }
    }
}

/// Reads vectors, the last one as far as its tail unless it `is_full`.
#[inline(always)]
pub(super) unsafe fn load_row<L: Lanes, const VECTORS: usize>(
    from: *const L::Float,
    tail: L::Tail,
    is_full: bool,
) -> [L; VECTORS] {
    // SAFETY: the caller vouches for a row of VECTORS vectors, the last one as long as the tail or full.
    unsafe {
        let mut vectors = [L::zero(); VECTORS];
        for (idx, vector) in vectors.iter_mut().enumerate().take(VECTORS - 1) {
            *vector = L::load(from.add(idx * L::WIDTH));
        }
        let last = from.add((VECTORS - 1) * L::WIDTH);
        vectors[VECTORS - 1] = if is_full { L::load(last) } else { L::load_tail(last, tail) };
        vectors
    }
}

/// Writes what [`load_row`] reads.
#[inline(always)]
pub(super) unsafe fn store_row<L: Lanes, const VECTORS: usize>(
    vectors: [L; VECTORS],
    to: *mut L::Float,
    tail: L::Tail,
    is_full: bool,
) {
    // SAFETY: as in `load_row`.
    unsafe {
        for (idx, vector) in vectors.into_iter().enumerate().take(VECTORS - 1) {
            vector.store(to.add(idx * L::WIDTH));
        }
        let (vector, last) = (vectors[VECTORS - 1], to.add((VECTORS - 1) * L::WIDTH));
        if is_full {
            vector.store(last);
        } else {
            vector.store_tail(last, tail);
        }
    }
}
