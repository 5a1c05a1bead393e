//! Elements picked by index, and added by index.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, count, with_number, with_raw};
use crate::infer::{Infer, one, tensors};
use crate::kernels::KernelWriter;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, plain_values, special_values};
use crate::types::{TensorType, Type, Types};
use crate::vjp::{Vjp, VjpRule};
use smallvec::SmallVec;
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::loops::{Affine, Index};
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape};

/// Which axis indices stand for.
///
/// The first `batch` axes of operand and indices run together; the axes of the operand before and behind `axis` are
/// taken whole. With operand `[b…, o…, n, i…]` and indices `[b…, k…]` the picked elements are `[b…, o…, k…, i…]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Picking {
    axis: usize,
    batch: usize,
}

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

impl Picking {
    /// The shape of what is picked out of `x`.
    fn shape(&self, cx: &mut Infer, x: &TensorType, indices: &TensorType) -> Result<Shape> {
        let Picking { axis, batch } = *self;
        if !matches!(indices.dtype, DType::I32 | DType::I64) {
            return Err(Error::type_(format!("wants indices of i32 or i64, not {indices}")));
        }
        if axis >= x.shape.rank() {
            return Err(Error::invalid(format!("has no axis {axis} in {x}")));
        }
        if batch > axis || batch > indices.shape.rank() {
            return Err(Error::invalid(format!("cannot have {batch} axes in common before axis {axis} of {x}")));
        }
        for (a, b) in x.shape[..batch].iter().zip(&indices.shape[..batch]) {
            if !cx.same_dim(a, b) {
                return Err(Error::invalid(format!("cannot pick from {x} by {indices}: common axes are {a} and {b}")));
            }
        }
        let (before, behind) = (&x.shape[..axis], &x.shape[axis + 1..]);
        Ok(before.iter().chain(&indices.shape[batch..]).chain(behind).cloned().collect())
    }

    /// Calls `visit` with the place in the operand and the place among the picked elements, runs of `i` elements each.
    fn for_each(&self, x: &[usize], indices: &Array, mut visit: impl FnMut(usize, usize)) -> Result {
        let Picking { axis, batch } = *self;
        if indices.is_empty() {
            return Ok(());
        }
        let (batches, run) = (count(&x[..batch]), count(&x[axis + 1..]));
        // Without elements there is nothing to visit, but indices are checked.
        let outer = if run == 0 { 0 } else { count(&x[batch..axis]) };
        let count = count(&indices.shape()[batch..]);
        let bound = x[axis];
        for b in 0..batches {
            for k in 0..count {
                let at = indices.get_i64(b * count + k);
                let Some(at) = usize::try_from(at).ok().filter(|at| *at < bound) else {
                    let message = format!("has index {at} at position {}, outside of 0..{bound}", b * count + k);
                    return Err(Error::invalid(message));
                };
                for o in 0..outer {
                    let row = b * outer + o;
                    visit((row * bound + at) * run, (row * count + k) * run);
                }
            }
        }
        Ok(())
    }

    /// The index into the operand that belongs to an index of the picked elements.
    fn place(&self, k: &mut KernelWriter, index: &[Affine], index_rank: usize) -> SmallVec<[Index; 4]> {
        let Picking { axis, batch } = *self;
        let picks = index_rank - batch;
        let of_indices = index[..batch].iter().chain(&index[axis..axis + picks]).cloned();
        let at = match k.load(1, of_indices.map(Index::Affine)) {
            tracelift_kernel::loops::Operand::Reg(reg) => reg,
            constant => unreachable!("indices are an operand and not the literal {constant:?}"),
        };
        let before = index[..axis].iter().cloned().map(Index::Affine);
        let behind = index[axis + picks..].iter().cloned().map(Index::Affine);
        before.chain([Index::Indirect(at)]).chain(behind).collect()
    }
}

fn attributes(picking: Picking) -> Attrs {
    let attrs = Attrs::new().int("axis", picking.axis as i64);
    if picking.batch == 0 { attrs } else { attrs.int("batch", picking.batch as i64) }
}

fn from_attributes(attrs: &mut AttrReader<'_>) -> Result<Picking> {
    let batch = if attrs.has("batch") { attrs.number("batch")? } else { 0 };
    Ok(Picking { axis: attrs.number("axis")?, batch })
}

impl Gather {
    fn picking(self) -> Picking {
        Picking { axis: self.axis, batch: self.batch }
    }
}

impl ScatterAdd {
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
        attributes(self.picking())
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let Picking { axis, batch } = from_attributes(attrs)?;
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

impl OpDef for ScatterAdd {
    const NAMES: &'static [&'static str] = &["scatter_add"];

    fn name(&self) -> &'static str {
        "scatter_add"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x, indices, updates] = tensors(x)?;
        if x.dtype == DType::Bool || updates.dtype != x.dtype {
            return Err(Error::type_(format!("cannot add {updates} into {x}: it takes two equal number types")));
        }
        let shape = self.picking().shape(cx, x, indices)?;
        if !cx.same_shape(&shape, &updates.shape) {
            return Err(Error::invalid(format!("wants updates of shape {shape} for {x} and {indices}, not {updates}")));
        }
        Ok(Types::from_iter([x.clone().into()]))
    }

    fn eval(&self, _: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let mut y = x[0].clone();
        let run = count(&x[0].shape()[self.axis + 1..]);
        with_number!(y.dtype(), T, add => {
            let (from, to) = (x[2].as_slice::<T>(), y.as_mut_slice::<T>());
            self.picking().for_each(x[0].shape(), &x[1], |place, picked| {
                for (to, from) in to[place..place + run].iter_mut().zip(&from[picked..picked + run]) {
                    *to = add(*to, *from);
                }
            })?;
        });
        Ok(vec![y])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let pick = Gather { axis: self.axis, batch: self.batch };
        let dupdates = cx.b.push(pick, &[dy, cx.x[1]])?;
        Ok(VjpRule::Local(vec![Some(dy), None, Some(dupdates)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(ScatterAdd { axis: self.axis + 1, batch: self.batch + 1 })
    }

    fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering {
        let mut k = KernelWriter::update("scatter_add", x, y, 0);
        k.check(1, &x[0].shape()[self.axis]);
        // Equal indices are added one after the other, so the axes of the indices run in order.
        let picks = self.axis..self.axis + x[1].rank() - self.batch;
        k.for_each_with_order(x[2].shape(), picks, |k, index| {
            let place = self.picking().place(k, index, x[1].rank());
            let update = k.operand(2, index);
            let old = k.load_result(place.clone());
            let new = k.b.lane(LaneOp::Add, &[old, update]);
            k.store_at(place, new);
        });
        k.finish()
    }

    fn attributes(&self) -> Attrs {
        attributes(self.picking())
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let Picking { axis, batch } = from_attributes(attrs)?;
        Ok(ScatterAdd { axis, batch })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let rows = |dtype, indices: Array, updates: &[usize]| {
            let operands = vec![plain_values(dtype, &[4, 3]), indices, special_values(dtype, updates)];
            Sample::new(ScatterAdd { axis: 0, batch: 0 }, operands)
        };
        let f32 = DType::F32;
        let mut samples = vec![
            rows(f32, i64s(&[2, 2], &[3, 0, 1, 1]), &[2, 2, 3]),
            rows(f32, i32s(&[0], &[]), &[0, 3]),
            rows(f32, i32s(&[], &[2]), &[3]),
            rows(f32, i32s(&[2], &[0, 4]), &[2, 3]).refused(),
            Sample::new(
                ScatterAdd { axis: 1, batch: 1 },
                vec![plain_values(f32, &[3, 4]), i32s(&[3], &[3, 0, 2]), plain_values(f32, &[3])],
            )
            .unknown_first_axis(),
            Sample::new(
                ScatterAdd { axis: 1, batch: 0 },
                vec![plain_values(f32, &[1, 2]), i32s(&[3], &[1, 1, 1]), plain_values(f32, &[1, 3])],
            ),
        ];
        let numbers = DType::ALL.into_iter().filter(|dtype| *dtype != DType::Bool);
        samples.extend(numbers.map(|dtype| rows(dtype, i32s(&[3], &[2, 0, 2]), &[3, 3])));
        samples
    }
}

fn i32s(shape: &[usize], items: &[i32]) -> Array {
    Array::new(shape, items).expect("as many items as the shape asks for")
}

fn i64s(shape: &[usize], items: &[i64]) -> Array {
    Array::new(shape, items).expect("as many items as the shape asks for")
}
