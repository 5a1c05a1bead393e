//! Typed helpers over [`Builder::push`] for what passes and gradients say most often.

use super::Builder;
use crate::op::Op;
use crate::ops::{self, Broadcast, Cast, Constant, DotGeneral, Reduce, Reshape, Transpose};
use crate::value::Value;
use tracelift_kernel::meaning::ReduceKind;
use tracelift_tensor::{Array, DType, Error, Result, Shape};

impl Builder {
    /// A literal.
    pub fn constant(&mut self, value: Array) -> Value {
        self.push(Constant::new(value), &[]).expect("a constant has no operands that might not fit")
    }

    /// A rank-0 number of a dtype: integers are truncated toward zero.
    pub fn number(&mut self, dtype: DType, value: f64) -> Value {
        self.constant(ops::number(dtype, value))
    }

    /// A number in the type and shape of `like`: a constant, broadcast where there are axes.
    pub fn scalar_like(&mut self, like: Value, value: f64) -> Result<Value> {
        let ty = self.ty(like).clone();
        let Some(tensor) = ty.as_tensor() else {
            return Err(Error::type_(format!("there is no number of type {ty}")));
        };
        let number = self.number(tensor.dtype, value);
        if tensor.shape.is_empty() { Ok(number) } else { self.broadcast(number, tensor.shape.clone(), &[]) }
    }

    /// Zeros of the type of `like`.
    pub fn zeros_like(&mut self, like: Value) -> Result<Value> {
        self.scalar_like(like, 0.0)
    }

    /// `x` in a larger shape: axis `i` of `x` becomes axis `axes[i]`, and sizes of one are repeated.
    pub fn broadcast(&mut self, x: Value, shape: impl Into<Shape>, axes: &[usize]) -> Result<Value> {
        self.push(Broadcast { shape: shape.into(), axes: axes.into() }, &[x])
    }

    /// A reduction in the order that its axes define.
    pub fn reduce(&mut self, kind: ReduceKind, x: Value, axes: &[usize], keep: bool) -> Result<Value> {
        let rank = self.ty(x).as_tensor().map_or(0, |tensor| tensor.shape.rank());
        self.push(Reduce::new(kind, axes, keep, rank), &[x])
    }

    /// The sum over some axes.
    pub fn sum(&mut self, x: Value, axes: &[usize], keep: bool) -> Result<Value> {
        self.reduce(ReduceKind::Sum, x, axes, keep)
    }

    /// Product of matrices: the last axis of `x` with the last but one of `y`; all axes before are batches of both.
    pub fn matmul(&mut self, x: Value, y: Value) -> Result<Value> {
        let rank = |value: Value| self.ty(value).as_tensor().map_or(0, |tensor| tensor.shape.rank());
        let op = DotGeneral::matmul(rank(x), rank(y));
        self.push(op, &[x, y])
    }

    /// Axis `i` of the result is axis `order[i]` of `x`.
    pub fn transpose(&mut self, x: Value, order: &[usize]) -> Result<Value> {
        self.push(Transpose { order: order.into() }, &[x])
    }

    /// The same elements in another shape.
    pub fn reshape(&mut self, x: Value, shape: impl Into<Shape>) -> Result<Value> {
        self.push(Reshape { shape: shape.into() }, &[x])
    }

    /// `x` in another element type.
    pub fn cast(&mut self, x: Value, dtype: DType) -> Result<Value> {
        self.push(Cast { dtype }, &[x])
    }

    /// `if condition { x } else { y }`, element by element.
    pub fn select(&mut self, condition: Value, x: Value, y: Value) -> Result<Value> {
        self.push(ops::Select, &[condition, x, y])
    }

    /// The one number that a value is everywhere, if that is known: a rank-0 constant, perhaps broadcast.
    ///
    /// A whole number too large for an f64 is none: a neighbour must not pass for it.
    pub fn number_of(&self, mut value: Value) -> Option<f64> {
        while let Op::Broadcast(_) = self.node(value).op {
            value = self.node(value).operands[0];
        }
        let array = self.constant_of(value)?;
        let exact = || array.dtype() != DType::I64 || array.get_f64(0) as i128 == i128::from(array.get_i64(0));
        (array.rank() == 0 && exact()).then(|| array.get_f64(0))
    }

    /// The array of a constant node.
    pub fn constant_of(&self, value: Value) -> Option<&Array> {
        match &self.node(value).op {
            Op::Constant(constant) => Some(constant.value()),
            _ => None,
        }
    }
}

macro_rules! helpers {
    (unary: $($unary:ident $unary_op:ident),*; binary: $($binary:ident $binary_op:ident),* $(,)?) => {
        impl Builder {
            $(#[doc = concat!("`", stringify!($unary), "(x)`.")]
            pub fn $unary(&mut self, x: Value) -> Result<Value> {
                self.push(ops::$unary_op, &[x])
            })*
            $(#[doc = concat!("`", stringify!($binary), "(x, y)`: equal types.")]
            pub fn $binary(&mut self, x: Value, y: Value) -> Result<Value> {
                self.push(ops::$binary_op, &[x, y])
            })*
        }
    };
}

helpers! {
    unary: identity Identity, neg Neg, abs Abs, exp Exp, ln Ln, sqrt Sqrt, tanh Tanh, logistic Logistic, not Not;
    binary: add Add, sub Sub, mul Mul, div Div, floor_div FloorDiv, rem Rem, pow Pow, max Max, min Min,
        lt Lt, le Le, gt Gt, ge Ge, equal Equal, not_equal NotEqual, and And, or Or,
}
