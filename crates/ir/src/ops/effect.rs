//! Effects in order: printing and asserting, threaded through by a token.

use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::eval::{EvalCx, token};
use crate::infer::{Infer, all_tensors, wrong_count};
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use tracelift_tensor::{Array, DType, Error, Result};

/// The first token: effects that take it, directly or not, come after it, in the order of their tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Token;

/// Prints a message and the values of its operands behind operand 0, the token.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Print {
    /// What stands before the values.
    pub message: String,
}

/// Fails unless operand 1, bools of any shape, is true everywhere; operand 0 is the token.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Assert {
    /// What the error says.
    pub message: String,
}

/// The operands behind the token.
fn behind_token(x: &[Type]) -> Result<&[Type]> {
    match x.split_first() {
        Some((Type::Token, rest)) => {
            all_tensors(rest)?;
            Ok(rest)
        }
        Some((other, _)) => Err(Error::type_(format!("wants a token as operand 0, not {other}"))),
        None => Err(Error::type_("wants a token as operand 0")),
    }
}

macro_rules! effects {
    ($($op:ident $name:literal, $lowering:ident, $laws:ident, infer: $infer:expr, eval: $eval:expr, batch: $batch:expr,
        attributes: $attributes:expr, from: $from:expr, samples: $samples:expr;)*) => {$(
        impl OpDef for $op {
            const NAMES: &'static [&'static str] = &[$name];

            fn name(&self) -> &'static str {
                $name
            }

            fn infer(&self, _: &mut Infer, x: &[Type]) -> Result<Types> {
                let check: fn(&[Type]) -> Result = $infer;
                check(x)?;
                Ok(Types::from_iter([Type::Token]))
            }

            fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
                let run: fn(&$op, &mut EvalCx<'_>, &[Array]) -> Result = $eval;
                run(self, cx, x)?;
                Ok(vec![token()])
            }

            fn vjp(&self, cx: &mut Vjp<'_>) -> Result<VjpRule> {
                // Showing or testing a value passes nothing on.
                Ok(VjpRule::Local(vec![None; cx.x.len()]))
            }

            fn batch(&self, cx: &mut Batch<'_>) -> Result<BatchRule> {
                let batch: fn(&$op, &mut Batch<'_>) -> Result<BatchRule> = $batch;
                batch(self, cx)
            }

            fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
                Lowering::$lowering
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
                Laws::$laws
            }

            fn samples() -> Vec<Sample> {
                $samples
            }
        }
    )*};
}

effects! {
    Token "token", Host, NONE,
        infer: |x| if x.is_empty() { Ok(()) } else { Err(wrong_count(0, x.len())) },
        eval: |_, _, _| Ok(()),
        batch: |_, _| Ok(BatchRule::Refused("has no operands of which there might be several")),
        attributes: |_| Attrs::new(),
        from: |_| Ok(Token),
        samples: vec![Sample::new(Token, vec![])];
    Print "print", Host, EFFECT,
        infer: |x| behind_token(x).map(|_| ()),
        eval: |op, cx, x| {
            let mut line = op.message.clone();
            for value in &x[1..] {
                line += if line.is_empty() { "" } else { " " };
                line += &value.to_string();
            }
            cx.print(&line);
            Ok(())
        },
        // One line shows the values of all elements.
        batch: |op, cx| cx.b.push_multi(op.clone(), cx.x).map(BatchRule::Same),
        attributes: |op| Attrs::new().text("message", &op.message),
        from: |attrs| Ok(Print { message: attrs.text("message")?.to_owned() }),
        samples: {
            let print = |message: &str, value| effect(Print { message: message.into() }, value);
            let mut samples = vec![print("", special_values(DType::F32, &[0, 1]))];
            samples.extend(DType::ALL.map(|dtype| print("x is", special_values(dtype, &[3]))));
            samples
        };
    Assert "assert", Host, EFFECT,
        infer: |x| match behind_token(x)? {
            [condition] if condition.dtype() == DType::Bool => Ok(()),
            [condition] => Err(Error::type_(format!("wants a condition of bool, not {condition}"))),
            rest => Err(wrong_count(2, rest.len() + 1)),
        },
        eval: |op, _, x| match x[1].as_slice::<u8>().iter().position(|holds| *holds == 0) {
            None => Ok(()),
            Some(_) if x[1].rank() == 0 => Err(Error::invalid(format!("failed: {}", op.message))),
            Some(at) => Err(Error::invalid(format!("failed at element {at}: {}", op.message))),
        },
        batch: |op, cx| cx.b.push_multi(op.clone(), cx.x).map(BatchRule::Same),
        attributes: |op| Attrs::new().text("message", &op.message),
        from: |attrs| Ok(Assert { message: attrs.text("message")?.to_owned() }),
        samples: {
            let sample = |holds: &[bool], shape: &[usize]| {
                let holds = Array::new(shape, holds).expect("as many items as the shape asks for");
                effect(Assert { message: "must hold".into() }, holds)
            };
            vec![
                sample(&[true, true], &[2]),
                sample(&[], &[0]),
                sample(&[true], &[]),
                sample(&[true, false], &[2]).refused(),
                sample(&[false], &[1]).refused(),
            ]
        };
}

/// An effect on one value.
fn effect(op: impl Into<crate::Op>, value: Array) -> Sample {
    let types = vec![Type::Token, Type::of(&value)];
    Sample::new(op, vec![token(), value]).traced_as(types)
}
