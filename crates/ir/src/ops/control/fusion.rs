//! Groups of nodes that become one kernel.

use super::{Relaxed, enter, laws, results};
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::build::Builder;
use crate::eval::EvalCx;
use crate::graph::{Graph, ParamRole};
use crate::infer::Infer;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use std::sync::Arc;
use tracelift_tensor::{Array, DType, Dim, Result};

/// Runs its body once; what fusion makes of nodes that are computed in one loop nest.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fusion {
    /// The nodes.
    pub body: Arc<Graph>,
}

impl OpDef for Fusion {
    const NAMES: &'static [&'static str] = &["fusion"];

    fn name(&self) -> &'static str {
        "fusion"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        enter(cx, "body", &self.body, x, &Relaxed::NONE)?;
        Ok(results(&self.body))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        cx.run(&self.body, x)
    }

    fn vjp(&self, _: &mut Vjp<'_>) -> Result<VjpRule> {
        Ok(VjpRule::NotDifferentiable("gradients are made before nodes are fused"))
    }

    fn batch(&self, _: &mut Batch<'_>) -> Result<BatchRule> {
        Ok(BatchRule::Refused("batches are made before nodes are fused"))
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Fusion
    }

    fn attributes(&self) -> Attrs {
        Attrs::new().region("body", &self.body)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Fusion { body: attrs.region("body")? })
    }

    fn laws(&self, _: DType) -> Laws {
        laws([&*self.body])
    }

    fn samples() -> Vec<Sample> {
        let fused = |rows: Dim| {
            let mut b = Builder::new("body");
            let ty = Type::tensor(DType::F32, [rows]);
            let (x, y) = (b.param("", ty.clone(), ParamRole::Input), b.param("", ty, ParamRole::Input));
            let product = b.mul(x, y).expect("the operands of the sample fit");
            let sum = b.add(product, x).expect("the operands of the sample fit");
            Fusion { body: Arc::new(b.finish(&[sum, product]).expect("the sample is a graph")) }
        };
        let operands = |n: usize| vec![special_values(DType::F32, &[n]), special_values(DType::F32, &[n])];
        vec![
            Sample::new(fused(Dim::from(13)), operands(13)),
            Sample::new(fused(Dim::from(1)), operands(1)),
            Sample::new(fused(Dim::from(0)), operands(0)),
            Sample::new(fused(Dim::sym("B")), operands(5)).unknown_first_axis(),
        ]
    }
}
