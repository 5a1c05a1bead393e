//! Functions that divide by a sum with eˣ: `tanh`, `logistic`.
//!
//! Where a division comes anyway, fewer terms do than for eˣ by itself. With x = n ln 2 / 2 + r, |r| ≤ ln 2 / 4, and
//! a = r coth r, which is a short series in r², e²ˣ is 2ⁿ (a + r) / (a − r).

use super::exp::{LN_2_32, LN_2_64, multiple_of_ln_2, power_of_two};
use super::float::polynomial;
use super::ops::Ops;

/// r coth r by powers of r², |r| ≤ 0.1734; relative error 2^-28.
const COTH_32: &[f64] = &[1.0, 0.33333251518720175, -0.022134023480563964];

/// The same for f64; relative error 2^-60.
const COTH_64: &[f64] = &[
    1.0,
    0.33333333333333204,
    -0.02222222222161163,
    0.0021164020227632334,
    -0.00021163394355403434,
    2.1187182899712675e-05,
];

/// e²ˣ as 2ⁿ (a + r) / (a − r).
struct Quotient<O: Ops> {
    /// As that of `exp`'s split.
    n: O::I,
    /// The same as a float.
    whole: O::F,
    /// x − n ln 2 / 2, where ln 2 is one float: n 2^-30 (f64: 2^-55) beside what it should be, unless it is `precise`.
    r: O::F,
}

impl<O: Ops> Quotient<O> {
    #[inline(always)]
    fn new(o: &mut O, x: O::F) -> Self {
        let (n, whole) = multiple_of_ln_2(o, x, 2.0 * std::f64::consts::LOG2_E);
        let high = o.f(-O::WIDTH.pick(LN_2_32, LN_2_64)[0] / 2.0);
        Quotient { n, whole, r: o.fma(whole, high, x) }
    }

    /// With r to its last bit, wherever x is.
    #[inline(always)]
    fn precise(self, o: &mut O) -> Self {
        let low = o.f(-O::WIDTH.pick(LN_2_32, LN_2_64)[1] / 2.0);
        Quotient { r: o.fma(self.whole, low, self.r), ..self }
    }

    /// a = r coth r.
    #[inline(always)]
    fn a(&self, o: &mut O) -> O::F {
        let square = o.mul(self.r, self.r);
        polynomial(o, square, O::WIDTH.pick(COTH_32, COTH_64))
    }
}

/// tanh x = (e²ˣ − 1) / (e²ˣ + 1). Within 3 ulp; odd, keeps −0; exactly ±1 far out.
#[inline(always)]
pub fn tanh<O: Ops>(o: &mut O, x: O::F) -> O::F {
    // The result is ±1 long before the bounds. NaN passes, being the second operand.
    let bound = O::WIDTH.pick(20.0, 40.0);
    let (highest, lowest) = (o.f(bound), o.f(-bound));
    let x = o.min_lt(highest, x);
    let x = o.max_lt(lowest, x);
    // An error of r counts the less the larger x is.
    let quotient = Quotient::new(o, x);
    let (a, r) = (quotient.a(o), quotient.r);
    // (s (a + r) − (a − r)) / (s (a + r) + (a − r)) with s = 2ⁿ: near zero, where s is 1, this is r / a, and nothing is
    // lost. There s − 1 must be −0, to keep −0.
    let (s, one) = (power_of_two(o, quotient.n, 0), o.f(1.0));
    let below = o.sub(one, s);
    let below = o.neg(below);
    let beyond = o.add(s, one);
    let numerator = o.mul(beyond, r);
    let numerator = o.fma(below, a, numerator);
    let denominator = o.mul(below, r);
    let denominator = o.fma(beyond, a, denominator);
    o.div(numerator, denominator)
}

/// 1 / (1 + e⁻ˣ). Within 3 ulp, subnormal results included.
#[inline(always)]
pub fn logistic<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let minus_half = o.f(-0.5);
    let x = o.mul(x, minus_half);
    // Beyond these bounds the result is 0 or 1 anyway. NaN passes, being the second operand.
    let (highest, lowest) = O::WIDTH.pick((52.0, -10.0), (373.0, -20.0));
    let (highest, lowest) = (o.f(highest), o.f(lowest));
    let x = o.min_lt(highest, x);
    let x = o.max_lt(lowest, x);
    let quotient = Quotient::new(o, x).precise(o);
    let (a, r) = (quotient.a(o), quotient.r);
    // (a − r) / ((a − r) + 2ⁿ (a + r)), both scaled down: 2ⁿ may be beyond the exponents of floats.
    let scale = O::WIDTH.pick(-64, -512);
    let power = power_of_two(o, quotient.n, scale);
    let scale = o.f(2.0f64.powi(scale as i32));
    let (above, below) = (o.sub(a, r), o.add(a, r));
    let above = o.mul(above, scale);
    let below = o.fma(power, below, above);
    o.div(above, below)
}
