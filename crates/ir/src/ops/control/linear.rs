//! Stacks are linear: each state is used at most once, and a region hands on the very stack that it was given.
//!
//! So every stack has one place in memory, and each state takes the place of the one before.

use super::{Cond, While};
use crate::graph::Graph;
use crate::op::Op;
use crate::value::{Value, ValueMap};
use tracelift_tensor::{Error, Result};

/// A stack that is used more than once, if there is one.
pub(crate) fn used_twice(graph: &Graph) -> Option<Value> {
    let mut used: ValueMap<()> = ValueMap::new();
    let operands = graph.nodes().flat_map(|(_, node)| node.operands.iter());
    operands
        .chain(graph.results())
        .copied()
        .find(|value| graph.ty(*value).is_stack() && used.insert(*value, ()).is_some())
}

/// The value that a stack was before anything was done to it: a parameter, or what a node made.
fn root(graph: &Graph, mut stack: Value) -> Value {
    loop {
        let node = graph.node(stack);
        let operand = match &node.op {
            Op::StackPush(_) | Op::StackPop(_) | Op::StackLen(_) => Some(0),
            Op::While(op) => Some(stack.result as usize).filter(|n| *n < op.carried()),
            Op::Cond(cond) => param_behind(&cond.then, stack.result as usize).map(|param| param + 1),
            _ => None,
        };
        match operand {
            Some(operand) => stack = node.operands[operand],
            None => return stack,
        }
    }
}

/// The position of the parameter that a result of a region, a stack, was. Regions are nested to a limit, so this and
/// [`root`] may call each other.
fn param_behind(region: &Graph, result: usize) -> Option<usize> {
    let root = root(region, region.results()[result]);
    region.params().iter().position(|param| *param == root)
}

/// Which of the first results of a region are stacks.
fn stacks(region: &Graph, count: usize) -> impl Iterator<Item = usize> {
    (0..count).filter(|n| region.ty(region.results()[*n]).is_stack())
}

pub(super) fn check_loop(op: &While) -> Result {
    if let Some(captured) = op.body.param_types().skip(op.carried()).position(|ty| ty.is_stack()) {
        let message = format!("captures a stack as value {}", op.carried() + captured);
        return Err(Error::type_(message).help("carry it: each iteration changes it"));
    }
    let asks = |value: &Value| op.condition.ty(*value).is_stack();
    if op.condition.nodes().any(|(_, node)| node.operands.iter().any(asks)) {
        return Err(Error::type_("has a condition that uses a stack").help("carry its length as a number"));
    }
    match stacks(&op.body, op.carried()).find(|n| param_behind(&op.body, *n) != Some(*n)) {
        Some(n) => Err(Error::type_(format!("hands on another stack than the one it was given as value {n}"))),
        None => Ok(()),
    }
}

pub(super) fn check_branch(op: &Cond) -> Result {
    let differs = |n: &usize| {
        let then = param_behind(&op.then, *n);
        then.is_none() || then != param_behind(&op.otherwise, *n)
    };
    match stacks(&op.then, op.then.results().len()).find(differs) {
        Some(n) => Err(Error::type_(format!("has branches whose results {n} are not the same stack"))
            .help("make the stack before the branch, and hand it on from both")),
        None => Ok(()),
    }
}
