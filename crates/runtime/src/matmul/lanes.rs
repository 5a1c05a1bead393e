//! Vectors of floats, as wide as a path has them.

#![expect(unsafe_code, reason = "vector instructions and loads from addresses")]

#[cfg(target_arch = "x86_64")]
mod x86;

use super::pack::{self, View};
use super::shape::{LastVector, Shape};
use super::tile::{self, Left, Tile};
use std::marker::PhantomData;
use std::ops::Add;

/// A float type that vectors are made of.
pub(super) trait Float: Copy + Default + Add<Output = Self> + 'static {
    /// `self * b + acc`, rounded once.
    fn mul_add(self, b: Self, acc: Self) -> Self;
}

impl Float for f32 {
    #[inline(always)]
    fn mul_add(self, b: Self, acc: Self) -> Self {
        self.mul_add(b, acc)
    }
}

impl Float for f64 {
    #[inline(always)]
    fn mul_add(self, b: Self, acc: Self) -> Self {
        self.mul_add(b, acc)
    }
}

/// A vector register.
///
/// # Safety
///
/// All methods need the instructions of their path, and addresses that are valid for the lanes they name.
/// They are inlined into functions that are compiled for these instructions.
pub(super) trait Lanes: Copy {
    /// One lane.
    type Float: Float;
    /// Which lanes of the last vector of a row exist: at least one.
    type Tail: Copy;
    /// Number of lanes.
    const WIDTH: usize;
    /// The largest tiles whose sums fit into the registers: of few vectors, and of more.
    const TALL: Shape;
    const WIDE: Shape;
    /// Of rows that were copied for many columns: what a tile reads of them lies close, and what it reads of the columns
    /// comes from further away.
    const COPIED: Shape;

    /// Whether reading some lanes costs more than reading all, so that tiles read all wherever there is something to read.
    const TAILS_COST: bool = true;
    /// Whether half a vector may be multiplied in less time than a whole one, so that tiles whose last vector is no more are
    /// kinds of their own.
    const HAS_HALVES: bool = false;

    /// The first `lanes` lanes.
    unsafe fn tail(lanes: usize) -> Self::Tail;
    /// The number itself, which the compiler is kept from computing anew from others in every step of a loop.
    fn kept(number: usize) -> usize {
        number
    }
    /// Fetches the line of an address, which need not be valid.
    #[inline(always)]
    fn prefetch(_: *const Self::Float) {}
    /// [`tile::compute_sized`] as a function of its own: no register and no address of what calls it is in its way.
    ///
    /// # Safety
    ///
    /// As there.
    unsafe fn tile<A: Left, E: LastVector, const ROWS: usize, const VECTORS: usize>(
        tile: &Tile<Self::Float>,
        left: A,
        rows: usize,
        tail_lanes: usize,
        masked_steps: usize,
    );
    /// [`pack::right`] as a function of its own.
    ///
    /// # Safety
    ///
    /// As there.
    unsafe fn pack_right(from: View<Self::Float>, steps: usize, columns: usize, vectors: usize, to: *mut Self::Float);
    /// All lanes +0.0.
    unsafe fn zero() -> Self;
    /// All lanes `x`.
    unsafe fn splat(x: Self::Float) -> Self;
    /// Reads all lanes.
    unsafe fn load(from: *const Self::Float) -> Self;
    /// Reads the lanes of the tail; the others are +0.0.
    unsafe fn load_tail(from: *const Self::Float, tail: Self::Tail) -> Self;
    /// Reads the lower half of the lanes, at least; the others hold numbers that do not matter.
    #[inline(always)]
    unsafe fn load_half(from: *const Self::Float) -> Self {
        // SAFETY: handed on from the caller.
        unsafe { Self::load(from) }
    }
    /// Writes all lanes.
    unsafe fn store(self, to: *mut Self::Float);
    /// Writes the lanes of the tail.
    unsafe fn store_tail(self, to: *mut Self::Float, tail: Self::Tail);
    /// `self * b + acc` in each lane, rounded once.
    unsafe fn mul_add(self, b: Self, acc: Self) -> Self;
    /// [`mul_add`](Lanes::mul_add) in the lower half of the lanes, at least; the others hold numbers that do not matter.
    #[inline(always)]
    unsafe fn mul_add_half(self, b: Self, acc: Self) -> Self {
        // SAFETY: handed on from the caller.
        unsafe { self.mul_add(b, acc) }
    }
    /// `self + b` in each lane.
    unsafe fn add(self, b: Self) -> Self;
    /// Takes the lanes of the tail from `self` and the others from `rest`.
    unsafe fn blend(self, rest: Self, tail: Self::Tail) -> Self;
    /// Adds the upper half of the lanes to the lower half until one is left.
    unsafe fn fold(self) -> Self::Float;
    /// Reads four adjacent elements of as many columns as there are lanes, `column` apart;
    /// vector `i` of the answer has element `i` of each. Columns after the one numbered `last` repeat it.
    unsafe fn load_transposed(from: *const Self::Float, column: isize, last: usize) -> [Self; 4];
}

/// Four lanes in plain Rust, in tiles of the shapes of `S`.
#[derive(Clone, Copy)]
pub(super) struct Portable<T, S = FewRegisters>([T; 4], PhantomData<S>);

/// The tiles that lanes in plain Rust are used in.
pub(super) trait Shapes: Copy {
    const TALL: Shape;
    const WIDE: Shape;
    const COPIED: Shape;
    const TAILS_COST: bool;
    const HAS_HALVES: bool;
}

/// Tiles for machines with sixteen registers of 128 bits.
#[derive(Clone, Copy)]
pub(super) struct FewRegisters;

impl Shapes for FewRegisters {
    const TALL: Shape = Shape { rows: 4, vectors: 2 };
    const WIDE: Shape = Shape { rows: 4, vectors: 2 };
    const COPIED: Shape = Self::WIDE;
    const TAILS_COST: bool = false;
    const HAS_HALVES: bool = false;
}

impl<T: Float, S: Shapes> Lanes for Portable<T, S> {
    type Float = T;
    type Tail = usize;
    const WIDTH: usize = 4;
    const TALL: Shape = S::TALL;
    const WIDE: Shape = S::WIDE;
    const COPIED: Shape = S::COPIED;
    const TAILS_COST: bool = S::TAILS_COST;
    const HAS_HALVES: bool = S::HAS_HALVES;

    #[inline(never)]
    unsafe fn tile<A: Left, E: LastVector, const ROWS: usize, const VECTORS: usize>(
        tile: &Tile<T>,
        left: A,
        rows: usize,
        tail_lanes: usize,
        masked_steps: usize,
    ) {
        // SAFETY: handed on from the caller.
        unsafe { tile::compute_sized::<Self, A, E, ROWS, VECTORS>(tile, left, rows, tail_lanes, masked_steps) }
    }
    #[inline(never)]
    unsafe fn pack_right(from: View<T>, steps: usize, columns: usize, vectors: usize, to: *mut T) {
        // SAFETY: handed on from the caller.
        unsafe { pack::right::<Self>(from, steps, columns, vectors, to) }
    }
    #[inline(always)]
    unsafe fn tail(lanes: usize) -> usize {
        lanes
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        Portable([T::default(); 4], PhantomData)
    }
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Portable([x; 4], PhantomData)
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller vouches for four lanes.
        Portable(unsafe { from.cast::<[T; 4]>().read() }, PhantomData)
    }
    // Where there are no vectors size counts: a call is less than a loop in each of many tiles.
    #[inline(never)]
    unsafe fn load_tail(from: *const T, tail: usize) -> Self {
        let mut lanes = [T::default(); 4];
        for (idx, lane) in lanes.iter_mut().enumerate().take(tail) {
            // SAFETY: the caller vouches for the lanes of the tail.
            *lane = unsafe { from.add(idx).read() };
        }
        Portable(lanes, PhantomData)
    }
    #[inline(always)]
    unsafe fn load_half(from: *const T) -> Self {
        // SAFETY: the caller vouches for two lanes.
        unsafe { Self::load_tail(from, 2) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller vouches for four lanes.
        unsafe { to.cast::<[T; 4]>().write(self.0) }
    }
    #[inline(never)]
    unsafe fn store_tail(self, to: *mut T, tail: usize) {
        for (idx, lane) in self.0.into_iter().enumerate().take(tail) {
            // SAFETY: the caller vouches for the lanes of the tail.
            unsafe { to.add(idx).write(lane) }
        }
    }
    #[inline(never)]
    unsafe fn mul_add(self, b: Self, acc: Self) -> Self {
        let mut lanes = acc.0;
        for (lane, (a, b)) in lanes.iter_mut().zip(self.0.into_iter().zip(b.0)) {
            *lane = a.mul_add(b, *lane);
        }
        Portable(lanes, PhantomData)
    }
    #[inline(always)]
    unsafe fn mul_add_half(self, b: Self, acc: Self) -> Self {
        let [c, d, ..] = acc.0;
        Portable([self.0[0].mul_add(b.0[0], c), self.0[1].mul_add(b.0[1], d), T::default(), T::default()], PhantomData)
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        let mut lanes = self.0;
        for (lane, b) in lanes.iter_mut().zip(b.0) {
            *lane = *lane + b;
        }
        Portable(lanes, PhantomData)
    }
    #[inline(always)]
    unsafe fn blend(self, rest: Self, tail: usize) -> Self {
        let mut lanes = rest.0;
        for (lane, x) in lanes.iter_mut().zip(self.0).take(tail) {
            *lane = x;
        }
        Portable(lanes, PhantomData)
    }
    #[inline(always)]
    unsafe fn fold(self) -> T {
        let [a, b, c, d] = self.0;
        (a + c) + (b + d)
    }
    #[inline(always)]
    unsafe fn load_transposed(from: *const T, column: isize, last: usize) -> [Self; 4] {
        let mut rows = [[T::default(); 4]; 4];
        for lane in 0..4 {
            for (idx, row) in rows.iter_mut().enumerate() {
                // SAFETY: the caller vouches for four elements of every column up to the last.
                row[lane] = unsafe { from.offset(lane.min(last) as isize * column).add(idx).read() };
            }
        }
        rows.map(|row| Portable(row, PhantomData))
    }
}
