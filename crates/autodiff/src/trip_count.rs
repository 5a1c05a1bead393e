//! How often a loop runs, where that can be read off it: `for i in start..limit`.

use tracelift_ir::ops::While;
use tracelift_ir::{Builder, Graph, Op, Value};
use tracelift_tensor::{Array, Atom, Dim};

/// The number of iterations of a loop that counts an integer up to a limit, both known before it runs.
pub(crate) fn trip_count(b: &Builder, op: &While, x: &[Value]) -> Option<Dim> {
    if op.trips.is_some() {
        return op.trips.clone();
    }
    let condition = &*op.condition;
    let test = condition.node(condition.results()[0]);
    let (counter, limit) = match test.op {
        Op::Lt(_) => (test.operands[0], test.operands[1]),
        Op::Gt(_) => (test.operands[1], test.operands[0]),
        _ => return None,
    };
    let counter = param(condition, counter).filter(|n| *n < op.carried())?;
    let limit = match param(condition, limit) {
        Some(n) => size(b, x[outside(op, n)?])?,
        None => Dim::from(whole(constant(&condition.node(limit).op)?)?),
    };
    let (start, step) = (whole(constant(&b.node(x[counter]).op)?)?, step(&op.body, counter)?);
    match (limit.known(), start, step) {
        (Some(limit), start, step) => {
            let distance = limit.checked_sub(start)?.max(0);
            Some(Dim::from(distance.checked_add(step - 1)? / step))
        }
        // A size that could be negative would be no number of iterations.
        (None, 0, 1) if is_sum_of_sizes(&limit) => Some(limit),
        _ => None,
    }
}

/// The operand that a parameter has in every iteration.
fn outside(op: &While, param: usize) -> Option<usize> {
    let stays = param >= op.carried() || op.body.results()[param] == op.body.params()[param];
    stays.then_some(param)
}

/// By how much the body increases a carried integer.
fn step(body: &Graph, counter: usize) -> Option<i64> {
    let next = body.node(body.results()[counter]);
    let (Op::Add(_), [a, b]) = (&next.op, next.operands.as_slice()) else { return None };
    let param = body.params()[counter];
    let step = if *a == param { *b } else { (*b == param).then_some(*a)? };
    whole(constant(&body.node(step).op)?).filter(|step| *step > 0)
}

fn param(graph: &Graph, value: Value) -> Option<usize> {
    graph.params().iter().position(|param| *param == value)
}

fn constant(op: &Op) -> Option<&Array> {
    match op {
        Op::Constant(constant) => Some(constant.value()),
        _ => None,
    }
}

fn whole(array: &Array) -> Option<i64> {
    let is_whole = array.rank() == 0 && !array.dtype().is_float();
    array.item::<i32>().map(i64::from).or_else(|_| array.item::<i64>()).ok().filter(|_| is_whole)
}

/// The number or size that a value is.
fn size(b: &Builder, mut value: Value) -> Option<Dim> {
    loop {
        let node = b.node(value);
        match &node.op {
            Op::Constant(constant) => return whole(constant.value()).map(Dim::from),
            Op::Dim(dim) => return b.ty(node.operands[0]).as_tensor()?.shape.get(dim.axis).cloned(),
            Op::Identity(_) => value = node.operands[0],
            _ => return None,
        }
    }
}

fn is_sum_of_sizes(dim: &Dim) -> bool {
    dim.terms().iter().all(|term| term.coefficient >= 0 && term.atoms.iter().all(|atom| matches!(atom, Atom::Sym(_))))
}
