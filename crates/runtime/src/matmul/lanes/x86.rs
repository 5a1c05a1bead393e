//! The vector types of x86-64.

#![expect(unsafe_code, reason = "vector instructions and loads from addresses")]

use super::{Lanes, LastVector, Left, Shape, Tile, View, pack, tile};
use std::arch::asm;
use std::arch::x86_64::*;

/// One vector type: the instructions that it has and, where it takes more than one, how to say it.
macro_rules! lanes {
    (
        $features:literal $vector:ty: $width:literal of $float:ty, tiles of $tall_rows:literal x $tall_vectors:literal, $wide_rows:literal x $wide_vectors:literal and $copied_rows:literal x $copied_vectors:literal;
        $zero:ident $splat:ident $load:ident $store:ident $mul_add:ident $add:ident;
        tail($lanes:ident) -> $tail:ty = $make_tail:expr;
        load_tail($from:ident, $load_mask:ident) = $load_tail:expr;
        store_tail = $store_tail:ident;
        blend($x:ident, $rest:ident, $blend_mask:ident) = $blend:expr;
        fold = $fold:ident;
        load_transposed = $load_transposed:ident;
        $(halves = $load_half:ident $mul_add_half:ident $lower:ident $half:ident;)?
    ) => {
        impl Lanes for $vector {
            type Float = $float;
            type Tail = $tail;
            const WIDTH: usize = $width;
            const TALL: Shape = Shape { rows: $tall_rows, vectors: $tall_vectors };
            const WIDE: Shape = Shape { rows: $wide_rows, vectors: $wide_vectors };
            const COPIED: Shape = Shape { rows: $copied_rows, vectors: $copied_vectors };

            unsafe fn tile<A: Left, E: LastVector, const ROWS: usize, const VECTORS: usize>(
                tile: &Tile<$float>,
                left: A,
                rows: usize,
                tail_lanes: usize,
                masked_steps: usize,
            ) {
                #[target_feature(enable = $features)]
                #[inline(never)]
                unsafe fn compute<A: Left, E: LastVector, const ROWS: usize, const VECTORS: usize>(
                    tile: &Tile<$float>,
                    left: A,
                    rows: usize,
                    tail_lanes: usize,
                    masked_steps: usize,
                ) {
                    // SAFETY: handed on from the caller.
                    unsafe { tile::compute_sized::<$vector, A, E, ROWS, VECTORS>(tile, left, rows, tail_lanes, masked_steps) }
                }
                // SAFETY: as above; the caller's path has the instructions.
                unsafe { compute::<A, E, ROWS, VECTORS>(tile, left, rows, tail_lanes, masked_steps) }
            }
            unsafe fn pack_right(from: View<$float>, steps: usize, columns: usize, vectors: usize, to: *mut $float) {
                #[target_feature(enable = $features)]
                #[inline(never)]
                unsafe fn pack(from: View<$float>, steps: usize, columns: usize, vectors: usize, to: *mut $float) {
                    // SAFETY: handed on from the caller.
                    unsafe { pack::right::<$vector>(from, steps, columns, vectors, to) }
                }
                // SAFETY: as above; the caller's path has the instructions.
                unsafe { pack(from, steps, columns, vectors, to) }
            }
            #[inline(always)]
            unsafe fn tail($lanes: usize) -> $tail {
                // SAFETY: the caller's path has the instructions.
                unsafe { $make_tail }
            }
            #[inline(always)]
            fn kept(mut number: usize) -> usize {
                // SAFETY: nothing is done; the compiler only does not know that.
                unsafe { asm!("/* {0} */", inout(reg) number, options(pure, nomem, nostack, preserves_flags)) };
                number
            }
            #[inline(always)]
            fn prefetch(at: *const $float) {
                // SAFETY: a hint, which touches nothing.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
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
            $(
            const HAS_HALVES: bool = true;

            #[inline(always)]
            unsafe fn load_half(from: *const $float) -> Self {
                // SAFETY: as above; the caller vouches for half of the lanes.
                unsafe { $half($load_half(from)) }
            }
            #[inline(always)]
            unsafe fn mul_add_half(self, b: Self, acc: Self) -> Self {
                // SAFETY: as above.
                unsafe { $half($mul_add_half($lower(self), $lower(b), $lower(acc))) }
            }
            )?
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
            #[inline(always)]
            unsafe fn fold(self) -> $float {
                // SAFETY: as above.
                unsafe { $fold(self) }
            }
            #[inline(always)]
            unsafe fn load_transposed(from: *const $float, column: isize, last: usize) -> [Self; 4] {
                // SAFETY: as above; the caller vouches for four elements of every column up to the last.
                unsafe { $load_transposed(from, column, last) }
            }
        }
    };
}

lanes! {
    "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw" __m512: 16 of f32, tiles of 8 x 3, 6 x 4 and 12 x 2;
    _mm512_setzero_ps _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps _mm512_add_ps;
    tail(lanes) -> __mmask16 = _cvtu32_mask16((1 << lanes) - 1);
    load_tail(from, tail) = _mm512_maskz_loadu_ps(tail, from);
    store_tail = _mm512_mask_storeu_ps;
    blend(x, rest, tail) = _mm512_mask_blend_ps(tail, rest, x);
    fold = fold_f32x16;
    load_transposed = transposed_f32x16;
    halves = _mm256_loadu_ps _mm256_fmadd_ps _mm512_castps512_ps256 _mm512_castps256_ps512;
}
lanes! {
    "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw" __m512d: 8 of f64, tiles of 8 x 3, 6 x 4 and 12 x 2;
    _mm512_setzero_pd _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd _mm512_add_pd;
    tail(lanes) -> __mmask8 = _cvtu32_mask8((1 << lanes) - 1);
    load_tail(from, tail) = _mm512_maskz_loadu_pd(tail, from);
    store_tail = _mm512_mask_storeu_pd;
    blend(x, rest, tail) = _mm512_mask_blend_pd(tail, rest, x);
    fold = fold_f64x8;
    load_transposed = transposed_f64x8;
}
lanes! {
    "avx2,fma" __m256: 8 of f32, tiles of 6 x 2, 6 x 2 and 6 x 2;
    _mm256_setzero_ps _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps _mm256_add_ps;
    tail(lanes) -> Some256 = Some256 {
        mask: _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
        lanes,
    };
    load_tail(from, tail) = _mm256_maskload_ps(from, tail.mask);
    store_tail = store_some_f32x8;
    blend(x, rest, tail) = _mm256_blendv_ps(rest, x, _mm256_castsi256_ps(tail.mask));
    fold = fold_f32x8;
    load_transposed = transposed_f32x8;
}
lanes! {
    "avx2,fma" __m256d: 4 of f64, tiles of 6 x 2, 6 x 2 and 6 x 2;
    _mm256_setzero_pd _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd _mm256_add_pd;
    tail(lanes) -> Some256 = Some256 {
        mask: _mm256_cmpgt_epi64(_mm256_set1_epi64x(lanes as i64), _mm256_setr_epi64x(0, 1, 2, 3)),
        lanes,
    };
    load_tail(from, tail) = _mm256_maskload_pd(from, tail.mask);
    store_tail = store_some_f64x4;
    blend(x, rest, tail) = _mm256_blendv_pd(rest, x, _mm256_castsi256_pd(tail.mask));
    fold = fold_f64x4;
    load_transposed = transposed_f64x4;
}

/// The first lanes of a vector of 256 bits.
#[derive(Clone, Copy)]
pub(in super::super) struct Some256 {
    mask: __m256i,
    lanes: usize,
}

// SAFETY of all functions below: the caller's path has the instructions, and the addresses of columns are vouched for.

/// In halves: the masked store takes a dozen cycles or more on AMD's processors.
#[inline(always)]
unsafe fn store_some_f32x8(mut to: *mut f32, some: Some256, x: __m256) {
    unsafe {
        if some.lanes >= 8 {
            return _mm256_storeu_ps(to, x);
        }
        let mut rest = _mm256_castps256_ps128(x);
        if some.lanes & 4 != 0 {
            _mm_storeu_ps(to, rest);
            to = to.add(4);
            rest = _mm256_extractf128_ps::<1>(x);
        }
        if some.lanes & 2 != 0 {
            _mm_storel_pd(to.cast(), _mm_castps_pd(rest));
            to = to.add(2);
            rest = _mm_movehl_ps(rest, rest);
        }
        if some.lanes & 1 != 0 {
            _mm_store_ss(to, rest);
        }
    }
}

/// The same for two by two.
#[inline(always)]
unsafe fn store_some_f64x4(mut to: *mut f64, some: Some256, x: __m256d) {
    unsafe {
        if some.lanes >= 4 {
            return _mm256_storeu_pd(to, x);
        }
        let mut rest = _mm256_castpd256_pd128(x);
        if some.lanes & 2 != 0 {
            _mm_storeu_pd(to, rest);
            to = to.add(2);
            rest = _mm256_extractf128_pd::<1>(x);
        }
        if some.lanes & 1 != 0 {
            _mm_store_sd(to, rest);
        }
    }
}

#[inline(always)]
unsafe fn fold_f32x16(x: __m512) -> f32 {
    unsafe { fold_f32x8(_mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x))) }
}

#[inline(always)]
unsafe fn fold_f32x8(x: __m256) -> f32 {
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

#[inline(always)]
unsafe fn fold_f64x8(x: __m512d) -> f64 {
    unsafe { fold_f64x4(_mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd::<1>(x))) }
}

#[inline(always)]
unsafe fn fold_f64x4(x: __m256d) -> f64 {
    unsafe {
        let two = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    }
}

/// Transposes the 4 x 4 blocks of four vectors.
macro_rules! transpose_blocks_of_four {
    ($x:expr, $low:ident, $high:ident, $shuffle:ident) => {{
        let [a, b, c, d] = $x;
        let (ab, cd) = ($low(a, b), $low(c, d));
        let (upper_ab, upper_cd) = ($high(a, b), $high(c, d));
        [
            $shuffle::<0x44>(ab, cd),
            $shuffle::<0xEE>(ab, cd),
            $shuffle::<0x44>(upper_ab, upper_cd),
            $shuffle::<0xEE>(upper_ab, upper_cd),
        ]
    }};
}

#[inline(always)]
unsafe fn transposed_f32x16(from: *const f32, column: isize, last: usize) -> [__m512; 4] {
    unsafe {
        let mut x = [_mm512_setzero_ps(); 4];
        for (idx, x) in x.iter_mut().enumerate() {
            *x = _mm512_castps128_ps512(_mm_loadu_ps(nth(from, column, idx, last)));
            *x = _mm512_insertf32x4::<1>(*x, _mm_loadu_ps(nth(from, column, idx + 4, last)));
            *x = _mm512_insertf32x4::<2>(*x, _mm_loadu_ps(nth(from, column, idx + 8, last)));
            *x = _mm512_insertf32x4::<3>(*x, _mm_loadu_ps(nth(from, column, idx + 12, last)));
        }
        transpose_blocks_of_four!(x, _mm512_unpacklo_ps, _mm512_unpackhi_ps, _mm512_shuffle_ps)
    }
}

#[inline(always)]
unsafe fn transposed_f32x8(from: *const f32, column: isize, last: usize) -> [__m256; 4] {
    unsafe {
        let mut x = [_mm256_setzero_ps(); 4];
        for (idx, x) in x.iter_mut().enumerate() {
            *x = _mm256_castps128_ps256(_mm_loadu_ps(nth(from, column, idx, last)));
            *x = _mm256_insertf128_ps::<1>(*x, _mm_loadu_ps(nth(from, column, idx + 4, last)));
        }
        transpose_blocks_of_four!(x, _mm256_unpacklo_ps, _mm256_unpackhi_ps, _mm256_shuffle_ps)
    }
}

#[inline(always)]
unsafe fn transposed_f64x8(from: *const f64, column: isize, last: usize) -> [__m512d; 4] {
    unsafe {
        let mut x = [_mm512_setzero_pd(); 4];
        for (idx, x) in x.iter_mut().enumerate() {
            let (first, from) = (idx % 2, from.add(idx / 2 * 2));
            *x = _mm512_castpd128_pd512(_mm_loadu_pd(nth(from, column, first, last)));
            *x = _mm512_insertf64x2::<1>(*x, _mm_loadu_pd(nth(from, column, first + 2, last)));
            *x = _mm512_insertf64x2::<2>(*x, _mm_loadu_pd(nth(from, column, first + 4, last)));
            *x = _mm512_insertf64x2::<3>(*x, _mm_loadu_pd(nth(from, column, first + 6, last)));
        }
        let [a, b, c, d] = x;
        [_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b), _mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d)]
    }
}

#[inline(always)]
unsafe fn transposed_f64x4(from: *const f64, column: isize, last: usize) -> [__m256d; 4] {
    unsafe {
        let mut x = [_mm256_setzero_pd(); 4];
        for (idx, x) in x.iter_mut().enumerate() {
            let (first, from) = (idx % 2, from.add(idx / 2 * 2));
            *x = _mm256_castpd128_pd256(_mm_loadu_pd(nth(from, column, first, last)));
            *x = _mm256_insertf128_pd::<1>(*x, _mm_loadu_pd(nth(from, column, first + 2, last)));
        }
        let [a, b, c, d] = x;
        [_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), _mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d)]
    }
}

/// The address of a column, or of the last one where there are no more.
#[inline(always)]
unsafe fn nth<T>(from: *const T, column: isize, idx: usize, last: usize) -> *const T {
    unsafe { from.offset(idx.min(last) as isize * column) }
}
