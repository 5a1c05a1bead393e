//! Hyperbolic functions and their inverses.

use super::elementwise;
use crate::build::local;
use crate::laws::Laws;

elementwise! {
    /// The hyperbolic sine.
    ///
    /// d sinh(x) = cosh(x) dx
    Sinh = "sinh" Sinh, laws: |_| Laws::NONE.odd(), vjp: |x, _, dy| local([dy * x[0].cosh()]);

    /// The hyperbolic cosine.
    ///
    /// d cosh(x) = sinh(x) dx
    Cosh = "cosh" Cosh, laws: |_| Laws::NONE.even().range(1.0, f64::INFINITY),
        vjp: |x, _, dy| local([dy * x[0].sinh()]);

    /// The hyperbolic tangent.
    ///
    /// d tanh(x) = (1 - y²) dx
    Tanh = "tanh" Tanh, laws: |_| Laws::NONE.odd().range(-1.0, 1.0), vjp: |_, y, dy| local([dy * (1.0 - y * y)]);

    /// The number whose hyperbolic sine is x.
    ///
    /// d asinh(x) = dx / √(x² + 1)
    Asinh = "asinh" Asinh, laws: |_| Laws::NONE.odd(), vjp: |x, _, dy| local([dy / (x[0] * x[0] + 1.0).sqrt()]);

    /// The number, not negative, whose hyperbolic cosine is x; NaN below 1.
    ///
    /// d acosh(x) = dx / √((x - 1)(x + 1))
    Acosh = "acosh" Acosh, laws: |_| Laws::NONE.range(0.0, f64::INFINITY),
        vjp: |x, _, dy| local([dy / ((x[0] - 1.0) * (x[0] + 1.0)).sqrt()]);

    /// The number whose hyperbolic tangent is x; ±∞ at ±1, NaN beyond.
    ///
    /// d atanh(x) = dx / ((1 - x)(1 + x))
    Atanh = "atanh" Atanh, laws: |_| Laws::NONE.odd(), vjp: |x, _, dy| local([dy / ((1.0 - x[0]) * (1.0 + x[0]))]);
}
