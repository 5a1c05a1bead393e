//! Axes read backward.

use super::Axes;
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule, shifted};
use crate::eval::{EvalCx, gather_affine};
use crate::infer::{Infer, check_axes, tensors};
use crate::laws::Laws;
use crate::lowering::{AxisMap, IndexMap, Lowering};
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_tensor::{Array, DType, Result, Shape};

/// The operand with some axes read backward.
///
/// The gradient is reversed, too.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reverse {
    /// The axes.
    pub axes: Axes,
}

impl Reverse {
    fn map(&self, x: &Shape) -> IndexMap {
        let map = |axis: usize| match self.axes.contains(&axis) {
            true => AxisMap::strided(axis, -1, &x[axis] - 1),
            false => AxisMap::same(axis),
        };
        (0..x.rank()).map(map).collect()
    }
}

impl OpDef for Reverse {
    const NAMES: &'static [&'static str] = &["reverse"];

    fn name(&self) -> &'static str {
        "reverse"
    }

    fn infer(&self, _: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x] = tensors(x)?;
        check_axes("axis", &self.axes, x.shape.rank())?;
        Ok(Types::from_iter([x.clone().into()]))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let map = self.map(&Shape::from(x[0].shape()));
        Ok(vec![gather_affine(&x[0], x[0].shape(), &cx.affine(&map)?)?])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        Ok(VjpRule::Local(vec![Some(cx.b.push(self.clone(), &[dy])?)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(Reverse { axes: shifted(&self.axes) })
    }

    fn lowering(&self, x: &[Type], _: &[Type]) -> Lowering {
        Lowering::Index(self.map(x[0].shape()))
    }

    fn attributes(&self) -> Attrs {
        Attrs::new().ints("axes", &self.axes)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Reverse { axes: attrs.ints("axes")?.into() })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE.involution()
    }

    fn samples() -> Vec<Sample> {
        let sample = |dtype, shape: &[usize], axes: &[usize]| {
            Sample::new(Reverse { axes: axes.into() }, vec![special_values(dtype, shape)])
        };
        let mut samples = vec![
            sample(DType::F32, &[3, 4], &[0, 1]).unknown_first_axis(),
            sample(DType::F32, &[0, 4], &[0]),
            sample(DType::F32, &[1], &[0]),
            sample(DType::F32, &[2, 2], &[]),
        ];
        samples.extend(DType::ALL.map(|dtype| sample(dtype, &[5, 2], &[0])));
        samples
    }
}
