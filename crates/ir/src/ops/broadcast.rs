//! Repetition along new axes and along axes of one: the only broadcasting there is in a graph.

use super::Axes;
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule, with_first};
use crate::eval::{EvalCx, gather_affine};
use crate::infer::{Infer, one, tensors};
use crate::laws::Laws;
use crate::lowering::{AxisMap, IndexMap, Lowering};
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape};

/// The operand in a larger shape: its axis `i` is axis `axes[i]` of the result, repeated if its size is one.
///
/// The gradient sums over everything that was repeated.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Broadcast {
    /// The shape of the result.
    pub shape: Shape,
    /// Where each axis of the operand goes; ascending.
    pub axes: Axes,
}

impl Broadcast {
    /// Whether axis `i` of an operand of that shape is repeated.
    fn repeats(&self, operand: &Shape, i: usize) -> bool {
        operand[i].is_one() && !self.shape[self.axes[i]].is_one()
    }

    fn map(&self, operand: &Shape) -> IndexMap {
        let map = |(i, axis): (usize, &usize)| match self.repeats(operand, i) {
            true => AxisMap::fixed(0),
            false => AxisMap::same(*axis),
        };
        self.axes.iter().enumerate().map(map).collect()
    }
}

impl OpDef for Broadcast {
    const NAMES: &'static [&'static str] = &["broadcast"];

    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x] = tensors(x)?;
        if self.axes.len() != x.shape.rank() {
            let message = format!("places {} axes of an operand that has {}", self.axes.len(), x.shape.rank());
            return Err(Error::invalid(message));
        }
        let rank = self.shape.rank();
        if self.axes.iter().any(|axis| *axis >= rank) || self.axes.windows(2).any(|pair| pair[0] >= pair[1]) {
            let message = format!("wants ascending axes below {rank}, not {:?}", self.axes.as_slice());
            return Err(Error::invalid(message));
        }
        for (dim, axis) in x.shape.iter().zip(&self.axes) {
            if !dim.is_one() && !cx.same_dim(dim, &self.shape[*axis]) {
                let message = format!("cannot repeat axes of {x} to {}: only a size of 1 is repeated", self.shape);
                return Err(Error::invalid(message));
            }
        }
        if let Some(dim) = self.shape.iter().find(|dim| dim.known().is_some_and(|n| n < 0)) {
            return Err(Error::invalid(format!("wants sizes that are not negative, not {dim}")));
        }
        Ok(one(x.dtype, self.shape.clone()))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let map = self.map(&Shape::from(x[0].shape()));
        let dims = cx.result_dims(0)?;
        Ok(vec![gather_affine(&x[0], &dims, &cx.affine(&map)?)?])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let shape = cx.b.ty(cx.x[0]).shape().clone();
        let repeated: Vec<usize> = (0..shape.rank()).filter(|i| self.repeats(&shape, *i)).collect();
        let kept: Vec<usize> = (0..shape.rank()).filter(|i| !repeated.contains(i)).map(|i| self.axes[i]).collect();
        let summed: Vec<usize> = (0..self.shape.rank()).filter(|axis| !kept.contains(axis)).collect();
        let mut dx = dy;
        if !summed.is_empty() {
            // Ones that were there already stay where they are.
            dx = cx.b.sum(dx, &summed, shape.rank() == self.shape.rank())?;
        }
        if *cx.b.ty(dx).shape() != shape {
            dx = cx.b.reshape(dx, shape)?;
        }
        Ok(VjpRule::Local(vec![Some(dx)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(Broadcast { shape: cx.with_batch(&self.shape), axes: with_first(&self.axes) })
    }

    fn lowering(&self, x: &[Type], _: &[Type]) -> Lowering {
        Lowering::Index(self.map(x[0].shape()))
    }

    fn attributes(&self) -> Attrs {
        let attrs = Attrs::new().dims("shape", &self.shape);
        if self.axes.is_empty() { attrs } else { attrs.ints("axes", &self.axes) }
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let shape = attrs.shape("shape")?;
        let axes = if attrs.has("axes") { attrs.ints("axes")?.into() } else { Axes::new() };
        Ok(Broadcast { shape, axes })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let sample = |dtype, from: &[usize], to: &[usize], axes: &[usize]| {
            Sample::new(Broadcast { shape: Shape::from(to), axes: axes.into() }, vec![special_values(dtype, from)])
        };
        let mut samples = vec![
            Sample::new(
                Broadcast { shape: Shape::from([Dim::from(2), Dim::sym("B")]), axes: Axes::from_slice(&[1]) },
                vec![special_values(DType::F32, &[5])],
            )
            .traced_as(vec![Type::tensor(DType::F32, [Dim::sym("B")])]),
            sample(DType::F32, &[1, 3], &[2, 4, 3], &[0, 2]),
            sample(DType::F32, &[0], &[3, 0], &[1]),
            sample(DType::F32, &[1], &[0], &[0]),
        ];
        samples.extend(DType::ALL.map(|dtype| sample(dtype, &[], &[2, 3], &[])));
        samples.extend(DType::ALL.map(|dtype| sample(dtype, &[3, 1], &[3, 5], &[0, 1])));
        samples
    }
}
