//! The outside truth for f64 functions: double-double arithmetic, some 100 bits.

/// An unevaluated sum of two floats, the second below half an ulp of the first.
#[derive(Clone, Copy, Debug)]
pub struct Wide {
    pub high: f64,
    pub low: f64,
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

/// ln 2 and 2/√π.
const LN_2: Wide = Wide { high: std::f64::consts::LN_2, low: 2.319_046_813_846_299_6e-17 };
const TWO_BY_ROOT_PI: Wide = Wide { high: std::f64::consts::FRAC_2_SQRT_PI, low: 1.533_545_961_316_588e-17 };

/// The scaled result (y, n) of eˣ = y 2ⁿ.
fn exp_parts(x: Wide) -> (Wide, i32) {
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
    // In two steps, as 2ⁿ alone may be out of range.
    let (first, second) = (2.0f64.powi(n / 2), 2.0f64.powi(n - n / 2));
    Wide { high: y.high * first * second, low: y.low * first * second }
}

pub fn exp(x: f64) -> Wide {
    scaled(exp_parts(x.into()))
}

pub fn expm1(x: f64) -> Wide {
    wide_expm1(x.into())
}

fn wide_expm1(x: Wide) -> Wide {
    if x.high.abs() < 0.5 { expm1_near(x) } else { scaled(exp_parts(x)) - 1.0.into() }
}

/// One Newton step from the library's logarithm y₀: d = x e^−y₀ − 1, ln x = y₀ + d − d²/2.
pub fn ln(x: f64) -> Wide {
    let near = libm::log(x);
    let (y, n) = exp_parts((-near).into());
    // x 2ⁿ in two steps, so that subnormal and huge x stay exact.
    let x = x * 2.0f64.powi(n / 2) * 2.0f64.powi(n - n / 2);
    let d = y * x.into() - 1.0.into();
    Wide::from(near) + d - d * d * 0.5.into()
}

pub fn ln_1p(x: f64) -> Wide {
    let near = libm::log1p(x);
    let d = (Wide::from(x) - wide_expm1(near.into())) / (Wide::from(1.0) + x.into());
    Wide::from(near) + d - d * d * 0.5.into()
}

pub fn tanh(x: f64) -> Wide {
    let t = wide_expm1((2.0 * x.clamp(-30.0, 30.0)).into());
    t / (t + 2.0.into())
}

pub fn logistic(x: f64) -> Wide {
    let (y, n) = exp_parts((-x.abs()).into());
    let below = scaled((y, n)) + 1.0.into();
    if x >= 0.0 { Wide::from(1.0) / below } else { scaled((y / below, n)) }
}

/// 2/√π e^−x² Σ 2ᵏ x^(2k+1) / (1·3·…·(2k+1)): all terms of one sign.
pub fn erf(x: f64) -> Wide {
    if x.abs() > 6.5 {
        return x.signum().into();
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
    TWO_BY_ROOT_PI * scaled((y, n)) * sum
}

/// How many ulps `got` is from the truth, the ulp being that of f64 at the truth.
pub fn ulps_64(got: f64, truth: Wide) -> f64 {
    if got == truth.high && truth.low == 0.0 {
        return 0.0;
    }
    if !got.is_finite() || !truth.high.is_finite() {
        return if got == truth.high || (got.is_nan() && truth.high.is_nan()) { 0.0 } else { f64::INFINITY };
    }
    let exponent = libm::ilogb(truth.high).max(-1022);
    // Differences are small multiples of the ulp; both scalings are exact.
    let up = |x: f64| libm::scalbn(x, 52 - exponent);
    ((up(got) - up(truth.high)) - up(truth.low)).abs()
}

/// How many ulps `got` is from the truth, the ulp being that of f32 at the truth.
pub fn ulps_32(got: f32, truth: f64) -> f64 {
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
