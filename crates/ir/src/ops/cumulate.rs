//! Running sums and products along an axis.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::build::with_exprs;
use crate::eval::{EvalCx, count};
use crate::infer::{Infer, check_axes, tensors};
use crate::kernels::KernelWriter;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::ops::{Axes, Reverse};
use crate::sample::{Sample, plain_values, special_values, zeros_of_both_signs};
use crate::types::{Type, Types};
use crate::value::Value;
use crate::vjp::{Vjp, VjpRule};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::Affine;
use tracelift_tensor::{Array, DType, Error, Raw, Result};

/// What is carried along the axis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Running {
    /// The sum of all elements so far.
    Sum,
    /// Their product.
    Product,
}

/// `y[i] = x[0] + … + x[i]` along one axis, or the products: one chain from the first element on.
///
/// d cumsum(x) is the running sum of dx. Backward, `dx[i]` is the sum of dy from i on. For products y, `dx[i]` is the sum of
/// dy y from i on, over `x[i]`; where `x[i]` is the first zero, y is taken with a one in its place, and behind it nothing
/// flows, since every product holds that zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cumulate {
    /// What is carried.
    pub running: Running,
    /// The axis.
    pub axis: usize,
}

impl Cumulate {
    /// Running sums along an axis.
    pub fn sum(axis: usize) -> Cumulate {
        Cumulate { running: Running::Sum, axis }
    }

    fn lane(&self) -> LaneOp {
        match self.running {
            Running::Sum => LaneOp::Add,
            Running::Product => LaneOp::Mul,
        }
    }

    /// What the chain begins with: it changes no first element, not even -0.
    fn neutral(&self, dtype: DType) -> Scalar {
        let one = i64::from(self.running == Running::Product);
        match dtype {
            DType::F32 => Scalar::F32(if one == 1 { 1.0 } else { -0.0 }),
            DType::F64 => Scalar::F64(if one == 1 { 1.0 } else { -0.0 }),
            whole => Scalar::from_bits(whole, one as u64),
        }
    }

    /// The sum of all elements from each on.
    fn sums_behind(&self, cx: &mut Vjp<'_>, x: Value) -> Result<Value> {
        let reverse = Reverse { axes: Axes::from_slice(&[self.axis]) };
        let x = cx.b.push(reverse.clone(), &[x])?;
        let sums = cx.b.push(Cumulate::sum(self.axis), &[x])?;
        cx.b.push(reverse, &[sums])
    }

    fn product_gradient(&self, cx: &mut Vjp<'_>, dy: Value) -> Result<Value> {
        let (x, y) = (cx.x[0], cx.y[0]);
        let is_zero = {
            let zero = cx.b.zeros_like(x)?;
            cx.b.equal(x, zero)?
        };
        // How many zeros there are up to each element: none, the first itself, or more.
        let zeros = cx.b.cast(is_zero, DType::I64)?;
        let zeros = cx.b.push(Cumulate::sum(self.axis), &[zeros])?;
        let (none, one) = (cx.b.scalar_like(zeros, 0.0)?, cx.b.scalar_like(zeros, 1.0)?);
        let before = cx.b.equal(zeros, none)?;
        let first = cx.b.equal(zeros, one)?;
        let first = cx.b.and(first, is_zero)?;
        let ones = cx.b.scalar_like(x, 1.0)?;
        let without = cx.b.select(first, ones, x)?;
        let others = cx.b.push(*self, &[without])?;
        let shares = cx.b.mul(dy, y)?;
        let shares = self.sums_behind(cx, shares)?;
        let at_first = cx.b.mul(dy, others)?;
        let at_first = self.sums_behind(cx, at_first)?;
        Ok(with_exprs(cx.b, |at| {
            let [x, shares, at_first, before, first] = [x, shares, at_first, before, first].map(|v| at.expr(v));
            let (zero, one) = (x.number(0.0), x.number(1.0));
            let divided = shares / before.select(x, one);
            before.select(divided, first.select(at_first, zero)).value
        }))
    }
}

/// Runs along the middle axis of `[outer, n, inner]`.
fn run<T: Raw>(x: &[T], y: &mut [T], n: usize, inner: usize, combine: impl Fn(T, T) -> T) {
    for at in 0..x.len() {
        let first = inner == 0 || (at / inner).is_multiple_of(n);
        y[at] = if first { x[at] } else { combine(y[at - inner], x[at]) };
    }
}

impl OpDef for Cumulate {
    const NAMES: &'static [&'static str] = &["cumsum", "cumprod"];

    fn name(&self) -> &'static str {
        match self.running {
            Running::Sum => "cumsum",
            Running::Product => "cumprod",
        }
    }

    fn infer(&self, _: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x] = tensors(x)?;
        if x.dtype == DType::Bool {
            return Err(Error::type_(format!("takes a float or integer type, not {}", x.dtype)));
        }
        check_axes("axis", &[self.axis], x.shape.rank())?;
        Ok(Types::from_iter([x.clone().into()]))
    }

    fn eval(&self, _: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        let mut y = Array::zeros(x[0].dtype(), x[0].shape())?;
        let (n, inner) = (x[0].shape()[self.axis], count(&x[0].shape()[self.axis + 1..]));
        macro_rules! along {
            ($($dtype:ident $t:ident $add:expr, $mul:expr;)*) => {
                match y.dtype() {
                    $(DType::$dtype => {
                        let (x, y) = (x[0].as_slice::<$t>(), y.as_mut_slice::<$t>());
                        match self.running {
                            Running::Sum => run(x, y, n, inner, $add),
                            Running::Product => run(x, y, n, inner, $mul),
                        }
                    })*
                    other => return Err(Error::internal(format!("has no sums of {other}"))),
                }
            };
        }
        along! {
            F32 f32 |a, b| a + b, |a, b| a * b;
            F64 f64 |a, b| a + b, |a, b| a * b;
            I32 i32 i32::wrapping_add, i32::wrapping_mul;
            I64 i64 i64::wrapping_add, i64::wrapping_mul;
            U8 u8 u8::wrapping_add, u8::wrapping_mul;
        }
        Ok(vec![y])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let dx = match self.running {
            Running::Sum => self.sums_behind(cx, dy)?,
            Running::Product => self.product_gradient(cx, dy)?,
        };
        Ok(VjpRule::Local(vec![Some(dx)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(Cumulate { axis: self.axis + 1, ..*self })
    }

    fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering {
        let mut k = KernelWriter::new(self.name(), x, y);
        let shape = x[0].shape();
        let neutral = self.neutral(x[0].dtype());
        let neutral = k.b.literal(neutral);
        let mut index: Vec<Affine> = vec![Affine::constant(0); shape.rank()];
        for (axis, dim) in shape.iter().enumerate().filter(|(axis, _)| *axis != self.axis) {
            index[axis] = Affine::var(k.b.par(dim.clone()));
        }
        let (var, carried) = k.b.seq(shape[self.axis].clone(), &[neutral]);
        index[self.axis] = Affine::var(var);
        let item = k.operand(0, &index);
        let next = k.b.lane(self.lane(), &[carried[0], item]);
        k.store(&index, next);
        k.b.end_seq(&[next]);
        for _ in 1..shape.rank() {
            k.b.end();
        }
        k.finish()
    }

    fn attributes(&self) -> Attrs {
        Attrs::new().int("axis", self.axis as i64)
    }

    fn from_attributes(name: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let running = if name == "cumsum" { Running::Sum } else { Running::Product };
        Ok(Cumulate { running, axis: attrs.number("axis")? })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for running in [Running::Sum, Running::Product] {
            let sample = |axis, x: Array| Sample::new(Cumulate { running, axis }, vec![x]);
            samples.extend(DType::ALL.into_iter().filter(|dtype| *dtype != DType::Bool).flat_map(|dtype| {
                [
                    sample(1, special_values(dtype, &[2, 13])),
                    sample(0, plain_values(dtype, &[5, 3])).unknown_first_axis(),
                ]
            }));
            samples.extend([
                sample(0, zeros_of_both_signs(DType::F32, &[5])),
                sample(1, special_values(DType::F32, &[2, 0, 3])),
                sample(1, special_values(DType::F32, &[2, 3, 0])),
                sample(0, special_values(DType::F32, &[1])),
                sample(1, plain_values(DType::F32, &[3, 4, 9])),
            ]);
        }
        samples
    }
}
