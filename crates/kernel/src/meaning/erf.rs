//! The error function and its inverse.

use super::exp::exp_normal;
use super::float::{compare, keep_nan, polynomial, with_sign};
use super::log::ln_1p;
use super::ops::{Cmp, Ops, Width};

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

/// P in erf⁻¹ x = x P(w − 5/2), w = −ln(1 − x²) < 5: M. Giles' approximation.
const INVERSE_NEAR_32: &[f64] = &[
    1.50140941,
    0.246640727,
    -0.00417768164,
    -0.00125372503,
    0.00021858087,
    -4.39150654e-06,
    -3.5233877e-06,
    3.43273939e-07,
    2.81022636e-08,
];

/// P in erf⁻¹ x = x P(√w − 3), w ≥ 5.
const INVERSE_FAR_32: &[f64] = &[
    2.83297682,
    1.00167406,
    0.00943887047,
    -0.0076224613,
    0.00573950773,
    -0.00367342844,
    0.00134934322,
    0.000100950558,
    -0.000200214257,
];

/// P in erf⁻¹ x = x P(w − 25/8), w < 25/4, for f64.
const INVERSE_NEAR_64: &[f64] = &[
    1.6536545626831027,
    0.24015818242558962,
    -0.006033670871430149,
    -0.000740702534166267,
    0.00018673420803405714,
    -1.3882523362786469e-05,
    -1.3654692000834679e-06,
    4.2347877827932404e-07,
    -2.9070369957882005e-08,
    -4.112633980346984e-09,
    1.0512122733215323e-09,
    -5.415412054294628e-11,
    -1.2975133253453532e-11,
    2.6335093153082323e-12,
    -8.151934197605472e-14,
    -4.054566272975207e-14,
    6.637638134358324e-15,
    2.0972767875968562e-17,
    -1.333171662854621e-16,
    1.1157877678025181e-17,
    1.28584807152564e-18,
    -1.6850591381820166e-19,
    -3.64441206401782e-21,
];

/// P in erf⁻¹ x = x P(√w − 13/4), 25/4 ≤ w < 16, for f64.
const INVERSE_MIDDLE_64: &[f64] = &[
    3.0838856104922208,
    1.0052589676941592,
    0.005370914553590064,
    -0.003751208507569241,
    0.002491442096107851,
    -0.0016882755560235047,
    0.0009532893797373805,
    -0.0003550375203628475,
    2.4031110387097894e-05,
    6.828485145957318e-05,
    -4.7318229009055734e-05,
    1.2475304481671779e-05,
    2.9234449089955446e-06,
    -4.013867526981546e-06,
    1.5027403968909828e-06,
    1.8239629214389228e-08,
    -2.7517406297064545e-07,
    9.075656193888539e-08,
    2.2137376921775787e-09,
];

/// P in erf⁻¹ x = x P(√w − 5), w ≥ 16, for f64.
const INVERSE_FAR_64: &[f64] = &[
    4.849906401408584,
    1.0103004648645344,
    -0.00013871931833623122,
    -0.00021503011930044477,
    7.599527703001776e-05,
    -1.968177810553167e-05,
    4.526062597223154e-06,
    -9.9298272942317e-07,
    2.2900482228026655e-07,
    -6.771199775845234e-08,
    2.914795345090108e-08,
    -1.496002662714924e-08,
    7.61570120807834e-09,
    -3.789465440126737e-09,
    1.5076572693500548e-09,
    -2.555641816996525e-10,
    -2.7109920616438573e-11,
];

/// The x whose erf is given. Within 4 ulp in f32 and 6 in f64; odd, keeps −0; ±∞ at ±1, NaN beyond.
#[inline(always)]
pub fn erf_inv<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let magnitude = o.abs(x);
    // 1 − x² as a product, since 1 − |x| is exact where it matters.
    let one = o.f(1.0);
    let minus = o.neg(magnitude);
    let inside = ln_1p(o, minus);
    let outside = ln_1p(o, magnitude);
    let w = o.add(inside, outside);
    let w = o.neg(w);
    let root = o.sqrt(w);
    let part = |o: &mut O, x: O::F, offset: f64, p: &[f64]| {
        let offset = o.f(offset);
        let x = o.sub(x, offset);
        polynomial(o, x, p)
    };
    let p = match O::WIDTH {
        Width::W32 => {
            let near = part(o, w, 2.5, INVERSE_NEAR_32);
            let far = part(o, root, 3.0, INVERSE_FAR_32);
            let is_near = compare(o, Cmp::Lt, w, 5.0);
            o.select_f(is_near, near, far)
        }
        Width::W64 => {
            let near = part(o, w, 3.125, INVERSE_NEAR_64);
            let middle = part(o, root, 3.25, INVERSE_MIDDLE_64);
            let far = part(o, root, 5.0, INVERSE_FAR_64);
            let is_near = compare(o, Cmp::Lt, w, 6.25);
            let is_middle = compare(o, Cmp::Lt, w, 16.0);
            let p = o.select_f(is_middle, middle, far);
            o.select_f(is_near, near, p)
        }
    };
    let y = o.mul(p, x);
    let infinity = o.f(f64::INFINITY);
    let end = with_sign(o, infinity, x);
    let is_end = o.fcmp(Cmp::Eq, magnitude, one);
    let y = o.select_f(is_end, end, y);
    keep_nan(o, w, y)
}
