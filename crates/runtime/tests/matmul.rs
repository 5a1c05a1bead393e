//! Products have equal bits on every path, for all sizes and strides, and equal those of the definition.

#![expect(unsafe_code, reason = "an epilogue is native code")]

use proptest::prelude::*;
use std::sync::Mutex;
use tracelift_runtime::cpu::Path;
use tracelift_runtime::matmul::{Element, Epilogue, How, MatMul, Order, Strides, matmul_with};

/// What the tests need of a float type.
trait Real: Element + PartialEq + std::fmt::Debug + std::ops::Add<Output = Self> {
    fn from_f64(x: f64) -> Self;
    fn fma(a: Self, b: Self, acc: Self) -> Self;
    /// The bits, with all NaNs alike.
    fn bits(self) -> u64;
}

macro_rules! reals {
    ($($float:ident),*) => {$(
        impl Real for $float {
            fn from_f64(x: f64) -> Self {
                x as $float
            }
            fn fma(a: Self, b: Self, acc: Self) -> Self {
                a.mul_add(b, acc)
            }
            fn bits(self) -> u64 {
                u64::from(if self.is_nan() { $float::NAN } else { self }.to_bits())
            }
        }
    )*};
}

reals!(f32, f64);

/// The definition, word for word.
fn reference<T: Real>(spec: &MatMul, a: &[T], b: &[T], c: &mut [T]) {
    let at = |origin: usize, strides: Strides, batch: usize, row: usize, col: usize| {
        let offset = batch as isize * strides.batch + row as isize * strides.row + col as isize * strides.col;
        origin.checked_add_signed(offset).expect("inside the operand")
    };
    for t in 0..spec.batch {
        for i in 0..spec.m {
            for j in 0..spec.n {
                let mut lanes = [T::default(); 16];
                for step in 0..spec.k {
                    let lane = if spec.order == Order::Lanes { step % 16 } else { 0 };
                    let (x, y) = (a[at(0, spec.a, t, i, step)], b[at(0, spec.b, t, step, j)]);
                    lanes[lane] = T::fma(x, y, lanes[lane]);
                }
                if spec.order == Order::Lanes {
                    for half in [8, 4, 2, 1] {
                        for lane in 0..half {
                            lanes[lane] = lanes[lane] + lanes[lane + half];
                        }
                    }
                }
                c[t * spec.c_batch + i * spec.c_row + j] = lanes[0];
            }
        }
    }
}

/// Numbers of all sizes of exponent, so that every rounding counts; some are special if asked.
fn numbers<T: Real>(len: usize, seed: u64, special: bool) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let specials = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-30, -1e-30, 3e38];
    (0..len)
        .map(|_| {
            let word = draw();
            let exponent = i32::try_from(word % 24).expect("small") - 12;
            let x = ((word >> 11) as f64 / (1_u64 << 52) as f64 - 1.0) * f64::from(exponent).exp2();
            let pick = usize::try_from(word >> 8 & 127).expect("small");
            T::from_f64(if special { specials.get(pick).copied().unwrap_or(x) } else { x })
        })
        .collect()
}

fn span(extents: [usize; 3], strides: Strides) -> usize {
    if extents.contains(&0) {
        return 0;
    }
    let reach = |extent: usize, stride: isize| (extent - 1) * usize::try_from(stride).expect("not negative");
    reach(extents[0], strides.batch) + reach(extents[1], strides.row) + reach(extents[2], strides.col) + 1
}

fn hows() -> Vec<How> {
    let paths = Path::ALL.into_iter().filter(|path| path.is_available());
    paths.flat_map(|path| [1, 2, 8].map(|threads| How { path, threads, epilogue: None })).collect()
}

/// Runs a product every way there is and compares with the definition; gaps of the result stay as they were.
fn check<T: Real>(spec: &MatMul, seed: u64, special: bool) {
    let a = numbers::<T>(span([spec.batch, spec.m, spec.k], spec.a), seed, special);
    let b = numbers::<T>(span([spec.batch, spec.k, spec.n], spec.b), seed + 1, special);
    let len = spec.batch * spec.c_batch.max(spec.m * spec.c_row);
    let untouched = numbers::<T>(len, seed + 2, false);
    let mut expected = untouched.clone();
    reference(spec, &a, &b, &mut expected);
    for how in hows() {
        let mut c = untouched.clone();
        assert_eq!(matmul_with(spec, &a, &b, &mut c, &how), 0);
        let differs = (0..len).find(|&at| c[at].bits() != expected[at].bits());
        if let Some(at) = differs {
            panic!("{spec:?} by {how:?}: element {at} is {:?}, not {:?}", c[at], expected[at]);
        }
    }
}

fn check_both(spec: &MatMul, seed: u64, special: bool) {
    check::<f32>(spec, seed, special);
    check::<f64>(spec, seed, special);
}

#[test]
fn sizes_that_training_uses_equal_the_definition() {
    for (seed, (m, k, n)) in
        [(32, 8, 30), (32, 30, 30), (32, 100, 10), (4, 8, 8), (1, 784, 100)].into_iter().enumerate()
    {
        let seed = seed as u64 + 1;
        let plain = MatMul::row_major(m, k, n);
        check_both(&plain, seed, true);
        check_both(&plain.with_a_transposed(), seed, true);
        check_both(&plain.with_b_transposed(), seed, true);
        check_both(&plain.with_a_transposed().with_b_transposed(), seed, true);
    }
}

#[test]
fn blocks_of_rows_steps_and_columns_do_not_show() {
    for (m, k, n) in [(65, 1100, 70), (150, 600, 40), (33, 70, 515), (2, 515, 260), (1, 600, 300)] {
        let plain = MatMul::row_major(m, k, n);
        check::<f32>(&plain, 3, false);
        check::<f32>(&plain.with_b_transposed(), 4, false);
        check::<f64>(&plain.with_a_transposed(), 5, false);
    }
}

#[test]
fn products_of_many_rows_share_a_packed_operand() {
    // Several blocks of columns and of steps, tails of all of them, and rows that no tile divides.
    for (m, k, n) in [(131, 1030, 150), (128, 40, 1100), (205, 515, 65), (700, 9, 700), (131, 520, 775)] {
        let plain = MatMul::row_major(m, k, n);
        check::<f32>(&plain, 11, false);
        check::<f32>(&plain.with_a_transposed(), 12, true);
        check::<f32>(&plain.with_b_transposed(), 13, false);
        check::<f64>(&plain.with_a_transposed().with_b_transposed(), 14, false);
    }
    let spread = MatMul { c_row: 413, ..MatMul::row_major(130, 100, 411) };
    check_both(
        &MatMul { a: Strides { row: 1, col: 130, batch: 0 }, c_batch: 130 * 413, ..spread.with_batch(2) },
        15,
        true,
    );
    let with_gaps = Strides { row: 2, col: 200, batch: 0 };
    check::<f32>(&MatMul { b: with_gaps, ..MatMul::row_major(140, 100, 300) }, 16, false);
}

#[test]
fn left_operands_whose_rows_or_steps_lie_far_apart_are_copied() {
    // Rows, of as many columns as are worth it; then steps whose lines compete for the cache, of few columns.
    check::<f32>(&MatMul::row_major(133, 527, 390), 18, false);
    check::<f64>(&MatMul::row_major(130, 263, 195), 19, true);
    for (m, k, n) in [(70, 41, 50), (49, 7, 99), (5, 130, 64), (200, 150, 150)] {
        for row in [1, 2] {
            let apart = Strides { row, col: 512, batch: 0 };
            check_both(&MatMul { a: apart, ..MatMul::row_major(m, k, n) }, 20, true);
        }
    }
    check::<f32>(&MatMul::row_major(527, 70, 100).with_a_transposed(), 21, false);
}

#[test]
fn few_columns_of_many_rows_share_a_packed_operand() {
    check_both(&MatMul::row_major(300, 150, 100), 22, true);
    // So large that rows are fetched before they are used.
    check::<f32>(&MatMul::row_major(2050, 515, 9), 23, false);
}

#[test]
fn few_rows_by_a_transposed_operand_are_divided_by_columns() {
    for (m, k, n, batch) in [(32, 100, 784, 1), (1, 300, 515, 1), (7, 129, 200, 3), (127, 33, 129, 2)] {
        check_both(&MatMul::row_major(m, k, n).with_b_transposed().with_batch(batch), 17, true);
    }
}

#[test]
fn integers_of_many_rows_equal_a_plain_sum() {
    let (m, k, n) = (150, 170, 200);
    let numbers = |count: usize, by: i32| (0..count).map(|at| (at as i32).wrapping_mul(by)).collect::<Vec<_>>();
    let (a, b) = (numbers(m * k, 0x9E37_79B1_u32 as i32), numbers(k * n, 0x85EB_CA6B_u32 as i32));
    for how in hows() {
        let mut c = vec![1; m * n];
        matmul_with(&MatMul::row_major(m, k, n).with_b_transposed(), &a, &b, &mut c, &how);
        for (at, found) in c.into_iter().enumerate() {
            let (i, j) = (at / n, at % n);
            let terms = (0..k).map(|step| a[i * k + step].wrapping_mul(b[j * k + step]));
            assert_eq!(found, terms.fold(0, i32::wrapping_add), "{how:?}");
        }
    }
}

#[test]
fn one_known_column_uses_lanes() {
    for m in [1, 2, 7, 8, 9, 32, 33] {
        for k in [0, 1, 3, 4, 8, 15, 16, 17, 30, 31, 32, 33, 100] {
            let plain = MatMul::row_major(m, k, 1).with_order(Order::Lanes);
            check_both(&plain, 7, true);
            check_both(&plain.with_a_transposed(), 8, true);
            let spread = MatMul { a: Strides { row: 3 * k as isize + 1, col: 2, batch: 0 }, ..plain };
            check_both(&MatMul { c_row: 3, c_batch: 3 * m, ..spread }, 9, true);
        }
    }
}

#[test]
fn lanes_past_the_end_keep_a_negative_zero() {
    let spec = MatMul::row_major(1, 17, 1).with_order(Order::Lanes);
    let (mut a, mut b) = (vec![0.0_f32; 17], vec![0.0_f32; 17]);
    // Each lane underflows to -0.0, which adding 0 * 0 would lose.
    a.fill(-1e-30);
    b.fill(1e-30);
    for how in hows() {
        let mut c = [1.0];
        matmul_with(&spec, &a, &b, &mut c, &how);
        assert_eq!(c[0].to_bits(), (-0.0_f32).to_bits(), "{how:?}");
    }
}

#[test]
fn no_steps_give_positive_zeros_and_no_rows_nothing() {
    for how in hows() {
        let mut c = [f32::NAN; 6];
        matmul_with(&MatMul::row_major(2, 0, 3), &[], &[], &mut c, &how);
        assert!(c.iter().all(|x| x.to_bits() == 0));
        matmul_with(&MatMul::row_major(0, 2, 3), &[], &[1.0_f32; 6], &mut [], &how);
        matmul_with(&MatMul::row_major(2, 3, 0), &[1.0_f32; 6], &[], &mut [], &how);
    }
}

#[test]
fn zeros_times_infinities_are_not_skipped() {
    let (a, b) = ([0.0_f32, 1.0], [f32::INFINITY, 2.0]);
    for how in hows() {
        let mut c = [0.0];
        matmul_with(&MatMul::row_major(1, 2, 1), &a, &b, &mut c, &how);
        assert!(c[0].is_nan());
    }
}

#[test]
fn integers_wrap_around() {
    let a = [i32::MAX, 2, 3, -4];
    let mut c = [0; 4];
    matmul_with(&MatMul::row_major(2, 2, 2), &a, &[2, 1, i32::MIN, 7], &mut c, &How::default());
    assert_eq!(c, [-2, i32::MIN.wrapping_add(13), 6, -25]);
    let mut wide = [0_i64; 1];
    matmul_with(&MatMul::row_major(1, 2, 1), &[i64::MAX, 1], &[2, 5], &mut wide, &How::default());
    assert_eq!(wide, [3]);
}

#[test]
#[should_panic(expected = "too short")]
fn a_slice_that_is_too_short_is_refused() {
    matmul_with(&MatMul::row_major(2, 2, 2), &[0.0_f32; 4], &[0.0; 3], &mut [0.0; 4], &How::default());
}

#[test]
#[should_panic(expected = "rows of the result overlap")]
fn an_overlapping_result_is_refused() {
    let spec = MatMul { c_row: 1, ..MatMul::row_major(2, 2, 2) };
    matmul_with(&spec, &[0.0_f32; 4], &[0.0; 4], &mut [0.0; 4], &How::default());
}

/// What an epilogue saw: blocks of rows, each with the sum of its rows at that moment.
struct Seen {
    result: *const f32,
    columns: usize,
    fault_from: usize,
    blocks: Mutex<Vec<(usize, usize, Vec<f32>)>>,
}

#[cfg(target_arch = "x86_64")]
unsafe extern "sysv64" fn see(context: *const (), first: usize, rows: usize) -> i32 {
    // SAFETY: `context` is the `Seen` of the test, and the rows given are finished.
    unsafe { see_rows(context, first, rows) }
}
#[cfg(not(target_arch = "x86_64"))]
unsafe extern "C" fn see(context: *const (), first: usize, rows: usize) -> i32 {
    // SAFETY: as above.
    unsafe { see_rows(context, first, rows) }
}

unsafe fn see_rows(context: *const (), first: usize, rows: usize) -> i32 {
    // SAFETY: `context` is the `Seen` of the test, which outlives the product; the rows given are finished.
    unsafe {
        let seen = &*context.cast::<Seen>();
        let block = std::slice::from_raw_parts(seen.result.add(first * seen.columns), rows * seen.columns);
        seen.blocks.lock().unwrap().push((first, rows, block.to_vec()));
        if first + rows > seen.fault_from { 40 + i32::try_from(first / seen.fault_from.max(1)).unwrap() } else { 0 }
    }
}

#[test]
fn an_epilogue_sees_every_row_once_and_finished() {
    for (m, k, n, batch) in [
        (300, 20, 40, 1),
        (200, 300, 300, 1),
        (260, 30, 1100, 1),
        (160, 520, 60, 2),
        (5, 3, 4, 7),
        (64, 0, 100, 1),
        (40, 33, 1, 2),
    ] {
        for order in [Order::Chain, Order::Lanes] {
            if order == Order::Lanes && n != 1 {
                continue;
            }
            let spec = MatMul::row_major(m, k, n).with_batch(batch).with_order(order);
            let a = numbers::<f32>(batch * m * k, 5, false);
            let b = numbers::<f32>(batch * k * n, 6, false);
            let mut expected = vec![0.0; batch * m * n];
            reference(&spec, &a, &b, &mut expected);
            for how in hows() {
                let mut c = vec![f32::NAN; batch * m * n];
                let seen = Seen { result: c.as_ptr(), columns: n, fault_from: usize::MAX, blocks: Mutex::default() };
                // SAFETY: `see` locks what it writes and reads the rows it is given.
                let epilogue = unsafe { Epilogue::new(see, (&raw const seen).cast()) };
                assert_eq!(matmul_with(&spec, &a, &b, &mut c, &How { epilogue: Some(epilogue), ..how }), 0);
                let mut blocks = seen.blocks.into_inner().unwrap();
                if how.threads == 1 {
                    assert!(blocks.is_sorted_by_key(|block| block.0));
                }
                blocks.sort_by_key(|block| block.0);
                let mut next = 0;
                for (first, rows, values) in blocks {
                    assert_eq!(first, next);
                    next += rows;
                    assert_eq!(values, expected[first * n..next * n]);
                }
                assert_eq!(next, batch * m);
            }
        }
    }
}

#[test]
fn a_status_of_the_epilogue_ends_the_product() {
    let spec = MatMul::row_major(400, 64, 64);
    let (a, b) = (numbers::<f32>(400 * 64, 1, false), numbers::<f32>(64 * 64, 2, false));
    for how in hows() {
        let mut c = vec![0.0; 400 * 64];
        let seen = Seen { result: c.as_ptr(), columns: 64, fault_from: 0, blocks: Mutex::default() };
        // SAFETY: `see` locks what it writes and reads the rows it is given.
        let epilogue = unsafe { Epilogue::new(see, (&raw const seen).cast()) };
        let status = matmul_with(&spec, &a, &b, &mut c, &How { epilogue: Some(epilogue), ..how });
        assert_eq!(status, 40, "the lowest rows' status counts");
    }
}

/// An operand of random strides: any order of the axes, gaps, and sometimes a repeated axis.
fn strides(extents: [usize; 3], order: usize, gap: usize, repeat: usize) -> Strides {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let mut found = [0; 3];
    let mut step = 1;
    for axis in orders[order].into_iter().rev() {
        if axis + 1 != repeat {
            found[axis] = isize::try_from(step).expect("small");
            step = step * extents[axis].max(1) + gap;
        }
    }
    Strides { batch: found[0], row: found[1], col: found[2] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sizes_and_strides_equal_the_definition(
        (batch, m, k, n) in (0..4_usize, 0..40_usize, 0..40_usize, 0..70_usize),
        (a_order, a_gap, a_repeat) in (0..6_usize, 0..3_usize, 0..9_usize),
        (b_order, b_gap, b_repeat) in (0..6_usize, 0..3_usize, 0..9_usize),
        (row_gap, batch_gap) in (0..3_usize, 0..3_usize),
        (seed, special) in (1..1_000_000_u64, any::<bool>()),
    ) {
        let c_row = n + row_gap;
        let spec = MatMul {
            batch, m, k, n, c_row,
            a: strides([batch, m, k], a_order, a_gap, a_repeat),
            b: strides([batch, k, n], b_order, b_gap, b_repeat),
            c_batch: m * c_row + batch_gap,
            order: Order::Chain,
        };
        check_both(&spec, seed, special);
        let c_row = 1 + row_gap;
        let b = strides([batch, k, 1], b_order, b_gap, b_repeat);
        let column = MatMul { n: 1, b, c_row, c_batch: m * c_row + batch_gap, order: Order::Lanes, ..spec };
        check_both(&column, seed, special);
    }
}
