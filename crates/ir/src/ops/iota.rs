//! Numbers made of positions and sizes.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, eval_lane, for_each_index};
use crate::infer::{Infer, one, tensors, wrong_count};
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_kernel::lane::LaneOp;
use tracelift_tensor::{Array, DType, Error, Result, Shape};

/// 0, 1, 2… along one axis of a shape, the same along all others.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Iota {
    /// The shape of the result.
    pub shape: Shape,
    /// The axis along which the numbers grow.
    pub axis: usize,
    /// Their element type: any but bool. Positions are counted in i64 and cast.
    pub dtype: DType,
}

impl OpDef for Iota {
    const NAMES: &'static [&'static str] = &["iota"];

    fn name(&self) -> &'static str {
        "iota"
    }

    fn infer(&self, _: &mut Infer, x: &[Type]) -> Result<Types> {
        if !x.is_empty() {
            return Err(wrong_count(0, x.len()));
        }
        if self.axis >= self.shape.rank() {
            return Err(Error::invalid(format!("has no axis {} in the shape {}", self.axis, self.shape)));
        }
        if self.dtype == DType::Bool {
            return Err(Error::type_("counts in a float or integer type, not bool"));
        }
        if let Some(dim) = self.shape.iter().find(|dim| dim.known().is_some_and(|n| n < 0)) {
            return Err(Error::invalid(format!("wants sizes that are not negative, not {dim}")));
        }
        Ok(one(self.dtype, self.shape.clone()))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, _: &[Array]) -> Result<Vec<Array>> {
        let dims = cx.result_dims(0)?;
        let mut positions = Array::zeros(DType::I64, &dims)?;
        let items = positions.as_mut_slice::<i64>();
        for_each_index(&dims, |number, index| items[number] = index[self.axis] as i64);
        Ok(vec![eval_lane(LaneOp::Cast(self.dtype), &[positions])?])
    }

    fn vjp(&self, _: &mut Vjp<'_>) -> Result<VjpRule> {
        Ok(VjpRule::Local(Vec::new()))
    }

    fn batch(&self, _: &mut Batch<'_>) -> Result<BatchRule> {
        Ok(BatchRule::Refused("has no operands of which there might be several"))
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Iota { axis: self.axis }
    }

    fn attributes(&self) -> Attrs {
        Attrs::new().dims("shape", &self.shape).int("axis", self.axis as i64).word("dtype", self.dtype)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Iota { shape: attrs.shape("shape")?, axis: attrs.number("axis")?, dtype: attrs.dtype("dtype")? })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let sample =
            |dtype, shape: &[usize], axis| Sample::new(Iota { shape: Shape::from(shape), axis, dtype }, vec![]);
        let numbers = DType::ALL.into_iter().filter(|dtype| *dtype != DType::Bool);
        let mut samples: Vec<Sample> = numbers.map(|dtype| sample(dtype, &[2, 5], 1)).collect();
        samples.extend([
            sample(DType::F32, &[2, 5, 3], 0),
            sample(DType::I32, &[0, 2], 1),
            sample(DType::I32, &[1], 0),
            sample(DType::U8, &[300], 0),
        ]);
        samples
    }
}

/// The size of one axis, as an i32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Dim {
    /// The axis.
    pub axis: usize,
}

impl OpDef for Dim {
    const NAMES: &'static [&'static str] = &["dim"];

    fn name(&self) -> &'static str {
        "dim"
    }

    fn infer(&self, _: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x] = tensors(x)?;
        if self.axis >= x.shape.rank() {
            return Err(Error::invalid(format!("has no axis {} in {x}", self.axis)));
        }
        Ok(one(DType::I32, Shape::scalar()))
    }

    fn eval(&self, _: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let size = x[0].shape()[self.axis];
        let size = i32::try_from(size).map_err(|_| Error::invalid(format!("finds a size of {size}, beyond an i32")))?;
        Ok(vec![Array::scalar(size)])
    }

    fn vjp(&self, _: &mut Vjp<'_>) -> Result<VjpRule> {
        Ok(VjpRule::Local(vec![None]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        // All elements have the same sizes.
        cx.b.push_multi(Dim { axis: self.axis + 1 }, cx.x).map(BatchRule::Same)
    }

    fn lowering(&self, x: &[Type], _: &[Type]) -> Lowering {
        Lowering::Dim(x[0].shape()[self.axis].clone())
    }

    fn attributes(&self) -> Attrs {
        Attrs::new().int("axis", self.axis as i64)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Dim { axis: attrs.number("axis")? })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let sample = |dtype, shape: &[usize], axis: usize| {
            let size = Array::scalar(shape[axis] as i32);
            Sample::new(Dim { axis }, vec![special_values(dtype, shape)]).gives(vec![size])
        };
        let mut samples: Vec<Sample> = DType::ALL.map(|dtype| sample(dtype, &[2, 5], 1)).into();
        samples.extend([
            sample(DType::F32, &[4, 2], 0).unknown_first_axis(),
            sample(DType::F32, &[0, 2], 0),
            sample(DType::F32, &[1], 0),
        ]);
        samples
    }
}
