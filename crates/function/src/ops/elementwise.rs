//! Ops on every element: arithmetic, functions, comparisons, logic, `select`, `cast`.

use tracelift_ir::{Op, ops};
use tracelift_tensor::{DType, Error};

use super::broadcast_pair;
use crate::{
    Operand, Tensor,
    dispatch::{apply, refuse},
    scope,
};

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident $op:ident;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name(&self) -> Tensor {
                apply(ops::$op, &[self])
            }
        )*}
    };
}

unary! {
    /// The absolute value.
    abs Abs;
    /// -1, 0 or 1; a NaN stays one.
    sign Sign;
    /// `e` to the power of each element.
    exp Exp;
    /// `exp(x) - 1`, exact near zero.
    expm1 Expm1;
    /// The natural logarithm.
    log Ln;
    /// `ln(1 + x)`, exact near zero.
    log1p Ln1p;
    /// The square root.
    sqrt Sqrt;
    /// One over the square root.
    rsqrt Rsqrt;
    /// The sine.
    sin Sin;
    /// The cosine.
    cos Cos;
    /// The tangent.
    tan Tan;
    /// The angle in [-π/2, π/2] whose sine it is; NaN outside of [-1, 1].
    asin Asin;
    /// The angle in [0, π] whose cosine it is; NaN outside of [-1, 1].
    acos Acos;
    /// The angle in [-π/2, π/2] whose tangent it is.
    atan Atan;
    /// The hyperbolic sine.
    sinh Sinh;
    /// The hyperbolic cosine.
    cosh Cosh;
    /// The hyperbolic tangent.
    tanh Tanh;
    /// The number whose hyperbolic sine it is.
    asinh Asinh;
    /// The number whose hyperbolic cosine it is; NaN below 1.
    acosh Acosh;
    /// The number whose hyperbolic tangent it is; infinite at ±1, NaN beyond.
    atanh Atanh;
    /// The logistic function `1 / (1 + exp(-x))`.
    sigmoid Logistic;
    /// The error function.
    erf Erf;
    /// The number whose error function it is; infinite at ±1, NaN beyond.
    erf_inv ErfInv;
    /// The largest integer that is not larger.
    floor Floor;
    /// The smallest integer that is not smaller.
    ceil Ceil;
    /// The nearest integer, the even one of two.
    round Round;
    /// Whether each element is NaN.
    is_nan IsNan;
    /// Whether each element is neither NaN nor infinite.
    is_finite IsFinite;
    /// The opposite truth value, or all bits flipped.
    not Not;
    /// The same values; no gradient flows back.
    stop_gradient StopGradient;
    /// The same values, as a result of its own.
    identity Identity;
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident $op:ident;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name(&self, other: impl Operand) -> Tensor {
                combine(ops::$op.into(), self, &other.operand(self))
            }
        )*}
    };
}

binary! {
    /// `self < other`, by element.
    lt Lt;
    /// `self <= other`, by element.
    le Le;
    /// `self > other`, by element.
    gt Gt;
    /// `self >= other`, by element.
    ge Ge;
    /// `self == other`, by element.
    eq Equal;
    /// `self != other`, by element.
    ne NotEqual;
    /// Both truth values, or the common bits.
    and And;
    /// Either truth value, or the bits of both.
    or Or;
    /// One truth value but not both, or the bits that differ.
    xor Xor;
    /// Bits moved to the left.
    shl Shl;
    /// Bits moved to the right, with the sign.
    shr Shr;
    /// The larger; at a tie the gradient goes to `self`.
    maximum Max;
    /// The smaller; at a tie the gradient goes to `self`.
    minimum Min;
    /// `self` to the power of `other`.
    pow Pow;
    /// The angle of the point (`other`, `self`): that of `self / other` in the right quadrant.
    atan2 Atan2;
    /// Division that rounds down.
    floor_div FloorDiv;
}

/// A binary op on operands brought to one shape.
#[track_caller]
pub(crate) fn combine(op: Op, a: &Tensor, b: &Tensor) -> Tensor {
    let (x, y) = (a.dtype(), b.dtype());
    if x != y && a.error().is_none() && b.error().is_none() {
        let message = format!("takes operands of one dtype, got {} and {}", a.ty(), b.ty());
        let help = format!("cast one of them: `.cast({})`", format!("{x}").to_uppercase());
        return refuse(op.name(), Error::invalid(message).help(help), &[a, b]);
    }
    match broadcast_pair(op.name(), a, b) {
        Ok((x, y)) => apply(op, &[&x, &y]),
        Err(poisoned) => poisoned,
    }
}

/// `a / b`: integers are divided as f64, as Python does.
#[track_caller]
pub(crate) fn divide(a: &Tensor, b: &Tensor) -> Tensor {
    if a.dtype() == b.dtype() && a.dtype().is_int() {
        return combine(ops::Div.into(), &a.cast(DType::F64), &b.cast(DType::F64));
    }
    combine(ops::Div.into(), a, b)
}

impl Tensor {
    /// The square.
    #[track_caller]
    #[must_use]
    pub fn square(&self) -> Tensor {
        apply(ops::Mul, &[self, self])
    }

    /// One over each element.
    #[track_caller]
    #[must_use]
    pub fn reciprocal(&self) -> Tensor {
        1 / self
    }

    /// `x` to the power of a whole number, by products.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// assert_eq!(tensor(2).powi(10).item::<i32>()?, 1024);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn powi(&self, n: i32) -> Tensor {
        apply(ops::Powi { n }, &[self])
    }

    /// Each element no smaller than `low` and no larger than `high`.
    #[track_caller]
    #[must_use]
    pub fn clip(&self, low: impl Operand, high: impl Operand) -> Tensor {
        self.maximum(low).minimum(high)
    }

    /// The same values as another dtype: floats are cut off towards zero, what is not zero is true.
    #[track_caller]
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Tensor {
        if self.dtype() == dtype && self.error().is_none() {
            return self.snapshot();
        }
        apply(ops::Cast { dtype }, &[self])
    }

    /// `self` is the condition: `a` where it is true, else `b`.
    #[track_caller]
    #[must_use]
    pub fn select(&self, a: impl Operand, b: impl Operand) -> Tensor {
        let _here = scope::here();
        // A number takes the dtype of the other arm; two numbers are what literals are.
        let default = if a.is_number() && b.is_number() { Tensor::from(0f32) } else { self.snapshot() };
        let (a, b) = if a.is_number() {
            let b = b.operand(&default);
            (a.operand(&b), b)
        } else {
            let a = a.operand(self);
            let b = b.operand(&a);
            (a, b)
        };
        if a.dtype() != b.dtype() && a.error().is_none() && b.error().is_none() {
            let message = format!("takes arms of one dtype, got {} and {}", a.ty(), b.ty());
            return refuse("select", Error::invalid(message), &[self, &a, &b]);
        }
        let broadcast = || {
            let (a, b) = broadcast_pair("select", &a, &b)?;
            let (condition, a) = broadcast_pair("select", self, &a)?;
            let (condition, b) = broadcast_pair("select", &condition, &b)?;
            Ok((condition, a, b))
        };
        match broadcast() {
            Ok((condition, a, b)) => apply(ops::Select, &[&condition, &a, &b]),
            Err(poisoned) => poisoned,
        }
    }
}

/// `a` where the condition holds, else `b`.
///
/// ```
/// use tracelift_function::{select, tensor};
///
/// let t = tensor([1., 2., 3.]);
/// assert_eq!(select(&t.gt(1.5), &t, 0.).to_vec::<f32>()?, [0., 2., 3.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn select(condition: &Tensor, a: impl Operand, b: impl Operand) -> Tensor {
    condition.select(a, b)
}
