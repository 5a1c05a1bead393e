//! Stacks of tensors: what a loop keeps for the way back.
//!
//! A value of type `stack<T>` is used at most once: each op takes a state of the stack and answers the next one, so a
//! stack can be changed in place. Gradients of stacks are stacks: what is pushed going forward is popped going back, and
//! the other way round, so gradients of gradients need no rule of their own.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::build::Builder;
use crate::eval::EvalCx;
use crate::infer::{Infer, wrong_count};
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{TensorType, Type, Types};
use crate::value::Value;
use crate::vjp::{Vjp, VjpRule};
use tracelift_tensor::{Array, DType, Dim, Error, Result};

/// An empty stack.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StackNew {
    /// What it takes.
    pub item: TensorType,
    /// How many items it holds at most, where that is known before it runs; then its memory is planned.
    pub capacity: Option<Dim>,
}

/// Puts operand 1 on top of operand 0, a stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StackPush;

/// Takes the top of a stack: answers the rest and the item. From an empty stack comes an empty stack and zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StackPop;

/// Answers the same stack, and how many items it has as i64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StackLen;

/// The type of the items of operand 0, a stack, of exactly `count` operands.
fn item(x: &[Type], count: usize) -> Result<&TensorType> {
    if x.len() != count {
        return Err(wrong_count(count, x.len()));
    }
    match &x[0] {
        Type::Stack(item) => Ok(item),
        other => Err(Error::type_(format!("wants a stack as operand 0, not {other}"))),
    }
}

/// An empty stack for the cotangents of a stack.
fn empty_like(b: &mut Builder, stack: Value) -> Result<Value> {
    match b.ty(stack).clone() {
        Type::Stack(item) => b.push(StackNew { item, capacity: None }, &[]),
        other => Err(Error::internal(format!("there is no empty stack of type {other}"))),
    }
}

/// d push: the cotangent of what was pushed lies on top of the cotangent of the stack.
fn push_vjp(cx: &mut Vjp<'_>) -> Result<VjpRule> {
    let Some(ds) = cx.dy[0] else { return Ok(VjpRule::Local(vec![None, None])) };
    let made = cx.b.push_multi(StackPop, &[ds])?;
    Ok(VjpRule::Local(vec![Some(made[0]), Some(made[1])]))
}

/// d pop: the cotangent of what was popped goes on top.
fn pop_vjp(cx: &mut Vjp<'_>) -> Result<VjpRule> {
    if cx.dy.iter().all(Option::is_none) {
        return Ok(VjpRule::Local(vec![None]));
    }
    let ds = match cx.dy[0] {
        Some(ds) => ds,
        // Below the items that have cotangents are zeros, as in any empty stack.
        None => empty_like(cx.b, cx.y[0])?,
    };
    let dv = match cx.dy[1] {
        Some(dv) => dv,
        None => cx.b.zeros_like(cx.y[1])?,
    };
    Ok(VjpRule::Local(vec![Some(cx.b.push(StackPush, &[ds, dv])?)]))
}

macro_rules! stack_ops {
    ($($op:ident $name:literal, infer: $infer:expr, eval: $eval:expr, vjp: $vjp:expr, batch: $batch:expr,
        attributes: $attributes:expr, from: $from:expr, samples: $samples:expr;)*) => {$(
        impl OpDef for $op {
            const NAMES: &'static [&'static str] = &[$name];

            fn name(&self) -> &'static str {
                $name
            }

            fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
                let infer: fn(&$op, &mut Infer, &[Type]) -> Result<Vec<Type>> = $infer;
                infer(self, cx, x).map(Types::from_vec)
            }

            fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
                let eval: fn(&$op, &mut EvalCx<'_>, &[Array]) -> Result<Vec<Array>> = $eval;
                eval(self, cx, x)
            }

            fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
                let vjp: fn(&mut Vjp<'_>) -> Result<VjpRule> = $vjp;
                vjp(cx)
            }

            fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
                let batch: fn(&mut Batch<'_>) -> Result<BatchRule> = $batch;
                batch(cx)
            }

            fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
                Lowering::Stack
            }

            fn attributes(&self) -> Attrs {
                let attributes: fn(&$op) -> Attrs = $attributes;
                attributes(self)
            }

            fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
                let from: fn(&mut AttrReader<'_>) -> Result<$op> = $from;
                from(attrs)
            }

            fn laws(&self, _: DType) -> Laws {
                Laws::NONE
            }

            fn samples() -> Vec<Sample> {
                $samples
            }
        }
    )*};
}

stack_ops! {
    StackNew "stack_new",
        infer: |op, _, x| match x.is_empty() {
            true => Ok(vec![Type::Stack(op.item.clone())]),
            false => Err(wrong_count(0, x.len())),
        },
        eval: |op, cx, _| {
            let capacity = op.capacity.as_ref().map(|capacity| cx.len(capacity)).transpose()?;
            Ok(vec![cx.new_stack(capacity)])
        },
        vjp: |_| Ok(VjpRule::Local(Vec::new())),
        batch: |_| Ok(BatchRule::Region),
        attributes: |op| {
            let attrs = Attrs::new().word("dtype", op.item.dtype).dims("shape", &op.item.shape);
            match &op.capacity {
                Some(capacity) => attrs.with("capacity", crate::attrs::Attr::Dim(capacity.clone())),
                None => attrs,
            }
        },
        from: |attrs| {
            let item = TensorType::new(attrs.dtype("dtype")?, attrs.shape("shape")?);
            let capacity = if attrs.has("capacity") { Some(attrs.dim("capacity")?) } else { None };
            Ok(StackNew { item, capacity })
        },
        samples: {
            let new = |dtype, shape: &[usize], capacity: Option<usize>| {
                let item = TensorType::new(dtype, shape);
                Sample::new(StackNew { item, capacity: capacity.map(Dim::from) }, vec![])
            };
            let mut samples: Vec<Sample> = DType::ALL.map(|dtype| new(dtype, &[2], None)).into();
            samples.extend([new(DType::F32, &[], Some(3)), new(DType::F32, &[1], Some(0)), new(DType::F32, &[0, 4], None)]);
            samples
        };
    StackPush "stack_push",
        infer: |_, cx, x| {
            let item = Type::Tensor(item(x, 2)?.clone());
            match cx.same_type(&item, &x[1]) {
                true => Ok(vec![x[0].clone()]),
                false => Err(Error::type_(format!("wants {item} to push on {}, not {}", x[0], x[1]))),
            }
        },
        eval: |_, cx, x| {
            cx.stack(&x[0])?.push(x[1].clone())?;
            Ok(vec![x[0].clone()])
        },
        vjp: push_vjp,
        batch: |cx| match cx.batched[0] {
            true => {
                let item = cx.operand(1)?;
                cx.b.push_multi(StackPush, &[cx.x[0], item]).map(BatchRule::Batched)
            }
            false => Ok(BatchRule::Refused("pushes several values on a stack that was made for one")),
        },
        attributes: |_| Attrs::new(),
        from: |_| Ok(StackPush),
        samples: {
            let push = |dtype: DType, shape: &[usize]| (vec![held(dtype, shape, 2), special_values(dtype, shape)], dtype);
            let all = DType::ALL.into_iter().map(|dtype| push(dtype, &[3]));
            let some = [push(DType::F32, &[]), push(DType::F32, &[0]), push(DType::F32, &[1])];
            let mut samples: Vec<Sample> = all.chain(some).map(|(inputs, _)| on_stack(StackPush, inputs)).collect();
            samples.push(unknown(StackPush, vec![held(DType::F32, &[5], 2), special_values(DType::F32, &[5])]));
            samples
        };
    StackPop "stack_pop",
        infer: |_, _, x| {
            let item = item(x, 1)?.clone();
            Ok(vec![x[0].clone(), Type::Tensor(item)])
        },
        eval: |_, cx, x| {
            let dtype = cx.result_dtype(1);
            let dims = cx.result_dims(1)?;
            let top = match cx.stack(&x[0])?.pop() {
                Some(top) => top,
                None => Array::zeros(dtype, &dims)?,
            };
            Ok(vec![x[0].clone(), top])
        },
        vjp: pop_vjp,
        batch: |cx| cx.push_as_is(StackPop),
        attributes: |_| Attrs::new(),
        from: |_| Ok(StackPop),
        samples: {
            let pop = |dtype: DType, shape: &[usize], count| on_stack(StackPop, vec![held(dtype, shape, count)]);
            let mut samples: Vec<Sample> = DType::ALL.map(|dtype| pop(dtype, &[3], 2)).into();
            samples.extend([pop(DType::F32, &[], 3), pop(DType::F32, &[0], 1), pop(DType::F32, &[1], 0)]);
            samples.push(unknown(StackPop, vec![held(DType::F32, &[5], 2)]));
            samples
        };
    StackLen "stack_len",
        infer: |_, _, x| {
            item(x, 1)?;
            Ok(vec![x[0].clone(), Type::scalar(DType::I64)])
        },
        eval: |_, cx, x| {
            let count = cx.stack(&x[0])?.len();
            Ok(vec![x[0].clone(), Array::scalar(count as i64)])
        },
        vjp: |cx| Ok(VjpRule::Local(vec![cx.dy[0]])),
        // All elements of a batch have stacks of one height.
        batch: |cx| {
            let made = cx.b.push_multi(StackLen, cx.x)?;
            Ok(BatchRule::Each(made.into_iter().zip([true, false]).collect()))
        },
        attributes: |_| Attrs::new(),
        from: |_| Ok(StackLen),
        samples: {
            let len = |dtype: DType, shape: &[usize], count| on_stack(StackLen, vec![held(dtype, shape, count)]);
            let mut samples: Vec<Sample> = DType::ALL.map(|dtype| len(dtype, &[3], 2)).into();
            samples.extend([len(DType::F32, &[], 3), len(DType::F32, &[0], 1), len(DType::F32, &[1], 0)]);
            samples.push(unknown(StackLen, vec![held(DType::F32, &[5], 4)]));
            samples
        };
}

/// The items of a stack as an array with an axis for them in front, the bottom first.
fn held(dtype: DType, shape: &[usize], count: usize) -> Array {
    let all: Vec<usize> = std::iter::once(count).chain(shape.iter().copied()).collect();
    special_values(dtype, &all)
}

/// A sample whose first operand holds the items of a stack.
fn on_stack(op: impl Into<crate::Op>, inputs: Vec<Array>) -> Sample {
    let mut types: Vec<Type> = inputs.iter().map(Type::of).collect();
    let item = types[0].shape().iter().skip(1).cloned().collect::<Vec<Dim>>();
    types[0] = Type::Stack(TensorType::new(types[0].dtype(), item));
    Sample::new(op, inputs).traced_as(types)
}

/// The same with an unknown first axis of the items.
fn unknown(op: impl Into<crate::Op>, inputs: Vec<Array>) -> Sample {
    let sample = on_stack(op, inputs);
    let types = sample.types.iter().map(|ty| match ty {
        Type::Stack(item) => Type::Stack(TensorType::new(item.dtype, [Dim::sym("B")])),
        other => other.with_shape([Dim::sym("B")]),
    });
    let types = types.collect();
    sample.traced_as(types)
}
