//! Tapes against `grad` and traced gradients, on every op: equal bits, or the same refusal.

use tracelift_ir::{Builder, Op, ParamRole, Sample, Type, ops::Identity};

use super::{GradientTape, record};
use crate::{
    Tensor,
    dispatch::{apply, apply_multi},
    once::in_trace,
    value_and_gradients,
};

/// Something that all results of an op go into, none of them linearly.
fn target(op: &Op, xs: &[&Tensor]) -> Tensor {
    let ys = match op.regions().is_empty() {
        true => apply_multi(op.clone(), xs),
        // Loops and branches are parts of graphs: at once, they are run as calls of one.
        false => in_trace("call", || apply_multi(op.clone(), xs)),
    };
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

fn sample_results(sample: &Sample) -> Vec<Type> {
    let mut b = Builder::new("sample");
    let xs: Vec<_> = sample.types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
    let ys = b.push_multi(sample.op.clone(), &xs).expect("a sample is an op on operands that fit");
    ys.into_iter().map(|y| b.ty(y).clone()).collect()
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
        // Stacks are made by gradients of loops, and never seen by users.
        if sample_results(&sample).iter().any(|ty| ty.as_tensor().is_none()) {
            continue;
        }
        let xs: Vec<Tensor> = sample.inputs.iter().map(|array| Tensor::from(array.clone())).collect();
        let refs: Vec<&Tensor> = xs.iter().collect();
        let eager = by_tape(op, &refs);
        equal += compare("traced tape", op, &eager, &traced(&xs, |xs| by_tape(op, xs)));
        let closure = value_and_gradients(|| target(op, &refs), &xs).1;
        equal += compare("closure", op, &eager, &closure);
        let twice = twice_by_tape(op, &refs);
        let twice_traced = traced(&xs, |xs| twice_by_tape(op, xs));
        if op.regions().is_empty() {
            equal += compare("second order", op, &twice, &twice_traced);
            continue;
        }
        // At once, a loop is a call, and what flows through it twice is added inside of it first.
        for (a, b) in twice.iter().zip(&twice_traced) {
            let (Ok(a), Ok(b)) = (a.to_array(), b.to_array()) else { continue };
            for (a, b) in (0..b.len()).map(|i| (a.get_f64(i), b.get_f64(i))) {
                let close = a == b || (a - b).abs() <= 1e-5 * b.abs() || (a.is_nan() && b.is_nan());
                assert!(close, "second order of {op:?}: {a} and {b}");
            }
        }
    }
    assert!(equal > 300, "only {equal} gradients were compared");
}

#[test]
fn what_no_living_tape_can_reach_is_let_go() {
    let w = crate::Variable::new(Tensor::ones([1000]));
    let first = GradientTape::new();
    let long: Vec<Tensor> = (0..50).map(|n| w.square() * n).collect();
    let second = GradientTape::new();
    let y = &long[49] + &w;
    let before = record::held();
    assert!(before > 100, "{before}");
    drop(first);
    // The products are known to their tensors alone now, but for the one that the second tape walked from.
    assert!(record::held() < 10, "{}", record::held());
    let z = &y + &long[0];
    assert_eq!(second.gradient(&z, &w).to_vec::<f32>().unwrap(), vec![1.; 1000]);
    assert_eq!(record::held(), 0);
}
