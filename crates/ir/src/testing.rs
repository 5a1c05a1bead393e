//! Random graphs for the tests of this crate.

use crate::graph::Graph;
use crate::ops::{self, Cond, While};
use crate::{Builder, ParamRole, Type, Value};
use proptest::prelude::*;
use std::sync::Arc;
use tracelift_kernel::meaning::ReduceKind;
use tracelift_tensor::{Array, DType, Dim, F32, I32, Shape};

/// One step of growing a graph: which op, on which of the values so far, under which name.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    op: u8,
    x: usize,
    y: usize,
    literal: f32,
    name: Option<String>,
}

/// Steps for [`grow`].
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = prop::option::weighted(0.3, prop_oneof!["[a-z]{1,3}", "[a-z]\\.[0-9]", "[0-9]{1,2}", any::<String>()]);
    let step = (any::<u8>(), any::<usize>(), any::<usize>(), any::<f32>(), name);
    let step = step.prop_map(|(op, x, y, literal, name)| Step { op, x, y, literal, name });
    prop::collection::vec(step, 0..40)
}

/// A graph over tensors of `f32[B, 3]` and friends; what does not fit is left out.
pub(crate) fn grow(steps: &[Step]) -> Graph {
    let mut b = Builder::new("random graph");
    let shape = Shape::from([Dim::sym("B"), Dim::from(3)]);
    let mut values = vec![
        b.param("x", Type::tensor(F32, shape.clone()), ParamRole::Input),
        b.param("", Type::tensor(F32, [Dim::sym("C"), Dim::from(3)]), ParamRole::Captured),
        b.param("w", Type::tensor(F32, [3]), ParamRole::State),
        b.param("n", Type::scalar(I32), ParamRole::Input),
        b.param("p", Type::scalar(DType::Bool), ParamRole::Input),
    ];
    for step in steps {
        let (x, y) = (values[step.x % values.len()], values[step.y % values.len()]);
        let Some(value) = push(&mut b, step, x, y, &shape) else { continue };
        if let Some(name) = &step.name {
            b.set_name(value, name.as_str());
        }
        values.push(value);
    }
    let w = values.iter().rev().find(|value| *b.ty(**value) == *b.ty(values[2])).copied();
    b.set_state(2, w.expect("the parameter itself has that type"));
    let results: Vec<Value> = values.iter().rev().take(2).copied().collect();
    b.finish(&results).expect("what was pushed fits")
}

fn push(b: &mut Builder, step: &Step, x: Value, y: Value, shape: &Shape) -> Option<Value> {
    let rank = b.ty(x).rank();
    let made = match step.op % 16 {
        0 => b.add(x, y),
        1 => b.mul(x, y),
        2 => b.push(ops::Tanh, &[x]),
        3 => b.max(x, y),
        4 => b.lt(x, y),
        5 => Ok(b.constant(Array::vector([step.literal, -step.literal, 0.1]).expect("three elements"))),
        6 => b.broadcast(x, shape.clone(), &(2 - rank.min(2)..2).collect::<Vec<_>>()),
        7 => b.sum(x, &(0..rank.min(1)).collect::<Vec<_>>(), step.y.is_multiple_of(2)),
        8 => b.reduce(ReduceKind::Max, x, &(rank.saturating_sub(1)..rank).collect::<Vec<_>>(), false),
        9 => b.transpose(x, &(0..rank).rev().collect::<Vec<_>>()),
        10 => b.matmul(x, y),
        11 => b.cast(x, DType::ALL[step.y % 6]),
        12 => b.reshape(x, [-1i64]),
        13 => b.push(ops::Powi { n: step.y as i32 % 5 }, &[x]),
        14 => repeat(b, x),
        _ => choose(b, x, y),
    };
    made.ok()
}

/// `while i < n { x = x + x }`.
fn repeat(b: &mut Builder, x: Value) -> tracelift_tensor::Result<Value> {
    let n = b.params()[3];
    let types = [Type::scalar(I32), b.ty(x).clone(), Type::scalar(I32)];
    let names = ["i", "", "n"];
    let region = |results: &dyn Fn(&mut Builder, &[Value]) -> tracelift_tensor::Result<Vec<Value>>| {
        let mut b = Builder::new("region");
        let p: Vec<Value> =
            types.iter().zip(names).map(|(ty, name)| b.param(name, ty.clone(), ParamRole::Input)).collect();
        let results = results(&mut b, &p)?;
        b.finish(&results).map(Arc::new)
    };
    let condition = region(&|b, p| Ok(vec![b.lt(p[0], p[2])?]))?;
    let body = region(&|b, p| {
        let one = b.number(I32, 1.0);
        Ok(vec![b.add(p[0], one)?, b.add(p[1], p[1])?])
    })?;
    let zero = b.number(I32, 0.0);
    b.push_multi(While::new(condition, body), &[zero, x, n]).map(|results| results[1])
}

/// `if p { x } else { -y }`.
fn choose(b: &mut Builder, x: Value, y: Value) -> tracelift_tensor::Result<Value> {
    let p = b.params()[4];
    let types = [b.ty(x).clone(), b.ty(y).clone()];
    let branch = |names: [&str; 2], first: bool| {
        let mut b = Builder::new("branch");
        let x = b.param(names[0], types[0].clone(), ParamRole::Input);
        let y = b.param(names[1], types[1].clone(), ParamRole::Input);
        let result = if first { x } else { b.neg(y)? };
        b.finish(&[result]).map(Arc::new)
    };
    let op = Cond::new(branch(["x", ""], true)?, branch(["", "x"], false)?);
    b.push(op, &[p, x, y])
}
