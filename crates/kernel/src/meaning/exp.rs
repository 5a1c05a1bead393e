//! The exponential function and its kin: `exp`, `expm1`.
//!
//! x is split into n ln 2 + r with |r| ≤ ln 2 / 2. Then eˣ = 2ⁿ (1 + q), where q = r + r² P(r) is eʳ − 1 by a polynomial
//! fitted for the least error on that interval. n is found by adding 1.5·2^(mantissa bits): the sum's low bits are n.

use super::float::{compare, polynomial};
use super::ops::{Cmp, Ops, Width};

/// P in eʳ = 1 + r + r² P(r), |r| ≤ 0.347; relative error of eʳ 2^-31.
const EXP_32: &[f64] = &[
    0.5,
    0.16666647791862488,
    0.041666481643915176,
    0.008337869308888912,
    0.0013933238806203008,
    0.00017334401491098106,
];

/// The same for f64; relative error of eʳ 2^-60.
const EXP_64: &[f64] = &[
    0.5,
    0.16666666666666666,
    0.041666666666666706,
    0.008333333333333269,
    0.0013888888888865603,
    0.0001984126984147533,
    2.4801587360862867e-05,
    2.755731893226443e-06,
    2.75572436077837e-07,
    2.5052289531083094e-08,
    2.09239527395802e-09,
    1.602920175183212e-10,
];

/// ln 2 as a sum of two floats, of either width.
pub(super) const LN_2_32: [f64; 2] = [std::f32::consts::LN_2 as f64, -1.904_654_299_957_768e-9];
pub(super) const LN_2_64: [f64; 2] = [std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17];

/// A number split into n ln 2 + r.
pub(super) struct Split<O: Ops> {
    /// Integers whose low bits are n; high bits are those of [`magic`].
    n: O::I,
    /// eʳ − 1
    q: O::F,
}

/// 1.5·2^(mantissa bits): floats near it are the whole numbers, in steps of one.
fn magic(width: Width) -> f64 {
    1.5 * (1u64 << width.mantissa()) as f64
}

/// Its bits.
fn magic_bits(width: Width) -> i64 {
    width.pick((magic(width) as f32).to_bits() as i64, magic(width).to_bits() as i64)
}

/// Splits x, which is at most a few thousand in magnitude; NaN makes q NaN and n anything.
#[inline(always)]
pub(super) fn split<O: Ops>(o: &mut O, x: O::F) -> Split<O> {
    let (shifted, n) = multiple_of_ln_2(o, x, std::f64::consts::LOG2_E);
    // The first product is subtracted without error, as r is small and its last bit large enough.
    let [high, low] = O::WIDTH.pick(LN_2_32, LN_2_64).map(|part| o.f(-part));
    let r = o.fma(n, high, x);
    let r = o.fma(n, low, r);
    let p = polynomial(o, r, O::WIDTH.pick(EXP_32, EXP_64));
    let r_squared = o.mul(r, r);
    let q = o.fma(p, r_squared, r);
    Split { n: shifted, q }
}

/// The whole number next to `per · x`, as the n of a [`Split`] and as a float.
#[inline(always)]
pub(super) fn multiple_of_ln_2<O: Ops>(o: &mut O, x: O::F, per: f64) -> (O::I, O::F) {
    let (magic, per) = (o.f(magic(O::WIDTH)), o.f(per));
    let shifted = o.fma(x, per, magic);
    (o.f_to_bits(shifted), o.sub(shifted, magic))
}

/// The whole number next to x, which is at most a few thousand in magnitude, as the n of a [`Split`] and as a float.
#[inline(always)]
pub(super) fn whole_part<O: Ops>(o: &mut O, x: O::F) -> (O::I, O::F) {
    let magic = o.f(magic(O::WIDTH));
    let shifted = o.add(x, magic);
    (o.f_to_bits(shifted), o.sub(shifted, magic))
}

/// 2^(n + more), for the n of a split, where that is a normal float.
#[inline(always)]
pub(super) fn power_of_two<O: Ops>(o: &mut O, n: O::I, more: i64) -> O::F {
    // The magic number's bits fall out at the left.
    let exponent = o.shl(n, O::WIDTH.mantissa());
    let bias = o.i((O::WIDTH.bias() + more) << O::WIDTH.mantissa());
    let bits = o.iadd(exponent, bias);
    o.bits_to_f(bits)
}

/// eˣ where the result is normal and finite, else garbage; NaN for NaN.
#[inline(always)]
pub(super) fn exp_normal<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let Split { n, q } = split(o, x);
    let scale = power_of_two(o, n, 0);
    o.fma(q, scale, scale)
}

/// eˣ for any x, its 2ⁿ in two factors as n may be beyond the exponents of floats.
struct Factors<O: Ops> {
    /// eʳ − 1
    q: O::F,
    /// The biased exponents of the two powers of two.
    exponents: [O::I; 2],
}

/// The biased exponents of two powers of two whose product is 2ⁿ, for the n of a [`Split`].
#[inline(always)]
pub(super) fn halves<O: Ops>(o: &mut O, n: O::I) -> [O::I; 2] {
    let offset = o.i(2 * O::WIDTH.bias() - magic_bits(O::WIDTH));
    let both = o.iadd(n, offset);
    let first = o.shr(both, 1);
    [first, o.isub(both, first)]
}

#[inline(always)]
fn factors<O: Ops>(o: &mut O, x: O::F) -> Factors<O> {
    // Beyond these bounds eˣ is ∞ or 0 anyway. NaN passes, being the second operand.
    let (highest, lowest) = O::WIDTH.pick((104.0, -104.0), (746.0, -746.0));
    let (highest, lowest) = (o.f(highest), o.f(lowest));
    let x = o.min_lt(highest, x);
    let x = o.max_lt(lowest, x);
    let Split { n, q } = split(o, x);
    Factors { q, exponents: halves(o, n) }
}

/// The float 2^(exponent − bias).
#[inline(always)]
pub(super) fn from_exponent<O: Ops>(o: &mut O, exponent: O::I) -> O::F {
    let bits = o.shl(exponent, O::WIDTH.mantissa());
    o.bits_to_f(bits)
}

/// eˣ. Within 1 ulp, subnormal results included; overflow gives ∞.
#[inline(always)]
pub fn exp<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let Factors { q, exponents } = factors(o, x);
    let [first, second] = exponents.map(|exponent| from_exponent(o, exponent));
    let y = o.fma(q, first, first);
    o.mul(y, second)
}

/// eˣ / 2 for x ≥ 0. Within 1 ulp; overflows where eˣ / 2 does.
#[inline(always)]
pub(super) fn half_exp<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let Factors { q, exponents: [first, second] } = factors(o, x);
    let one = o.i(1);
    let second = o.isub(second, one);
    let [first, second] = [first, second].map(|exponent| from_exponent(o, exponent));
    let y = o.fma(q, first, first);
    o.mul(y, second)
}

/// eˣ − 1. Within 2 ulp; keeps −0.
#[inline(always)]
pub fn expm1<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let (highest, lowest, tiny) = O::WIDTH.pick((89.0, -20.0, 2.0f64.powi(-26)), (710.0, -40.0, 2.0f64.powi(-55)));
    let (highest, lowest) = (o.f(highest), o.f(lowest));
    let clamped = o.min_lt(highest, x);
    let clamped = o.max_lt(lowest, clamped);
    let Split { n, q } = split(o, clamped);
    // 2ⁿ (1 + q) − 1 = 2 (2ⁿ⁻¹ q + (2ⁿ⁻¹ − 1/2)); the halves keep n = 128 (1024) in range.
    let scale = power_of_two(o, n, -1);
    let half = o.f(0.5);
    let rest = o.sub(scale, half);
    let y = o.fma(scale, q, rest);
    let y = o.add(y, y);
    // So small an x is the result itself, with its sign; halving would lose the last bit of subnormals.
    let magnitude = o.abs(x);
    let is_tiny = compare(o, Cmp::Lt, magnitude, tiny);
    o.select_f(is_tiny, x, y)
}
