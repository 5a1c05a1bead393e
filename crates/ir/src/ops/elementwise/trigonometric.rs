//! Sine and cosine.

use super::elementwise;
use crate::build::local;
use crate::laws::Laws;

elementwise! {
    /// The sine.
    ///
    /// d sin(x) = cos(x) dx
    Sin = "sin" Sin, laws: |_| Laws::NONE.odd().range(-1.0, 1.0), vjp: |x, _, dy| local([dy * x[0].cos()]);

    /// The cosine.
    ///
    /// d cos(x) = -sin(x) dx
    Cos = "cos" Cos, laws: |_| Laws::NONE.even().range(-1.0, 1.0), vjp: |x, _, dy| local([-(dy * x[0].sin())]);
}
