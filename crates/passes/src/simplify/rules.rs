//! The equations, a rule each.

use super::site::{Rule, Site};
use tracelift_ir::ops::{Broadcast, Mul, Reshape, Transpose};
use tracelift_ir::{Op, Value};
use tracelift_tensor::Result;

type Found = Result<Option<Value>>;

macro_rules! rules {
    ($($name:ident: $equation:literal;)*) => {
        /// All rules, in the order in which they are tried.
        pub const RULES: &[Rule] = &[$(Rule { name: stringify!($name), equation: $equation, apply: $name }),*];
    };
}

rules! {
    identity: "identity(x) == x, stop_gradient(x) == x: gradients have been made before";
    neutral: "f(x, e) == x for the neutral element e of f, by its laws";
    absorbing: "f(x, z) == z for the absorbing element z of f, by its laws";
    involution: "f(f(x)) == x for an involution, by its laws";
    idempotent_unary: "f(f(x)) == f(x), by the laws of f";
    idempotent_binary: "f(x, x) == x, by the laws of f";
    select_same: "select(c, x, x) == x";
    select_known: "select(true, x, y) == x, select(false, x, y) == y";
    cast_same: "cast(x) == x to its own dtype";
    power_zero_one: "powi(x, 1) == x";
    power_product: "powi(x, 2) == x * x, powi(x, 3) == (x * x) * x: powers multiply from the left";
    reshape_same: "reshape(x) == x to its own shape";
    reshape_twice: "reshape(reshape(x)) == reshape(x)";
    transpose_same: "transpose(x) == x in the same order";
    transpose_twice: "transpose(transpose(x)) == transpose(x)";
    broadcast_same: "broadcast(x) == x to its own shape";
    broadcast_twice: "broadcast(broadcast(x)) == broadcast(x)";
    slice_all: "slice(x) == x of everything";
    reduce_one: "reduce(x) == reshape(x) over axes of one, unless it answers positions";
    nothing_reversed: "reverse(x) == x along no axis";
}

fn found(value: Value) -> Found {
    Ok(Some(value))
}

fn identity(at: &mut Site<'_>) -> Found {
    match at.op {
        Op::Identity(_) | Op::StopGradient(_) => found(at.x[0]),
        _ => Ok(None),
    }
}

fn neutral(at: &mut Site<'_>) -> Found {
    let (Some(neutral), [x, y]) = (at.laws().identity, at.x) else { return Ok(None) };
    let (x, y) = (*x, *y);
    if at.is(1, neutral.value) {
        return found(x);
    }
    if neutral.left && at.is(0, neutral.value) { found(y) } else { Ok(None) }
}

fn absorbing(at: &mut Site<'_>) -> Found {
    let (Some(zero), [x, y]) = (at.laws().absorbing, at.x) else { return Ok(None) };
    let (x, y) = (*x, *y);
    if at.is(1, zero) {
        return found(y);
    }
    if at.is(0, zero) { found(x) } else { Ok(None) }
}

fn involution(at: &mut Site<'_>) -> Found {
    if at.x.len() == 1 && at.laws().involution {
        let (inner, operands) = at.made_by(0);
        if inner == *at.op {
            return found(operands[0]);
        }
    }
    Ok(None)
}

fn idempotent_unary(at: &mut Site<'_>) -> Found {
    let same = at.x.len() == 1 && at.laws().idempotent && at.made_by(0).0 == *at.op;
    if same { found(at.x[0]) } else { Ok(None) }
}

fn idempotent_binary(at: &mut Site<'_>) -> Found {
    match at.x {
        [x, y] if x == y && at.laws().idempotent => found(*x),
        _ => Ok(None),
    }
}

fn select_same(at: &mut Site<'_>) -> Found {
    match (at.op, at.x) {
        (Op::Select(_), [_, x, y]) if x == y => found(*x),
        _ => Ok(None),
    }
}

fn select_known(at: &mut Site<'_>) -> Found {
    let (Op::Select(_), &[_, x, y]) = (at.op, at.x) else { return Ok(None) };
    match at.number(0) {
        Some(condition) => found(if condition != 0.0 { x } else { y }),
        None => Ok(None),
    }
}

fn cast_same(at: &mut Site<'_>) -> Found {
    match at.op {
        Op::Cast(cast) if at.ty(0).dtype() == cast.dtype => found(at.x[0]),
        _ => Ok(None),
    }
}

fn power_zero_one(at: &mut Site<'_>) -> Found {
    match at.op {
        Op::Powi(power) if power.n == 1 => found(at.x[0]),
        _ => Ok(None),
    }
}

fn power_product(at: &mut Site<'_>) -> Found {
    let Op::Powi(power) = at.op else { return Ok(None) };
    let x = at.x[0];
    match power.n {
        2 => at.push(Mul, &[x, x]).map(Some),
        3 => {
            let square = at.push(Mul, &[x, x])?;
            at.push(Mul, &[square, x]).map(Some)
        }
        _ => Ok(None),
    }
}

fn reshape_same(at: &mut Site<'_>) -> Found {
    match at.op {
        Op::Reshape(reshape) if *at.ty(0).shape() == reshape.shape => found(at.x[0]),
        _ => Ok(None),
    }
}

fn reshape_twice(at: &mut Site<'_>) -> Found {
    match (at.op, at.made_by_op(0)) {
        (Op::Reshape(outer), Some((Op::Reshape(_), x))) => {
            let outer = Reshape { shape: outer.shape.clone() };
            at.push(outer, &[x]).map(Some)
        }
        _ => Ok(None),
    }
}

fn transpose_same(at: &mut Site<'_>) -> Found {
    match at.op {
        Op::Transpose(t) if t.order.iter().enumerate().all(|(n, axis)| n == *axis) => found(at.x[0]),
        _ => Ok(None),
    }
}

fn transpose_twice(at: &mut Site<'_>) -> Found {
    match (at.op, at.made_by_op(0)) {
        (Op::Transpose(outer), Some((Op::Transpose(inner), x))) => {
            let order = outer.order.iter().map(|axis| inner.order[*axis]).collect();
            at.push(Transpose { order }, &[x]).map(Some)
        }
        _ => Ok(None),
    }
}

fn broadcast_same(at: &mut Site<'_>) -> Found {
    match at.op {
        Op::Broadcast(broadcast) if *at.ty(0).shape() == broadcast.shape => found(at.x[0]),
        _ => Ok(None),
    }
}

fn broadcast_twice(at: &mut Site<'_>) -> Found {
    match (at.op, at.made_by_op(0)) {
        (Op::Broadcast(outer), Some((Op::Broadcast(inner), x))) => {
            let axes = inner.axes.iter().map(|axis| outer.axes[*axis]).collect();
            let shape = outer.shape.clone();
            at.push(Broadcast { shape, axes }, &[x]).map(Some)
        }
        _ => Ok(None),
    }
}

fn slice_all(at: &mut Site<'_>) -> Found {
    match at.op {
        Op::Slice(slice)
            if slice
                .axes
                .iter()
                .zip(at.ty(0).shape().iter())
                .all(|(part, dim)| part.start.is_zero() && part.size == *dim && part.step == 1) =>
        {
            found(at.x[0])
        }
        _ => Ok(None),
    }
}

fn reduce_one(at: &mut Site<'_>) -> Found {
    let Op::Reduce(reduce) = at.op else { return Ok(None) };
    let shape = at.ty(0).shape().clone();
    if reduce.kind.answers_position() || !reduce.axes.iter().all(|axis| shape[*axis].is_one()) {
        return Ok(None);
    }
    let kept = |axis: &usize| reduce.keep || !reduce.axes.contains(axis);
    let shape = (0..shape.rank()).filter(kept).map(|axis| shape[axis].clone()).collect();
    at.push(Reshape { shape }, &[at.x[0]]).map(Some)
}

fn nothing_reversed(at: &mut Site<'_>) -> Found {
    match at.op {
        Op::Reverse(reverse) if reverse.axes.is_empty() => found(at.x[0]),
        _ => Ok(None),
    }
}
