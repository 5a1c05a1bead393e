//! Vectors of floats, as wide as a path has them.

#![expect(unsafe_code, reason = "vector instructions and loads from addresses")]

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
    /// Rows of the largest tile.
    const TILE_ROWS: usize;
    /// Vectors in a row of the largest tile.
    const TILE_VECTORS: usize;

    /// The first `lanes` lanes.
    unsafe fn tail(lanes: usize) -> Self::Tail;
    /// All lanes +0.0.
    unsafe fn zero() -> Self;
    /// All lanes `x`.
    unsafe fn splat(x: Self::Float) -> Self;
    /// Reads all lanes.
    unsafe fn load(from: *const Self::Float) -> Self;
    /// Reads the lanes of the tail; the others are +0.0.
    unsafe fn load_tail(from: *const Self::Float, tail: Self::Tail) -> Self;
    /// Writes all lanes.
    unsafe fn store(self, to: *mut Self::Float);
    /// Writes the lanes of the tail.
    unsafe fn store_tail(self, to: *mut Self::Float, tail: Self::Tail);
    /// `self * b + acc` in each lane, rounded once.
    unsafe fn mul_add(self, b: Self, acc: Self) -> Self;
    /// `self + b` in each lane.
    unsafe fn add(self, b: Self) -> Self;
    /// Takes the lanes of the tail from `self` and the others from `rest`.
    unsafe fn blend(self, rest: Self, tail: Self::Tail) -> Self;
}

/// Four lanes in plain Rust.
#[derive(Clone, Copy)]
pub(super) struct Portable<T>([T; 4]);

impl<T: Float> Lanes for Portable<T> {
    type Float = T;
    type Tail = usize;
    const WIDTH: usize = 4;
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = 2;

    #[inline(always)]
    unsafe fn tail(lanes: usize) -> usize {
        lanes
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        Portable([T::default(); 4])
    }
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Portable([x; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller vouches for four lanes.
        Portable(unsafe { from.cast::<[T; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn load_tail(from: *const T, tail: usize) -> Self {
        let mut lanes = [T::default(); 4];
        for (idx, lane) in lanes.iter_mut().enumerate().take(tail) {
            // SAFETY: the caller vouches for the lanes of the tail.
            *lane = unsafe { from.add(idx).read() };
        }
        Portable(lanes)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller vouches for four lanes.
        unsafe { to.cast::<[T; 4]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn store_tail(self, to: *mut T, tail: usize) {
        for (idx, lane) in self.0.into_iter().enumerate().take(tail) {
            // SAFETY: the caller vouches for the lanes of the tail.
            unsafe { to.add(idx).write(lane) }
        }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, acc: Self) -> Self {
        let mut lanes = acc.0;
        for (lane, (a, b)) in lanes.iter_mut().zip(self.0.into_iter().zip(b.0)) {
            *lane = a.mul_add(b, *lane);
        }
        Portable(lanes)
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        let mut lanes = self.0;
        for (lane, b) in lanes.iter_mut().zip(b.0) {
            *lane = *lane + b;
        }
        Portable(lanes)
    }
    #[inline(always)]
    unsafe fn blend(self, rest: Self, tail: usize) -> Self {
        let mut lanes = rest.0;
        for (lane, x) in lanes.iter_mut().zip(self.0).take(tail) {
            *lane = x;
        }
        Portable(lanes)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    /// One vector type: the instructions that it has and, where it takes more than one, how to say it.
    macro_rules! lanes {
        (
            $vector:ty: $width:literal of $float:ty, tiles of $rows:literal x $vectors:literal;
            $zero:ident $splat:ident $load:ident $store:ident $mul_add:ident $add:ident;
            tail($lanes:ident) -> $tail:ty = $make_tail:expr;
            load_tail($from:ident, $load_mask:ident) = $load_tail:expr;
            store_tail = $store_tail:ident;
            blend($x:ident, $rest:ident, $blend_mask:ident) = $blend:expr;
        ) => {
            impl Lanes for $vector {
                type Float = $float;
                type Tail = $tail;
                const WIDTH: usize = $width;
                const TILE_ROWS: usize = $rows;
                const TILE_VECTORS: usize = $vectors;

                #[inline(always)]
                unsafe fn tail($lanes: usize) -> $tail {
                    // SAFETY: the caller's path has the instructions.
                    unsafe { $make_tail }
                }
                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: as above.
                    unsafe { $zero() }
                }
                #[inline(always)]
                unsafe fn splat(x: $float) -> Self {
                    // SAFETY: as above.
                    unsafe { $splat(x) }
                }
                #[inline(always)]
                unsafe fn load(from: *const $float) -> Self {
                    // SAFETY: as above; the caller vouches for all lanes.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn load_tail($from: *const $float, $load_mask: $tail) -> Self {
                    // SAFETY: as above; the instruction does not touch the lanes outside the tail.
                    unsafe { $load_tail }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $float) {
                    // SAFETY: as above; the caller vouches for all lanes.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn store_tail(self, to: *mut $float, tail: $tail) {
                    // SAFETY: as above; the instruction does not touch the lanes outside the tail.
                    unsafe { $store_tail(to, tail, self) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, b: Self, acc: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $mul_add(self, b, acc) }
                }
                #[inline(always)]
                unsafe fn add(self, b: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $add(self, b) }
                }
                #[inline(always)]
                unsafe fn blend(self, $rest: Self, $blend_mask: $tail) -> Self {
                    let $x = self;
                    // SAFETY: as above.
                    unsafe { $blend }
                }
            }
        };
    }

    lanes! {
        __m512: 16 of f32, tiles of 8 x 3;
        _mm512_setzero_ps _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps _mm512_add_ps;
        tail(lanes) -> __mmask16 = _cvtu32_mask16((1 << lanes) - 1);
        load_tail(from, tail) = _mm512_maskz_loadu_ps(tail, from);
        store_tail = _mm512_mask_storeu_ps;
        blend(x, rest, tail) = _mm512_mask_blend_ps(tail, rest, x);
    }
    lanes! {
        __m512d: 8 of f64, tiles of 8 x 3;
        _mm512_setzero_pd _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd _mm512_add_pd;
        tail(lanes) -> __mmask8 = _cvtu32_mask8((1 << lanes) - 1);
        load_tail(from, tail) = _mm512_maskz_loadu_pd(tail, from);
        store_tail = _mm512_mask_storeu_pd;
        blend(x, rest, tail) = _mm512_mask_blend_pd(tail, rest, x);
    }
    lanes! {
        __m256: 8 of f32, tiles of 6 x 2;
        _mm256_setzero_ps _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps _mm256_add_ps;
        tail(lanes) -> __m256i =
            _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        load_tail(from, tail) = _mm256_maskload_ps(from, tail);
        store_tail = _mm256_maskstore_ps;
        blend(x, rest, tail) = _mm256_blendv_ps(rest, x, _mm256_castsi256_ps(tail));
    }
    lanes! {
        __m256d: 4 of f64, tiles of 6 x 2;
        _mm256_setzero_pd _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd _mm256_add_pd;
        tail(lanes) -> __m256i = _mm256_cmpgt_epi64(_mm256_set1_epi64x(lanes as i64), _mm256_setr_epi64x(0, 1, 2, 3));
        load_tail(from, tail) = _mm256_maskload_pd(from, tail);
        store_tail = _mm256_maskstore_pd;
        blend(x, rest, tail) = _mm256_blendv_pd(rest, x, _mm256_castsi256_pd(tail));
    }
}
