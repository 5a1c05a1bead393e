//! Circular functions and their inverses.

use super::elementwise;
use crate::build::local;
use crate::laws::Laws;

/// π/2 rounded up in either width.
const FRAC_PI_2_UP: f64 = 1.570_796_4;

elementwise! {
    /// The sine.
    ///
    /// d sin(x) = cos(x) dx
    Sin = "sin" Sin, laws: |_| Laws::NONE.odd().range(-1.0, 1.0), vjp: |x, _, dy| local([dy * x[0].cos()]);

    /// The cosine.
    ///
    /// d cos(x) = -sin(x) dx
    Cos = "cos" Cos, laws: |_| Laws::NONE.even().range(-1.0, 1.0), vjp: |x, _, dy| local([-(dy * x[0].sin())]);

    /// The tangent.
    ///
    /// d tan(x) = (1 + y²) dx
    Tan = "tan" Tan, laws: |_| Laws::NONE.odd(), vjp: |_, y, dy| local([dy * (1.0 + y * y)]);

    /// The angle in [-π/2, π/2] whose sine is x; NaN outside of [-1, 1].
    ///
    /// d asin(x) = dx / √((1 - x)(1 + x))
    Asin = "asin" Asin, laws: |_| Laws::NONE.odd().range(-FRAC_PI_2_UP, FRAC_PI_2_UP),
        vjp: |x, _, dy| local([dy / ((1.0 - x[0]) * (1.0 + x[0])).sqrt()]);

    /// The angle in [0, π] whose cosine is x; NaN outside of [-1, 1].
    ///
    /// d acos(x) = -dx / √((1 - x)(1 + x))
    Acos = "acos" Acos, laws: |_| Laws::NONE.range(0.0, 2.0 * FRAC_PI_2_UP),
        vjp: |x, _, dy| local([-(dy / ((1.0 - x[0]) * (1.0 + x[0])).sqrt())]);

    /// The angle in [-π/2, π/2] whose tangent is x.
    ///
    /// d atan(x) = dx / (1 + x²)
    Atan = "atan" Atan, laws: |_| Laws::NONE.odd().range(-FRAC_PI_2_UP, FRAC_PI_2_UP),
        vjp: |x, _, dy| local([dy / (1.0 + x[0] * x[0])]);

    /// The angle of the point (x, y), operand 0 being y: that of y / x in the right quadrant.
    ///
    /// d atan2(y, x) = (x dy - y dx) / (x² + y²); nothing at the origin, where there is no direction
    Atan2 = "atan2" Atan2, laws: |_| Laws::NONE.range(-2.0 * FRAC_PI_2_UP, 2.0 * FRAC_PI_2_UP),
        vjp: |x, _, dz| {
            let (y, x) = (x[0], x[1]);
            let square = x * x + y * y;
            let zero = dz.number(0.0);
            let at_origin = square.equal(zero);
            let share = at_origin.select(zero, dz / square);
            local([share * x, -(share * y)])
        };
}
