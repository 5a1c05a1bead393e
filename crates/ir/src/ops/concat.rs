//! Operands one behind the other.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, count, with_raw};
use crate::infer::{Infer, all_tensors, one};
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

/// One or more operands joined along an axis; all other axes agree.
///
/// The gradient is cut into the parts again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Concat {
    /// The axis along which they stand one behind the other.
    pub axis: usize,
}

impl OpDef for Concat {
    const NAMES: &'static [&'static str] = &["concat"];

    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let x = all_tensors(x)?;
        let Some((first, others)) = x.split_first() else {
            return Err(Error::invalid("wants at least one operand"));
        };
        if self.axis >= first.shape.rank() {
            return Err(Error::invalid(format!("has no axis {} in {first}", self.axis)));
        }
        let mut total = first.shape[self.axis].clone();
        for other in others {
            if other.dtype != first.dtype {
                return Err(Error::type_(format!("cannot join {first} and {other}: their element types differ"))
                    .help("convert one operand with `cast`"));
            }
            let fits = other.shape.rank() == first.shape.rank()
                && (0..first.shape.rank())
                    .all(|axis| axis == self.axis || cx.same_dim(&first.shape[axis], &other.shape[axis]));
            if !fits {
                let message = format!("cannot join {first} and {other} along axis {}: other axes differ", self.axis);
                return Err(Error::invalid(message));
            }
            total += &other.shape[self.axis];
        }
        let mut dims: Vec<Dim> = first.shape.to_vec();
        dims[self.axis] = total;
        Ok(one(first.dtype, Shape::from(dims)))
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let dims = cx.result_dims(0)?;
        let mut y = Array::zeros(x[0].dtype(), &dims)?;
        if y.is_empty() {
            return Ok(vec![y]);
        }
        let outer = count(&dims[..self.axis]);
        with_raw!(y.dtype(), T => {
            let mut rest = y.as_mut_slice::<T>();
            for line in 0..outer {
                for part in x {
                    let run = count(&part.shape()[self.axis..]);
                    let (to, behind) = rest.split_at_mut(run);
                    to.copy_from_slice(&part.as_slice::<T>()[line * run..(line + 1) * run]);
                    rest = behind;
                }
            }
        });
        Ok(vec![y])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let mut start = Dim::ZERO;
        let mut parts = Vec::with_capacity(cx.x.len());
        for x in cx.x {
            let shape = cx.b.ty(*x).shape().clone();
            let mut slice = Slice { axes: shape.iter().map(|dim| SliceAxis::all(dim.clone())).collect() };
            slice.axes[self.axis].start = start.clone();
            start += &shape[self.axis];
            parts.push(Some(cx.b.push(slice, &[dy])?));
        }
        Ok(VjpRule::Local(parts))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(Concat { axis: self.axis + 1 })
    }

    fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering {
        let mut k = KernelWriter::new("concat", x, y);
        let mut start = Dim::ZERO;
        for (n, part) in x.iter().enumerate() {
            k.for_each(part.shape(), |k, index| {
                let item = k.operand(n, index);
                let mut to: Vec<Affine> = index.to_vec();
                to[self.axis] = to[self.axis].strided(&start, 1);
                k.store(&to, item);
            });
            start += &part.shape()[self.axis];
        }
        k.finish()
    }

    fn attributes(&self) -> Attrs {
        Attrs::new().int("axis", self.axis as i64)
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        Ok(Concat { axis: attrs.number("axis")? })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let sample = |dtype, shapes: &[&[usize]], axis| {
            let inputs = shapes.iter().enumerate().map(|(i, shape)| match i % 2 {
                0 => plain_values(dtype, shape),
                _ => special_values(dtype, shape),
            });
            Sample::new(Concat { axis }, inputs.collect())
        };
        let mut samples = vec![
            sample(DType::F32, &[&[3, 2], &[3, 1], &[3, 4]], 1).unknown_first_axis(),
            sample(DType::F32, &[&[3, 2], &[4, 2]], 0).unknown_first_axis(),
            sample(DType::F32, &[&[0, 2], &[1, 2]], 0),
            sample(DType::F32, &[&[2, 0], &[2, 0]], 0),
            sample(DType::F32, &[&[5]], 0),
        ];
        samples.extend(DType::ALL.map(|dtype| sample(dtype, &[&[2, 2], &[2, 3]], 1)));
        samples
    }
}
