//! Sine, cosine and tangent.
//!
//! Up to [`TRIG_BOUND`], and so on nearly all there is, quarter turns are subtracted in three parts and a polynomial gives
//! the rest: a form over [`Ops`], which engines run on vectors. Beyond it, and for infinities, the argument is reduced with
//! as many digits of π as it takes, by a scalar definition that engines call for each lane.

use super::float::{compare, polynomial};
use super::ops::{Cmp, Ops};

/// Up to this magnitude, 8192 π, the functions have a form over vectors.
pub const TRIG_BOUND: f64 = 25735.927;

/// S in sin r = r + r³ S(r²), |r| ≤ π/4; relative error 2^-28.
const SIN_32: &[f64] = &[-0.16666655242443085, 0.008332178927958012, -0.00019517411419656128];

/// The same for f64; relative error 2^-58.
const SIN_64: &[f64] = &[
    -0.16666666666666632,
    0.0083333333333225,
    -0.0001984126982986418,
    2.7557313708549326e-06,
    -2.505076039797386e-08,
    1.5896914111665235e-10,
];

/// C in cos r = 1 − r²/2 + r⁴ C(r²), |r| ≤ π/4; error 2^-33.
const COS_32: &[f64] = &[0.04166664555668831, -0.0013887373497709632, 2.4439012122456916e-05];

/// The same for f64; error 2^-64.
const COS_64: &[f64] = &[
    0.0416666666666666,
    -0.0013888888888874903,
    2.4801587289906114e-05,
    -2.7557314461443844e-07,
    2.087573671484557e-09,
    -1.136028670925253e-11,
];

/// −π/2 in three floats.
const QUARTER_TURN_32: [f64; 3] = [-std::f32::consts::FRAC_PI_2 as f64, 4.371138828673793e-08, 1.7151245100058819e-15];
const QUARTER_TURN_64: [f64; 3] = [-std::f64::consts::FRAC_PI_2, -6.123233995736766e-17, 1.4973849048591698e-33];

/// An angle as quarter turns and what is left of them.
struct Angle<O: Ops> {
    /// The number of quarter turns, in its low bits.
    turns: O::I,
    /// sin r and cos r of what is left.
    sin: O::F,
    cos: O::F,
}

/// Whether the form over vectors is the definition.
#[inline(always)]
pub fn is_near<O: Ops>(o: &mut O, x: O::F) -> O::M {
    let magnitude = o.abs(x);
    compare(o, Cmp::Le, magnitude, TRIG_BOUND)
}

#[inline(always)]
fn reduce<O: Ops>(o: &mut O, x: O::F) -> Angle<O> {
    // Floats near 1.5·2^(mantissa bits) are the whole numbers, in steps of one.
    let magic = o.f(O::WIDTH.pick(12_582_912.0, 6_755_399_441_055_744.0));
    let quarters = o.f(std::f64::consts::FRAC_2_PI);
    let shifted = o.fma(x, quarters, magic);
    let n = o.sub(shifted, magic);
    // The first product is subtracted without error, as what is left is small and its last bit large enough.
    let parts = O::WIDTH.pick(QUARTER_TURN_32, QUARTER_TURN_64);
    let mut r = x;
    for part in parts {
        let part = o.f(part);
        r = o.fma(n, part, r);
    }
    let square = o.mul(r, r);
    let s = polynomial(o, square, O::WIDTH.pick(SIN_32, SIN_64));
    let s = o.mul(s, square);
    let sin = o.fma(s, r, r);
    // So small an r is x itself, with its sign, and its own sine.
    let is_tiny = compare(o, Cmp::Eq, square, 0.0);
    let sin = o.select_f(is_tiny, x, sin);
    let c = polynomial(o, square, O::WIDTH.pick(COS_32, COS_64));
    // 1 − r²/2 loses bits, which are added to the small rest.
    let (one, half) = (o.f(1.0), o.f(0.5));
    let subtracted = o.mul(half, square);
    let large = o.sub(one, subtracted);
    let lost = o.sub(one, large);
    let lost = o.sub(lost, subtracted);
    let c = o.mul(c, square);
    let rest = o.fma(c, square, lost);
    let cos = o.add(large, rest);
    Angle { turns: o.f_to_bits(shifted), sin, cos }
}

/// Whether a bit of the turns is set.
#[inline(always)]
fn has_bit<O: Ops>(o: &mut O, turns: O::I, bit: i64) -> O::M {
    let (mask, zero) = (o.i(bit), o.i(0));
    let bit = o.iand(turns, mask);
    o.icmp(Cmp::Ne, bit, zero)
}

/// The sine of an angle after some further quarter turns.
#[inline(always)]
fn sine<O: Ops>(o: &mut O, x: O::F, further: i64) -> O::F {
    let Angle { turns, sin, cos } = reduce(o, x);
    let further = o.i(further);
    let turns = o.iadd(turns, further);
    let odd = has_bit(o, turns, 1);
    let y = o.select_f(odd, cos, sin);
    let minus = o.neg(y);
    let other_half = has_bit(o, turns, 2);
    o.select_f(other_half, minus, y)
}

/// sin x, |x| ≤ [`TRIG_BOUND`]. Within 2 ulp; odd, keeps −0.
#[inline(always)]
pub fn sin<O: Ops>(o: &mut O, x: O::F) -> O::F {
    sine(o, x, 0)
}

/// cos x, |x| ≤ [`TRIG_BOUND`]. Within 2 ulp.
#[inline(always)]
pub fn cos<O: Ops>(o: &mut O, x: O::F) -> O::F {
    sine(o, x, 1)
}

/// tan x, |x| ≤ [`TRIG_BOUND`]. Within 4 ulp; odd, keeps −0.
#[inline(always)]
pub fn tan<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let Angle { turns, sin, cos } = reduce(o, x);
    let odd = has_bit(o, turns, 1);
    let minus = o.neg(sin);
    let above = o.select_f(odd, cos, sin);
    let below = o.select_f(odd, minus, cos);
    o.div(above, below)
}

/// The three functions beyond [`TRIG_BOUND`], of NaN and of infinities, where they are NaN.
pub(super) mod far {
    pub(in crate::meaning) use libm::{
        cos as cos_64, cosf as cos_32, sin as sin_64, sinf as sin_32, tan as tan_64, tanf as tan_32,
    };
}
