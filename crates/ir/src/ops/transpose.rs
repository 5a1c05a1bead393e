//! Axes in another order.

use super::Axes;
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule, with_first};
use crate::eval::{EvalCx, gather_affine};
use crate::infer::{Infer, check_axes, one, tensors};
use crate::laws::Laws;
use crate::lowering::{AxisMap, IndexMap, Lowering};
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_tensor::{Array, DType, Error, Result, Shape};

/// Axis `i` of the result is axis `order[i]` of the operand.
///
/// The gradient goes back by the inverse order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Transpose {
    /// The operand's axes in their new order.
    pub order: Axes,
}

impl Transpose {
    /// The order that undoes it.
    pub fn inverse(&self) -> Transpose {
        let mut order = Axes::from_elem(0, self.order.len());
        for (i, axis) in self.order.iter().enumerate() {
            order[*axis] = i;
        }
        Transpose { order }
    }

    fn map(&self) -> IndexMap {
        self.inverse().order.into_iter().map(AxisMap::same).collect()
    }
}

impl OpDef for Transpose {
    const NAMES: &'static [&'static str] = &["transpose"];

    fn name(&self) -> &'static str {
        "transpose"
    }

    fn infer(&self, _: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x] = tensors(x)?;
        if self.order.len() != x.shape.rank() {
            let message = format!("orders {} axes of an operand that has {}", self.order.len(), x.shape.rank());
            return Err(Error::invalid(message));
        }
        check_axes("axis", &self.order, x.shape.rank())?;
        Ok(one(x.dtype, self.order.iter().map(|axis| x.shape[*axis].clone()).collect::<Shape>()))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let dims = cx.result_dims(0)?;
        Ok(vec![gather_affine(&x[0], &dims, &cx.affine(&self.map())?)?])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        Ok(VjpRule::Local(vec![Some(cx.b.push(self.inverse(), &[dy])?)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(Transpose { order: with_first(&self.order) })
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Index(self.map())
    }

    fn attributes(&self) -> Attrs {
        Attrs::new().ints("order", &self.order)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Transpose { order: attrs.ints("order")?.into() })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let sample = |dtype, shape: &[usize], order: &[usize]| {
            Sample::new(Transpose { order: order.into() }, vec![special_values(dtype, shape)])
        };
        let mut samples = vec![
            sample(DType::F32, &[2, 3, 4], &[1, 2, 0]),
            sample(DType::F32, &[2, 3, 4], &[2, 0, 1]).unknown_first_axis(),
            sample(DType::F32, &[0, 3], &[1, 0]),
            sample(DType::F32, &[1, 3], &[1, 0]),
            sample(DType::F32, &[], &[]),
        ];
        samples.extend(DType::ALL.map(|dtype| sample(dtype, &[3, 5], &[1, 0])));
        samples
    }
}
