//! One scalar operation on every element.

use tracelift_kernel::lane::LaneOp;
use tracelift_tensor::{Array, Error, Result};

/// Runs a scalar operation on operands of equal shapes.
pub(crate) fn eval_lane(op: LaneOp, _: &[Array]) -> Result<Array> {
    Err(Error::internal(format!("the meaning of `{op}` is not linked yet")))
}
