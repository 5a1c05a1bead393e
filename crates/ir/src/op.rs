//! The list of all ops, and what every op must say about itself.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::EvalCx;
use crate::graph::Graph;
use crate::infer::Infer;
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::ops::*;
use crate::sample::Sample;
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use smallvec::{SmallVec, smallvec};
use std::fmt;
use std::sync::Arc;
use tracelift_tensor::{Array, DType, Error, Result};

/// All facts about an op. No method has a default, so that none can be forgotten.
pub trait OpDef: Sized {
    /// Its names in texts; more than one if an attribute is part of the name (`reduce_sum`, `reduce_max`).
    const NAMES: &'static [&'static str];

    /// Which of [`NAMES`](Self::NAMES) it has.
    fn name(&self) -> &'static str;

    /// Checks the operands' types and computes those of the results.
    ///
    /// Messages continue after the op's name, which the builder adds together with operands and place.
    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types>;

    /// The meaning: every engine gives these bits.
    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>>;

    /// The gradient.
    fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule>;

    /// What it becomes when some operands hold one value per element of a batch.
    fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule>;

    /// What the scheduler makes of it, for operands and results of these types.
    fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering;

    /// The attributes, in the order in which they are printed.
    fn attributes(&self) -> Attrs;

    /// The op of one of its names with these attributes.
    fn from_attributes(name: &str, attrs: &mut AttrReader<'_>) -> Result<Self>;

    /// Laws that hold when the first operand has this element type.
    fn laws(&self, dtype: DType) -> Laws;

    /// Operands that reach every accepted dtype, an empty axis, an axis of one, an unknown axis, and special values.
    fn samples() -> Vec<Sample>;
}

macro_rules! ops {
    ($dollar:tt $($op:ident),* $(,)?) => {
        /// An operation with its attributes.
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub enum Op {
            $(#[doc = concat!("See [`", stringify!($op), "`].")] $op($op),)*
        }

        $(impl From<$op> for Op {
            fn from(op: $op) -> Op {
                Op::$op(op)
            }
        })*

        impl Op {
            /// The names of all ops, in the order of the list.
            pub fn names() -> impl Iterator<Item = &'static str> {
                [$($op::NAMES),*].into_iter().flatten().copied()
            }

            /// The op of that name with these attributes.
            pub fn from_attributes(name: &str, attrs: &Attrs) -> Result<Op> {
                let mut reader = AttrReader::new(attrs);
                let made = 'made: {
                    $(if $op::NAMES.contains(&name) {
                        break 'made $op::from_attributes(name, &mut reader).map(Op::from);
                    })*
                    Err(Error::format("is no op that is known"))
                };
                made.and_then(|op| reader.finish().map(|()| op))
                    .map_err(|error| if error.op.is_some() { error } else { error.op(name) })
            }

            /// The samples of all ops.
            pub fn all_samples() -> Vec<Sample> {
                let mut samples = Vec::new();
                $(samples.extend($op::samples());)*
                samples
            }
        }

        /// Runs `$body` with `$op` as the definition of whichever op it is.
        macro_rules! with_op {
            ($dollar self:expr, $dollar op_name:ident => $dollar body:expr) => {
                match $dollar self { $(Op::$op($dollar op_name) => $dollar body,)* }
            };
        }
    };
}

// One line per file of `ops/`.
ops! { $
    Parameter, Constant, Iota, Dim,
    Identity, StopGradient,
    Neg, Add, Sub, Mul, Div, FloorDiv, Rem,
    Abs, Sign, Floor, Ceil, Round, IsNan, IsFinite,
    Exp, Expm1, Ln, Ln1p, Logistic, Erf, ErfInv,
    Sqrt, Rsqrt, Pow, Powi,
    Sin, Cos, Tan, Asin, Acos, Atan, Atan2,
    Sinh, Cosh, Tanh, Asinh, Acosh, Atanh,
    Max, Min,
    Not, And, Or, Xor, Shl, Shr,
    Lt, Le, Gt, Ge, Equal, NotEqual,
    Select, Cast,
    Reduce, Cumulate,
    Broadcast, Reshape, Transpose, Slice, UpdateSlice, Reverse, Pad, Concat, Windows, OverlapAdd,
    Gather, ScatterAdd, ScatterSet, ArgSort,
    DotGeneral,
    Random,
    While, Cond, Call, Fusion,
    StackNew, StackPush, StackPop, StackLen,
    Token, Print, Assert,
}

impl Op {
    /// The name in texts.
    pub fn name(&self) -> &'static str {
        with_op!(self, op => op.name())
    }

    /// Checks the operands' types and computes those of the results.
    pub fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        with_op!(self, op => op.infer(cx, x))
    }

    /// The meaning of one call.
    pub fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        with_op!(self, op => op.eval(cx, x))
    }

    /// The gradient.
    pub fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
        with_op!(self, op => op.vjp(cx))
    }

    /// What it becomes when some operands hold one value per element of a batch.
    pub fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
        with_op!(self, op => op.batch(cx))
    }

    /// What the scheduler makes of it, for operands and results of these types.
    pub fn lowering(&self, x: &[Type], y: &[Type]) -> Lowering {
        with_op!(self, op => op.lowering(x, y))
    }

    /// The attributes, in the order in which they are printed.
    pub fn attributes(&self) -> Attrs {
        with_op!(self, op => op.attributes())
    }

    /// Laws that hold when the first operand has this element type.
    pub fn laws(&self, dtype: DType) -> Laws {
        with_op!(self, op => op.laws(dtype))
    }

    /// Whether computing its results again costs little more than reading them: not for products of matrices,
    /// transcendental functions, random numbers, reductions, and what owns graphs.
    pub fn is_cheap_to_recompute(&self) -> bool {
        !matches!(
            self,
            Op::Exp(_)
                | Op::Expm1(_)
                | Op::Ln(_)
                | Op::Ln1p(_)
                | Op::Tanh(_)
                | Op::Logistic(_)
                | Op::Erf(_)
                | Op::Pow(_)
                | Op::Sin(_)
                | Op::Cos(_)
                | Op::DotGeneral(_)
                | Op::Reduce(_)
                | Op::Random(_)
                | Op::Gather(_)
                | Op::ScatterAdd(_)
                | Op::While(_)
                | Op::Cond(_)
                | Op::Call(_)
        )
    }

    /// The graphs that it owns.
    pub fn regions(&self) -> SmallVec<[&Arc<Graph>; 2]> {
        match self {
            Op::While(op) => smallvec![&op.condition, &op.body],
            Op::Cond(op) => smallvec![&op.then, &op.otherwise],
            Op::Call(op) => std::iter::once(&op.callee).chain(&op.gradient).collect(),
            Op::Fusion(op) => smallvec![&op.body],
            _ => SmallVec::new(),
        }
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.attributes() {
            attributes if attributes.is_empty() => Ok(()),
            attributes => write!(f, " {attributes}"),
        }
    }
}
