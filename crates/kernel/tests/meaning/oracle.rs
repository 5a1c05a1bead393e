//! The outside truth for f64 functions: double-double arithmetic, some 100 bits.

use std::f64::consts::FRAC_2_SQRT_PI;

/// An unevaluated sum of two floats, the second below half an ulp of the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

fn wide(high: f64, low: f64) -> Wide {
    let sum = high + low;
    Wide { high: sum, low: low - (sum - high) }
}

impl From<f64> for Wide {
    fn from(x: f64) -> Wide {
        Wide { high: x, low: 0.0 }
    }
}

/// The number `value` 2^`exponent`, which may be beyond the range of floats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truth {
    value: Wide,
    exponent: i32,
}

impl From<Wide> for Truth {
    fn from(value: Wide) -> Truth {
        Truth { value, exponent: 0 }
    }
}

impl std::ops::Add for Wide {
    type Output = Wide;
    fn add(self, other: Wide) -> Wide {
        let sum = self.high + other.high;
        let part = sum - self.high;
        let lost = (self.high - (sum - part)) + (other.high - part);
        wide(sum, lost + self.low + other.low)
    }
}

impl std::ops::Neg for Wide {
    type Output = Wide;
    fn neg(self) -> Wide {
        Wide { high: -self.high, low: -self.low }
    }
}

impl std::ops::Sub for Wide {
    type Output = Wide;
    fn sub(self, other: Wide) -> Wide {
        self + -other
    }
}

impl std::ops::Mul for Wide {
    type Output = Wide;
    fn mul(self, other: Wide) -> Wide {
        let product = self.high * other.high;
        let lost = self.high.mul_add(other.high, -product);
        wide(product, lost + (self.high * other.low + self.low * other.high))
    }
}

impl std::ops::Div for Wide {
    type Output = Wide;
    fn div(self, other: Wide) -> Wide {
        let first = self.high / other.high;
        let rest = self - other * first.into();
        let second = rest.high / other.high;
        let rest = rest - other * second.into();
        wide(first, second) + Wide::from(rest.high / other.high)
    }
}

/// Squares of such numbers are below 2^-100 of them, while their own low parts would be subnormal.
const TINY: f64 = 1e-200;

/// π/2 to 160 bits.
const HALF_PI: [f64; 3] = [std::f64::consts::FRAC_PI_2, 6.123233995736766e-17, -1.4973849048591698e-33];

/// ln 2 and 2/√π.
const LN_2: Wide = Wide { high: std::f64::consts::LN_2, low: 2.319_046_813_846_299_6e-17 };
const TWO_BY_ROOT_PI: Wide = Wide { high: std::f64::consts::FRAC_2_SQRT_PI, low: 1.533_545_961_316_588e-17 };

/// The scaled result (y, n) of eˣ = y 2ⁿ.
fn exp_parts(x: Wide) -> (Wide, i32) {
    // Far out the result is 0 or infinite in any case.
    let x = if x.high.abs() > 2000.0 { Wide::from(x.high.clamp(-2000.0, 2000.0)) } else { x };
    let n = (x.high / LN_2.high).round();
    let r = x - LN_2 * n.into();
    (expm1_near(r) + 1.0.into(), n as i32)
}

/// eʳ − 1 for |r| < 1: the series at r / 256, then (e^2r − 1) = (eʳ − 1)(eʳ − 1 + 2) eight times.
fn expm1_near(r: Wide) -> Wide {
    let small = r * (1.0 / 256.0).into();
    let mut term = small;
    let mut y = small;
    for k in 2..14 {
        term = term * small / f64::from(k).into();
        y = y + term;
    }
    for _ in 0..8 {
        y = y * (y + 2.0.into());
    }
    y
}

fn scaled((y, n): (Wide, i32)) -> Wide {
    Wide { high: libm::scalbn(y.high, n), low: libm::scalbn(y.low, n) }
}

pub(crate) fn exp(x: f64) -> Truth {
    let (value, exponent) = exp_parts(x.into());
    Truth { value, exponent }
}

pub(crate) fn expm1(x: f64) -> Truth {
    // Far out it is eˣ, which may overflow here.
    if x > 100.0 { exp(x) } else { wide_expm1(x.into()).into() }
}

fn wide_expm1(x: Wide) -> Wide {
    if x.high.abs() < TINY {
        return x;
    }
    if x.high.abs() < 0.5 { expm1_near(x) } else { scaled(exp_parts(x)) - 1.0.into() }
}

/// One Newton step from the library's logarithm y₀: d = x e^−y₀ − 1, ln x = y₀ + d − d²/2.
pub(crate) fn ln(x: f64) -> Truth {
    let near = libm::log(x);
    if !near.is_finite() {
        return Wide::from(near).into();
    }
    let (y, n) = exp_parts((-near).into());
    // x 2ⁿ in two steps, so that subnormal and huge x stay exact.
    let x = x * 2.0f64.powi(n / 2) * 2.0f64.powi(n - n / 2);
    let d = y * x.into() - 1.0.into();
    (Wide::from(near) + d - d * d * 0.5.into()).into()
}

pub(crate) fn ln_1p(x: f64) -> Truth {
    wide_ln_1p(x.into()).into()
}

fn wide_ln_1p(x: Wide) -> Wide {
    let near = libm::log1p(x.high);
    if !near.is_finite() || x.high.abs() < TINY {
        return Wide::from(near);
    }
    let d = (x - wide_expm1(near.into())) / (Wide::from(1.0) + x);
    Wide::from(near) + d - d * d * 0.5.into()
}

pub(crate) fn tanh(x: f64) -> Truth {
    if x.abs() < TINY {
        return Wide::from(x).into();
    }
    let t = wide_expm1((2.0 * x.clamp(-30.0, 30.0)).into());
    (t / (t + 2.0.into())).into()
}

pub(crate) fn logistic(x: f64) -> Truth {
    let (y, n) = exp_parts((-x.abs()).into());
    let below = scaled((y, n)) + 1.0.into();
    let (above, exponent) = if x >= 0.0 { (Wide::from(1.0), 0) } else { (y, n) };
    Truth { value: above / below, exponent }
}

/// 2/√π e^−x² Σ 2ᵏ x^(2k+1) / (1·3·…·(2k+1)): all terms of one sign.
pub(crate) fn erf(x: f64) -> Truth {
    if x.abs() > 6.5 {
        return Wide::from(x.signum()).into();
    }
    let square = Wide::from(x) * x.into();
    let mut term = Wide::from(x);
    let mut sum = term;
    for k in 1..400 {
        term = term * square * 2.0.into() / f64::from(2 * k + 1).into();
        sum = sum + term;
        if term.high.abs() < sum.high.abs() * 1e-34 {
            break;
        }
    }
    let (y, n) = exp_parts(-square);
    (TWO_BY_ROOT_PI * scaled((y, n)) * sum).into()
}

/// The number of quarter turns next to x, and what is left of x, |x| at most some 10⁴.
fn quarter_turns(x: f64) -> (i64, Wide) {
    let n = (x / HALF_PI[0]).round();
    let left = HALF_PI.iter().fold(Wide::from(x), |left, part| left - Wide::from(*part) * n.into());
    (n as i64, left)
}

/// The series of the sine from `first` = r on, or of the cosine from 1 on; `k` is the power of that term.
fn circular_series(r: Wide, first: Wide, k: i32) -> Wide {
    let minus_square = -(r * r);
    let (mut term, mut sum) = (first, first);
    for k in (k..k + 40).step_by(2) {
        term = term * minus_square / f64::from((k + 1) * (k + 2)).into();
        sum = sum + term;
    }
    sum
}

/// The sine of x plus some quarter turns.
fn sine(x: f64, turns: i64) -> Truth {
    let (n, r) = quarter_turns(x);
    let y = match (n + turns) & 1 {
        0 => circular_series(r, r, 1),
        _ => circular_series(r, 1.0.into(), 0),
    };
    Truth::from(if (n + turns) & 2 == 0 { y } else { -y })
}

pub(crate) fn sin(x: f64) -> Truth {
    sine(x, 0)
}

pub(crate) fn cos(x: f64) -> Truth {
    sine(x, 1)
}

/// The sine over the cosine.
pub(crate) fn tan(x: f64) -> Truth {
    (sin(x).value / cos(x).value).into()
}

fn root(x: Wide) -> Wide {
    if x.high <= 0.0 {
        return Wide::from(x.high.sqrt());
    }
    let near = Wide::from(x.high.sqrt());
    near + (x - near * near) / (near * 2.0.into())
}

/// π/2 to 106 bits.
const RIGHT_ANGLE: Wide = Wide { high: HALF_PI[0], low: HALF_PI[1] };

/// One Newton step from the library's answer, |x| ≤ 0.8.
fn near_asin(x: Wide) -> Wide {
    let near = libm::asin(x.high);
    if x.high.abs() < TINY {
        return x;
    }
    Wide::from(near) + (x - sin(near).value) / cos(near).value
}

pub(crate) fn asin(x: f64) -> Truth {
    if x.abs() > 1.0 || x.is_nan() {
        return Wide::from(f64::NAN).into();
    }
    if x.abs() <= 0.5 {
        return near_asin(x.into()).into();
    }
    // asin x = π/2 − 2 asin √((1 − x)/2)
    let arc = near_asin(root((Wide::from(1.0) - x.abs().into()) * 0.5.into()));
    let y = RIGHT_ANGLE - arc * 2.0.into();
    Truth::from(if x < 0.0 { -y } else { y })
}

pub(crate) fn acos(x: f64) -> Truth {
    if x.abs() > 1.0 || x.is_nan() {
        return Wide::from(f64::NAN).into();
    }
    if x.abs() <= 0.5 {
        return (RIGHT_ANGLE - near_asin(x.into())).into();
    }
    let arc = near_asin(root((Wide::from(1.0) - x.abs().into()) * 0.5.into())) * 2.0.into();
    Truth::from(if x < 0.0 { RIGHT_ANGLE * 2.0.into() - arc } else { arc })
}

/// The angle whose tangent is y / x, both positive: for an angle t near it, tan(angle − t) = (y cos t − x sin t) /
/// (x cos t + y sin t).
fn quotient_angle(y: Wide, x: Wide) -> Wide {
    let near = libm::atan2(y.high, x.high);
    let (s, c) = (sin(near).value, cos(near).value);
    Wide::from(near) + (y * c - x * s) / (x * c + y * s)
}

pub(crate) fn atan(x: f64) -> Truth {
    if x.abs() < TINY {
        return Wide::from(x).into();
    }
    // Beyond 1e100 what is missing to a right angle is below every digit.
    let y = if x.abs() > 1e100 { RIGHT_ANGLE } else { quotient_angle(x.abs().into(), 1.0.into()) };
    Truth::from(if x < 0.0 { -y } else { y })
}

/// Both finite and not zero.
pub(crate) fn atan2(y: f64, x: f64) -> Truth {
    let (up, right) = (y.abs(), x.abs());
    // Scaled so that products neither overflow nor vanish.
    let larger = libm::ilogb(up.max(right));
    let (up, right) = (libm::scalbn(up, -larger), libm::scalbn(right, -larger));
    let angle = if up < 1e-150 * right || right < 1e-150 * up {
        let exact = up / right;
        match (up < right, x > 0.0) {
            (true, true) => return Truth::from(Wide::from(if y < 0.0 { -exact } else { exact })),
            (true, false) => Wide::from(0.0),
            (false, _) => RIGHT_ANGLE,
        }
    } else {
        quotient_angle(up.into(), right.into())
    };
    let angle = if x < 0.0 { RIGHT_ANGLE * 2.0.into() - angle } else { angle };
    Truth::from(if y < 0.0 { -angle } else { angle })
}

pub(crate) fn sinh(x: f64) -> Truth {
    if x.abs() > 100.0 {
        let Truth { value, exponent } = exp(x.abs());
        return Truth { value: if x < 0.0 { -value } else { value }, exponent: exponent - 1 };
    }
    wide_sinh(x).into()
}

/// |x| at most some 700.
fn wide_sinh(x: f64) -> Wide {
    if x.abs() < TINY {
        return x.into();
    }
    let t = wide_expm1(x.into());
    (t + t / (t + 1.0.into())) * 0.5.into()
}

pub(crate) fn cosh(x: f64) -> Truth {
    if x.abs() > 100.0 {
        let Truth { value, exponent } = exp(x.abs());
        return Truth { value, exponent: exponent - 1 };
    }
    wide_cosh(x).into()
}

fn wide_cosh(x: f64) -> Wide {
    let e = scaled(exp_parts(x.into()));
    (e + Wide::from(1.0) / e) * 0.5.into()
}

/// One Newton step, with its second order, from the library's answer; x at most 1e100.
fn wide_asinh(x: Wide) -> Wide {
    if x.high.abs() < TINY {
        return x;
    }
    let near = libm::asinh(x.high);
    let (s, c) = (wide_sinh(near), wide_cosh(near));
    let d = (x - s) / c;
    Wide::from(near) + d - d * d * 0.5.into() * (s / c)
}

pub(crate) fn asinh(x: f64) -> Truth {
    let y = if x.abs() > 1e100 { ln(x.abs()).value + LN_2 } else { wide_asinh(x.abs().into()) };
    Truth::from(if x < 0.0 { -y } else { y })
}

pub(crate) fn acosh(x: f64) -> Truth {
    if x < 1.0 || x.is_nan() {
        return Wide::from(f64::NAN).into();
    }
    if x > 1e100 {
        return (ln(x).value + LN_2).into();
    }
    let (below, above) = (Wide::from(x) - 1.0.into(), Wide::from(x) + 1.0.into());
    wide_asinh(root(below * above)).into()
}

pub(crate) fn atanh(x: f64) -> Truth {
    if x.abs() > 1.0 || x.is_nan() {
        return Wide::from(f64::NAN).into();
    }
    if x.abs() < TINY || x.abs() == 1.0 {
        return Wide::from(if x.abs() == 1.0 { x * f64::INFINITY } else { x }).into();
    }
    let twice = Wide::from(x.abs()) * 2.0.into();
    let y = wide_ln_1p(twice / (Wide::from(1.0) - x.abs().into())) * 0.5.into();
    Truth::from(if x < 0.0 { -y } else { y })
}

/// The number whose erf is x, to about the precision of f64: halving of intervals, then Newton.
pub(crate) fn near_erf_inv(x: f64) -> f64 {
    let a = x.abs();
    if a > 1.0 || x.is_nan() || a == 1.0 || a < 1e-200 {
        return if a == 1.0 {
            x * f64::INFINITY
        } else if a < 1.0 {
            x / FRAC_2_SQRT_PI
        } else {
            f64::NAN
        };
    }
    // The complement keeps its digits near 1.
    let missing = |y: f64| if a > 0.5 { (1.0 - a) - libm::erfc(y) } else { libm::erf(y) - a };
    let (mut low, mut high) = (0.0, 7.0);
    for _ in 0..12 {
        let middle = 0.5 * (low + high);
        if missing(middle) < 0.0 { low = middle } else { high = middle }
    }
    let mut y: f64 = 0.5 * (low + high);
    for _ in 0..4 {
        let d = -missing(y) / FRAC_2_SQRT_PI * (y * y).exp();
        y += d + y * d * d;
    }
    y.copysign(x)
}

pub(crate) fn erf_inv(x: f64) -> Truth {
    let near = near_erf_inv(x);
    if !near.is_finite() || x.abs() < 1e-200 {
        return Wide::from(near).into();
    }
    let square = Wide::from(near) * near.into();
    let slope = TWO_BY_ROOT_PI * scaled(exp_parts(-square));
    let d = (Wide::from(x) - erf(near).value) / slope;
    (Wide::from(near) + d + d * d * near.into()).into()
}

/// e^(y ln x) for positive x.
pub(crate) fn pow(x: f64, y: f64) -> Truth {
    // Near 1 the logarithm loses digits, which a large y would show.
    let ln = if (x - 1.0).abs() < 0.25 { wide_ln_1p((x - 1.0).into()) } else { ln(x).value };
    let (value, exponent) = exp_parts(ln * y.into());
    Truth { value, exponent }
}

/// How many ulps `got` is from the truth, the ulp being that of f64 at the truth.
pub(crate) fn ulps_64(got: f64, Truth { value, exponent }: Truth) -> f64 {
    if got.is_nan() || value.high.is_nan() {
        return if got.is_nan() && value.high.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if value.high == 0.0 || value.high.is_infinite() {
        return if got == value.high { 0.0 } else { f64::INFINITY };
    }
    let magnitude = libm::ilogb(value.high) + exponent;
    if magnitude > 1023 {
        return if got == value.high.signum() * f64::INFINITY { 0.0 } else { f64::INFINITY };
    }
    // All are scaled until the ulp is 1; the difference is then exact or far from any bound.
    let ulp = magnitude.max(-1022) - 52;
    let up = |x: f64| libm::scalbn(x, exponent - ulp);
    ((libm::scalbn(got, -ulp) - up(value.high)) - up(value.low)).abs()
}

/// How many ulps `got` is from the truth, the ulp being that of f32 at the truth.
pub(crate) fn ulps_32(got: f32, truth: f64) -> f64 {
    if got.is_nan() || truth.is_nan() {
        return if got.is_nan() && truth.is_nan() { 0.0 } else { f64::INFINITY };
    }
    // Where f32 overflows, infinity stands for the number that would come next.
    let top = 2.0f64.powi(128);
    let got = f64::from(got).clamp(-top, top);
    let truth = truth.clamp(-top, top);
    let exponent = if truth == 0.0 { -126 } else { libm::ilogb(truth).clamp(-126, 127) };
    (got - truth).abs() / 2.0f64.powi(exponent - 23)
}
