//! The natural logarithm: `ln`, `ln_1p`.
//!
//! x = 2ᵏ (1 + f) with √½ ≤ 1 + f < √2, and ln(1 + f) = f − f²/2 + more, where the large part, f, stays exact to the end.
//! More is f³ P(f) for f32: a few steps more than the other way, but no division. For f64 it is s (f²/2 + R(s²)) with
//! s = f / (2 + f), as ln(1 + f) = 2 artanh s. All polynomials are fitted for the least error.

use super::exp::{LN_2_32, LN_2_64, from_exponent};
use super::float::{compare, keep_nan, polynomial, short_polynomial};
use super::ops::{Cmp, Ops, Width};

/// P in ln(1 + f) = f − f²/2 + f³ P(f); relative error 2^-27.
const LOG_32: &[f64] = &[
    0.3333333134651184,
    -0.2500081956386566,
    0.20001226663589478,
    -0.16623356938362122,
    0.14201757311820984,
    -0.13160182535648346,
    0.1276157647371292,
    -0.07634495943784714,
];

/// P in R(z) = z P(z), z ≤ 0.0295; relative error 2^-65.
const LOG_64: &[f64] = &[
    0.6666666666666666,
    0.40000000000004954,
    0.28571428569395363,
    0.22222222609985656,
    0.181817780761103,
    0.15387002326733148,
    0.13251821784490783,
    0.1323790912251886,
];

/// A positive normal number as 2ᵏ (1 + f).
pub(super) struct Parts<O: Ops> {
    pub(super) k: O::F,
    pub(super) f: O::F,
    /// k and the bias of exponents.
    field: O::I,
}

#[inline(always)]
fn parts<O: Ops>(o: &mut O, x: O::F) -> Parts<O> {
    let width = O::WIDTH;
    let bits = o.f_to_bits(x);
    // Counted from √½ instead of 1, the exponent field is k + bias.
    let root_half = width.pick(0x3f35_04f3, 0x3fe6_a09e_667f_3bcd);
    let offset = o.i(width.one_bits() - root_half);
    let counted = o.iadd(bits, offset);
    let field = o.shr(counted, width.mantissa());
    // Put into the low bits of 2^(mantissa bits), the field is added to it; no conversion is needed.
    let base = (1u64 << width.mantissa()) as f64;
    let base_bits = o.i(width.pick((base as f32).to_bits() as i64, base.to_bits() as i64));
    let k = o.ior(field, base_bits);
    let k = o.bits_to_f(k);
    let offset = o.f(base + width.bias() as f64);
    let k = o.sub(k, offset);
    let mantissa = o.i((1 << width.mantissa()) - 1);
    let mantissa = o.iand(counted, mantissa);
    let root_half = o.i(root_half);
    let bits = o.iadd(mantissa, root_half);
    let m = o.bits_to_f(bits);
    let one = o.f(1.0);
    Parts { k, f: o.sub(m, one), field }
}

/// The same of any positive number: subnormals are made normal first.
#[inline(always)]
pub(super) fn normal_parts<O: Ops>(o: &mut O, x: O::F) -> Parts<O> {
    let shift = O::WIDTH.mantissa() as i32 + 1;
    let is_subnormal = compare(o, Cmp::Lt, x, O::WIDTH.min_normal());
    let scale = o.f(2.0f64.powi(shift));
    let scaled = o.mul(x, scale);
    let normal = o.select_f(is_subnormal, scaled, x);
    let mut split = parts(o, normal);
    let shift = o.f(f64::from(shift));
    let shifted = o.sub(split.k, shift);
    split.k = o.select_f(is_subnormal, shifted, split.k);
    split
}

/// k ln 2 + ln(1 + f).
#[inline(always)]
fn from_parts<O: Ops>(o: &mut O, k: O::F, f: O::F) -> O::F {
    let square = o.mul(f, f);
    let half = o.f(0.5);
    let half_square = o.mul(half, square);
    let (factor, rest) = match O::WIDTH {
        Width::W32 => (o.mul(square, f), short_polynomial(o, f, square, LOG_32)),
        Width::W64 => {
            let two = o.f(2.0);
            let denominator = o.add(two, f);
            let s = o.div(f, denominator);
            let z = o.mul(s, s);
            let p = polynomial(o, z, LOG_64);
            (s, o.fma(z, p, half_square))
        }
    };
    // ln 2 in two floats; the product with the first is not rounded, being in a fused step.
    let [high, low] = O::WIDTH.pick(LN_2_32, LN_2_64).map(|part| o.f(part));
    let small = o.mul(k, low);
    let small = o.fma(factor, rest, small);
    let small = o.sub(small, half_square);
    let small = o.add(small, f);
    o.fma(k, high, small)
}

/// ln x. Within 1 ulp; −∞ at ±0, NaN below.
#[inline(always)]
pub fn ln<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let Parts { k, f, .. } = normal_parts(o, x);
    let y = from_parts(o, k, f);
    outside_domain(o, x, y)
}

/// ln(1 + x). Within 2 ulp; keeps −0; −∞ at −1, NaN below.
#[inline(always)]
pub fn ln_1p<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let one = o.f(1.0);
    let u = o.add(one, x);
    let Parts { k, f, field } = parts(o, u);
    // What the sum u lost: both differences are exact where they are chosen.
    let big = o.sub(u, x);
    let big = o.sub(one, big);
    let small = o.sub(u, one);
    let small = o.sub(x, small);
    let is_big = compare(o, Cmp::Ge, x, 1.0);
    let lost = o.select_f(is_big, big, small);
    // f lacks 2⁻ᵏ of it. Of the two factors one is 0 for the largest k, where nothing is missed.
    let half = o.f(0.5);
    let half_lost = o.mul(half, lost);
    let twice_bias = o.i(2 * O::WIDTH.bias() + 1);
    let exponent = o.isub(twice_bias, field);
    let scale = from_exponent(o, exponent);
    let f = o.fma(half_lost, scale, f);
    let y = from_parts(o, k, f);
    let y = outside_domain(o, u, y);
    // So small an x is the result itself, with its sign.
    let magnitude = o.abs(x);
    let is_tiny = compare(o, Cmp::Lt, magnitude, O::WIDTH.pick(2.0f64.powi(-26), 2.0f64.powi(-55)));
    o.select_f(is_tiny, x, y)
}

/// A number from 1 to 2 as 2ᵏ (1 + f), where k is 0 or 1.
struct Octave<O: Ops> {
    f: O::F,
    /// Whether k is 1.
    is_upper: O::M,
}

#[inline(always)]
fn octave<O: Ops>(o: &mut O, x: O::F) -> Octave<O> {
    let (half, one) = (o.f(0.5), o.f(1.0));
    let root_two = O::WIDTH.pick(f64::from(f32::from_bits(0x3fb5_04f3)), f64::from_bits(0x3ff6_a09e_667f_3bcd));
    let is_upper = compare(o, Cmp::Ge, x, root_two);
    let half_x = o.mul(half, x);
    let m = o.select_f(is_upper, half_x, x);
    Octave { f: o.sub(m, one), is_upper }
}

/// ln x of x in [1, 2] or NaN: the bits of [`ln`]. Of other x it is any number.
#[inline(always)]
pub fn ln_octave<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let Octave { f, is_upper } = octave(o, x);
    let (zero, one) = (o.f(0.0), o.f(1.0));
    let k = o.select_f(is_upper, one, zero);
    from_parts(o, k, f)
}

/// ln(1 + x) of x in [0, 1], but not −0, or NaN: the bits of [`ln_1p`]. Of other x it is any number.
///
/// Nothing is outside the domain, and a tiny x, being all that its sum with 1 lost, comes out as it is.
#[inline(always)]
pub fn ln_1p_unit<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let (zero, half, one) = (o.f(0.0), o.f(0.5), o.f(1.0));
    let u = o.add(one, x);
    let Octave { f, is_upper } = octave(o, u);
    let kept = o.sub(u, one);
    let lost = o.sub(x, kept);
    let scale = o.select_f(is_upper, half, one);
    let f = o.fma(lost, scale, f);
    let k = o.select_f(is_upper, one, zero);
    from_parts(o, k, f)
}

/// Puts in what is not a finite number: x = ±0, below, ∞ and NaN.
#[inline(always)]
fn outside_domain<O: Ops>(o: &mut O, x: O::F, y: O::F) -> O::F {
    let zero = o.f(0.0);
    let positive = o.fcmp(Cmp::Gt, x, zero);
    let negative = o.fcmp(Cmp::Lt, x, zero);
    let (nan, minus_infinity) = (o.f(f64::NAN), o.f(f64::NEG_INFINITY));
    let low = o.select_f(negative, nan, minus_infinity);
    let y = o.select_f(positive, y, low);
    let infinite = compare(o, Cmp::Eq, x, f64::INFINITY);
    let y = o.select_f(infinite, x, y);
    keep_nan(o, x, y)
}
