//! Exponentials, logarithms and what is made of them.

use super::elementwise;
use crate::build::local;
use crate::laws::Laws;
use std::f64::consts::FRAC_2_SQRT_PI;

elementwise! {
    /// e to the power x.
    ///
    /// d exp(x) = y dx
    Exp = "exp" Exp, laws: |_| Laws::NONE.range(0.0, f64::INFINITY), vjp: |_, y, dy| local([dy * y]);

    /// eˣ - 1, accurate near zero.
    ///
    /// d expm1(x) = (y + 1) dx
    Expm1 = "expm1" Expm1, laws: |_| Laws::NONE.range(-1.0, f64::INFINITY), vjp: |_, y, dy| local([dy * (y + 1.0)]);

    /// The natural logarithm.
    ///
    /// d ln(x) = dx / x
    Ln = "ln" Ln, laws: |_| Laws::NONE, vjp: |x, _, dy| local([dy / x[0]]);

    /// ln(1 + x), accurate near zero.
    ///
    /// d ln(1 + x) = dx / (1 + x)
    Ln1p = "ln_1p" Ln1p, laws: |_| Laws::NONE, vjp: |x, _, dy| local([dy / (x[0] + 1.0)]);

    /// `1 / (1 + exp(-x))`, the sigmoid.
    ///
    /// d logistic(x) = y (1 - y) dx
    Logistic = "logistic" Logistic, laws: |_| Laws::NONE.range(0.0, 1.0), vjp: |_, y, dy| local([dy * (y * (1.0 - y))]);

    /// The error function.
    ///
    /// d erf(x) = 2/√π exp(-x²) dx
    Erf = "erf" Erf, laws: |_| Laws::NONE.odd().range(-1.0, 1.0),
        vjp: |x, _, dy| local([dy * (FRAC_2_SQRT_PI * (-(x[0] * x[0])).exp())]);

    /// The number whose error function is x; ±∞ at ±1, NaN beyond.
    ///
    /// d erf⁻¹(x) = √π/2 exp(y²) dx
    ErfInv = "erf_inv" ErfInv, laws: |_| Laws::NONE.odd(), vjp: |_, y, dy| local([dy * ((y * y).exp() / FRAC_2_SQRT_PI)]);
}
