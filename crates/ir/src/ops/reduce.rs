//! Reductions over axes, in the order that is part of their meaning.

use super::Axes;
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule, shifted};
use crate::build::{Expr, with_exprs};
use crate::eval::{EvalCx, reduce_array};
use crate::infer::{Infer, check_axes, one, tensors};
use crate::laws::Laws;
use crate::lowering::{Lowering, Reduction};
use crate::op::OpDef;
use crate::sample::{Sample, plain_values, special_values, zeros_of_both_signs};
use crate::types::{Type, Types};
use crate::value::Value;
use crate::vjp::{Vjp, VjpRule};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape};

/// One value of all elements along some axes: `reduce_sum`, `reduce_max`, `argmax`…
///
/// Over no elements a sum is 0, a product 1, `any` false, `all` true; the others need at least one.
/// `argmax` and `argmin` answer the row-major position within the reduced axes, as i64.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reduce {
    /// What is combined.
    pub kind: ReduceKind,
    /// The axes that are reduced, ascending.
    pub axes: Axes,
    /// Whether reduced axes stay, with size one.
    pub keep: bool,
    /// The order of the additions. It follows from the axes when the op is first made, and no pass changes it.
    pub order: ReduceOrder,
}

impl Reduce {
    /// A reduction of an operand of that rank, in the order that its axes define.
    pub fn new(kind: ReduceKind, axes: &[usize], keep: bool, rank: usize) -> Reduce {
        let mut axes = Axes::from_slice(axes);
        axes.sort_unstable();
        let last = axes.last().is_some_and(|axis| *axis + 1 == rank);
        Reduce { kind, axes, keep, order: ReduceOrder::for_last_axis(last) }
    }

    /// The result's shape.
    fn shape(&self, x: &Shape) -> Shape {
        let reduced = |axis: &usize| self.axes.contains(axis);
        let dim = |axis| if reduced(&axis) { self.keep.then_some(Dim::ONE) } else { Some(x[axis].clone()) };
        (0..x.rank()).filter_map(dim).collect()
    }

    /// A value of the result's shape, repeated along the reduced axes.
    fn repeat(&self, cx: &mut Vjp<'_>, value: Value) -> Result<Value> {
        let shape = cx.b.ty(cx.x[0]).shape().clone();
        let axes: Vec<usize> = match self.keep {
            true => (0..shape.rank()).collect(),
            false => (0..shape.rank()).filter(|axis| !self.axes.contains(axis)).collect(),
        };
        cx.b.broadcast(value, shape, &axes)
    }
}

impl OpDef for Reduce {
    const NAMES: &'static [&'static str] =
        &["reduce_sum", "reduce_prod", "reduce_min", "reduce_max", "reduce_any", "reduce_all", "argmax", "argmin"];

    fn name(&self) -> &'static str {
        match self.kind {
            ReduceKind::Sum => "reduce_sum",
            ReduceKind::Prod => "reduce_prod",
            ReduceKind::Min => "reduce_min",
            ReduceKind::Max => "reduce_max",
            ReduceKind::Any => "reduce_any",
            ReduceKind::All => "reduce_all",
            ReduceKind::ArgMax => "argmax",
            ReduceKind::ArgMin => "argmin",
        }
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let [x] = tensors(x)?;
        let dtype = self.kind.result_type(x.dtype).map_err(|message| {
            let message = message.strip_prefix(&format!("`{}` ", self.kind)).unwrap_or(&message).to_owned();
            Error::type_(message)
        })?;
        check_axes("axis", &self.axes, x.shape.rank())?;
        if self.axes.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(Error::invalid(format!("wants its axes in ascending order, not {:?}", self.axes.as_slice())));
        }
        if !self.kind.has_identity()
            && let Some(empty) = self.axes.iter().find(|axis| !cx.at_least(&x.shape[**axis], 1))
        {
            return Err(Error::invalid(format!("has no value over no elements: axis {empty} of {x} is empty")));
        }
        Ok(one(dtype, self.shape(&x.shape)))
    }

    fn eval(&self, _: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        Ok(vec![reduce_array(self.kind, self.order, &self.axes, self.keep, &x[0])?])
    }

    // sum:  dx = dy, repeated
    // max:  dx = dy / (number of ties) where x is the maximum, else 0: ties share evenly
    // prod: dx = dy * (product of the others), which is y / x unless an element is zero
    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        let Some(dy) = cx.dy[0] else { return Ok(VjpRule::Zero) };
        let dx = match self.kind {
            ReduceKind::Sum => self.repeat(cx, dy)?,
            ReduceKind::Max | ReduceKind::Min => {
                let y = self.repeat(cx, cx.y[0])?;
                let chosen = cx.b.equal(cx.x[0], y)?;
                let chosen = cx.b.cast(chosen, cx.b.ty(dy).dtype())?;
                let ties = cx.b.sum(chosen, &self.axes, self.keep)?;
                let share = cx.b.div(dy, ties)?;
                let share = self.repeat(cx, share)?;
                cx.b.mul(chosen, share)?
            }
            ReduceKind::Prod => {
                let (y, dy) = (self.repeat(cx, cx.y[0])?, self.repeat(cx, dy)?);
                self.product_of_others(cx, y, dy)?
            }
            ReduceKind::Any | ReduceKind::All | ReduceKind::ArgMax | ReduceKind::ArgMin => {
                return Ok(VjpRule::Local(vec![None]));
            }
        };
        Ok(VjpRule::Local(vec![Some(dx)]))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(Reduce { axes: shifted(&self.axes), ..self.clone() })
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        let Reduce { kind, axes, keep, order } = self.clone();
        Lowering::Reduce(Reduction { kind, axes, order, keep })
    }

    fn attributes(&self) -> Attrs {
        Attrs::new().ints("axes", &self.axes).flag("keep", self.keep).word("order", self.order)
    }

    fn from_attributes(name: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let kind = name.strip_prefix("reduce_").unwrap_or(name).parse().map_err(Error::format)?;
        let order = attrs.word("order")?;
        let order = order
            .parse()
            .map_err(|_| Error::format(format!("wants `lanes` or `chain` as attribute `order`, not `{order}`")))?;
        Ok(Reduce { kind, axes: attrs.ints("axes")?.into(), keep: attrs.flag("keep")?, order })
    }

    fn laws(&self, _: DType) -> Laws {
        Laws::NONE
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for kind in ReduceKind::ALL {
            for dtype in DType::ALL.into_iter().filter(|dtype| kind.result_type(*dtype).is_ok()) {
                let sample = |x: Array, axes: &[usize], keep| {
                    let rank = x.rank();
                    Sample::new(Reduce::new(kind, axes, keep, rank), vec![x])
                };
                samples.extend([
                    sample(plain_values(dtype, &[70]), &[0], false),
                    sample(plain_values(dtype, &[3, 37]), &[1], true).unknown_first_axis(),
                    sample(plain_values(dtype, &[37, 3]), &[0], false).unknown_first_axis(),
                    sample(plain_values(dtype, &[2, 3, 4]), &[0, 2], false),
                    sample(special_values(dtype, &[13]), &[0], false),
                    sample(special_values(dtype, &[2, 1]), &[1], false),
                    sample(special_values(dtype, &[]), &[], false),
                    sample(special_values(dtype, &[0, 2]), &[1], true),
                ]);
                let empty = sample(special_values(dtype, &[2, 0]), &[1], false);
                samples.push(if kind.has_identity() { empty } else { empty.refused() });
            }
        }
        // Zeros of both signs: of equal elements the first one stays.
        for (dtype, kind) in
            [DType::F32, DType::F64].into_iter().flat_map(|dtype| ReduceKind::ALL.map(|kind| (dtype, kind)))
        {
            if kind.result_type(dtype).is_ok() {
                for (shape, axes) in [(&[3][..], [0]), (&[3, 2], [0]), (&[40, 2], [0]), (&[2, 40], [1])] {
                    let x = zeros_of_both_signs(dtype, shape);
                    samples.push(Sample::new(Reduce::new(kind, &axes, false, shape.len()), vec![x]));
                }
            }
        }
        // More than one block.
        let long = plain_values(DType::F32, &[2, 5000]);
        samples.push(Sample::new(Reduce::new(ReduceKind::Sum, &[1], false, 2), vec![long.clone()]));
        samples.push(Sample::new(Reduce::new(ReduceKind::Sum, &[0, 1], false, 2), vec![long]));
        let tall = plain_values(DType::F64, &[5000, 2]);
        samples.push(Sample::new(Reduce::new(ReduceKind::Sum, &[0], false, 2), vec![tall]));
        samples
    }
}

impl Reduce {
    /// `dy` times the product of all other elements, without dividing by zero: where x = 0 the product of the others is
    /// the product of the elements that are not zero if this is the only zero, else 0.
    fn product_of_others(&self, cx: &mut Vjp<'_>, y: Value, dy: Value) -> Result<Value> {
        let x = cx.x[0];
        let (is_zero, safe) = with_exprs(cx.b, |at| {
            let x: Expr<'_> = at.expr(x);
            let is_zero = x.equal(x.number(0.0));
            (is_zero.value, is_zero.select(x.number(1.0), x).value)
        });
        let dtype = cx.b.ty(x).dtype();
        let zeros = cx.b.cast(is_zero, dtype)?;
        let zeros = cx.b.sum(zeros, &self.axes, self.keep)?;
        let zeros = self.repeat(cx, zeros)?;
        let rest = cx.b.reduce(ReduceKind::Prod, safe, &self.axes, self.keep)?;
        let rest = self.repeat(cx, rest)?;
        Ok(with_exprs(cx.b, |at| {
            let [x, y, dy, zeros, rest, is_zero] = [x, y, dy, zeros, rest, is_zero].map(|value| at.expr(value));
            let (zero, one) = (x.number(0.0), x.number(1.0));
            let at_zero = zeros.equal(one).select(rest, zero);
            let others = is_zero.select(at_zero, y / is_zero.select(one, x));
            (dy * others).value
        }))
    }
}
