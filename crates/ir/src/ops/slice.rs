//! A regular part of the operand.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, gather_affine};
use crate::infer::{Infer, one, tensors};
use crate::laws::Laws;
use crate::lowering::{AxisMap, IndexMap, Lowering};
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use smallvec::SmallVec;
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape};

/// What is taken of one axis: elements `start`, `start + step`… , `size` of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SliceAxis {
    /// The first element.
    pub start: Dim,
    /// How many.
    pub size: Dim,
    /// How far from one to the next; negative to go backward, never zero.
    pub step: i64,
}

impl SliceAxis {
    /// All of an axis.
    pub fn all(size: impl Into<Dim>) -> SliceAxis {
        SliceAxis { start: Dim::ZERO, size: size.into(), step: 1 }
    }

    /// The smallest and the largest index that is read, if any is.
    fn bounds(&self) -> (Dim, Dim) {
        let last = &self.start + (&self.size - 1) * self.step;
        if self.step > 0 { (self.start.clone(), last) } else { (last, self.start.clone()) }
    }
}

/// Every `step`-th element of each axis, from `start` on.
///
/// The gradient puts the elements back among zeros.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Slice {
    /// What is taken of each axis of the operand.
    pub axes: SmallVec<[SliceAxis; 2]>,
}

impl Slice {
    fn map(&self) -> IndexMap {
        let map = |(axis, part): (usize, &SliceAxis)| AxisMap::strided(axis, part.step, part.start.clone());
        self.axes.iter().enumerate().map(map).collect()
    }
}

impl OpDef for Slice {
    const NAMES: &'static [&'static str] = &["slice"];

    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x] = tensors(x)?;
        if self.axes.len() != x.shape.rank() {
            let message = format!("takes parts of {} axes of an operand that has {}", self.axes.len(), x.shape.rank());
            return Err(Error::invalid(message));
        }
        for (i, (part, dim)) in self.axes.iter().zip(&x.shape).enumerate() {
            if part.step == 0 {
                return Err(Error::invalid(format!("wants a step that is not zero on axis {i}")));
            }
            if i32::try_from(part.step).is_err() {
                return Err(Error::invalid(format!("wants a step of at most 32 bits on axis {i}, not {}", part.step)));
            }
            let (low, high) = part.bounds();
            let fits = cx.at_least(&part.size, 0)
                && (part.size.is_zero() || (cx.at_least(&low, 0) && cx.at_least(&(dim - &high), 1)));
            if !fits {
                return Err(Error::invalid(format!(
                    "cannot take {} elements from {} on by steps of {} of axis {i} of {x}",
                    part.size, part.start, part.step
                )));
            }
        }
        Ok(one(x.dtype, self.axes.iter().map(|part| part.size.clone()).collect::<Shape>()))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let dims = cx.result_dims(0)?;
        Ok(vec![gather_affine(&x[0], &dims, &cx.affine(&self.map())?)?])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        if self.axes.iter().any(|part| part.size.is_zero()) {
            return Ok(VjpRule::Local(vec![Some(cx.b.zeros_like(cx.x[0])?)]));
        }
        let shape = cx.b.ty(cx.x[0]).shape().clone();
        let backward: super::Axes = (0..self.axes.len()).filter(|i| self.axes[*i].step < 0).collect();
        let mut dx = dy;
        if !backward.is_empty() {
            dx = cx.b.push(super::Reverse { axes: backward }, &[dx])?;
        }
        let mut pad = super::Pad { low: vec![], high: vec![], interior: vec![] };
        for (part, dim) in self.axes.iter().zip(&shape) {
            let (low, high) = part.bounds();
            pad.high.push(dim - &high - 1);
            pad.low.push(low);
            pad.interior.push(part.step.unsigned_abs() as usize - 1);
        }
        let zero = cx.b.number(cx.b.ty(dx).dtype(), 0.0);
        Ok(VjpRule::Local(vec![Some(cx.b.push(pad, &[dx, zero])?)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        let batch = SliceAxis::all(cx.size);
        cx.push(Slice { axes: std::iter::once(batch).chain(self.axes.iter().cloned()).collect() })
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Index(self.map())
    }

    fn attributes(&self) -> Attrs {
        let list = |part: fn(&SliceAxis) -> Dim| self.axes.iter().map(part).collect::<Vec<_>>();
        let attrs =
            Attrs::new().dims("start", &list(|axis| axis.start.clone())).dims("size", &list(|axis| axis.size.clone()));
        match self.axes.iter().all(|axis| axis.step == 1) {
            true => attrs,
            false => attrs.dims("step", &list(|axis| Dim::from(axis.step))),
        }
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let (starts, sizes) = (attrs.dims("start")?, attrs.dims("size")?);
        let steps = if attrs.has("step") { attrs.signed("step")? } else { vec![1; starts.len()] };
        if starts.len() != sizes.len() || starts.len() != steps.len() {
            return Err(Error::format("wants as many starts as sizes and steps"));
        }
        let parts = starts.into_iter().zip(sizes).zip(steps);
        Ok(Slice { axes: parts.map(|((start, size), step)| SliceAxis { start, size, step }).collect() })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let part = |start: i64, size: i64, step| SliceAxis { start: start.into(), size: size.into(), step };
        let sample = |dtype, shape: &[usize], axes: &[SliceAxis]| {
            Sample::new(Slice { axes: axes.into() }, vec![special_values(dtype, shape)])
        };
        let b = Dim::sym("B");
        let mut samples = vec![
            sample(DType::F32, &[4, 5], &[part(3, 4, -1), part(1, 2, 2)]),
            sample(DType::F32, &[4], &[part(2, 0, 1)]),
            sample(DType::F32, &[0, 2], &[part(0, 0, 1), part(0, 1, 1)]),
            sample(DType::F32, &[1], &[part(0, 1, -1)]),
            sample(DType::F32, &[], &[]),
            // x[1:] and x[::-1] of an unknown size.
            sample(DType::F32, &[4], &[SliceAxis { start: Dim::ONE, size: &b - 1, step: 1 }]).unknown_first_axis(),
            sample(DType::F32, &[4], &[SliceAxis { start: &b - 1, size: b.clone(), step: -1 }]).unknown_first_axis(),
        ];
        samples.extend(DType::ALL.map(|dtype| sample(dtype, &[6, 2], &[part(1, 3, 2), part(0, 2, 1)])));
        samples
    }
}
