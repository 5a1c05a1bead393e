//! Arguments of a graph.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::EvalCx;
use crate::infer::Infer;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::Sample;
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_tensor::{Array, DType, Error, Result};

/// An argument, a captured tensor, or a variable's value on entry; its type is given by
/// [`Builder::param`](crate::Builder::param), and texts list it in the head of the function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Parameter;

impl OpDef for Parameter {
    const NAMES: &'static [&'static str] = &["parameter"];

    fn name(&self) -> &'static str {
        "parameter"
    }

    fn infer(&self, _: &mut Infer, _: &[Type]) -> Result<Types> {
        Err(Error::internal("is made by `Builder::param` alone, since its type is given and not inferred"))
    }

    fn eval(&self, _: &mut EvalCx<'_>, _: &[Array]) -> Result<Vec<Array>> {
        Err(Error::internal("has no value of its own"))
    }

    fn vjp(&self, _: &mut Vjp<'_>) -> Result<VjpRule> {
        Ok(VjpRule::Local(Vec::new()))
    }

    fn batch(&self, _: &mut Batch<'_>) -> Result<BatchRule> {
        Ok(BatchRule::Refused("has no operands of which there might be several"))
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Parameter
    }

    fn attributes(&self) -> Attrs {
        Attrs::new()
    }

    fn from_attributes(_: &str, _: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Parameter)
    }

    fn laws(&self, _: DType) -> Laws {
        // Two parameters of one type are not the same value.
        Laws::EFFECT
    }

    fn samples() -> Vec<Sample> {
        // Every sample has parameters; there is nothing to run.
        Vec::new()
    }
}
