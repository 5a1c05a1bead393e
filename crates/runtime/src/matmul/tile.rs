//! The innermost piece of a product: tiles of the result, each held in registers while `k` runs.

#![expect(unsafe_code, reason = "vector instructions and loads from addresses")]
#![expect(clippy::needless_range_loop, reason = "iterators are functions of their own in each of hundreds of tiles")]

use super::lanes::Lanes;
use super::pack::View;
use super::shape::{Half, Last, LastVector, Masked, Shape, Whole};

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
    /// What lies beyond the columns of the last vector.
    pub beyond: Beyond,
    /// First element of the result.
    pub c: *mut T,
    pub c_row: usize,
    /// Whether the chains begin here, at 0.0, rather than with the partial sums in the result.
    pub begins: bool,
    /// Whether lines of the result are fetched before they are used.
    pub fetches_result: bool,
}

/// What there is to read in the lanes of a last vector that are no columns.
#[derive(Clone, Copy)]
pub(super) enum Beyond {
    /// Numbers that do not matter.
    Anything,
    /// The next rows of the right operand, between which there is no gap.
    Rows,
    /// Nothing that may be touched.
    Nothing,
}

impl<T> Tile<T> {
    /// At how many of the last steps there is nothing to read in so many lanes that are no columns.
    #[inline(always)]
    fn masked_steps(&self, lanes: usize) -> usize {
        match self.beyond {
            _ if lanes == 0 => 0,
            Beyond::Anything => 0,
            Beyond::Rows if lanes <= self.b_row.unsigned_abs() => 1.min(self.k),
            Beyond::Rows => lanes.div_ceil(self.b_row.unsigned_abs()).min(self.k),
            Beyond::Nothing => self.k,
        }
    }
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
    let shape = Shape { rows: Shape::rows_for::<L, A>(rows, vectors), vectors };
    macro_rules! choose {
        ($last:ty: $reads:expr; $($rows:literal x [$($vectors:literal)*])*) => {
            let masked_steps = tile.masked_steps(tail_lanes.max($reads) - tail_lanes);
            match (shape.rows, vectors) {
                // SAFETY: handed on from the caller.
                $($(($rows, $vectors) => unsafe {
                    L::tile::<A, $last, $rows, $vectors>(tile, left, rows, tail_lanes, masked_steps);
                },)*)*
                _ => unreachable!("no tile has {rows} rows of {vectors} vectors"),
            }
        };
    }
    if shape.is_used_with::<L, A>(Last::Masked) {
        choose! {
            Masked: 0;
            1 x [1 2 3 4 5 6 7 8]
            4 x [1 2 3 4]
            6 x [1 2 3 4]
            8 x [1 2 3]
        }
    } else if tail_lanes <= L::WIDTH / 2 && shape.is_used_with::<L, A>(Last::Half) {
        choose! {
            Half: L::WIDTH / 2;
            6 x [1 2 3 4]
            8 x [1 2 3]
        }
    } else {
        choose! {
            Whole: L::WIDTH;
            4 x [1 2 3 4]
            6 x [1 2 3 4]
            8 x [1 2 3]
            12 x [1 2]
        }
    }
}

/// Rows beyond the last are the last once more, so few shapes serve all numbers of rows.
/// At so many of the last steps the last vector is read by a mask.
///
/// # Safety
///
/// As for [`compute`]; at all other steps there must be something to read in the lanes that the kind of the last vector reads.
#[inline(always)]
pub(super) unsafe fn compute_sized<L: Lanes, A: Left, E: LastVector, const ROWS: usize, const VECTORS: usize>(
    tile: &Tile<L::Float>,
    mut left: A,
    rows: usize,
    tail_lanes: usize,
    masked_steps: usize,
) {
    if const { !Shape { rows: ROWS, vectors: VECTORS }.is_used_with::<L, A>(E::IS) } {
        unreachable!("no tile has {ROWS} rows of {VECTORS} vectors");
    }
    // Of the result nothing is touched that is no column.
    let result = if tail_lanes == L::WIDTH { Last::Whole } else { Last::Masked };
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
                for_each_row!(|row, c| acc[row] = load_row::<L, VECTORS>(c, tail, result));
            }
            let (mut at, mut b, mut steps) = (left, panel, L::kept(tile.k - masked_steps));
            // Closures would not have the instructions of `L`.
            macro_rules! step {
                ($last:ty: $at:expr, $b:expr) => {
                    step::<L, $last, ROWS, VECTORS>(&mut acc, &first, $at, $b, tail);
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
                        step!(E: $first, b);
                        step!(E: $second, b.wrapping_byte_add(b_row));
                        step!(E: $third, b.wrapping_byte_add(b_row.wrapping_mul(2)));
                        step!(E: $fourth, b.wrapping_byte_add(three_rows));
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
                step!(E: at.next::<L>(), b);
                advance!(1);
                steps -= 1;
            }
            if !A::IS_SPREAD {
                for _ in 0..masked_steps {
                    step!(Masked: at.next::<L>(), b);
                    advance!(1);
                }
            }
            for_each_row!(|row, c| store_row::<L, VECTORS>(acc[row], c, tail, result));
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
unsafe fn step<L: Lanes, E: LastVector, const ROWS: usize, const VECTORS: usize>(
    acc: &mut [[L; VECTORS]; ROWS],
    rows: &[*const L::Float; ROWS],
    at: usize,
    b: *const L::Float,
    tail: L::Tail,
) {
    // SAFETY: the caller vouches for an element of each row and for a row of VECTORS vectors.
    unsafe {
        let right = load_row::<L, VECTORS>(b, tail, E::IS);
        for row in 0..ROWS {
            let left = L::splat(*rows[row].wrapping_byte_add(at));
            for vector in 0..VECTORS {
                let sum = &mut acc[row][vector];
                *sum = match E::IS {
                    Last::Half if vector == VECTORS - 1 => left.mul_add_half(right[vector], *sum),
                    _ => left.mul_add(right[vector], *sum),
                };
            }
        }
    }
}

/// Reads vectors.
#[inline(always)]
unsafe fn load_row<L: Lanes, const VECTORS: usize>(from: *const L::Float, tail: L::Tail, is: Last) -> [L; VECTORS] {
    // SAFETY: the caller vouches for a row of VECTORS vectors, of the last one for what is read of it.
    unsafe {
        let mut vectors = [L::zero(); VECTORS];
        for vector in 0..VECTORS - 1 {
            vectors[vector] = L::load(from.add(vector * L::WIDTH));
        }
        let last = from.add((VECTORS - 1) * L::WIDTH);
        vectors[VECTORS - 1] = match is {
            Last::Masked => L::load_tail(last, tail),
            Last::Whole => L::load(last),
            Last::Half => L::load_half(last),
        };
        vectors
    }
}

/// Writes what [`load_row`] reads.
#[inline(always)]
unsafe fn store_row<L: Lanes, const VECTORS: usize>(vectors: [L; VECTORS], to: *mut L::Float, tail: L::Tail, is: Last) {
    // SAFETY: as in `load_row`.
    unsafe {
        for vector in 0..VECTORS - 1 {
            vectors[vector].store(to.add(vector * L::WIDTH));
        }
        let (vector, last) = (vectors[VECTORS - 1], to.add((VECTORS - 1) * L::WIDTH));
        match is {
            Last::Whole => vector.store(last),
            _ => vector.store_tail(last, tail),
        }
    }
}
