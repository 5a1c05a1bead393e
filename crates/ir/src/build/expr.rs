//! Expressions: values with operators, for rules that read like mathematics.

use super::Builder;
use crate::op::Op;
use crate::ops;
use crate::types::Type;
use crate::value::Value;
use smallvec::SmallVec;
use std::cell::RefCell;
use tracelift_tensor::DType;

/// A value of a graph being built; operators push nodes.
///
/// For rules whose operands are known to fit (gradients, rewrites): a misfit is a fault of the rule, and panics.
///
/// ```
/// use tracelift_ir::{Builder, ParamRole, Type, with_exprs};
/// use tracelift_tensor::{F32, Shape};
///
/// let mut b = Builder::new("f");
/// let x = b.param("x", Type::tensor(F32, Shape::from([3])), ParamRole::Input);
/// let y = with_exprs(&mut b, |at| {
///     let x = at.expr(x);
///     (1.0 - x * x).tanh().value
/// });
/// assert_eq!(b.ty(y).to_string(), "f32[3]");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Expr<'b> {
    scope: &'b Scope,
    /// The value itself.
    pub value: Value,
}

/// Where expressions live: see [`with_exprs`].
#[derive(Debug)]
pub struct Scope(RefCell<Builder>);

/// Lends a builder to expressions.
pub fn with_exprs<R>(builder: &mut Builder, body: impl FnOnce(&Scope) -> R) -> R {
    let scope = Scope(RefCell::new(std::mem::take(builder)));
    let result = body(&scope);
    *builder = scope.0.into_inner();
    result
}

/// The cotangents of an elementwise op's operands.
#[derive(Debug)]
pub enum Gradients<'b> {
    /// One per operand; `None` for an operand that never has one.
    Local(SmallVec<[Option<Expr<'b>>; 3]>),
    /// Zero everywhere.
    Zero,
}

impl Gradients<'_> {
    /// No operand ever has a cotangent.
    pub fn none(operands: usize) -> Self {
        Gradients::Local(SmallVec::from_elem(None, operands))
    }
}

/// One cotangent per operand.
pub(crate) fn local<'b, const N: usize>(gradients: [Expr<'b>; N]) -> Gradients<'b> {
    Gradients::Local(gradients.into_iter().map(Some).collect())
}

impl Scope {
    /// A value as an expression.
    pub fn expr(&self, value: Value) -> Expr<'_> {
        Expr { scope: self, value }
    }
}

impl<'b> Expr<'b> {
    /// An op on this and other values.
    pub fn apply(self, op: impl Into<Op>, others: &[Expr<'b>]) -> Expr<'b> {
        let operands: SmallVec<[Value; 3]> =
            std::iter::once(self).chain(others.iter().copied()).map(|e| e.value).collect();
        let pushed = self.scope.0.borrow_mut().push(op, &operands);
        Expr { value: pushed.expect("a rule only combines operands that fit"), ..self }
    }

    /// The type.
    pub fn ty(self) -> Type {
        self.scope.0.borrow().ty(self.value).clone()
    }

    /// A number in this expression's type and shape.
    pub fn number(self, value: f64) -> Expr<'b> {
        let made = self.scope.0.borrow_mut().scalar_like(self.value, value);
        Expr { value: made.expect("every tensor type has numbers"), ..self }
    }

    /// `if self { a } else { b }`.
    pub fn select(self, a: Expr<'b>, b: Expr<'b>) -> Expr<'b> {
        self.apply(ops::Select, &[a, b])
    }

    /// The value in another element type.
    pub fn cast(self, dtype: DType) -> Expr<'b> {
        self.apply(ops::Cast { dtype }, &[])
    }

    /// `self` to a constant whole power.
    pub fn powi(self, n: i32) -> Expr<'b> {
        self.apply(ops::Powi { n }, &[])
    }
}

macro_rules! methods {
    (unary: $($unary:ident $unary_op:ident),*; binary: $($binary:ident $binary_op:ident),* $(,)?) => {
        impl<'b> Expr<'b> {
            $(#[doc = concat!("`", stringify!($unary), "(self)`.")]
            pub fn $unary(self) -> Expr<'b> {
                self.apply(ops::$unary_op, &[])
            })*
            $(#[doc = concat!("`", stringify!($binary), "(self, other)`.")]
            pub fn $binary(self, other: Expr<'b>) -> Expr<'b> {
                self.apply(ops::$binary_op, &[other])
            })*
        }
    };
}

methods! {
    unary: abs Abs, sign Sign, exp Exp, ln Ln, sqrt Sqrt, rsqrt Rsqrt, sin Sin, cos Cos, sinh Sinh, cosh Cosh, tanh Tanh, floor Floor;
    binary: floor_div FloorDiv, pow Pow, max Max, min Min, lt Lt, le Le, gt Gt, ge Ge, equal Equal, and And,
}

macro_rules! operators {
    ($($trait:ident $method:ident $op:ident;)*) => {$(
        impl<'b> std::ops::$trait for Expr<'b> {
            type Output = Expr<'b>;
            fn $method(self, other: Expr<'b>) -> Expr<'b> {
                self.apply(ops::$op, &[other])
            }
        }
        impl<'b> std::ops::$trait<f64> for Expr<'b> {
            type Output = Expr<'b>;
            fn $method(self, other: f64) -> Expr<'b> {
                self.apply(ops::$op, &[self.number(other)])
            }
        }
        impl<'b> std::ops::$trait<Expr<'b>> for f64 {
            type Output = Expr<'b>;
            fn $method(self, other: Expr<'b>) -> Expr<'b> {
                other.number(self).apply(ops::$op, &[other])
            }
        }
    )*};
}

operators! {
    Add add Add;
    Sub sub Sub;
    Mul mul Mul;
    Div div Div;
}

impl<'b> std::ops::Neg for Expr<'b> {
    type Output = Expr<'b>;
    fn neg(self) -> Expr<'b> {
        self.apply(ops::Neg, &[])
    }
}
