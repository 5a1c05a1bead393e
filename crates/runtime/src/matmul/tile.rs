//! The innermost piece of a product: a tile of the result held in registers while `k` runs.

#![expect(unsafe_code, reason = "vector instructions and loads from addresses")]

use super::lanes::Lanes;
use super::pack::View;

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
    /// First element of the result.
    pub c: *mut T,
    pub c_row: usize,
    /// Whether the chains begin here, at 0.0, rather than with the partial sums in the result.
    pub begins: bool,
}

/// Vectors in the widest tile of one row: enough independent chains to hide the latency of an addition.
pub(super) const LONE_ROW_VECTORS: usize = 8;

/// Computes a tile of `rows × vectors`, of which the last vector has `tail_lanes`, at least one.
///
/// # Safety
///
/// The tile's addresses must be valid for these rows and columns, `rows` and `vectors` at most those of `L`
/// (or 1 and [`LONE_ROW_VECTORS`]), and the machine must have the instructions of `L`.
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
                2 x [1 2 3]
                3 x [1 2 3]
                4 x [1 2 3]
                5 x [1 2 3]
                6 x [1 2 3]
                7 x [1 2 3]
                8 x [1 2 3]
            }
        };
    }
    if !L::TAILS_ARE_FREE && tail_lanes == L::WIDTH {
        choose!(true);
    } else {
        choose!(false);
    }
}

/// `WHOLE` says that the last vector is a full one.
#[inline(always)]
unsafe fn compute_sized<L: Lanes, const ROWS: usize, const VECTORS: usize, const WHOLE: bool>(
    tile: &Tile<L::Float>,
    tail_lanes: usize,
) {
    if ROWS > L::TILE_ROWS || (VECTORS > L::TILE_VECTORS && ROWS > 1) {
        unreachable!("{ROWS} rows of {VECTORS} vectors do not fit into the registers");
    }
    // SAFETY: every address below is one of an element that the caller vouches for:
    // row < ROWS, column < VECTORS * WIDTH within the tail, step < k.
    unsafe {
        let tail = L::tail(tail_lanes);
        let mut acc = [[L::zero(); VECTORS]; ROWS];
        if !tile.begins {
            for (row, acc) in acc.iter_mut().enumerate() {
                *acc = load_row::<L, VECTORS, WHOLE>(tile.c.add(row * tile.c_row), tail);
            }
        }
        let (mut a, mut b) = (tile.a.first, tile.b);
        for _ in 0..tile.k {
            let right = load_row::<L, VECTORS, WHOLE>(b, tail);
            for (row, acc) in acc.iter_mut().enumerate() {
                let left = L::splat(*a.offset(row as isize * tile.a.row));
                for (acc, right) in acc.iter_mut().zip(right) {
                    *acc = left.mul_add(right, *acc);
                }
            }
            a = a.wrapping_offset(tile.a.col);
            b = b.wrapping_offset(tile.b_row);
        }
        for (row, acc) in acc.into_iter().enumerate() {
            store_row::<L, VECTORS, WHOLE>(acc, tile.c.add(row * tile.c_row), tail);
        }
    }
}

#[inline(always)]
unsafe fn load_row<L: Lanes, const VECTORS: usize, const WHOLE: bool>(
    from: *const L::Float,
    tail: L::Tail,
) -> [L; VECTORS] {
    // SAFETY: the caller vouches for a row of VECTORS vectors, the last one as long as the tail.
    unsafe {
        let mut vectors = [L::zero(); VECTORS];
        for (idx, vector) in vectors.iter_mut().enumerate().take(VECTORS - 1) {
            *vector = L::load(from.add(idx * L::WIDTH));
        }
        let last = from.add((VECTORS - 1) * L::WIDTH);
        vectors[VECTORS - 1] = if WHOLE { L::load(last) } else { L::load_tail(last, tail) };
        vectors
    }
}

#[inline(always)]
unsafe fn store_row<L: Lanes, const VECTORS: usize, const WHOLE: bool>(
    vectors: [L; VECTORS],
    to: *mut L::Float,
    tail: L::Tail,
) {
    // SAFETY: as in `load_row`.
    unsafe {
        for (idx, vector) in vectors.into_iter().enumerate().take(VECTORS - 1) {
            vector.store(to.add(idx * L::WIDTH));
        }
        let (vector, last) = (vectors[VECTORS - 1], to.add((VECTORS - 1) * L::WIDTH));
        if WHOLE {
            vector.store(last);
        } else {
            vector.store_tail(last, tail);
        }
    }
}
