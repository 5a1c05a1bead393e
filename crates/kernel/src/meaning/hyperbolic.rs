//! The hyperbolic tangent.

use super::exp::exp_normal;
use super::float::{compare, polynomial, with_sign};
use super::ops::{Cmp, Ops};

/// P in tanh x = x + x³ P(x²), |x| ≤ 0.625; relative error 2^-32.
const TANH_32: &[f64] = &[
    -0.3333333134651184,
    0.13333222270011902,
    -0.053948450833559036,
    0.021708620712161064,
    -0.008194615133106709,
    0.0021570792887359858,
];

/// The same for f64; relative error 2^-63.
const TANH_64: &[f64] = &[
    -0.3333333333333333,
    0.13333333333332978,
    -0.053968253968015266,
    0.02186948852807671,
    -0.00886323536845944,
    0.0035921259597775867,
    -0.0014558162918004583,
    0.0005899174366224718,
    -0.00023865570900817059,
    9.547065204331397e-05,
    -3.618614936221026e-05,
    1.1394715290600532e-05,
    -2.111143871238981e-06,
];

/// tanh x. Within 2 ulp; odd, keeps −0; exactly ±1 far out.
#[inline(always)]
pub fn tanh<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let magnitude = o.abs(x);
    // Near zero: the polynomial.
    let square = o.mul(magnitude, magnitude);
    let p = polynomial(o, square, O::WIDTH.pick(TANH_32, TANH_64));
    let p = o.mul(p, square);
    let near = o.fma(p, magnitude, magnitude);
    // Further out: 1 − 2 / (e^2|x| + 1), which is 1 long before the bound. NaN passes, being the second operand.
    let twice = o.add(magnitude, magnitude);
    let bound = o.f(O::WIDTH.pick(20.0, 40.0));
    let twice = o.min_lt(bound, twice);
    let e = exp_normal(o, twice);
    let (one, two) = (o.f(1.0), o.f(2.0));
    let denominator = o.add(e, one);
    let quotient = o.div(two, denominator);
    let far = o.sub(one, quotient);

    let is_near = compare(o, Cmp::Lt, magnitude, 0.625);
    let y = o.select_f(is_near, near, far);
    with_sign(o, y, x)
}
