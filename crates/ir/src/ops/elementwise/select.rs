//! A choice between two values, element by element.

use super::elementwise;
use crate::build::{Expr, Gradients};
use crate::laws::Laws;
use smallvec::smallvec;

elementwise! {
    /// `if c { x } else { y }`, bits untouched.
    ///
    /// The gradient goes to the value that was taken; the other one gets zero.
    Select = "select" Select, laws: |_| Laws::NONE,
        vjp: |x, _, dy| {
            let zero: Expr<'_> = dy.number(0.0);
            Gradients::Local(smallvec![None, Some(x[0].select(dy, zero)), Some(x[0].select(zero, dy))])
        };
}
