//! A border around the operand, and gaps inside.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, for_each_index, row_major, with_raw};
use crate::infer::{Infer, one, tensors};
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

/// Operand 0 with `low` elements before, `high` behind, and `interior` between each two along every axis, all of them
/// the rank-0 operand 1.
///
/// The gradient of operand 0 is taken out of the middle again; what is left of it is the gradient of operand 1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pad {
    /// How many elements come before, per axis.
    pub low: Vec<Dim>,
    /// How many elements come behind, per axis.
    pub high: Vec<Dim>,
    /// How many elements come between each two, per axis.
    pub interior: Vec<usize>,
}

impl Pad {
    fn size(&self, axis: usize, dim: &Dim) -> Dim {
        let border = &self.low[axis] + &self.high[axis];
        if dim.is_zero() { border } else { border + dim + (dim - 1) * (self.interior[axis] as i64) }
    }

    /// The slice that takes the operand out again.
    fn middle(&self, shape: &Shape) -> Slice {
        let axis = |axis: usize| SliceAxis {
            start: if shape[axis].is_zero() { Dim::ZERO } else { self.low[axis].clone() },
            size: shape[axis].clone(),
            step: self.interior[axis] as i64 + 1,
        };
        Slice { axes: (0..shape.rank()).map(axis).collect() }
    }
}

impl OpDef for Pad {
    const NAMES: &'static [&'static str] = &["pad"];

    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x, value] = tensors(x)?;
        if value.dtype != x.dtype || value.shape.rank() != 0 {
            return Err(Error::type_(format!("wants {}[] as the value of its border, not {value}", x.dtype)));
        }
        let rank = x.shape.rank();
        if [self.low.len(), self.high.len(), self.interior.len()] != [rank; 3] {
            return Err(Error::invalid(format!("wants a border for each of the {rank} axes of {x}")));
        }
        if let Some(gap) = self.interior.iter().find(|gap| i32::try_from(**gap).is_err()) {
            return Err(Error::invalid(format!("cannot leave gaps of {gap} elements")));
        }
        for (axis, dim) in x.shape.iter().enumerate() {
            for border in [&self.low[axis], &self.high[axis]] {
                if !cx.at_least(border, 0) {
                    return Err(Error::invalid(format!("wants borders that are not negative, not {border}")));
                }
            }
            // Between no elements there are not -1 gaps.
            if self.interior[axis] > 0 && !dim.is_zero() {
                cx.at_least(dim, 1);
            }
        }
        Ok(one(x.dtype, x.shape.iter().enumerate().map(|(axis, dim)| self.size(axis, dim)).collect::<Shape>()))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let dims = cx.result_dims(0)?;
        let low = self.low.iter().map(|dim| cx.len(dim)).collect::<Result<Vec<_>>>()?;
        let mut y = Array::zeros(x[0].dtype(), &dims)?;
        let strides = row_major(&dims);
        with_raw!(x[0].dtype(), T => {
            let (from, border, to) = (x[0].as_slice::<T>(), x[1].as_slice::<T>()[0], y.as_mut_slice::<T>());
            to.fill(border);
            for_each_index(x[0].shape(), |number, index| {
                let place = |(axis, i): (usize, &usize)| (low[axis] + i * (self.interior[axis] + 1)) * strides[axis];
                to[index.iter().enumerate().map(place).sum::<usize>()] = from[number];
            });
        });
        Ok(vec![y])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let shape = cx.b.ty(cx.x[0]).shape().clone();
        let dx = cx.b.push(self.middle(&shape), &[dy])?;
        // The border's gradient is the sum of dy with the middle blanked out: a pad of `false` into `true`.
        let (no, yes) = (cx.b.number(DType::Bool, 0.0), cx.b.number(DType::Bool, 1.0));
        let inside = cx.b.broadcast(no, shape, &[])?;
        let border = cx.b.push(self.clone(), &[inside, yes])?;
        let zero = cx.b.zeros_like(dy)?;
        let outside = cx.b.select(border, dy, zero)?;
        let axes: Vec<usize> = (0..cx.b.ty(dy).rank()).collect();
        let dvalue = cx.b.sum(outside, &axes, false)?;
        Ok(VjpRule::Local(vec![Some(dx), Some(dvalue)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        let first = |border: &[Dim]| std::iter::once(Dim::ZERO).chain(border.iter().cloned()).collect();
        let interior = std::iter::once(0).chain(self.interior.iter().copied()).collect();
        let pad = Pad { low: first(&self.low), high: first(&self.high), interior };
        let x = cx.operand(0)?;
        if !cx.batched[1] {
            return cx.b.push(pad, &[x, cx.x[1]]).map(BatchRule::one);
        }
        // A border of its own for each element is chosen where a pad of `false` into `true` says that there is border.
        let zero = cx.b.number(cx.b.ty(x).dtype(), 0.0);
        let (no, yes) = (cx.b.number(DType::Bool, 0.0), cx.b.number(DType::Bool, 1.0));
        let inside = cx.b.broadcast(no, cx.b.ty(x).shape().clone(), &[])?;
        let is_border = cx.b.push(pad.clone(), &[inside, yes])?;
        let padded = cx.b.push(pad, &[x, zero])?;
        let border = cx.b.broadcast(cx.x[1], cx.b.ty(padded).shape().clone(), &[0])?;
        cx.b.select(is_border, border, padded).map(BatchRule::one)
    }

    fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering {
        let mut k = KernelWriter::new("pad", x, y);
        let border = k.operand(1, &[]);
        k.for_each(y[0].shape(), |k, index| k.store(index, border));
        k.for_each(x[0].shape(), |k, index| {
            let place = |(axis, i): (usize, &Affine)| i.strided(&self.low[axis], self.interior[axis] as i64 + 1);
            let to: Vec<Affine> = index.iter().enumerate().map(place).collect();
            let item = k.operand(0, index);
            k.store(&to, item);
        });
        k.finish()
    }

    fn attributes(&self) -> Attrs {
        let attrs = Attrs::new().dims("low", &self.low).dims("high", &self.high);
        if self.interior.iter().all(|n| *n == 0) { attrs } else { attrs.ints("interior", &self.interior) }
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let low = attrs.dims("low")?;
        let interior = if attrs.has("interior") { attrs.ints("interior")? } else { vec![0; low.len()] };
        Ok(Pad { low, high: attrs.dims("high")?, interior })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let sample = |dtype, shape: &[usize], low: &[i64], high: &[i64], interior: &[usize]| {
            let dims = |list: &[i64]| list.iter().copied().map(Dim::from).collect();
            let op = Pad { low: dims(low), high: dims(high), interior: interior.to_vec() };
            Sample::new(op, vec![plain_values(dtype, shape), special_values(dtype, &[])])
        };
        let mut samples = vec![
            sample(DType::F32, &[3, 2], &[1, 0], &[0, 2], &[2, 1]).unknown_first_axis(),
            sample(DType::F32, &[4, 2], &[1, 0], &[0, 0], &[0, 0]).unknown_first_axis(),
            sample(DType::F32, &[0, 2], &[1, 0], &[1, 0], &[3, 0]),
            sample(DType::F32, &[1], &[2], &[0], &[5]),
            sample(DType::F32, &[], &[], &[], &[]),
        ];
        samples.extend(DType::ALL.map(|dtype| sample(dtype, &[2, 2], &[1, 0], &[0, 1], &[0, 1])));
        samples
    }
}
