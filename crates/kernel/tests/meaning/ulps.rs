//! The error of every float function, in units in the last place.
//!
//! The f32 runs step through all bit patterns by a prime, so every exponent and both signs are met. Set `ULP_STRIDE` to 1
//! to try every single float. The f64 runs take points of all exponents and, more densely, those where functions bend.

use crate::oracle::{self, Truth, ulps_32, ulps_64};
use tracelift_kernel::lane::{LaneOp, Scalar, eval_scalar};

/// An operation, its bound in ulps, and the truth for both widths.
struct Function {
    op: LaneOp,
    bound: f64,
    /// The truth to some 2^-52, which is exact enough for f32.
    for_32: fn(f64) -> f64,
    /// The truth to some 2^-95.
    for_64: fn(f64) -> Truth,
}

fn functions() -> [Function; 16] {
    let function = |op, bound, for_32, for_64| Function { op, bound, for_32, for_64 };
    [
        function(LaneOp::Exp, 1.0, libm::exp, oracle::exp),
        function(LaneOp::Expm1, 2.0, libm::expm1, oracle::expm1),
        function(LaneOp::Ln, 1.0, libm::log, oracle::ln),
        function(LaneOp::Ln1p, 2.0, libm::log1p, oracle::ln_1p),
        function(LaneOp::Tanh, 3.0, libm::tanh, oracle::tanh),
        function(LaneOp::Logistic, 3.0, |x| 1.0 / (1.0 + libm::exp(-x)), oracle::logistic),
        function(LaneOp::Erf, 2.0, libm::erf, oracle::erf),
        function(LaneOp::ErfInv, 6.0, oracle::near_erf_inv, oracle::erf_inv),
        function(LaneOp::Asin, 3.0, libm::asin, oracle::asin),
        function(LaneOp::Acos, 2.0, libm::acos, oracle::acos),
        function(LaneOp::Atan, 2.0, libm::atan, oracle::atan),
        function(LaneOp::Sinh, 2.0, libm::sinh, oracle::sinh),
        function(LaneOp::Cosh, 2.0, libm::cosh, oracle::cosh),
        function(LaneOp::Asinh, 3.0, libm::asinh, oracle::asinh),
        function(LaneOp::Acosh, 3.0, |x| if x < 1.0 { f64::NAN } else { libm::acosh(x) }, oracle::acosh),
        function(LaneOp::Atanh, 3.0, libm::atanh, oracle::atanh),
    ]
}

fn run_32(op: LaneOp, x: &[f32]) -> f32 {
    let x: Vec<Scalar> = x.iter().copied().map(Scalar::F32).collect();
    match eval_scalar(op, &x) {
        Ok(Scalar::F32(y)) => y,
        other => panic!("{op} gave {other:?}"),
    }
}

fn run_64(op: LaneOp, x: f64) -> f64 {
    match eval_scalar(op, &[Scalar::F64(x)]) {
        Ok(Scalar::F64(y)) => y,
        other => panic!("{op} gave {other:?}"),
    }
}

fn stride() -> usize {
    std::env::var("ULP_STRIDE").map_or(4099, |text| text.parse().expect("ULP_STRIDE is a number"))
}

/// Fails if the error exceeds the bound anywhere on these points.
fn check<T: std::fmt::LowerExp>(op: LaneOp, bound: f64, errors: impl Iterator<Item = (f64, T)>) {
    let worst = errors.reduce(|a, b| if b.0 > a.0 { b } else { a });
    let (worst, x) = worst.expect("there are points");
    println!("{op}: {worst:.3} ulps at {x:e}");
    assert!(worst <= bound, "`{op}` is {worst} ulps off at {x:e}; its bound is {bound}");
}

#[test]
fn f32_functions_keep_their_bounds() {
    for f in functions() {
        let all = (0..=u32::MAX).step_by(stride()).map(f32::from_bits);
        check(f.op, f.bound, all.map(|x| (ulps_32(run_32(f.op, &[x]), (f.for_32)(x.into())), x)));
    }
}

#[test]
fn f32_circular_functions_keep_their_bounds() {
    let functions =
        [(LaneOp::Sin, 2.0, libm::sin as fn(f64) -> f64), (LaneOp::Cos, 2.0, libm::cos), (LaneOp::Tan, 4.0, libm::tan)];
    for (op, bound, truth) in functions {
        let all = (0..=u32::MAX).step_by(stride()).map(f32::from_bits);
        // Angles next to whole quarter turns, where little is left of them.
        let turns = (0..16_384).flat_map(|n| {
            let angle = (f64::from(n) * std::f64::consts::FRAC_PI_2) as f32;
            [angle.next_down(), angle, angle.next_up()]
        });
        check(op, bound, all.chain(turns).map(|x| (ulps_32(run_32(op, &[x]), truth(x.into())), x)));
    }
}

#[test]
fn atan2_keeps_its_bound() {
    let all = (0..=u32::MAX).step_by(4 * stride()).map(f32::from_bits);
    let others = [1.0f32, -1.0, 1e-30, -3e20, 0.0, -0.0, 7.5, f32::INFINITY, f32::NEG_INFINITY].into_iter().cycle();
    let pairs: Vec<(f32, f32)> = all.zip(others).flat_map(|(a, b)| [(a, b), (b, a)]).collect();
    let error = |(y, x): (f32, f32)| (ulps_32(run_32(LaneOp::Atan2, &[y, x]), libm::atan2(y.into(), x.into())), y);
    check(LaneOp::Atan2, 3.0, pairs.into_iter().map(error));
    let wide = points_64().zip(points_64().skip(7)).filter(|(y, x)| *y != 0.0 && *x != 0.0);
    let error = |(y, x)| {
        let got = eval_scalar(LaneOp::Atan2, &[Scalar::F64(y), Scalar::F64(x)]);
        let Ok(Scalar::F64(got)) = got else { panic!("atan2 gave {got:?}") };
        (ulps_64(got, oracle::atan2(y, x)), y)
    };
    check(LaneOp::Atan2, 3.0, wide.map(error));
}

#[test]
fn f32_rsqrt_keeps_its_bound() {
    let all = (0..=u32::MAX).step_by(4 * stride()).map(f32::from_bits);
    check(LaneOp::Rsqrt, 1.5, all.map(|x| (ulps_32(run_32(LaneOp::Rsqrt, &[x]), 1.0 / f64::from(x).sqrt()), x)));
}

/// Evenly spread over 0..1: multiples of the golden ratio.
fn fraction(n: u64) -> f64 {
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1u64 << 53) as f64
}

/// Powers to be computed: bases of all exponents and next to 1, to such powers that the results are spread over all
/// exponents, a little beyond both ends; whole powers, which negative bases have; powers that are floats themselves.
fn powers(count: u64, mantissa: i32, exponents: std::ops::Range<f64>) -> impl Iterator<Item = (f64, f64)> {
    let spread = move |n| exponents.start + (exponents.end - exponents.start) * fraction(n);
    let reached = move |x: f64, n| (x, spread(n) / x.log2());
    let of_all =
        (1..count).map(move |n| reached(spread(n.wrapping_mul(77)).exp2().clamp(f64::MIN_POSITIVE, f64::MAX), n));
    let near_one = (1..count).map(move |n| {
        let x = 1.0 + (2.0 * fraction(n.wrapping_mul(31)) - 1.0) * 2.0f64.powi(-((n % mantissa as u64) as i32));
        reached(x.max(0.01), n)
    });
    let whole = (1..count).map(|n| (8.0 * fraction(n) - 4.0, (n % 61) as f64 - 30.0));
    let exact = (1..count / 8).map(|n| ((n % 99) as f64, (n % 17) as f64 / 2.0));
    of_all.chain(near_one).chain(whole).chain(exact).filter(|(_, y)| y.is_finite())
}

#[test]
fn f32_pow_keeps_its_bounds() {
    // The truth to the f64 function's own error, 2^-28 ulps of f32.
    let error = |(x, y): (f64, f64)| {
        let (x, y) = (x as f32, y as f32);
        let truth = libm::pow(x.into(), y.into());
        (ulps_32(run_32(LaneOp::Pow, &[x, y]), truth), truth, x)
    };
    let count = (4_099 / stride().min(4_099) as u64).max(1) * 100_000;
    let is_normal = |truth: f64| truth.abs() >= f32::MIN_POSITIVE.into() || truth == 0.0;
    let all = || powers(count, 24, -152.0..130.0).map(error);
    check(LaneOp::Pow, 0.65, all().filter(|e| is_normal(e.1)).map(|e| (e.0, e.2)));
    check(LaneOp::Pow, 1.0, all().filter(|e| !is_normal(e.1)).map(|e| (e.0, e.2)));
    let bits = (0..=u32::MAX).step_by(4 * stride()).map(f32::from_bits);
    let others = [-3.5f32, -1.0, -0.1, 0.3, 0.5, 2.0, 7.0, 1.0, 1e30, -1e30].into_iter().cycle();
    let pairs = bits.zip(others).flat_map(|(a, b)| [(a, b), (b, a)]).map(|(x, y)| error((x.into(), y.into())));
    check(LaneOp::Pow, 1.0, pairs.map(|e| (e.0, e.2)));
}

/// Points of every exponent, denser where functions bend.
fn points_64() -> impl Iterator<Item = f64> {
    // Multiples of the golden ratio modulo 1 fill every interval evenly.
    let golden = 0x9e37_79b9_7f4a_7c15u64;
    let between = move |low: f64, high: f64| {
        (0..5_000u64).map(move |i| low + (high - low) * (i.wrapping_mul(golden) >> 11) as f64 / (1u64 << 53) as f64)
    };
    let bits = (0..5_000).map(move |i: u64| f64::from_bits(i.wrapping_mul(golden)));
    bits.chain(between(-750.0, 750.0)).chain(between(-40.0, 40.0)).chain(between(-2.0, 2.0)).filter(|x| x.is_finite())
}

#[test]
fn f64_functions_keep_their_bounds() {
    for f in functions() {
        check(f.op, f.bound, points_64().map(|x| (ulps_64(run_64(f.op, x), (f.for_64)(x)), x)));
    }
}

#[test]
fn f64_scalar_definitions_keep_their_bounds() {
    // The oracle reduces angles up to 10⁴ without loss.
    let angles = || points_64().map(|x| x * 10.0).filter(|x| x.abs() < 1e4);
    let functions = [
        (LaneOp::Sin, 2.0, oracle::sin as fn(f64) -> Truth),
        (LaneOp::Cos, 2.0, oracle::cos),
        (LaneOp::Tan, 3.0, oracle::tan),
    ];
    for (op, bound, truth) in functions {
        let turns = (0..6_000).flat_map(|n| {
            let angle = f64::from(n) * std::f64::consts::FRAC_PI_2;
            [angle.next_down(), angle, angle.next_up()]
        });
        check(op, bound, angles().chain(turns).map(|x| (ulps_64(run_64(op, x), truth(x)), x)));
    }
}

#[test]
fn f64_pow_keeps_its_bounds() {
    let error = |(x, y): (f64, f64)| {
        let got = eval_scalar(LaneOp::Pow, &[Scalar::F64(x), Scalar::F64(y)]);
        let Ok(Scalar::F64(got)) = got else { panic!("pow gave {got:?}") };
        (ulps_64(got, oracle::pow(x, y)), got, x)
    };
    let all = || powers(100_000, 53, -1078.0..1026.0).filter(|(x, _)| *x > 0.0).map(error);
    let is_normal = |got: f64| got >= f64::MIN_POSITIVE;
    check(LaneOp::Pow, 0.65, all().filter(|e| is_normal(e.1)).map(|e| (e.0, e.2)));
    check(LaneOp::Pow, 1.0, all().filter(|e| !is_normal(e.1)).map(|e| (e.0, e.2)));
    let points = points_64().filter(|x| *x > 0.0).zip([-7.3, -1.5, -0.01, 0.3, 0.99, 2.0, 5.5].into_iter().cycle());
    check(LaneOp::Pow, 1.0, points.map(error).map(|e| (e.0, e.2)));
}
