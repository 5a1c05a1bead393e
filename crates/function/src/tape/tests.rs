//! Tapes against `grad` and traced gradients, on every op: equal bits, or the same refusal.

use tracelift_ir::{Op, Type, ops::Identity};

use super::GradientTape;
use crate::{
    Tensor,
    dispatch::{apply, apply_multi},
    once::in_trace,
    value_and_gradients,
};

/// Something that all results of an op go into, none of them linearly.
fn target(op: &Op, xs: &[&Tensor]) -> Tensor {
    let ys = apply_multi(op.clone(), xs);
    let floats = ys.iter().filter(|y| y.dtype().is_float() && y.error().is_none());
    let squares = floats.map(|y| (y * y).sum(..).cast(crate::F64));
    squares.reduce(|a, b| a + b).unwrap_or_else(|| ys[0].clone())
}

fn by_tape(op: &Op, xs: &[&Tensor]) -> Vec<Tensor> {
    let tape = GradientTape::new();
    xs.iter().for_each(|x| tape.watch(x));
    let y = target(op, xs);
    tape.gradient(&y, &xs.iter().map(|x| (*x).clone()).collect::<Vec<_>>())
}

/// The gradient of the sum of squares of the gradients.
fn twice_by_tape(op: &Op, xs: &[&Tensor]) -> Vec<Tensor> {
    let tape = GradientTape::new();
    xs.iter().for_each(|x| tape.watch(x));
    let connected = by_tape(op, xs).into_iter().filter_map(Tensor::connected);
    match connected.map(|dx| (&dx * &dx).sum(..).cast(crate::F64)).reduce(|a, b| a + b) {
        Some(y) => tape.gradient(&y, &xs.iter().map(|x| (*x).clone()).collect::<Vec<_>>()),
        None => Vec::new(),
    }
}

fn traced(xs: &[Tensor], body: impl FnOnce(&[&Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
    in_trace("traced", || {
        let xs: Vec<Tensor> = xs.iter().map(|x| apply(Identity, &[x])).collect();
        body(&xs.iter().collect::<Vec<_>>())
    })
}

fn compare(what: &str, op: &Op, a: &[Tensor], b: &[Tensor]) -> usize {
    assert_eq!(a.len(), b.len(), "{what} of {op:?}");
    let mut equal = 0;
    for (a, b) in a.iter().zip(b) {
        match (a.to_array(), b.to_array()) {
            (Ok(a), Ok(b)) => {
                assert!(a.bit_eq(&b), "{what} of {op:?}: {a} and {b}");
                equal += 1;
            }
            (Err(a), Err(b)) => assert_eq!(a.kind, b.kind, "{what} of {op:?}: {a}, {b}"),
            (a, b) => panic!("{what} of {op:?}: {a:?} and {b:?}"),
        }
    }
    equal
}

#[test]
fn tapes_and_traced_gradients_have_equal_bits() {
    let mut equal = 0;
    for sample in Op::all_samples() {
        if sample.fails || sample.types.contains(&Type::Token) || sample.types.iter().any(|ty| ty.as_tensor().is_none())
        {
            continue;
        }
        let op = &sample.op;
        let xs: Vec<Tensor> = sample.inputs.iter().map(|array| Tensor::from(array.clone())).collect();
        let refs: Vec<&Tensor> = xs.iter().collect();
        let eager = by_tape(op, &refs);
        equal += compare("traced tape", op, &eager, &traced(&xs, |xs| by_tape(op, xs)));
        let closure = value_and_gradients(|| target(op, &refs), &xs).1;
        equal += compare("closure", op, &eager, &closure);
        let twice = twice_by_tape(op, &refs);
        equal += compare("second order", op, &twice, &traced(&xs, |xs| twice_by_tape(op, xs)));
    }
    assert!(equal > 300, "only {equal} gradients were compared");
}
