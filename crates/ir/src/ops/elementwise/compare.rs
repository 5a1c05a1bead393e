//! Comparisons: all but `ne` are false where an operand is NaN. Truth values have no gradient.

use super::elementwise;
use crate::build::Gradients;
use crate::laws::Laws;

elementwise! {
    /// `x < y`
    Lt = "lt" Lt, laws: |_| Laws::NONE, vjp: |x, _, _| Gradients::none(x.len());
    /// `x <= y`
    Le = "le" Le, laws: |_| Laws::NONE, vjp: |x, _, _| Gradients::none(x.len());
    /// `x > y`
    Gt = "gt" Gt, laws: |_| Laws::NONE, vjp: |x, _, _| Gradients::none(x.len());
    /// `x >= y`
    Ge = "ge" Ge, laws: |_| Laws::NONE, vjp: |x, _, _| Gradients::none(x.len());
    /// `x == y`
    Equal = "eq" Eq, laws: |_| Laws::NONE.commutative(), vjp: |x, _, _| Gradients::none(x.len());
    /// `x != y`; true where an operand is NaN
    NotEqual = "ne" Ne, laws: |_| Laws::NONE.commutative(), vjp: |x, _, _| Gradients::none(x.len());
}
