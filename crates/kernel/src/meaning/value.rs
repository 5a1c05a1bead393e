//! One value of any element type, and what can go wrong when computing with it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use tracelift_tensor::DType;

/// A rank-0 value.
///
/// Equality and hash go by type and bits: a NaN equals itself and −0 differs from 0. The text carries the type.
///
/// ```
/// use tracelift_kernel::lane::Scalar;
/// assert_eq!(Scalar::F32(1.0).to_string(), "1.0");
/// assert_eq!("-3i64".parse(), Ok(Scalar::I64(-3)));
/// assert_ne!(Scalar::F32(0.0), Scalar::F32(-0.0));
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Scalar {
    /// An f32.
    F32(f32),
    /// An f64.
    F64(f64),
    /// An i32.
    I32(i32),
    /// An i64.
    I64(i64),
    /// A u8.
    U8(u8),
    /// A bool.
    Bool(bool),
}

/// Why a scalar operation has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// An integer was divided by zero.
    DivideByZero,
}

impl Scalar {
    /// Its element type.
    pub fn dtype(self) -> DType {
        match self {
            Scalar::F32(_) => DType::F32,
            Scalar::F64(_) => DType::F64,
            Scalar::I32(_) => DType::I32,
            Scalar::I64(_) => DType::I64,
            Scalar::U8(_) => DType::U8,
            Scalar::Bool(_) => DType::Bool,
        }
    }

    /// Its bits, zero-extended.
    pub fn bits(self) -> u64 {
        match self {
            Scalar::F32(x) => x.to_bits().into(),
            Scalar::F64(x) => x.to_bits(),
            Scalar::I32(x) => (x as u32).into(),
            Scalar::I64(x) => x as u64,
            Scalar::U8(x) => x.into(),
            Scalar::Bool(x) => x.into(),
        }
    }

    /// The value of the given type whose bits are the low bits of `bits`; of a bool, bit 0.
    pub fn from_bits(dtype: DType, bits: u64) -> Scalar {
        match dtype {
            DType::F32 => Scalar::F32(f32::from_bits(bits as u32)),
            DType::F64 => Scalar::F64(f64::from_bits(bits)),
            DType::I32 => Scalar::I32(bits as i32),
            DType::I64 => Scalar::I64(bits as i64),
            DType::U8 => Scalar::U8(bits as u8),
            DType::Bool => Scalar::Bool(bits & 1 == 1),
            other => unreachable!("{other} has no scalar operations yet"),
        }
    }

    /// Whether it is a NaN.
    pub fn is_nan(self) -> bool {
        match self {
            Scalar::F32(x) => x.is_nan(),
            Scalar::F64(x) => x.is_nan(),
            _ => false,
        }
    }

    /// Whether type and bits agree, all NaNs of a type counting as one: how results of engines are compared.
    pub fn same(self, other: Scalar) -> bool {
        self == other || (self.dtype() == other.dtype() && self.is_nan() && other.is_nan())
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Scalar) -> bool {
        self.dtype() == other.dtype() && self.bits() == other.bits()
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.dtype().hash(state);
        self.bits().hash(state);
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `{:?}` of a float is its shortest text that reads back, always with a point or an exponent.
        match self {
            Scalar::F32(x) => write!(f, "{x:?}"),
            Scalar::F64(x) => write!(f, "{x:?}f64"),
            Scalar::I32(x) => write!(f, "{x}"),
            Scalar::I64(x) => write!(f, "{x}i64"),
            Scalar::U8(x) => write!(f, "{x}u8"),
            Scalar::Bool(x) => write!(f, "{x}"),
        }
    }
}

impl FromStr for Scalar {
    type Err = String;

    fn from_str(text: &str) -> Result<Scalar, String> {
        let scalar = if let Some(float) = text.strip_suffix("f64") {
            float.parse().ok().map(Scalar::F64)
        } else if let Some(int) = text.strip_suffix("i64") {
            int.parse().ok().map(Scalar::I64)
        } else if let Some(int) = text.strip_suffix("u8") {
            int.parse().ok().map(Scalar::U8)
        } else if let Ok(truth) = text.parse() {
            Some(Scalar::Bool(truth))
        } else if let Ok(int) = text.parse() {
            Some(Scalar::I32(int))
        } else {
            // Digits alone are an i32 or nothing; rounding them to a float would hide that they do not fit.
            let is_float = text.contains(['.', 'e', 'E', 'n', 'N']);
            is_float.then(|| text.parse().ok().map(Scalar::F32)).flatten()
        };
        scalar.ok_or_else(|| format!("`{text}` is no literal"))
    }
}

impl From<Scalar> for String {
    fn from(scalar: Scalar) -> String {
        scalar.to_string()
    }
}

impl TryFrom<String> for Scalar {
    type Error = String;

    fn try_from(text: String) -> Result<Scalar, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back() {
        let floats = [0.0, -0.0, 1.0, 1e-45, 3.4e38, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.1, 5e-324];
        let ints = [0, 1, -1, i64::MAX, i64::MIN];
        let mut all: Vec<Scalar> = floats.iter().flat_map(|&x| [Scalar::F32(x as f32), Scalar::F64(x)]).collect();
        all.extend(ints.iter().flat_map(|&x| [Scalar::I32(x as i32), Scalar::I64(x), Scalar::U8(x as u8)]));
        all.extend([Scalar::Bool(true), Scalar::Bool(false)]);
        for x in all {
            assert!(x.to_string().parse::<Scalar>().unwrap().same(x), "{x}");
            assert_eq!(Scalar::from_bits(x.dtype(), x.bits()), x);
        }
    }

    #[test]
    fn text_of_no_scalar_is_refused() {
        for text in ["", "x", "1.0i64", "300u8", "2147483648", "f64", "tru"] {
            assert_eq!(text.parse::<Scalar>().unwrap_err(), format!("`{text}` is no literal"));
        }
    }
}
