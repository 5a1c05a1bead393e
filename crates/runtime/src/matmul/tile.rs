//! The innermost piece of a product: tiles of the result, each held in registers while `k` runs.

#![expect(unsafe_code, reason = "vector instructions and loads from addresses")]
#![expect(clippy::needless_range_loop, reason = "iterators are functions of their own in each of hundreds of tiles")]

use super::lanes::Lanes;
use super::pack::View;

/// A tile: some rows of the left operand times some vectors of columns of the right one; and tiles of the same size below
/// it or beside it, since what a tile takes to begin and to end is as much as several steps.
#[derive(Clone, Copy)]
pub(super) struct Tile<T> {
    /// How many there are, at least one.
    pub count: usize,
    /// Whether they have the same rows, and panels one behind the other; else the same columns.
    pub goes_right: bool,
    /// Steps along `k`.
    pub k: usize,
    /// What the elements of the left operand are counted from.
    pub a: *const T,
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
    /// Whether lines of the result are fetched before they are used.
    pub fetches_result: bool,
}

/// Where the elements of a left operand are, in bytes.
pub(super) trait Left: Copy {
    /// Whether rows are anywhere. Then tiles find something to read in all lanes of the right operand, and lone rows are
    /// not worth tiles of their own.
    const IS_SPREAD: bool;

    /// Where a row is.
    fn row(&self, row: usize) -> usize;

    /// Goes on to the tile below one of so many rows, at its first step.
    fn go_down(&mut self, rows: usize);

    /// Where a step is in every row, and goes on to the next one.
    ///
    /// # Safety
    ///
    /// There must be one more step.
    unsafe fn next<L: Lanes>(&mut self) -> usize;

    /// Where the next [`ROUND`] steps begin, if they are `size` bytes apart; goes on to the one after them.
    fn next_adjacent<L: Lanes>(&mut self, size: usize) -> Option<usize>;
}

/// Steps that share a count in the largest tiles: instructions beside the multiply-adds are what limits a core that
/// another thread shares.
const ROUND: usize = 4;

/// Rows and steps are evenly spaced, and so are tiles.
#[derive(Clone, Copy)]
pub(super) struct Even {
    row: isize,
    step: usize,
    tile: usize,
    at: usize,
}

impl Even {
    /// The rows and columns of a matrix, with the rows of one tile so many elements after those of the one above.
    #[inline(always)]
    pub(super) fn of<T>(view: &View<T>, tile: isize) -> Even {
        let bytes = |elements: isize| elements.wrapping_mul(size_of::<T>() as isize);
        let [step, tile] = [view.col, tile].map(|elements| bytes(elements).cast_unsigned());
        Even { row: bytes(view.row), step, tile, at: 0 }
    }
}

impl Left for Even {
    const IS_SPREAD: bool = false;

    #[inline(always)]
    fn row(&self, row: usize) -> usize {
        self.row.wrapping_mul(row as isize).cast_unsigned()
    }

    #[inline(always)]
    fn go_down(&mut self, _: usize) {
        self.at = self.at.wrapping_add(self.tile);
    }

    #[inline(always)]
    unsafe fn next<L: Lanes>(&mut self) -> usize {
        let at = self.at;
        self.at = L::kept(at.wrapping_add(self.step));
        at
    }

    #[inline(always)]
    fn next_adjacent<L: Lanes>(&mut self, size: usize) -> Option<usize> {
        (self.step == size).then(|| {
            let at = self.at;
            self.at = L::kept(at.wrapping_add(ROUND * size));
            at
        })
    }
}

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

    /// The rows of the tile that computes `rows` of `vectors`.
    #[inline(always)]
    fn rows_for<L: Lanes, A: Left>(rows: usize, vectors: usize) -> usize {
        if rows == 1 && !A::IS_SPREAD {
            1
        } else if rows <= FEW {
            FEW
        } else if rows <= L::WIDE.rows {
            // Also of fewer vectors: the last panel of columns may have no more.
            L::WIDE.rows
        } else {
            Shape::of_many_rows::<L>(vectors).rows
        }
    }

    /// Whether there are tiles of this shape.
    const fn is_used<L: Lanes, A: Left>(self) -> bool {
        let full = Shape::of_many_rows::<L>(self.vectors);
        if self.rows == 1 {
            !A::IS_SPREAD && self.vectors <= Shape::LONE_ROW.vectors
        } else {
            let is_kind = self.rows == FEW || self.rows == L::WIDE.rows || self.rows == full.rows;
            is_kind && self.vectors <= full.vectors
        }
    }
}

/// Computes tiles of `rows × vectors`, of which the last vector has `tail_lanes`, at least one.
///
/// # Safety
///
/// The addresses of all its tiles must be valid for these rows and columns, `rows` and `vectors` at most those of a shape
/// of `L` or of [`Shape::LONE_ROW`], at least one row, and the machine must have the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn compute<L: Lanes, A: Left>(
    tile: &Tile<L::Float>,
    left: A,
    rows: usize,
    vectors: usize,
    tail_lanes: usize,
) {
    macro_rules! choose {
        ($whole:literal: $($rows:literal x [$($vectors:literal)*])*) => {
            match (Shape::rows_for::<L, A>(rows, vectors), vectors) {
                // SAFETY: handed on from the caller.
                $($(($rows, $vectors) => unsafe {
                    L::tile::<A, $rows, $vectors, $whole>(tile, left, rows, tail_lanes);
                },)*)*
                _ => unreachable!("no tile has {rows} rows of {vectors} vectors"),
            }
        };
    }
    // A lone row waits for memory anyhow.
    let is_lone = !A::IS_SPREAD && rows == 1;
    if L::TAILS_COST && !is_lone && (A::IS_SPREAD || tile.b_is_whole || tail_lanes == L::WIDTH) {
        choose! {
            true:
            4 x [1 2 3 4]
            6 x [1 2 3 4]
            8 x [1 2 3]
        }
    } else {
        choose! {
            false:
            1 x [1 2 3 4 5 6 7 8]
            4 x [1 2 3 4]
            6 x [1 2 3 4]
            8 x [1 2 3]
        }
    }
}

/// `WHOLE` says that all lanes of the right operand are read: a mask would take the time of a multiply-add.
///
/// Rows beyond the last are the last once more, so few shapes serve all numbers of rows.
///
/// # Safety
///
/// As for [`compute`].
#[inline(always)]
pub(super) unsafe fn compute_sized<L: Lanes, A: Left, const ROWS: usize, const VECTORS: usize, const WHOLE: bool>(
    tile: &Tile<L::Float>,
    mut left: A,
    rows: usize,
    tail_lanes: usize,
) {
    let is_used = const {
        let is_kind = !A::IS_SPREAD || WHOLE == L::TAILS_COST;
        is_kind && Shape { rows: ROWS, vectors: VECTORS }.is_used::<L, A>()
    };
    if !is_used {
        unreachable!("no tile has {ROWS} rows of {VECTORS} vectors");
    }
    let is_full = tail_lanes == L::WIDTH;
    let last = rows - 1;
    // SAFETY: every address below is one of an element that the caller vouches for:
    // row < rows, column < VECTORS * WIDTH within the tail, step < k, of a tile that there is.
    unsafe {
        let tail = L::tail(tail_lanes);
        let size = size_of::<L::Float>();
        let b_row = L::kept(tile.b_row.cast_unsigned().wrapping_mul(size));
        let mut first = [tile.a; ROWS];
        let (mut panel, mut top) = (tile.b, tile.c);
        // From one row of the result to the next, of which the last is its own next.
        macro_rules! for_each_row {
            (|$row:ident, $c:ident| $do:expr) => {
                let mut $c = top;
                for $row in 0..ROWS {
                    $do;
                    $c = $c.wrapping_add(if $row < last { tile.c_row } else { 0 });
                }
            };
        }
        for count in 0..tile.count {
            if A::IS_SPREAD || count == 0 {
                for row in 0..ROWS {
                    first[row] = tile.a.with_addr(L::kept(tile.a.wrapping_byte_add(left.row(row.min(last))).addr()));
                }
            }
            let mut acc = [[L::zero(); VECTORS]; ROWS];
            if !tile.begins {
                for_each_row!(|row, c| acc[row] = load_row::<L, VECTORS>(c, tail, is_full));
            }
            let (mut at, mut b, mut steps) = (left, panel, L::kept(tile.k));
            // Closures would not have the instructions of `L`.
            macro_rules! step {
                ($at:expr, $b:expr) => {
                    step::<L, ROWS, VECTORS, WHOLE>(&mut acc, &first, $at, $b, tail);
                };
            }
            macro_rules! advance {
                ($rows:expr) => {
                    b = tile.b.with_addr(L::kept(b.addr().wrapping_add(b_row.wrapping_mul($rows))));
                };
            }
            if const { ROWS * VECTORS == L::WIDE.rows * L::WIDE.vectors && ROWS * VECTORS >= 12 } {
                if tile.fetches_result {
                    // The partial sums of the next panel, or what this tile will write.
                    let first = if tile.begins { 0 } else { VECTORS * L::WIDTH };
                    for line in (0..VECTORS * L::WIDTH).step_by(64 / size) {
                        for_each_row!(|row, c| L::prefetch(c.wrapping_add(first + line)));
                    }
                }
                // Four rows of the right operand by two strides, so that one addition leads to the next four.
                let three_rows = L::kept(b_row.wrapping_mul(3));
                macro_rules! round {
                    ($first:expr, $second:expr, $third:expr, $fourth:expr) => {
                        step!($first, b);
                        step!($second, b.wrapping_byte_add(b_row));
                        step!($third, b.wrapping_byte_add(b_row.wrapping_mul(2)));
                        step!($fourth, b.wrapping_byte_add(three_rows));
                        advance!(ROUND);
                        steps -= ROUND;
                    };
                }
                while steps >= ROUND
                    && let Some(at) = at.next_adjacent::<L>(size)
                {
                    round!(at, at.wrapping_add(size), at.wrapping_add(2 * size), at.wrapping_add(3 * size));
                }
                while steps >= ROUND {
                    round!(at.next::<L>(), at.next::<L>(), at.next::<L>(), at.next::<L>());
                }
            }
            while steps > 0 {
                step!(at.next::<L>(), b);
                advance!(1);
                steps -= 1;
            }
            for_each_row!(|row, c| store_row::<L, VECTORS>(acc[row], c, tail, is_full));
            if tile.goes_right {
                panel = panel.wrapping_add(tile.k * VECTORS * L::WIDTH);
                top = top.wrapping_add(VECTORS * L::WIDTH);
            } else {
                left.go_down(rows);
                top = top.wrapping_add(rows * tile.c_row);
            }
        }
    }
}

/// Adds the products of one step along `k`, whose left elements lie `at` bytes after the `rows`.
#[inline(always)]
unsafe fn step<L: Lanes, const ROWS: usize, const VECTORS: usize, const WHOLE: bool>(
    acc: &mut [[L; VECTORS]; ROWS],
    rows: &[*const L::Float; ROWS],
    at: usize,
    b: *const L::Float,
    tail: L::Tail,
) {
    // SAFETY: the caller vouches for an element of each row and for a row of VECTORS vectors.
    unsafe {
        let right = load_row::<L, VECTORS>(b, tail, WHOLE);
        for row in 0..ROWS {
            let left = L::splat(*rows[row].wrapping_byte_add(at));
            for vector in 0..VECTORS {
                acc[row][vector] = left.mul_add(right[vector], acc[row][vector]);
            }
        }
    }
}

/// Reads vectors, the last one as far as its tail unless it `is_full`.
#[inline(always)]
unsafe fn load_row<L: Lanes, const VECTORS: usize>(
    from: *const L::Float,
    tail: L::Tail,
    is_full: bool,
) -> [L; VECTORS] {
    // SAFETY: the caller vouches for a row of VECTORS vectors, the last one as long as the tail or full.
    unsafe {
        let mut vectors = [L::zero(); VECTORS];
        for vector in 0..VECTORS - 1 {
            vectors[vector] = L::load(from.add(vector * L::WIDTH));
        }
        let last = from.add((VECTORS - 1) * L::WIDTH);
        vectors[VECTORS - 1] = if is_full { L::load(last) } else { L::load_tail(last, tail) };
        vectors
    }
}

/// Writes what [`load_row`] reads.
#[inline(always)]
unsafe fn store_row<L: Lanes, const VECTORS: usize>(
    vectors: [L; VECTORS],
    to: *mut L::Float,
    tail: L::Tail,
    is_full: bool,
) {
    // SAFETY: as in `load_row`.
    unsafe {
        for vector in 0..VECTORS - 1 {
            vectors[vector].store(to.add(vector * L::WIDTH));
        }
        let (vector, last) = (vectors[VECTORS - 1], to.add((VECTORS - 1) * L::WIDTH));
        if is_full {
            vector.store(last);
        } else {
            vector.store_tail(last, tail);
        }
    }
}
