//! The hyperbolic functions, but for `tanh`, and their inverses.

use super::exp::half_exp;
use super::float::{compare, keep_nan, polynomial, with_sign};
use super::log::{ln, ln_1p};
use super::ops::{Cmp, Ops};

/// P in sinh x = x + x³ P(x²), |x| ≤ 1; relative error 2^-34.
const SINH_32: &[f64] = &[0.1666666716337204, 0.008333350531756878, 0.00019836075080092996, 2.8173994905955624e-06];

/// The same for f64; relative error 2^-73.
const SINH_64: &[f64] = &[
    0.16666666666666666,
    0.008333333333333333,
    0.00019841269841269592,
    2.7557319224119317e-06,
    2.5052108345827035e-08,
    1.605905068504881e-10,
    7.646477587410732e-13,
    2.848368759660027e-15,
];

/// h = e^|x| / 2 and 1 / (4 h), which is e^−|x| / 2.
#[inline(always)]
fn halves<O: Ops>(o: &mut O, magnitude: O::F) -> [O::F; 2] {
    let h = half_exp(o, magnitude);
    let quarter = o.f(0.25);
    [h, o.div(quarter, h)]
}

/// sinh x. Within 2 ulp; odd, keeps −0.
#[inline(always)]
pub fn sinh<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let magnitude = o.abs(x);
    let square = o.mul(magnitude, magnitude);
    let p = polynomial(o, square, O::WIDTH.pick(SINH_32, SINH_64));
    let p = o.mul(p, square);
    let near = o.fma(p, magnitude, magnitude);
    let [grown, shrunk] = halves(o, magnitude);
    let far = o.sub(grown, shrunk);
    let is_near = compare(o, Cmp::Lt, magnitude, 1.0);
    let y = o.select_f(is_near, near, far);
    with_sign(o, y, x)
}

/// cosh x. Within 2 ulp; even.
#[inline(always)]
pub fn cosh<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let magnitude = o.abs(x);
    let [grown, shrunk] = halves(o, magnitude);
    o.add(grown, shrunk)
}

/// From here on x² + 1 is x², and so large a square may overflow.
const LARGE: (f64, f64) = (4096.0, 134_217_728.0);

/// ln x + ln 2.
#[inline(always)]
fn ln_of_twice<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let y = ln(o, x);
    let ln_2 = o.f(std::f64::consts::LN_2);
    o.add(y, ln_2)
}

/// asinh x = sign x ln(|x| + √(x² + 1)). Within 3 ulp; odd, keeps −0.
#[inline(always)]
pub fn asinh<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let magnitude = o.abs(x);
    let (one, large) = (o.f(1.0), o.f(O::WIDTH.pick(LARGE.0, LARGE.1)));
    // NaN passes, being the second operand.
    let a = o.min_lt(large, magnitude);
    let square = o.mul(a, a);
    let sum = o.add(square, one);
    let root = o.sqrt(sum);
    let below = o.add(root, one);
    let more = o.div(square, below);
    let beyond_one = o.add(a, more);
    let near = ln_1p(o, beyond_one);
    let far = ln_of_twice(o, magnitude);
    let is_far = o.fcmp(Cmp::Gt, magnitude, large);
    let y = o.select_f(is_far, far, near);
    let y = with_sign(o, y, x);
    keep_nan(o, x, y)
}

/// acosh x = ln(x + √(x² − 1)). Within 3 ulp; NaN below 1.
#[inline(always)]
pub fn acosh<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let (one, two, large) = (o.f(1.0), o.f(2.0), o.f(O::WIDTH.pick(LARGE.0, LARGE.1)));
    let a = o.min_lt(large, x);
    let t = o.sub(a, one);
    let sum = o.add(t, two);
    let square = o.mul(t, sum);
    let root = o.sqrt(square);
    let beyond_one = o.add(t, root);
    let near = ln_1p(o, beyond_one);
    let far = ln_of_twice(o, x);
    let is_far = o.fcmp(Cmp::Gt, x, large);
    let y = o.select_f(is_far, far, near);
    // Left of −1 the square is positive again.
    let nan = o.f(f64::NAN);
    let is_below = o.fcmp(Cmp::Lt, x, one);
    o.select_f(is_below, nan, y)
}

/// atanh x = sign x ln(1 + 2|x| / (1 − |x|)) / 2. Within 3 ulp; odd, keeps −0; ±∞ at ±1, NaN beyond.
#[inline(always)]
pub fn atanh<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let magnitude = o.abs(x);
    let (one, half) = (o.f(1.0), o.f(0.5));
    let twice = o.add(magnitude, magnitude);
    let below = o.sub(one, magnitude);
    let beyond_one = o.div(twice, below);
    let y = ln_1p(o, beyond_one);
    let y = o.mul(half, y);
    let y_signed = with_sign(o, y, x);
    keep_nan(o, y, y_signed)
}
