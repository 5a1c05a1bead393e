//! How the items of one array are written, so that their columns align.

use super::Array;
use crate::DType;

/// The most digits after the point in arrays; single numbers have all they need.
const PRECISION: usize = 8;

/// One way to write all shown items of an array.
pub(super) enum ItemFormat {
    /// Right-aligned.
    Int { width: usize },
    /// Right-aligned unless there is but one.
    Bool { width: usize },
    /// Aligned at the point; so many characters before and after it.
    Positional { left: usize, right: usize },
    /// With so many digits after the point and in the exponent.
    Scientific { left: usize, precision: usize, exponent: usize },
}

impl ItemFormat {
    pub(super) fn bool() -> ItemFormat {
        ItemFormat::Bool { width: "False".len() }
    }

    /// The format that suits these items.
    pub(super) fn new(array: &Array, items: &[usize]) -> ItemFormat {
        match array.dtype() {
            DType::F32 => float_format(items.iter().map(|&i| array.as_slice::<f32>()[i])),
            DType::F64 => float_format(items.iter().map(|&i| array.as_slice::<f64>()[i])),
            DType::I32 | DType::I64 | DType::U8 => {
                ItemFormat::Int { width: items.iter().map(|&i| array.get_i64(i).to_string().len()).max().unwrap_or(0) }
            }
            DType::Bool if array.rank() == 0 => ItemFormat::Bool { width: 0 },
            DType::Bool => ItemFormat::bool(),
        }
    }

    /// One item.
    pub(super) fn item(&self, array: &Array, i: usize) -> String {
        match (self, array.dtype()) {
            (ItemFormat::Int { width }, _) => format!("{:>width$}", array.get_i64(i)),
            (ItemFormat::Bool { width }, _) => format!("{:>width$}", bool_text(array, i)),
            (_, DType::F32) => self.float(array.as_slice::<f32>()[i]),
            (_, _) => self.float(array.get_f64(i)),
        }
    }

    fn float<F: Float>(&self, x: F) -> String {
        match *self {
            ItemFormat::Positional { left, right } if x.is_finite() => {
                let text = positional(x);
                let (whole, fraction) = halves(&text);
                format!("{whole:>left$}.{fraction:<right$}")
            }
            ItemFormat::Scientific { left, precision, exponent } if x.is_finite() => {
                let mut text = scientific(x);
                if halves(parts(&text).0).1.len() < precision {
                    text = format!("{x:.precision$e}");
                }
                let (mantissa, power) = parts(&text);
                let (whole, fraction) = halves(mantissa);
                format!("{whole:>left$}.{fraction}e{}", exponent_text(power, exponent))
            }
            ItemFormat::Positional { left, right } => format!("{:>1$}", special(x), left + right + 1),
            ItemFormat::Scientific { left, precision, exponent } => {
                format!("{:>1$}", special(x), left + precision + exponent + 3)
            }
            ItemFormat::Int { .. } | ItemFormat::Bool { .. } => unreachable!("float arrays have a float format"),
        }
    }
}

/// The only item of an array without axes, with all its digits.
pub(super) fn scalar(array: &Array) -> String {
    match array.dtype() {
        DType::F32 => float_scalar(array.as_slice::<f32>()[0]),
        DType::F64 => float_scalar(array.as_slice::<f64>()[0]),
        DType::Bool => bool_text(array, 0).to_owned(),
        DType::I32 | DType::I64 | DType::U8 => array.get_i64(0).to_string(),
    }
}

fn bool_text(array: &Array, i: usize) -> &'static str {
    if array.get_i64(i) == 0 { "False" } else { "True" }
}

fn float_scalar<F: Float>(x: F) -> String {
    let size = x.abs();
    if !x.is_finite() {
        return special(x).to_owned();
    }
    if size == F::from_f64(0.0) || (size >= F::from_f64(1e-4) && size < F::from_f64(F::MAX_POSITIONAL_SCALAR)) {
        let text = shortest(x);
        return if text.contains('.') { text } else { format!("{text}.0") };
    }
    let text = shortest_with_exponent(x);
    let (mantissa, power) = parts(&text);
    format!("{mantissa}e{}", exponent_text(power, 2))
}

/// The format of floats: with exponents if some are huge or tiny or far apart.
fn float_format<F: Float>(items: impl Iterator<Item = F> + Clone) -> ItemFormat {
    let finite = items.clone().filter(|x| x.is_finite());
    let sizes = finite.clone().map(Float::abs).filter(|&size| size != F::from_f64(0.0));
    let largest = sizes.clone().reduce(|a, b| if b > a { b } else { a });
    let smallest = sizes.reduce(|a, b| if b < a { b } else { a });
    let exponents = largest.zip(smallest).is_some_and(|(largest, smallest)| {
        largest >= F::from_f64(F::MAX_POSITIONAL)
            || smallest < F::from_f64(1e-4)
            || largest / smallest > F::from_f64(1000.0)
    });
    // Words such as `-inf` may need more room before the point than the numbers do.
    let widest_special = items.filter(|x| !x.is_finite()).map(|x| special(x).len()).max().unwrap_or(0);
    let (mut left, mut right, mut exponent) = (0, 0, 0);
    for x in finite {
        let text = if exponents { scientific(x) } else { positional(x) };
        let (mantissa, power) = parts(&text);
        let (whole, fraction) = halves(mantissa);
        left = left.max(whole.len());
        right = right.max(fraction.len());
        exponent = exponent.max(exponent_text(power, 2).len() - 1);
    }
    if exponents {
        left = left.max(widest_special.saturating_sub(right + exponent + 3));
        ItemFormat::Scientific { left, precision: right, exponent }
    } else {
        left = left.max(widest_special.saturating_sub(right + 1));
        ItemFormat::Positional { left, right }
    }
}

/// The fewest digits that read back as the same float, but at most eight after the point (the exact value rounded).
fn positional<F: Float>(x: F) -> String {
    let text = shortest(x);
    if halves(&text).1.len() <= PRECISION { text } else { trim_zeros(&format!("{x:.PRECISION$}")).to_owned() }
}

/// Likewise with an exponent.
fn scientific<F: Float>(x: F) -> String {
    let text = shortest_with_exponent(x);
    if halves(parts(&text).0).1.len() <= PRECISION {
        return text;
    }
    let text = format!("{x:.PRECISION$e}");
    let (mantissa, power) = parts(&text);
    format!("{}e{power}", trim_zeros(mantissa))
}

/// The fewest digits that read back as the same float.
///
/// Where two texts of that length are equally near, Rust takes the larger and NumPy the even one; asking for that many
/// digits gives the even one, but next to a power of two perhaps one that reads back as the neighbour.
fn shortest<F: Float>(x: F) -> String {
    let text = x.to_string();
    let even = format!("{x:.*}", halves(&text).1.len());
    if F::reads_back(x, &even) { even } else { text }
}

/// Likewise with an exponent.
fn shortest_with_exponent<F: Float>(x: F) -> String {
    let text = format!("{x:e}");
    let even = format!("{x:.*e}", halves(parts(&text).0).1.len());
    if F::reads_back(x, &even) { even } else { text }
}

/// The digits and the power of ten.
fn parts(text: &str) -> (&str, &str) {
    text.split_once('e').unwrap_or((text, ""))
}

fn trim_zeros(text: &str) -> &str {
    text.trim_end_matches('0')
}

/// The digits before and after the point.
fn halves(text: &str) -> (&str, &str) {
    text.split_once('.').unwrap_or((text, ""))
}

/// An exponent with its sign and at least so many digits.
fn exponent_text(power: &str, digits: usize) -> String {
    let (sign, number) = match power.strip_prefix('-') {
        Some(number) => ('-', number),
        None => ('+', power),
    };
    format!("{sign}{number:0>digits$}")
}

fn special<F: Float>(x: F) -> &'static str {
    match (x.is_nan(), x > F::from_f64(0.0)) {
        (true, _) => "nan",
        (false, true) => "inf",
        (false, false) => "-inf",
    }
}

/// The two float types, as far as printing goes.
trait Float: Copy + PartialOrd + std::ops::Div<Output = Self> + std::fmt::Display + std::fmt::LowerExp {
    /// From here on arrays have exponents: 10 to the digits the type holds for certain, or to the eighth.
    const MAX_POSITIONAL: f64;
    /// Likewise for single numbers.
    const MAX_POSITIONAL_SCALAR: f64;
    fn from_f64(x: f64) -> Self;
    fn is_finite(self) -> bool;
    fn is_nan(self) -> bool;
    fn abs(self) -> Self;
    fn reads_back(self, text: &str) -> bool;
}

macro_rules! floats {
    ($($ty:ident < $max:literal, $max_scalar:literal;)*) => {$(
        impl Float for $ty {
            const MAX_POSITIONAL: f64 = $max;
            const MAX_POSITIONAL_SCALAR: f64 = $max_scalar;
            fn from_f64(x: f64) -> $ty {
                x as $ty
            }
            fn is_finite(self) -> bool {
                $ty::is_finite(self)
            }
            fn is_nan(self) -> bool {
                $ty::is_nan(self)
            }
            fn abs(self) -> $ty {
                $ty::abs(self)
            }
            fn reads_back(self, text: &str) -> bool {
                text.parse() == Ok(self)
            }
        }
    )*};
}
floats!(f32 < 1e6, 1e6; f64 < 1e8, 1e16;);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_beyond_the_eighth_are_rounded_exactly() {
        assert_eq!(positional(0.123456786), "0.12345679");
        // This f64 lies just below the middle.
        assert_eq!(positional(0.123456785), "0.12345678");
        assert_eq!(positional(0.5000000001), "0.5");
        // Exactly in the middle: to the even digit.
        assert_eq!(positional(0.001953125), "0.00195312");
        assert_eq!(positional(0.005859375), "0.00585938");
        let middle = 51_320.0f32 + 5.0 / 16.0;
        assert_eq!(positional(middle), "51320.312");
        assert_eq!(scalar(&Array::scalar(middle)), "51320.312");
        assert_eq!(scalar(&Array::scalar(16_777_216f32)), "1.6777216e+07");
        assert_eq!(scientific(std::f64::consts::PI * 1e9), "3.14159265e9");
    }

    #[test]
    fn exponents_have_a_sign_and_two_digits() {
        assert_eq!(["5", "-5", "123"].map(|power| exponent_text(power, 2)), ["+05", "-05", "+123"]);
        assert_eq!(exponent_text("5", 3), "+005");
    }
}
