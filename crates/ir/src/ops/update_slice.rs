//! A regular part of an operand replaced.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, for_each_index, row_major, with_raw};
use crate::infer::{Infer, tensors};
use crate::kernels::KernelWriter;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::ops::{Slice, SliceAxis};
use crate::sample::{Sample, plain_values, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_kernel::loops::Affine;
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape};

/// Operand 0 with the elements of operand 1 at `start`, `start + step`… of each axis: what a [`Slice`] would read.
///
/// The gradient of operand 1 is that slice of dy; what is left of it is the gradient of operand 0.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UpdateSlice {
    /// Where the first element goes, per axis.
    pub start: Vec<Dim>,
    /// How far from one to the next, per axis; may be negative.
    pub step: Vec<i64>,
}

impl UpdateSlice {
    /// The slice that reads what an update of that shape writes.
    pub fn slice(&self, update: &Shape) -> Slice {
        let axis = |i: usize| SliceAxis { start: self.start[i].clone(), size: update[i].clone(), step: self.step[i] };
        Slice { axes: (0..update.rank()).map(axis).collect() }
    }
}

impl OpDef for UpdateSlice {
    const NAMES: &'static [&'static str] = &["update_slice"];

    fn name(&self) -> &'static str {
        "update_slice"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x, update] = tensors(x)?;
        if update.dtype != x.dtype {
            return Err(Error::type_(format!("cannot put {update} into {x}: their element types differ")));
        }
        let rank = x.shape.rank();
        if update.shape.rank() != rank || self.start.len() != rank || self.step.len() != rank {
            return Err(Error::invalid(format!("wants an update, starts and steps of {rank} axes, not {update}")));
        }
        self.slice(&update.shape).infer(cx, &[x.clone().into()])?;
        Ok(Types::from_iter([x.clone().into()]))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let start = self.start.iter().map(|dim| cx.size(dim)).collect::<Result<Vec<_>>>()?;
        let mut y = x[0].clone();
        let strides = row_major(y.shape());
        with_raw!(y.dtype(), T => {
            let (from, to) = (x[1].as_slice::<T>(), y.as_mut_slice::<T>());
            for_each_index(x[1].shape(), |number, index| {
                let at = |axis: usize, i: usize| (start[axis] + i as i64 * self.step[axis]) as usize * strides[axis];
                to[index.iter().enumerate().map(|(axis, i)| at(axis, *i)).sum::<usize>()] = from[number];
            });
        });
        Ok(vec![y])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let slice = self.slice(cx.b.ty(cx.x[1]).shape());
        let dupdate = cx.b.push(slice, &[dy])?;
        let zeros = cx.b.zeros_like(cx.x[1])?;
        let dx = cx.b.push(self.clone(), &[dy, zeros])?;
        Ok(VjpRule::Local(vec![Some(dx), Some(dupdate)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        let start = std::iter::once(Dim::ZERO).chain(self.start.iter().cloned()).collect();
        let step = std::iter::once(1).chain(self.step.iter().copied()).collect();
        cx.push(UpdateSlice { start, step })
    }

    fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering {
        let mut k = KernelWriter::update("update_slice", x, y, 0);
        k.for_each(x[1].shape(), |k, index| {
            let item = k.operand(1, index);
            let place = |(axis, i): (usize, &Affine)| i.strided(&self.start[axis], self.step[axis]);
            let to: Vec<Affine> = index.iter().enumerate().map(place).collect();
            k.store(&to, item);
        });
        k.finish()
    }

    fn attributes(&self) -> Attrs {
        let attrs = Attrs::new().dims("start", &self.start);
        match self.step.iter().all(|step| *step == 1) {
            true => attrs,
            false => attrs.dims("step", &self.step.iter().copied().map(Dim::from).collect::<Vec<_>>()),
        }
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let start = attrs.dims("start")?;
        let step = if attrs.has("step") { attrs.signed("step")? } else { vec![1; start.len()] };
        Ok(UpdateSlice { start, step })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let sample = |dtype, shape: &[usize], update: &[usize], start: &[i64], step: &[i64]| {
            let start = start.iter().copied().map(Dim::from).collect();
            let op = UpdateSlice { start, step: step.to_vec() };
            Sample::new(op, vec![plain_values(dtype, shape), special_values(dtype, update)])
        };
        let b = Dim::sym("B");
        let behind = UpdateSlice { start: vec![&b - 2], step: vec![1] };
        let mut samples = vec![
            sample(DType::F32, &[4, 5], &[4, 2], &[3, 1], &[-1, 2]),
            sample(DType::F32, &[4], &[0], &[2], &[1]),
            sample(DType::F32, &[0, 2], &[0, 1], &[0, 1], &[1, 1]),
            sample(DType::F32, &[1], &[1], &[0], &[1]),
            Sample::new(behind, vec![plain_values(DType::F32, &[5]), special_values(DType::F32, &[2])])
                .traced_as(vec![Type::tensor(DType::F32, [b]), Type::tensor(DType::F32, [2])]),
        ];
        samples.extend(DType::ALL.map(|dtype| sample(dtype, &[6, 2], &[3, 1], &[1, 1], &[2, 1])));
        samples
    }
}
