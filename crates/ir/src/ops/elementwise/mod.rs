//! Ops that do one scalar operation per element: an op of this kind is its scalar operation, its gradient, its laws.

mod arithmetic;
mod cast;
mod compare;
mod exponential;
mod extremes;
mod hyperbolic;
mod logic;
mod powers;
mod rounding;
mod select;
mod trigonometric;

pub use arithmetic::*;
pub use cast::Cast;
pub use compare::*;
pub use exponential::*;
pub use extremes::*;
pub use hyperbolic::*;
pub use logic::*;
pub use powers::*;
pub use rounding::*;
pub use select::Select;
pub use trigonometric::*;

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::build::{Expr, Gradients, with_exprs};
use crate::eval::{EvalCx, eval_lane};
use crate::infer::{Infer, all_tensors, one, wrong_count};
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::{Op, OpDef};
use crate::sample::{Sample, plain_values, special_values, special_values_from};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_kernel::lane::LaneOp;
use tracelift_tensor::{Array, DType, Error, Result};

/// What an elementwise op says about itself; everything else follows from its scalar operation.
pub trait Elementwise: Sized + Into<Op> + Clone {
    /// Its name in texts.
    const NAME: &'static str;

    /// What it does to each element.
    fn lane(&self) -> LaneOp;

    /// The cotangents of the operands, by the formula in the comment on the op.
    fn gradients<'b>(&self, x: &[Expr<'b>], y: Expr<'b>, dy: Expr<'b>) -> Gradients<'b>;

    /// Laws that hold when the first operand has this element type.
    fn lane_laws(&self, dtype: DType) -> Laws;

    /// The attributes.
    fn lane_attributes(&self) -> Attrs;

    /// The op with these attributes.
    fn from_lane_attributes(attrs: &mut AttrReader<'_>) -> Result<Self>;

    /// The op with each set of attributes that is worth a sample.
    fn variants() -> Vec<Self>;
}

impl<T: Elementwise> OpDef for T {
    const NAMES: &'static [&'static str] = &[T::NAME];

    fn name(&self) -> &'static str {
        T::NAME
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        infer_lane(self.lane(), cx, x)
    }

    fn eval(&self, _: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        Ok(vec![eval_lane(self.lane(), x)?])
    }

    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        Ok(vjp_lane(&|x, y, dy| self.gradients(x, y, dy), cx))
    }

    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        cx.push(self.clone())
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Lane(self.lane())
    }

    fn attributes(&self) -> Attrs {
        self.lane_attributes()
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        T::from_lane_attributes(attrs)
    }

    fn laws(&self, dtype: DType) -> Laws {
        self.lane_laws(dtype)
    }

    fn samples() -> Vec<Sample> {
        T::variants().into_iter().flat_map(|op| samples_of(op.lane(), &op.into())).collect()
    }
}

// What follows is the same for all of them, and so there is one of each.

fn infer_lane(lane: LaneOp, cx: &mut Infer, x: &[Type]) -> Result<Types> {
    if x.len() != lane.arity() {
        return Err(wrong_count(lane.arity(), x.len()));
    }
    let tensors = all_tensors(x)?;
    let dtypes: Vec<DType> = tensors.iter().map(|tensor| tensor.dtype).collect();
    if lane == LaneOp::Select && dtypes[0] != DType::Bool {
        return Err(Error::type_(format!("wants bool as its condition, not {}", dtypes[0])));
    }
    let dtype = lane.result_type(&dtypes).map_err(|message| {
        // The op's name is added by the builder.
        let message = message.strip_prefix(&format!("`{lane}` ")).unwrap_or(&message).to_owned();
        let error = Error::type_(message);
        if dtypes.windows(2).any(|pair| pair[0] != pair[1]) {
            error.help("convert one operand with `cast`")
        } else {
            error
        }
    })?;
    for other in &tensors[1..] {
        if !cx.same_shape(&tensors[0].shape, &other.shape) {
            let message = format!("wants equal shapes, not {} and {}", tensors[0], other);
            return Err(Error::invalid(message));
        }
    }
    Ok(one(dtype, tensors[0].shape.clone()))
}

/// The cotangents of operands, given these, the result and its cotangent.
type Rule<'r> = &'r dyn for<'b> Fn(&[Expr<'b>], Expr<'b>, Expr<'b>) -> Gradients<'b>;

fn vjp_lane(rule: Rule<'_>, cx: &mut Vjp<'_>) -> VjpRule {
    let Some(dy) = cx.dy[0] else { return VjpRule::Zero };
    let (x, y) = (cx.x, cx.y[0]);
    with_exprs(cx.b, |scope| {
        let x: Vec<Expr<'_>> = x.iter().map(|x| scope.expr(*x)).collect();
        match rule(&x, scope.expr(y), scope.expr(dy)) {
            Gradients::Zero => VjpRule::Zero,
            Gradients::Local(dx) => VjpRule::Local(dx.into_iter().map(|dx| dx.map(|dx| dx.value)).collect()),
        }
    })
}

fn samples_of(lane: LaneOp, op: &Op) -> Vec<Sample> {
    let mut samples = Vec::new();
    for dtype in DType::ALL {
        let mut dtypes = vec![dtype; lane.arity()];
        if lane == LaneOp::Select {
            dtypes[0] = DType::Bool;
        }
        if lane.result_type(&dtypes).is_err() {
            continue;
        }
        // 90 elements: more than the product of the lengths of two lists of special values.
        for shape in [&[90][..], &[0, 2], &[3, 1], &[]] {
            let operand = |(n, dtype): (usize, &DType)| match n {
                0 => special_values(*dtype, shape),
                n => special_values_from(*dtype, shape, n - 1),
            };
            samples.push(Sample::new(op.clone(), dtypes.iter().enumerate().map(operand).collect()));
        }
        let plain = dtypes.iter().map(|dtype| plain_values(*dtype, &[5, 2])).collect();
        samples.push(Sample::new(op.clone(), plain).unknown_first_axis());
    }
    samples
}

/// Writes elementwise ops without attributes: name, laws and gradient.
macro_rules! elementwise {
    ($($(#[$doc:meta])* $op:ident = $name:literal $lane:ident, laws: $laws:expr, vjp: $vjp:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub struct $op;

        impl $crate::ops::Elementwise for $op {
            const NAME: &'static str = $name;

            fn lane(&self) -> tracelift_kernel::lane::LaneOp {
                tracelift_kernel::lane::LaneOp::$lane
            }

            fn gradients<'b>(
                &self,
                x: &[$crate::build::Expr<'b>],
                y: $crate::build::Expr<'b>,
                dy: $crate::build::Expr<'b>,
            ) -> $crate::build::Gradients<'b> {
                type Rule<'b> = fn(
                    &[$crate::build::Expr<'b>],
                    $crate::build::Expr<'b>,
                    $crate::build::Expr<'b>,
                ) -> $crate::build::Gradients<'b>;
                let rule: Rule<'b> = $vjp;
                rule(x, y, dy)
            }

            fn lane_laws(&self, dtype: tracelift_tensor::DType) -> $crate::laws::Laws {
                let laws: fn(tracelift_tensor::DType) -> $crate::laws::Laws = $laws;
                laws(dtype)
            }

            fn lane_attributes(&self) -> $crate::attrs::Attrs {
                $crate::attrs::Attrs::new()
            }

            fn from_lane_attributes(_: &mut $crate::attrs::AttrReader<'_>) -> tracelift_tensor::Result<Self> {
                Ok($op)
            }

            fn variants() -> Vec<Self> {
                vec![$op]
            }
        }
    )+};
}
use elementwise;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_scalar_operations() {
        // Those that only ops of other names, or the scheduler, ask for.
        let others = [LaneOp::RandomBits, LaneOp::LnOctave, LaneOp::Ln1pUnit];
        let plain = LaneOp::PLAIN.iter().filter(|op| !others.contains(op)).map(|op| op.name());
        let names: Vec<&str> = Op::names().collect();
        for name in plain.chain(["powi", "cast"]) {
            assert!(names.contains(&name), "no op is called `{name}`");
        }
    }

    #[test]
    fn messages_name_the_op_once() {
        let mut cx = Infer::new();
        let x = Type::tensor(DType::I32, [2]);
        let error = Exp.infer(&mut cx, std::slice::from_ref(&x)).unwrap_err().op("exp");
        assert_eq!(error.to_string(), "`exp` takes f32 or f64, not i32");
        let y = Type::tensor(DType::F32, [2]);
        let error = Add.infer(&mut cx, &[x, y]).unwrap_err().op("add");
        assert_eq!(
            error.to_string(),
            "`add` takes operands of one type, not i32 and f32\n  help: convert one operand with `cast`"
        );
    }
}
