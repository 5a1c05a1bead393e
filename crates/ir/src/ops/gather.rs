//! Elements picked by index.

use super::ScatterAdd;
use super::picking::Picking;
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, count, with_raw};
use crate::infer::{Infer, one, tensors};
use crate::kernels::KernelWriter;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, plain_values, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_tensor::{Array, DType, Dim, Result};

/// `y[b, o, k, i] = x[b, o, indices[b, k], i]`: rows of a table, or one element per row.
///
/// An index outside of the axis is an error. The gradient adds the cotangents up where they were picked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Gather {
    /// The axis of the operand that indices stand for.
    pub axis: usize,
    /// How many leading axes operand and indices have in common.
    pub batch: usize,
}

impl Gather {
    fn picking(self) -> Picking {
        Picking { axis: self.axis, batch: self.batch }
    }
}

impl OpDef for Gather {
    const NAMES: &'static [&'static str] = &["gather"];

    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x, indices] = tensors(x)?;
        Ok(one(x.dtype, self.picking().shape(cx, x, indices)?))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let mut y = Array::zeros(x[0].dtype(), cx.result_dims(0)?)?;
        let run = count(&x[0].shape()[self.axis + 1..]);
        with_raw!(y.dtype(), T => {
            let (from, to) = (x[0].as_slice::<T>(), y.as_mut_slice::<T>());
            self.picking().for_each(x[0].shape(), &x[1], |place, picked| {
                to[picked..picked + run].copy_from_slice(&from[place..place + run]);
            })?;
        });
        Ok(vec![y])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let zeros = cx.b.zeros_like(cx.x[0])?;
        let back = ScatterAdd { axis: self.axis, batch: self.batch };
        Ok(VjpRule::Local(vec![Some(cx.b.push(back, &[zeros, cx.x[1], dy])?), None]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        let (axis, batch) = (self.axis, self.batch);
        match *cx.batched {
            // A table of each element, picked from by the same indices.
            [true, false] if batch == 0 => cx.push_as_is(Gather { axis: axis + 1, batch }),
            // One table for all: the batch is one more axis of the indices.
            [false, true] if batch == 0 => {
                let picked = cx.b.push(*self, cx.x)?;
                cx.to_front(picked, axis)
            }
            _ => cx.push(Gather { axis: axis + 1, batch: batch + 1 }),
        }
    }

    fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering {
        let mut k = KernelWriter::new("gather", x, y);
        k.check(1, &x[0].shape()[self.axis]);
        k.for_each(y[0].shape(), |k, index| {
            let place = self.picking().place(k, index, x[1].rank());
            let item = k.load(0, place);
            k.store(index, item);
        });
        k.finish()
    }

    fn attributes(&self) -> Attrs {
        self.picking().attributes()
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let Picking { axis, batch } = Picking::from_attributes(attrs)?;
        Ok(Gather { axis, batch })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let rows = |dtype, indices: Array| {
            Sample::new(Gather { axis: 0, batch: 0 }, vec![special_values(dtype, &[4, 3]), indices])
        };
        let mut samples = vec![
            rows(DType::F32, i64s(&[2, 2], &[3, 0, 1, 1])),
            rows(DType::F32, i32s(&[0], &[])),
            rows(DType::F32, i32s(&[], &[2])),
            rows(DType::F32, i32s(&[2], &[0, 4])).refused(),
            rows(DType::F32, i32s(&[2], &[-1, 0])).refused(),
            Sample::new(Gather { axis: 1, batch: 1 }, vec![plain_values(DType::F32, &[3, 4]), i32s(&[3], &[3, 0, 2])])
                .unknown_first_axis(),
            Sample::new(
                Gather { axis: 2, batch: 1 },
                vec![plain_values(DType::F32, &[2, 3, 4, 5]), i64s(&[2, 2], &[3, 0, 2, 2])],
            ),
            Sample::new(Gather { axis: 0, batch: 0 }, vec![plain_values(DType::F32, &[4]), i32s(&[3], &[3, 0, 1])])
                .traced_as(vec![Type::tensor(DType::F32, [Dim::sym("V")]), Type::tensor(DType::I32, [Dim::sym("B")])]),
            Sample::new(Gather { axis: 1, batch: 0 }, vec![plain_values(DType::F32, &[1, 2]), i32s(&[1], &[1])]),
        ];
        samples.extend(DType::ALL.map(|dtype| rows(dtype, i32s(&[3], &[2, 0, 2]))));
        samples
    }
}

pub(super) fn i32s(shape: &[usize], items: &[i32]) -> Array {
    Array::new(shape, items).expect("as many items as the shape asks for")
}

pub(super) fn i64s(shape: &[usize], items: &[i64]) -> Array {
    Array::new(shape, items).expect("as many items as the shape asks for")
}
