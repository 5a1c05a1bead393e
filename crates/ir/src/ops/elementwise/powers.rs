//! Roots and powers.

use super::{Elementwise, elementwise};
use crate::attrs::{AttrReader, Attrs};
use crate::build::{Expr, Gradients, local};
use crate::laws::Laws;
use tracelift_kernel::lane::LaneOp;
use tracelift_tensor::{DType, Error, Result};

elementwise! {
    /// The square root.
    ///
    /// d sqrt(x) = dx / (2 y); where nothing arrives from above, nothing is passed on, even if y = 0
    /// (a masked-out root of zero must not turn the gradient into NaN)
    Sqrt = "sqrt" Sqrt, laws: |_| Laws::NONE,
        vjp: |_, y, dy| {
            let zero = dy.number(0.0);
            local([dy.equal(zero).select(zero, dy * 0.5 / y)])
        };

    /// `1 / sqrt(x)`.
    ///
    /// d x^(-1/2) = -1/2 y³ dx
    Rsqrt = "rsqrt" Rsqrt, laws: |_| Laws::NONE, vjp: |_, y, dy| local([dy * (-0.5 * (y * y * y))]);

    /// `x` to the power `y`.
    ///
    /// d xʸ = y xʸ⁻¹ dx + xʸ ln(x) dy; the first term is 0 for y = 0, the second for x ≤ 0
    Pow = "pow" Pow, laws: |dtype| if dtype.is_float() { Laws::NONE.right_identity(1.0) } else { Laws::NONE },
        vjp: |x, y, dy| {
            let (zero, one) = (dy.number(0.0), dy.number(1.0));
            let dx = x[1].equal(zero).select(zero, dy * (x[1] * x[0].pow(x[1] - one)));
            let ln = x[0].gt(zero).select(x[0], one).ln();
            local([dx, dy * (y * ln)])
        };
}

/// `x` to a constant whole power, by repeated multiplication from the left.
///
/// d xⁿ = n xⁿ⁻¹ dx
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Powi {
    /// The exponent.
    pub n: i32,
}

impl Elementwise for Powi {
    const NAME: &'static str = "powi";

    fn lane(&self) -> LaneOp {
        LaneOp::Powi(self.n)
    }

    fn gradients<'b>(&self, x: &[Expr<'b>], _: Expr<'b>, dy: Expr<'b>) -> Gradients<'b> {
        match self.n {
            0 => Gradients::Zero,
            1 => local([dy]),
            2 => local([dy * (2.0 * x[0])]),
            // At the smallest exponent the power is 0 or infinite whether or not one is subtracted.
            n => local([dy * (f64::from(n) * x[0].powi(n.saturating_sub(1)))]),
        }
    }

    fn lane_laws(&self, _: DType) -> Laws {
        match self.n {
            1 => Laws::NONE.idempotent().odd(),
            n if n % 2 == 0 => Laws::NONE.even(),
            _ => Laws::NONE.odd(),
        }
    }

    fn lane_attributes(&self) -> Attrs {
        Attrs::new().int("n", i64::from(self.n))
    }

    fn from_lane_attributes(attrs: &mut AttrReader<'_>) -> Result<Self> {
        let n = attrs.int("n")?;
        let n = i32::try_from(n).map_err(|_| Error::invalid(format!("wants an exponent of 32 bits, not {n}")))?;
        Ok(Powi { n })
    }

    fn variants() -> Vec<Self> {
        [0, 1, 2, 3, 7].map(|n| Powi { n }).into()
    }
}
