//! Functions that need no file: traced from Rust when they are asked for.

use tracelift_function::{
    DType, Function, Signature, Specs, Tensor, Traceable, Variable, cond, select, spec, tensor, while_loop,
};
use tracelift_ir::Graph;
use tracelift_tensor::Result;

type Trace = fn() -> Result<Graph>;

const SHIPPED: [(&str, Trace); 7] = [
    ("collatz", collatz),
    ("counter", counter),
    ("cube", cube),
    ("gelu", gelu),
    ("huber", huber),
    ("newton", newton),
    ("softmax", softmax),
];

/// The names, in order.
pub(crate) fn names() -> Vec<&'static str> {
    SHIPPED.iter().map(|(name, _)| *name).collect()
}

/// The trace of the function of that name.
pub(crate) fn function(name: &str) -> Option<Result<Graph>> {
    let (name, trace) = SHIPPED.iter().find(|(known, _)| *known == name)?;
    Some(trace().map(|graph| graph.renamed(*name)))
}

/// How many steps of halving and tripling lead to 1: a branch in a loop.
fn collatz() -> Result<Graph> {
    let steps = |n: &Tensor| {
        let next = |n: &Tensor| cond(&(n % 2).eq(0), || (n / 2).cast(DType::I32), || n * 3 + 1);
        while_loop((n.clone(), tensor(0)), |(n, _)| n.gt(1), |(n, steps)| (next(&n), steps + 1)).1
    };
    traced(steps, ["n"], spec!(i32[]))
}

/// A variable that a function changes: a state parameter, and its next value among the results.
fn counter() -> Result<Graph> {
    let counter = Variable::new(0).named("counter");
    let count = move |x: &Tensor| -> Result<Tensor> { counter.assign_add(x.sum(..)) };
    traced(count, ["x"], spec!(i32[None]))
}

fn cube() -> Result<Graph> {
    traced(|x: &Tensor| x.powi(3), ["x"], spec!(f32[None, 3]))
}

fn gelu() -> Result<Graph> {
    traced(|x: &Tensor| 0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x.powi(3))).tanh()), ["x"], spec!(f32[None]))
}

fn huber() -> Result<Graph> {
    let loss = |target: &Tensor, prediction: &Tensor| {
        let error = target - prediction;
        let size = error.abs();
        select(&size.lt(1.0), 0.5 * error.square(), &size - 0.5).mean(..)
    };
    traced(loss, ["target", "prediction"], [spec!(f32[None, 1]), spec!(f32[None, 1])])
}

/// The root of a number, by a loop whose number of turns the data decide.
fn newton() -> Result<Graph> {
    let root = |x: &Tensor| {
        let unfinished = |(y, x): &(Tensor, Tensor)| (y * y - x).abs().gt(1e-4 * x);
        while_loop((x + 0.0, x.clone()), unfinished, |(y, x)| (0.5 * (&y + &x / &y), x)).0
    };
    traced(root, ["x"], spec!(f32[]))
}

fn softmax() -> Result<Graph> {
    traced(|x: &Tensor| x.softmax(-1), ["x"], spec!(f32[None, None]))
}

fn traced<S: Signature, const N: usize>(f: impl Traceable<S>, names: [&str; N], specs: impl Specs) -> Result<Graph> {
    let function = Function::new(f).argument_names(&names);
    let concrete = function.concrete(specs)?;
    Ok(concrete.graph().clone())
}
