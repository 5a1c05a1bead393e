//! Negation, the four operations, floor division and remainder.

use super::elementwise;
use crate::build::{Gradients, local};
use crate::laws::Laws;
use tracelift_tensor::DType;

/// Laws of an operation that is exact on integers (which wrap) and rounds on floats.
fn exact_on_integers(dtype: DType, laws: Laws) -> Laws {
    if dtype.is_float() { laws } else { laws.associative() }
}

elementwise! {
    /// `-x`; integers wrap.
    ///
    /// d(-x) = -dx
    Neg = "neg" Neg, laws: |_| Laws::NONE.involution().odd(), vjp: |_, _, dy| local([-dy]);

    /// `x + y`; integers wrap.
    ///
    /// d(x + y) = dx + dy
    Add = "add" Add,
        // x + (-0.0) is x for every x; x + 0.0 is not: it makes 0.0 of -0.0.
        laws: |dtype| {
            let zero = if dtype.is_float() { -0.0 } else { 0.0 };
            exact_on_integers(dtype, Laws::NONE.commutative().identity(zero))
        },
        vjp: |_, _, dy| local([dy, dy]);

    /// `x - y`; integers wrap.
    ///
    /// d(x - y) = dx - dy
    Sub = "sub" Sub, laws: |_| Laws::NONE.right_identity(0.0), vjp: |_, _, dy| local([dy, -dy]);

    /// `x * y`; integers wrap.
    ///
    /// d(x y) = y dx + x dy
    Mul = "mul" Mul,
        laws: |dtype| {
            let laws = exact_on_integers(dtype, Laws::NONE.commutative().identity(1.0));
            // 0 * NaN is NaN, and 0 * -1 is -0.
            if dtype.is_float() { laws } else { laws.absorbing(0.0) }
        },
        vjp: |x, _, dy| local([dy * x[1], dy * x[0]]);

    /// `x / y` of floats.
    ///
    /// d(x / y) = dx / y - x / y² dy
    Div = "div" Div, laws: |_| Laws::NONE.right_identity(1.0),
        vjp: |x, _, dy| local([dy / x[1], dy * (-x[0] / x[1] / x[1])]);

    /// The quotient rounded down.
    ///
    /// A staircase: its gradient is zero.
    FloorDiv = "floor_div" FloorDiv, laws: |_| Laws::NONE, vjp: |_, _, _| Gradients::Zero;

    /// What the rounded-down quotient leaves; it has the sign of the divisor.
    ///
    /// d(x - floor(x / y) y) = dx - floor(x / y) dy
    Rem = "rem" Rem, laws: |_| Laws::NONE, vjp: |x, _, dy| local([dy, -(dy * x[0].floor_div(x[1]))]);
}
