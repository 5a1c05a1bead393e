//! Elements added or set by index.

use super::Gather;
use super::gather::{i32s, i64s};
use super::picking::Picking;
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, count, with_number, with_raw};
use crate::infer::{Infer, tensors};
use crate::kernels::KernelWriter;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::ops::Iota;
use crate::sample::{Sample, plain_values, special_values};
use crate::types::{Type, Types};
use crate::value::Value;
use crate::vjp::{Vjp, VjpRule};
use tracelift_kernel::lane::LaneOp;
use tracelift_tensor::{Array, DType, Error, Result, Shape};

/// `y = x`, but `y[b, o, indices[b, k], i] += updates[b, o, k, i]`, one after the other in the order of the updates.
///
/// An index outside of the axis is an error. The gradient of the updates is picked out of dy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ScatterAdd {
    /// The axis of the operand that indices stand for.
    pub axis: usize,
    /// How many leading axes operand and indices have in common.
    pub batch: usize,
}

/// `y = x`, but `y[b, o, indices[b, k], i] = updates[b, o, k, i]`, one after the other in the order of the updates: of
/// several for one place the last stays.
///
/// An index outside of the axis is an error. The gradient of an update that stays is picked out of dy, that of others is
/// zero; what is left of dy is the gradient of x.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ScatterSet {
    /// The axis of the operand that indices stand for.
    pub axis: usize,
    /// How many leading axes operand and indices have in common.
    pub batch: usize,
}

impl ScatterSet {
    /// Which updates stay: each writes its number, and those that find it there again were the last.
    fn staying(&self, cx: &mut Vjp<'_>) -> Result<Value> {
        let (x, indices) = (cx.b.ty(cx.x[0]).shape().clone(), cx.b.ty(cx.x[1]).shape().clone());
        let flat = Shape::from_iter([indices.num_elements()]);
        let numbers = cx.b.push(Iota { shape: flat, axis: 0, dtype: DType::I64 }, &[])?;
        let numbers = cx.b.reshape(numbers, indices.clone())?;
        let places: Shape = x[..self.batch].iter().chain([&x[self.axis]]).cloned().collect();
        let none = cx.b.number(DType::I64, -1.0);
        let none = cx.b.broadcast(none, places, &[])?;
        let (axis, batch) = (self.batch, self.batch);
        let last = cx.b.push(ScatterSet { axis, batch }, &[none, cx.x[1], numbers])?;
        let found = cx.b.push(Gather { axis, batch }, &[last, cx.x[1]])?;
        let stays = cx.b.equal(found, numbers)?;
        let picks = indices.rank() - self.batch;
        let axes: Vec<usize> = (0..self.batch).chain(self.axis..self.axis + picks).collect();
        let updates = cx.b.ty(cx.x[2]).shape().clone();
        cx.b.broadcast(stays, updates, &axes)
    }
}

/// Writes the ops; they differ in which types they take, in how an update meets what is there, and in the gradient.
macro_rules! scatters {
    ($($op:ident $name:literal $verb:literal, accepts: $accepts:expr, eval: |$picking:ident, $x:ident, $y:ident| $eval:expr,
        store: |$k:ident, $old:ident, $update:ident| $store:expr, vjp: |$op_:ident, $cx:ident, $dy:ident| $vjp:expr;)*) => {$(
        impl $op {
            fn picking(self) -> Picking {
                Picking { axis: self.axis, batch: self.batch }
            }
        }

        impl OpDef for $op {
            const NAMES: &'static [&'static str] = &[$name];

            fn name(&self) -> &'static str {
                $name
            }

            fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
                let [x, indices, updates] = tensors(x)?;
                let accepts: fn(DType) -> Result<(), &'static str> = $accepts;
                let fault = accepts(x.dtype).err().or((updates.dtype != x.dtype).then_some("two equal types"));
                if let Some(wanted) = fault {
                    return Err(Error::type_(format!("cannot {} {updates} into {x}: it takes {wanted}", $verb)));
                }
                let shape = self.picking().shape(cx, x, indices)?;
                if !cx.same_shape(&shape, &updates.shape) {
                    let message = format!("wants updates of shape {shape} for {x} and {indices}, not {updates}");
                    return Err(Error::invalid(message));
                }
                Ok(Types::from_iter([x.clone().into()]))
            }

            fn eval(&self, _: &mut EvalCx<'_>, $x: &[Array]) -> Result<Vec<Array>> {
                let ($picking, mut $y) = (self.picking(), $x[0].clone());
                $eval;
                Ok(vec![$y])
            }

            fn vjp(&self, $cx: &mut Vjp<'_>) -> Result<VjpRule> {
                let Some($dy) = $cx.dy[0] else { return Ok(VjpRule::Zero) };
                let $op_ = self;
                $vjp
            }

            fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
                cx.push($op { axis: self.axis + 1, batch: self.batch + 1 })
            }

            fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering {
                let mut k = KernelWriter::update($name, x, y, 0);
                k.check(1, &x[0].shape()[self.axis]);
                // Equal indices are met one after the other, so the axes of the indices run in order.
                let picks = self.axis..self.axis + x[1].rank() - self.batch;
                k.for_each_with_order(x[2].shape(), picks, |$k, index| {
                    let $old = self.picking().place($k, index, x[1].rank());
                    let $update = $k.operand(2, index);
                    let new = $store;
                    $k.store_at($old, new);
                });
                k.finish()
            }

            fn attributes(&self) -> Attrs {
                self.picking().attributes()
            }

            fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
                let Picking { axis, batch } = Picking::from_attributes(attrs)?;
                Ok($op { axis, batch })
            }

            fn laws(&self, _: DType) -> Laws {
                Laws::NONE
            }

            fn samples() -> Vec<Sample> {
                let accepts: fn(DType) -> Result<(), &'static str> = $accepts;
                samples(|axis, batch| $op { axis, batch }.into(), accepts)
            }
        }
    )*};
}

scatters! {
    ScatterAdd "scatter_add" "add",
        accepts: |dtype| if dtype == DType::Bool { Err("two equal number types") } else { Ok(()) },
        eval: |picking, x, y| {
            let run = count(&x[0].shape()[picking.axis + 1..]);
            with_number!(y.dtype(), T, add => {
                let (from, to) = (x[2].as_slice::<T>(), y.as_mut_slice::<T>());
                picking.for_each(x[0].shape(), &x[1], |place, picked| {
                    for (to, from) in to[place..place + run].iter_mut().zip(&from[picked..picked + run]) {
                        *to = add(*to, *from);
                    }
                })?;
            })
        },
        store: |k, place, update| {
            let old = k.load_result(place.clone());
            k.b.lane(LaneOp::Add, &[old, update])
        },
        vjp: |op, cx, dy| {
            let pick = Gather { axis: op.axis, batch: op.batch };
            let dupdates = cx.b.push(pick, &[dy, cx.x[1]])?;
            Ok(VjpRule::Local(vec![Some(dy), None, Some(dupdates)]))
        };
    ScatterSet "scatter_set" "put",
        accepts: |_| Ok(()),
        eval: |picking, x, y| {
            let run = count(&x[0].shape()[picking.axis + 1..]);
            with_raw!(y.dtype(), T => {
                let (from, to) = (x[2].as_slice::<T>(), y.as_mut_slice::<T>());
                picking.for_each(x[0].shape(), &x[1], |place, picked| {
                    to[place..place + run].copy_from_slice(&from[picked..picked + run]);
                })?;
            })
        },
        store: |k, place, update| update,
        vjp: |op, cx, dy| {
            let zeros = cx.b.zeros_like(cx.x[2])?;
            let dx = cx.b.push(*op, &[dy, cx.x[1], zeros])?;
            let picked = cx.b.push(Gather { axis: op.axis, batch: op.batch }, &[dy, cx.x[1]])?;
            let stays = op.staying(cx)?;
            let dupdates = cx.b.select(stays, picked, zeros)?;
            Ok(VjpRule::Local(vec![Some(dx), None, Some(dupdates)]))
        };
}

fn samples(op: fn(usize, usize) -> crate::Op, accepts: fn(DType) -> Result<(), &'static str>) -> Vec<Sample> {
    let rows = |dtype, indices: Array, updates: &[usize]| {
        let operands = vec![plain_values(dtype, &[4, 3]), indices, special_values(dtype, updates)];
        Sample::new(op(0, 0), operands)
    };
    let f32 = DType::F32;
    let mut samples = vec![
        rows(f32, i64s(&[2, 2], &[3, 0, 1, 1]), &[2, 2, 3]),
        rows(f32, i32s(&[0], &[]), &[0, 3]),
        rows(f32, i32s(&[], &[2]), &[3]),
        rows(f32, i32s(&[2], &[0, 4]), &[2, 3]).refused(),
        Sample::new(op(1, 1), vec![plain_values(f32, &[3, 4]), i32s(&[3], &[3, 0, 2]), plain_values(f32, &[3])])
            .unknown_first_axis(),
        Sample::new(op(1, 0), vec![plain_values(f32, &[1, 2]), i32s(&[3], &[1, 1, 1]), plain_values(f32, &[1, 3])]),
    ];
    let accepted = DType::ALL.into_iter().filter(|dtype| accepts(*dtype).is_ok());
    samples.extend(accepted.map(|dtype| rows(dtype, i32s(&[3], &[2, 0, 2]), &[3, 3])));
    samples
}
