//! Powers of floats to powers that are floats.
//!
//! |x|ʸ = 2^(y log₂ |x|). What the exponent is off, the result is off relative to its size: so the logarithm and its product
//! with y are numbers of [twice the precision](super::double), and large results are as good as others. With x = 2ᵏ m as in
//! [`ln`](super::ln) and t = (m − 1) / (m + 1), log₂ m = 2 artanh t / ln 2 is an odd series in t. Its first coefficients, and
//! the steps of Horner's rule that end in them, are double, too. The product is n + r + low with a whole n and |r| ≤ 1/2, and
//! the power 2ⁿ 2ʳ (1 + low ln 2), where all but 1 + r ln 2 is small.

use super::double::{self, Double};
use super::exp::{from_exponent, halves, whole_part};
use super::float::{compare, short_polynomial, with_sign};
use super::log::{Parts, normal_parts};
use super::ops::{Cmp, Ops};

/// 2 / ln 2, a third of it, and so on: the first coefficients of log₂ m = t (c₀ + c₁ t² + c₂ t⁴ + …), in two floats each.
const LOG2_HEAD_32: &[[f64; 2]] =
    &[[2.885390043258667, 3.851926067000022e-08], [0.9617967009544373, -7.028461812552678e-09]];
const LOG2_HEAD_64: &[[f64; 2]] = &[
    [2.8853900817779268, 4.0710547481862066e-17],
    [0.9617966939259756, 5.0577616648125907e-17],
    [0.5770780163555853, 5.2551030481378675e-17],
];

/// The rest of them, fitted for t² ≤ 0.0295; relative error of log₂ m 2^-36.
const LOG2_TAIL_32: &[f64] = &[0.577080249786377, 0.4118466377258301, 0.3378945291042328];

/// The same for f64; relative error of log₂ m 2^-72.
const LOG2_TAIL_64: &[f64] = &[
    0.4121985831111995,
    0.32059889794308777,
    0.2623081954212631,
    0.2219524656720388,
    0.19239459192415986,
    0.16857512332721708,
    0.17187814124557435,
];

/// E in 2ʳ = 1 + r ln 2 + r² E(r), |r| ≤ 0.5; relative error of 2ʳ 2^-34.
const EXP2_32: &[f64] = &[
    0.24022650718688965,
    0.05550410598516464,
    0.009618042968213558,
    0.0013333819806575775,
    0.0001546539569972083,
    1.5213582628348377e-05,
];

/// The same for f64; relative error of 2ʳ 2^-64.
const EXP2_64: &[f64] = &[
    0.24022650695910072,
    0.05550410866482164,
    0.009618129107628345,
    0.0013333558146402347,
    0.00015403530393633054,
    1.5252733846450848e-05,
    1.3215486590400665e-06,
    1.0178054839252623e-07,
    7.054978823062211e-09,
    4.456174678786747e-10,
    2.5616839644200204e-11,
];

/// ln 2 in two floats.
const LN_2_32: [f64; 2] = [std::f32::consts::LN_2 as f64, -1.904_654_299_957_768e-9];
const LN_2_64: [f64; 2] = [std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17];

/// xʸ. Within 0.65 ulp, results below the normal floats within 1; so it is exact where a float is.
///
/// Special cases are those of IEEE 754: x⁰ and 1ʸ are 1, also for NaN; negative x have whole powers alone.
#[inline(always)]
pub fn pow<O: Ops>(o: &mut O, x: O::F, y: O::F) -> O::F {
    let magnitude = o.abs(x);
    let log = log2(o, magnitude);
    let exponent = log.scaled(o, y);
    let power = exp2(o, &exponent);
    // Also where the product is that of 0 and ∞, or of 0 and NaN.
    let one = o.f(1.0);
    let is_one = o.fcmp(Cmp::Eq, magnitude, one);
    let to_zero = compare(o, Cmp::Eq, y, 0.0);
    let is_one = o.mor(is_one, to_zero);
    let power = o.select_f(is_one, one, power);
    signed(o, x, y, power)
}

/// log₂ x, x ≥ 0 or NaN; where it is no finite number, the low part is anything.
#[inline(always)]
fn log2<O: Ops>(o: &mut O, x: O::F) -> Double<O> {
    let Parts { k, f, .. } = normal_parts(o, x);
    let two = o.f(2.0);
    let denominator = double::sum(o, two, f);
    let one = o.f(1.0);
    let inverse = o.div(one, denominator.high);
    let t = double::quotient(o, f, &denominator, inverse);
    let square = t.times(o, &t);
    let fourth = o.mul(square.high, square.high);
    let tail = short_polynomial(o, square.high, fourth, O::WIDTH.pick(LOG2_TAIL_32, LOG2_TAIL_64));
    let head = O::WIDTH.pick(LOG2_HEAD_32, LOG2_HEAD_64);
    let (last, rest) = head.split_last().expect("the head has coefficients");
    let product = square.scaled(o, tail);
    let mut series = Double::constant(o, *last).plus(o, &product);
    for coefficient in rest.iter().rev() {
        let product = square.times(o, &series);
        series = Double::constant(o, *coefficient).plus(o, &product);
    }
    let small = t.times(o, &series);
    let Double { high, low: lost } = double::sum(o, k, small.high);
    let low = o.add(lost, small.low);
    let (infinity, minus_infinity) = (o.f(f64::INFINITY), o.f(f64::NEG_INFINITY));
    let zero = compare(o, Cmp::Eq, x, 0.0);
    let high = o.select_f(zero, minus_infinity, high);
    let finite = o.fcmp(Cmp::Lt, x, infinity);
    Double { high: o.select_f(finite, high, x), low }
}

/// 2ˣ; NaN if the high part is.
#[inline(always)]
fn exp2<O: Ops>(o: &mut O, x: &Double<O>) -> O::F {
    let (n, whole) = whole_part(o, x.high);
    let r = o.sub(x.high, whole);
    // 2ʳ − 1 = large + tail; all of the tail but the series is known early.
    let ln_2 = Double::constant(o, O::WIDTH.pick(LN_2_32, LN_2_64));
    let Double { high: large, low } = ln_2.scaled(o, r);
    let one = o.f(1.0);
    let Double { high: above, low: lost } = double::sum(o, one, large);
    // 2ʳ low ln 2 is small, too.
    let growth = o.mul(x.low, ln_2.high);
    let small = o.add(low, lost);
    let small = o.add(small, growth);
    let square = o.mul(r, r);
    let series = short_polynomial(o, r, square, O::WIDTH.pick(EXP2_32, EXP2_64));
    let tail = o.fma(series, square, small);
    let q = o.fma(series, square, large);
    let tail = o.fma(growth, q, tail);
    let [first, second] = halves(o, n).map(|exponent| from_exponent(o, exponent));
    let above = o.mul(above, first);
    let y = o.fma(tail, first, above);
    let y = o.mul(y, second);
    // Beyond these bounds all of this is anything.
    let bound = O::WIDTH.pick(160.0, 1100.0);
    let (infinity, zero) = (o.f(f64::INFINITY), o.f(0.0));
    let is_huge = compare(o, Cmp::Gt, x.high, bound);
    let is_tiny = compare(o, Cmp::Lt, x.high, -bound);
    let y = o.select_f(is_huge, infinity, y);
    o.select_f(is_tiny, zero, y)
}

/// The power of x, given that of its magnitude.
#[inline(always)]
fn signed<O: Ops>(o: &mut O, x: O::F, y: O::F, power: O::F) -> O::F {
    let truncated = o.trunc(y);
    let is_whole = o.fcmp(Cmp::Eq, truncated, y);
    // Of large numbers, which are all even, the half is whole as well.
    let half = o.f(0.5);
    let half = o.mul(half, y);
    let truncated = o.trunc(half);
    let is_odd = o.fcmp(Cmp::Ne, truncated, half);
    let is_odd = o.mand(is_odd, is_whole);
    let zero = o.f(0.0);
    let sign = o.select_f(is_odd, x, zero);
    let power = with_sign(o, power, sign);
    let is_negative = o.fcmp(Cmp::Lt, x, zero);
    let is_finite = compare(o, Cmp::Gt, x, f64::NEG_INFINITY);
    let is_broken = o.mnot(is_whole);
    let undefined = o.mand(is_negative, is_finite);
    let undefined = o.mand(undefined, is_broken);
    let nan = o.f(f64::NAN);
    o.select_f(undefined, nan, power)
}

#[cfg(test)]
mod tests {
    use super::super::{Scalar32, Scalar64};
    use super::*;

    #[test]
    fn pow_knows_the_special_cases() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let table = [
            (nan, 0.0, 1.0),
            (1.0, nan, 1.0),
            (nan, 1.0, nan),
            (2.0, nan, nan),
            (-2.0, 0.5, nan),
            (-2.0, 3.0, -8.0),
            (0.0, -1.0, inf),
            (-0.0, -1.0, -inf),
            (-0.0, -2.0, inf),
            (-0.0, 3.0, -0.0),
            (-1.0, inf, 1.0),
            (0.5, inf, 0.0),
            (0.5, -inf, inf),
            (-inf, 3.0, -inf),
            (-inf, -3.0, -0.0),
            (inf, -0.5, 0.0),
            (2.0, 128.0, inf),
            (2.0, -149.0, f32::from_bits(1)),
            (f32::from_bits(1), 1.0, f32::from_bits(1)),
            (-f32::from_bits(3), 1.0, -f32::from_bits(3)),
            (1.0, 1e30, 1.0),
            (1.0, -inf, 1.0),
            (-1.0, 1e30, 1.0),
            (-1.0, 16_777_215.0, -1.0),
            (-1.0, 16_777_216.0, 1.0),
            (-1.0, -8_388_609.0, -1.0),
            (-1.0, 8_388_607.5, nan),
            (-1.0, f32::from_bits(1), nan),
            (0.99, 1e30, 0.0),
            (1.01, 1e30, inf),
            (-1.01, 1e30, inf),
            (-1.01, -1e30, 0.0),
            (0.0, 1e-30, 0.0),
            (-0.0, -0.5, inf),
            (-inf, 0.5, inf),
            (-inf, -0.5, 0.0),
            (0.0, nan, nan),
            (inf, nan, nan),
            (nan, -inf, nan),
            (-3.0, 2.0, 9.0),
            (7.0, 3.0, 343.0),
            (0.25, -0.5, 2.0),
            (f32::MAX, 1.0, f32::MAX),
            (f32::MIN, 1.0, f32::MIN),
        ];
        for (a, b, y) in table {
            let got = [pow(&mut Scalar32, a, b), pow(&mut Scalar64, a.into(), b.into()) as f32];
            for got in got {
                assert!(got.to_bits() == y.to_bits() || (got.is_nan() && y.is_nan()), "pow({a}, {b}) = {got}, not {y}");
            }
        }
    }
}
