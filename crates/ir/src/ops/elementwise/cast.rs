//! Conversion between element types.

use super::Elementwise;
use crate::attrs::{AttrReader, Attrs};
use crate::build::{Expr, Gradients, local};
use crate::laws::Laws;
use tracelift_kernel::lane::LaneOp;
use tracelift_tensor::{DType, Result};

/// The values in another element type: to integers truncating and saturating, to bool whether not zero.
///
/// Between floats the gradient is converted back; integers and truth values have none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cast {
    /// The element type of the result.
    pub dtype: DType,
}

impl Elementwise for Cast {
    const NAME: &'static str = "cast";

    fn lane(&self) -> LaneOp {
        LaneOp::Cast(self.dtype)
    }

    fn gradients<'b>(&self, x: &[Expr<'b>], _: Expr<'b>, dy: Expr<'b>) -> Gradients<'b> {
        match x[0].ty() {
            ty if ty.is_float() && self.dtype.is_float() => local([dy.cast(ty.dtype())]),
            _ => Gradients::none(1),
        }
    }

    fn lane_laws(&self, dtype: DType) -> Laws {
        if dtype == self.dtype { Laws::NONE.idempotent() } else { Laws::NONE }
    }

    fn lane_attributes(&self) -> Attrs {
        Attrs::new().word("dtype", self.dtype)
    }

    fn from_lane_attributes(attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Cast { dtype: attrs.dtype("dtype")? })
    }

    fn variants() -> Vec<Self> {
        DType::ALL.map(|dtype| Cast { dtype }).into()
    }
}
