//! Magnitude, sign, rounding to whole numbers, and questions about floats.

use super::elementwise;
use crate::build::{Gradients, local};
use crate::laws::Laws;
use tracelift_tensor::DType;

elementwise! {
    /// The magnitude; the smallest integer stays as it is.
    ///
    /// d |x| = sign(x) dx, which is 0 at 0
    Abs = "abs" Abs,
        // 255 is the negative of 1 among bytes.
        laws: |dtype| {
            let laws = Laws::NONE.idempotent();
            if dtype == DType::U8 { laws } else { laws.even() }
        },
        vjp: |x, _, dy| local([dy * x[0].sign()]);

    /// -1, 0 or 1; keeps -0 and NaN.
    ///
    /// Constant but for a jump: its gradient is zero.
    Sign = "sign" Sign,
        // The smallest integer is its own negative.
        laws: |dtype| {
            let laws = Laws::NONE.idempotent().range(-1.0, 1.0);
            if dtype.is_float() { laws.odd() } else { laws }
        },
        vjp: |_, _, _| Gradients::Zero;

    /// The next whole number below.
    ///
    /// A staircase: its gradient is zero.
    Floor = "floor" Floor, laws: |_| Laws::NONE.idempotent(), vjp: |_, _, _| Gradients::Zero;

    /// The next whole number above.
    ///
    /// A staircase: its gradient is zero.
    Ceil = "ceil" Ceil, laws: |_| Laws::NONE.idempotent(), vjp: |_, _, _| Gradients::Zero;

    /// The nearest whole number, halves to the even one.
    ///
    /// A staircase: its gradient is zero.
    Round = "round" Round, laws: |_| Laws::NONE.idempotent().odd(), vjp: |_, _, _| Gradients::Zero;

    /// Whether x is NaN.
    ///
    /// Truth values have no gradient.
    IsNan = "is_nan" IsNan, laws: |_| Laws::NONE.even(), vjp: |x, _, _| Gradients::none(x.len());

    /// Whether x is neither NaN nor infinite.
    ///
    /// Truth values have no gradient.
    IsFinite = "is_finite" IsFinite, laws: |_| Laws::NONE.even(), vjp: |x, _, _| Gradients::none(x.len());
}
