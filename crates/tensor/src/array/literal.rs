//! Numbers as users write them, before a dtype is chosen for them.

use std::fmt;

use crate::{DType, Error, Result};

/// A number written by the user, to be stored in whatever dtype is asked for.
///
/// ```
/// use tracelift_tensor::Literal;
///
/// assert_eq!([Literal::from(2), Literal::from(0.5), Literal::from(true)].map(Literal::to_f64), [2.0, 0.5, 1.0]);
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Literal {
    /// A float.
    Float(f64),
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
}

impl Literal {
    /// The nearest f64.
    pub fn to_f64(self) -> f64 {
        match self {
            Literal::Float(x) => x,
            Literal::Int(n) => n as f64,
            Literal::Bool(b) => f64::from(u8::from(b)),
        }
    }

    /// The integer, if it is a whole number within the type's range.
    pub(super) fn to_int<T: TryFrom<i64>>(self, dtype: DType) -> Result<T> {
        let n = match self {
            Literal::Int(n) => n,
            Literal::Bool(b) => b.into(),
            // Beyond this range `as` saturates; a whole number within it is exact.
            Literal::Float(x) if x.fract() == 0.0 && x.abs() < 2f64.powi(63) => x as i64,
            Literal::Float(_) => {
                return Err(Error::type_(format!("the number {self} is no integer and {dtype} holds no other")));
            }
        };
        T::try_from(n).map_err(|_| Error::invalid(format!("the number {n} does not fit into {dtype}")))
    }

    /// The truth value: of numbers only 0 and 1 are one.
    pub(super) fn to_bool(self) -> Result<bool> {
        match self.to_f64() {
            0.0 => Ok(false),
            1.0 => Ok(true),
            _ => Err(Error::type_(format!("the number {self} is no truth value"))),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Float(x) => write!(f, "{x:?}"),
            Literal::Int(n) => write!(f, "{n}"),
            Literal::Bool(b) => write!(f, "{b}"),
        }
    }
}

macro_rules! literal_from {
    ($($ty:ty => $variant:ident),*) => {$(
        impl From<$ty> for Literal {
            fn from(value: $ty) -> Literal {
                Literal::$variant(value.into())
            }
        }
    )*};
}
literal_from!(f64 => Float, f32 => Float, i64 => Int, i32 => Int, u8 => Int, bool => Bool);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_must_be_whole_and_fit() {
        assert_eq!(Literal::from(3.0).to_int::<i32>(DType::I32).unwrap(), 3);
        let error = |literal: Literal| literal.to_int::<i32>(DType::I32).unwrap_err().to_string();
        assert_eq!(error(0.5.into()), "the number 0.5 is no integer and i32 holds no other");
        assert_eq!(error(f64::NAN.into()), "the number NaN is no integer and i32 holds no other");
        assert_eq!(error((1i64 << 31).into()), "the number 2147483648 does not fit into i32");
        assert!(Literal::from(2f64.powi(63)).to_int::<i64>(DType::I64).is_err());
        assert_eq!(Literal::from(-(2f64.powi(62))).to_int::<i64>(DType::I64).unwrap(), -(1 << 62));
    }

    #[test]
    fn bools_are_zero_and_one() {
        assert!(Literal::from(1).to_bool().unwrap() && !Literal::from(-0.0).to_bool().unwrap());
        assert_eq!(Literal::from(2).to_bool().unwrap_err().to_string(), "the number 2 is no truth value");
    }
}
