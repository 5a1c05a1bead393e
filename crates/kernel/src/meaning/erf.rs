//! The error function.

use super::exp::exp_normal;
use super::float::{compare, polynomial, with_sign};
use super::ops::{Cmp, Ops};

/// P in erf x = x + x P(x²), |x| ≤ 0.921875; error 2^-29.
const NEAR_32: &[f64] = &[
    0.12837916612625122,
    -0.3761262893676758,
    0.11283624172210693,
    -0.0268555860966444,
    0.005191936623305082,
    -0.0008043628768064082,
    7.968402496771887e-05,
];

/// Q in erf x = 1 − exp(−x Q(x)), 0.921875 ≤ x ≤ 4; error 2^-29.
const FAR_32: &[f64] = &[
    1.1286494731903076,
    0.6351473331451416,
    0.10624345391988754,
    -0.02376771904528141,
    0.0036451267078518867,
    -0.00032345717772841454,
    1.1296897355350666e-05,
];

/// P for f64, |x| ≤ 1; error 2^-55.
const NEAR_64: &[f64] = &[
    0.1283791670955126,
    -0.3761263890318375,
    0.11283791670954885,
    -0.02686617064507782,
    0.00522397762482786,
    -0.0008548326981391601,
    0.00012055331131676964,
    -1.4925595740482897e-05,
    1.6461007954151944e-06,
    -1.6350390514736923e-07,
    1.466028930509296e-08,
    -1.1374799534732099e-09,
    5.960414819897703e-11,
];

/// Q for f64, 1 ≤ x ≤ 6; error 2^-55.
const FAR_64: &[f64] = &[
    1.1283792170137597,
    0.6366191987713082,
    0.10277570747739785,
    -0.019138970311615648,
    -0.00018412452085989723,
    0.0016515846381796567,
    -0.0005285703456065044,
    -4.1454407490973845e-05,
    0.00012367455401090873,
    -7.172673197796346e-05,
    2.7352743520249263e-05,
    -7.888185010451339e-06,
    1.7910349808641012e-06,
    -3.2313164292473915e-07,
    4.60099041605861e-08,
    -5.069658962849095e-09,
    4.1735128393126155e-10,
    -2.4163733813113744e-11,
    8.773419725086947e-13,
    -1.5020125411393482e-14,
];

/// erf x. Within 2 ulp; odd, keeps −0; exactly ±1 far out.
#[inline(always)]
pub fn erf<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let magnitude = o.abs(x);
    let square = o.mul(magnitude, magnitude);
    let p = polynomial(o, square, O::WIDTH.pick(NEAR_32, NEAR_64));
    let near = o.fma(p, magnitude, magnitude);
    // 1 − erf is below half an ulp of 1 from the bound on. NaN passes, being the second operand.
    let (bound, border) = O::WIDTH.pick((4.0, 0.921875), (6.0, 1.0));
    let bound = o.f(bound);
    let bounded = o.min_lt(bound, magnitude);
    let q = polynomial(o, bounded, O::WIDTH.pick(FAR_32, FAR_64));
    let exponent = o.mul(bounded, q);
    let exponent = o.neg(exponent);
    let complement = exp_normal(o, exponent);
    let one = o.f(1.0);
    let far = o.sub(one, complement);

    let is_near = compare(o, Cmp::Lt, magnitude, border);
    let y = o.select_f(is_near, near, far);
    with_sign(o, y, x)
}
