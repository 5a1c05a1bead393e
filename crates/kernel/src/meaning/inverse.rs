//! The inverse circular functions: `asin`, `acos`, `atan`, `atan2`.

use super::float::{compare, keep_nan, polynomial, with_sign};
use super::ops::{Cmp, Ops};

/// P in asin s = s + s³ P(s²), s ≤ 1/2; relative error 2^-27.
const ASIN_32: &[f64] =
    &[0.16666753590106964, 0.07495267689228058, 0.045474305748939514, 0.024159763008356094, 0.04219989851117134];

/// The same for f64; relative error 2^-56.
const ASIN_64: &[f64] = &[
    0.16666666666665453,
    0.07500000000330546,
    0.04464285683181818,
    0.03038195904045741,
    0.022371759600297626,
    0.017359689551416018,
    0.013885326519960182,
    0.012168907187580446,
    0.006528313622502578,
    0.01952943926468771,
    -0.01622871565514695,
    0.03191677342282296,
];

/// P in atan u = u + u³ P(u²), u ≤ 1; relative error 2^-26.
const ATAN_32: &[f64] = &[
    -0.3333319127559662,
    0.199947789311409,
    -0.14219826459884644,
    0.1070227101445198,
    -0.07632337510585785,
    0.044183649122714996,
    -0.016978170722723007,
    0.003075765911489725,
];

/// The same for f64; relative error 2^-55.
const ATAN_64: &[f64] = &[
    -0.3333333333333235,
    0.19999999999822143,
    -0.14285714274672093,
    0.11111110764561447,
    -0.09090902570730164,
    0.07692226679280642,
    -0.06665959472962793,
    0.05877827231375284,
    -0.05241263920174283,
    0.04679973518849445,
    -0.04106329790678743,
    0.03430720072338436,
    -0.026148062923124788,
    0.017305913236354442,
    -0.009434371678675783,
    0.003993525920210198,
    -0.0012157584196555295,
    0.00023487910558266383,
    -2.151088001269136e-05,
];

/// π/2 in two floats.
const HALF_PI_32: [f64; 2] = [1.5707963705062866, -4.371138828673793e-08];
const HALF_PI_64: [f64; 2] = [std::f64::consts::FRAC_PI_2, 6.123233995736766e-17];

/// π/2 − x.
#[inline(always)]
fn from_half_pi<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let [high, low] = O::WIDTH.pick(HALF_PI_32, HALF_PI_64);
    let (high, low) = (o.f(high), o.f(low));
    let x = o.sub(x, low);
    o.sub(high, x)
}

/// π − x.
#[inline(always)]
fn from_pi<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let [high, low] = O::WIDTH.pick(HALF_PI_32, HALF_PI_64);
    let (high, low) = (o.f(2.0 * high), o.f(2.0 * low));
    let x = o.sub(x, low);
    o.sub(high, x)
}

/// What `asin` and `acos` share. With a = |x|, asin a is the arc for a ≤ 1/2, and π/2 minus twice the arc else.
struct Arc<O: Ops> {
    is_large: O::M,
    /// asin s, where s is a or, since asin a = π/2 − 2 asin √((1 − a)/2), that root.
    arc: O::F,
}

#[inline(always)]
fn arc<O: Ops>(o: &mut O, x: O::F) -> Arc<O> {
    let a = o.abs(x);
    let is_large = compare(o, Cmp::Gt, a, 0.5);
    let (one, half) = (o.f(1.0), o.f(0.5));
    let rest = o.sub(one, a);
    let rest = o.mul(half, rest);
    let root = o.sqrt(rest);
    let square = o.mul(a, a);
    let square = o.select_f(is_large, rest, square);
    let s = o.select_f(is_large, root, a);
    let p = polynomial(o, square, O::WIDTH.pick(ASIN_32, ASIN_64));
    let p = o.mul(p, square);
    Arc { is_large, arc: o.fma(p, s, s) }
}

/// asin x. Within 3 ulp; odd, keeps −0; NaN outside of [−1, 1].
#[inline(always)]
pub fn asin<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let Arc { is_large, arc } = arc(o, x);
    let twice = o.add(arc, arc);
    let large = from_half_pi(o, twice);
    let y = o.select_f(is_large, large, arc);
    let y = with_sign(o, y, x);
    // The bits of a NaN are those of the root.
    keep_nan(o, arc, y)
}

/// acos x. Within 2 ulp; NaN outside of [−1, 1].
#[inline(always)]
pub fn acos<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let Arc { is_large, arc } = arc(o, x);
    let twice = o.add(arc, arc);
    let behind = from_pi(o, twice);
    let negative = compare(o, Cmp::Lt, x, 0.0);
    let large = o.select_f(negative, behind, twice);
    let signed = with_sign(o, arc, x);
    let small = from_half_pi(o, signed);
    let y = o.select_f(is_large, large, small);
    keep_nan(o, arc, y)
}

/// atan u, 0 ≤ u ≤ 1.
#[inline(always)]
fn atan_near<O: Ops>(o: &mut O, u: O::F) -> O::F {
    let square = o.mul(u, u);
    let p = polynomial(o, square, O::WIDTH.pick(ATAN_32, ATAN_64));
    let p = o.mul(p, square);
    o.fma(p, u, u)
}

/// atan x. Within 2 ulp; odd, keeps −0.
#[inline(always)]
pub fn atan<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let a = o.abs(x);
    let one = o.f(1.0);
    let is_steep = o.fcmp(Cmp::Gt, a, one);
    let inverse = o.div(one, a);
    let u = o.select_f(is_steep, inverse, a);
    let near = atan_near(o, u);
    let steep = from_half_pi(o, near);
    let y = o.select_f(is_steep, steep, near);
    let y = with_sign(o, y, x);
    keep_nan(o, x, y)
}

/// The angle of the point (x, y), in (−π, π]: atan(y / x) in the right quadrant. Within 2 ulp.
///
/// Zeros and infinities as C has them: the sign of y is that of the angle, also of ±0 and ±π.
#[inline(always)]
pub fn atan2<O: Ops>(o: &mut O, y: O::F, x: O::F) -> O::F {
    let (up, right) = (o.abs(y), o.abs(x));
    let is_steep = o.fcmp(Cmp::Gt, up, right);
    let above = o.select_f(is_steep, right, up);
    let below = o.select_f(is_steep, up, right);
    let u = o.div(above, below);
    // At the origin the angle is that of the axis, and both infinite stand for the diagonal.
    let (zero, one) = (o.f(0.0), o.f(1.0));
    let at_origin = o.fcmp(Cmp::Eq, below, zero);
    let u = o.select_f(at_origin, zero, u);
    let diagonal = o.fcmp(Cmp::Eq, above, below);
    let not_origin = o.mnot(at_origin);
    let diagonal = o.mand(diagonal, not_origin);
    let u = o.select_f(diagonal, one, u);
    let near = atan_near(o, u);
    let steep = from_half_pi(o, near);
    let angle = o.select_f(is_steep, steep, near);
    // The sign bit decides, so that −0 is to the left.
    let (bits, none) = (o.f_to_bits(x), o.i(0));
    let left = o.icmp(Cmp::Lt, bits, none);
    let behind = from_pi(o, angle);
    let angle = o.select_f(left, behind, angle);
    let angle = with_sign(o, angle, y);
    let angle = keep_nan(o, x, angle);
    keep_nan(o, y, angle)
}
