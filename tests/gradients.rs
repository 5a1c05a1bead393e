//! Gradients of every op: first and second order against differences, and with equal bits on every engine.

use tracelift_autodiff::{grad, gradients};
use tracelift_ir::{Builder, Graph, Op, ParamRole, Sample, Type, evaluate, ops};
use tracelift_tensor::{Array, DType, F32, F64};
use tracelift_testkit::differences::{check_slope, generic, slope, weighted};
use tracelift_testkit::engines::compare;

/// The sample on doubles: a weighted sum of its results, its arguments, and a direction for each.
fn on_doubles(sample: &Sample) -> Option<(Graph, Vec<Array>, Vec<Array>)> {
    // Stacks are no arguments; `tests/loops.rs` differentiates what is pushed and popped.
    let only_tensors = sample.types.iter().all(|ty| ty.as_tensor().is_some());
    if sample.fails || !only_tensors || matches!(sample.op, Op::StopGradient(_)) {
        return None;
    }
    let double = |ty: &Type| if ty.dtype() == F32 { ty.with_dtype(F64) } else { ty.clone() };
    let types: Vec<Type> = sample.types.iter().map(double).collect();
    let is_float = |x: &Array| x.dtype() == F32;
    let argument = |(n, x): (usize, &Array)| if is_float(x) { in_domain(&sample.op, x, n) } else { x.clone() };
    let arguments: Vec<Array> = sample.inputs.iter().enumerate().map(argument).collect();
    let direction = |(n, x): (usize, &Array)| generic(x.shape(), 29 + n);
    let directions = sample.inputs.iter().enumerate().map(direction).collect();
    sample.inputs.iter().any(is_float).then_some(())?;
    Some((weighted(&sample.op, &types, &arguments)?, arguments, directions))
}

/// Generic numbers where the op is defined.
fn in_domain(op: &Op, like: &Array, seed: usize) -> Array {
    let x = generic(like.shape(), seed);
    let moved =
        |to: fn(f64) -> f64| Array::new(x.shape(), x.as_slice::<f64>().iter().map(|x| to(*x)).collect::<Vec<_>>());
    match op.name() {
        "asin" | "acos" | "atanh" | "erf_inv" => moved(|x| 0.4 * x).unwrap(),
        "acosh" => moved(|x| x.abs() + 1.2).unwrap(),
        _ => x,
    }
}

#[test]
fn first_and_second_order_agree_with_differences() {
    let mut checked = std::collections::BTreeSet::new();
    for sample in Op::all_samples() {
        let Some((graph, arguments, directions)) = on_doubles(&sample) else { continue };
        let Ok(first) = slope(&graph, &directions) else { continue };
        let name = format!("{:?} on {:?}", sample.op, sample.types);
        check_slope(&graph, &first, &arguments, &directions).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let second = slope(&first, &directions).unwrap_or_else(|error| panic!("{name}, second order: {error}"));
        check_slope(&first, &second, &arguments, &directions)
            .unwrap_or_else(|fault| panic!("{name}, second order: {fault}"));
        checked.insert(sample.op.name());
    }
    for name in ["mul", "div", "pow", "tanh", "reduce_prod", "dot_general", "gather", "scatter_add", "pad", "concat"] {
        assert!(checked.contains(name), "no gradient of `{name}` was checked, only of {checked:?}");
    }
}

#[test]
fn engines_agree_on_gradients() {
    let (mut faults, mut count) = (vec![], 0);
    for sample in Op::all_samples() {
        let Some((graph, arguments, directions)) = on_doubles(&sample) else { continue };
        let Ok(first) = slope(&graph, &directions) else { continue };
        count += 1;
        if let Err(fault) = compare(&first, &arguments) {
            faults.push(format!("{:?} on {:?}: {fault}\n{first}", sample.op, sample.types));
        }
    }
    assert!(count > 100, "only {count} samples have gradients");
    assert!(faults.is_empty(), "{} gradients:\n{}", faults.len(), faults.join("\n\n"));
}

#[test]
fn third_order_of_a_power() {
    let mut b = Builder::new("quartic");
    let x = b.param("x", Type::scalar(F64), ParamRole::Input);
    let y = b.push(ops::Powi { n: 4 }, &[x]).unwrap();
    let mut graph = b.finish(&[y]).unwrap();
    for expected in [32.0, 48.0, 48.0, 24.0, 0.0] {
        graph = grad(&graph, &[0]).unwrap();
        let given = evaluate(&graph, &[Array::scalar(2.0f64)]).unwrap();
        assert_eq!(given[0].item::<f64>().unwrap(), expected, "{graph}");
        compare(&graph, &[Array::scalar(2.0f64)]).unwrap();
    }
}

#[test]
fn what_no_path_reaches_has_no_gradient() {
    let mut b = Builder::new("f");
    let [x, unused, stopped] =
        ["x", "unused", "stopped"].map(|name| b.param(name, Type::scalar(F64), ParamRole::Input));
    let n = b.param("n", Type::scalar(DType::I32), ParamRole::Input);
    let held = b.push(ops::StopGradient, &[stopped]).unwrap();
    let whole = b.cast(n, F64).unwrap();
    let y = b.mul(x, held).unwrap();
    let y = b.mul(y, whole).unwrap();
    let one = b.scalar_like(y, 1.0).unwrap();
    let found = gradients(&mut b, &[(y, one)], &[x, unused, stopped, n]).unwrap();
    let connected: Vec<bool> = found.iter().map(Option::is_some).collect();
    assert_eq!(connected[..2], [true, false]);
    assert!(!connected[3], "whole numbers have no gradient");
}

#[test]
fn targets_are_weighted_and_paths_add_up() {
    let mut b = Builder::new("f");
    let x = b.param("x", Type::scalar(F64), ParamRole::Input);
    let square = b.mul(x, x).unwrap();
    let cube = b.mul(square, x).unwrap();
    let (two, three) = (b.number(F64, 2.0), b.number(F64, 3.0));
    let dx = gradients(&mut b, &[(square, two), (cube, three)], &[x]).unwrap()[0].unwrap();
    let graph = b.finish(&[dx]).unwrap();
    // 2 · 2x + 3 · 3x²
    assert_eq!(evaluate(&graph, &[Array::scalar(5.0f64)]).unwrap()[0].item::<f64>().unwrap(), 245.0);
}
