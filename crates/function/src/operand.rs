//! The other operand of a method or operator: a tensor, a variable, literals, or a number that takes the tensor's type.

use tracelift_tensor::{Array, DType, Error, Result};

use crate::{IntoTensor, Tensor, Variable, scope, tensor, trace};

/// What can stand beside a tensor: a tensor, a variable, a literal array, or a number.
///
/// A number takes the tensor's dtype: floats are rounded to it, integers must fit, and a float beside an integer
/// tensor is an error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tensor, a variable or a number",
    label = "cannot be an operand"
)]
pub trait Operand {
    /// Itself as a tensor beside `like`.
    #[doc(hidden)]
    #[track_caller]
    fn operand(&self, like: &Tensor) -> Tensor;

    /// The tensor beside which a number stands, if it is one itself.
    #[doc(hidden)]
    fn is_number(&self) -> bool {
        false
    }
}

impl Operand for Tensor {
    fn operand(&self, _: &Tensor) -> Tensor {
        self.snapshot()
    }
}

impl Operand for Variable {
    fn operand(&self, _: &Tensor) -> Tensor {
        self.value()
    }
}

impl<T: Operand + ?Sized> Operand for &T {
    #[track_caller]
    fn operand(&self, like: &Tensor) -> Tensor {
        (**self).operand(like)
    }

    fn is_number(&self) -> bool {
        (**self).is_number()
    }
}

/// A host number before it has a dtype.
#[derive(Clone, Copy)]
enum Number {
    Float(f64),
    Int(i128),
    Bool(bool),
}

macro_rules! numbers {
    ($($t:ty, $kind:ident, $into:ty;)*) => {$(
        impl Operand for $t {
            #[track_caller]
            fn operand(&self, like: &Tensor) -> Tensor {
                weak(Number::$kind(<$into>::try_from(*self).expect("every host number fits")), like)
            }

            fn is_number(&self) -> bool { true }
        }
    )*};
}
numbers! {
    f32, Float, f64; f64, Float, f64;
    i32, Int, i128; i64, Int, i128; u8, Int, i128; usize, Int, i128;
    bool, Bool, bool;
}

impl<T: IntoTensor + Clone, const N: usize> Operand for [T; N] {
    /// Literals are numbers, too: integers beside a float tensor become floats.
    #[track_caller]
    fn operand(&self, like: &Tensor) -> Tensor {
        let literal = tensor(self.clone());
        let (from, to) = (literal.dtype(), like.dtype());
        let literal_numbers = matches!(from, DType::I32 | DType::F32);
        if literal_numbers && from != to && (to.is_float() || (from.is_int() && to.is_int())) {
            literal.cast(to)
        } else {
            literal
        }
    }
}

#[track_caller]
fn weak(number: Number, like: &Tensor) -> Tensor {
    if like.error().is_some() {
        return like.snapshot();
    }
    match as_dtype(number, like.dtype()) {
        Ok(array) => Tensor::eager(array),
        Err(error) => trace::fail(error.at(scope::origin()), Some(like)),
    }
}

fn as_dtype(number: Number, dtype: DType) -> Result<Array> {
    // An integer too large for the type would change its value silently.
    let fits = |n: i128| -> Result<i128> {
        let (low, high): (i128, i128) = match dtype {
            DType::I32 => (i32::MIN.into(), i32::MAX.into()),
            DType::U8 => (0, u8::MAX.into()),
            _ => (i64::MIN.into(), i64::MAX.into()),
        };
        if (low..=high).contains(&n) { Ok(n) } else { Err(Error::value(format!("{n} does not fit into {dtype}"))) }
    };
    Ok(match (number, dtype) {
        // The rounding to the tensor's dtype is what a weak number means.
        (Number::Float(x), DType::F32) => Array::scalar(x as f32),
        (Number::Float(x), DType::F64) => Array::scalar(x),
        (Number::Int(n), DType::F32) => Array::scalar(n as f32),
        (Number::Int(n), DType::F64) => Array::scalar(n as f64),
        (Number::Int(n), DType::I32) => Array::scalar(fits(n)? as i32),
        (Number::Int(n), DType::I64) => Array::scalar(fits(n)? as i64),
        (Number::Int(n), DType::U8) => Array::scalar(fits(n)? as u8),
        (Number::Bool(b), DType::Bool) => Array::scalar(b),
        (Number::Float(x), _) => {
            return Err(Error::invalid(format!("the float {x} cannot stand beside a tensor of {dtype}"))
                .help("cast the tensor first: `.cast(F32)`"));
        }
        (Number::Int(n), _) => {
            return Err(Error::invalid(format!("the integer {n} cannot stand beside a tensor of {dtype}")));
        }
        (Number::Bool(b), _) => {
            return Err(Error::invalid(format!("the truth value {b} cannot stand beside a tensor of {dtype}")));
        }
    })
}
