//! Every gradient rule against central differences, and the conventions at ties.

use crate::op::Op;
use crate::{Builder, Graph, ParamRole, Type, Value, Vjp, VjpRule, evaluate, ops};
use tracelift_kernel::meaning::ReduceKind;
use tracelift_tensor::{Array, F32, F64, Shape};

/// The function of an op, and that of its gradient, which takes the cotangents of the results behind the operands.
/// `None` if the op has no local rule.
fn with_gradient(op: &Op, types: &[Type]) -> Option<(Graph, Graph, Vec<Option<usize>>)> {
    let mut b = Builder::new("gradient");
    let x: Vec<Value> = types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
    let y = b.push_multi(op.clone(), &x).ok()?;
    let function = {
        let mut b = Builder::new("function");
        let x: Vec<Value> = types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
        let y = b.push_multi(op.clone(), &x).expect("the op fits, as above");
        b.finish(&y).unwrap()
    };
    let dy: Vec<Option<Value>> = y
        .iter()
        .map(|y| {
            let ty = b.ty(*y).clone();
            ty.is_float().then(|| b.param("", ty, ParamRole::Input))
        })
        .collect();
    let rule = op.vjp(&mut Vjp { b: &mut b, x: &x, y: &y, dy: &dy }).unwrap();
    let dx = match rule {
        VjpRule::Local(dx) => dx,
        VjpRule::Zero => vec![None; x.len()],
        VjpRule::Region | VjpRule::NotDifferentiable(_) => return None,
    };
    for (x, dx) in x.iter().zip(&dx) {
        if let Some(dx) = dx {
            assert_eq!(b.ty(*x), b.ty(*dx), "the cotangent of an operand of {op:?} has another type");
        }
    }
    let results: Vec<Value> = dx.iter().flatten().copied().collect();
    let mut next = 0..;
    let places = dx.iter().map(|dx| dx.and_then(|_| next.next())).collect();
    Some((function, b.finish(&results).unwrap(), places))
}

/// Numbers without ties or symmetry, away from the edges of every op's domain.
fn generic(shape: &[usize], seed: usize) -> Array {
    let count: usize = shape.iter().product();
    let item = |i: usize| 0.31 + 1.7 * (((i * 7919 + seed * 104_729 + 13) % 1009) as f64 / 1009.0);
    Array::new(shape, (0..count).map(item).collect::<Vec<f64>>()).unwrap()
}

/// Generic numbers where the op is defined.
fn in_domain(op: &Op, shape: &[usize], seed: usize) -> Array {
    let x = generic(shape, seed);
    match op.name() {
        "asin" | "acos" | "atanh" | "erf_inv" => shifted(&x, &x, -0.6),
        "acosh" => shifted(&x, &Array::full(F64, shape, 1.0).unwrap(), 1.0),
        _ => x,
    }
}

fn shifted(x: &Array, direction: &Array, by: f64) -> Array {
    let items = x.as_slice::<f64>().iter().zip(direction.as_slice::<f64>()).map(|(x, d)| x + by * d);
    Array::new(x.shape(), items.collect::<Vec<f64>>()).unwrap()
}

fn dot(a: &Array, b: &Array) -> f64 {
    a.as_slice::<f64>().iter().zip(b.as_slice::<f64>()).map(|(a, b)| a * b).sum()
}

#[test]
fn gradients_agree_with_differences() {
    let mut checked = std::collections::BTreeSet::new();
    for sample in Op::all_samples() {
        // Hiding a dependence is what `stop_gradient` is for.
        if matches!(sample.op, Op::StopGradient(_)) {
            continue;
        }
        if sample.fails
            || !sample.inputs.iter().any(|x| x.dtype() == F32)
            || sample.types.iter().any(|ty| ty.as_tensor().is_none())
        {
            continue;
        }
        // The same op on doubles, for sharp differences.
        let types: Vec<Type> =
            sample.types.iter().map(|ty| if ty.dtype() == F32 { ty.with_dtype(F64) } else { ty.clone() }).collect();
        let is_float: Vec<bool> = sample.inputs.iter().map(|x| x.dtype() == F32).collect();
        let x: Vec<Array> = sample
            .inputs
            .iter()
            .enumerate()
            .map(|(i, x)| if is_float[i] { in_domain(&sample.op, x.shape(), i) } else { x.clone() })
            .collect();
        let Some((function, gradient, places)) = with_gradient(&sample.op, &types) else { continue };
        let name = format!("{:?} on {types:?}", sample.op);
        let results = evaluate(&function, &x).unwrap();
        let floats: Vec<usize> = (0..results.len()).filter(|i| results[*i].dtype() == F64).collect();
        if floats.is_empty() {
            continue;
        }
        let dy: Vec<Array> = floats.iter().map(|i| generic(results[*i].shape(), 17 + i)).collect();
        let operands: Vec<Array> = x.iter().chain(&dy).cloned().collect();
        let dx = evaluate(&gradient, &operands).unwrap_or_else(|error| panic!("{name}: {error}"));
        let direction = |i: usize, x: &Array| {
            if is_float[i] { shifted(&generic(x.shape(), 29 + i), &generic(x.shape(), 5), -1.1) } else { x.clone() }
        };
        let directions: Vec<Array> = x.iter().enumerate().map(|(i, x)| direction(i, x)).collect();
        let at = |by: f64| {
            let moved = |i: usize| if is_float[i] { shifted(&x[i], &directions[i], by) } else { x[i].clone() };
            let y = evaluate(&function, &(0..x.len()).map(moved).collect::<Vec<_>>()).unwrap();
            floats.iter().zip(&dy).map(|(i, dy)| dot(&y[*i], dy)).sum::<f64>()
        };
        let epsilon = 1e-6;
        let difference = (at(epsilon) - at(-epsilon)) / (2.0 * epsilon);
        let product: f64 = places.iter().enumerate().filter_map(|(i, p)| p.map(|p| dot(&dx[p], &directions[i]))).sum();
        let close = (difference - product).abs() <= 1e-6 * (1.0 + difference.abs());
        assert!(close, "{name}: the gradient says {product}, differences say {difference}\n{gradient}");
        checked.insert(sample.op.name());
    }
    for name in
        ["mul", "pow", "reduce_prod", "reduce_max", "dot_general", "slice", "pad", "gather", "scatter_add", "erf"]
    {
        assert!(checked.contains(name), "no gradient of `{name}` was checked");
    }
}

/// The gradient of the sum of an op's result.
fn gradient(op: impl Into<Op>, x: &[Array]) -> Vec<Vec<f32>> {
    let types: Vec<Type> = x.iter().map(Type::of).collect();
    let op = op.into();
    let (function, gradient, _) = with_gradient(&op, &types).unwrap();
    let y = evaluate(&function, x).unwrap();
    let mut operands = x.to_vec();
    operands.push(Array::full(F32, y[0].shape(), 1.0).unwrap());
    evaluate(&gradient, &operands).unwrap().iter().map(|dx| dx.to_vec().unwrap()).collect()
}

fn vector(items: &[f32]) -> Array {
    Array::vector(items).unwrap()
}

#[test]
fn ties_go_to_the_first_or_are_shared() {
    let tie = [vector(&[1.0, 2.0, 3.0]), vector(&[1.0, 3.0, 2.0])];
    assert_eq!(gradient(ops::Max, &tie), [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
    assert_eq!(gradient(ops::Min, &tie), [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    let max = ops::Reduce::new(ReduceKind::Max, &[0], false, 1);
    assert_eq!(gradient(max, &[vector(&[2.0, 1.0, 2.0, 2.0])]), [[1.0 / 3.0, 0.0, 1.0 / 3.0, 1.0 / 3.0]]);
    assert_eq!(gradient(ops::Abs, &[vector(&[-2.0, 0.0, 3.0])]), [[-1.0, 0.0, 1.0]]);
    // max(0, x) is relu: nothing passes at 0.
    let relu = [vector(&[0.0, 0.0, 0.0]), vector(&[-1.0, 0.0, 2.0])];
    assert_eq!(gradient(ops::Max, &relu)[1], [0.0, 0.0, 1.0]);
}

#[test]
fn a_masked_root_of_zero_passes_nothing() {
    let types = [Type::tensor(F32, Shape::from([2]))];
    let (_, gradient, _) = with_gradient(&ops::Sqrt.into(), &types).unwrap();
    let dx = evaluate(&gradient, &[vector(&[0.0, 0.0]), vector(&[0.0, 1.0])]).unwrap();
    assert_eq!(dx[0].to_vec::<f32>().unwrap(), [0.0, f32::INFINITY]);
}

#[test]
fn products_with_zeros_have_gradients() {
    let prod = ops::Reduce::new(ReduceKind::Prod, &[1], false, 2);
    let x = Array::new([3, 3], vec![2.0f32, 3.0, 4.0, 2.0, 0.0, 4.0, 0.0, 0.0, 4.0]).unwrap();
    assert_eq!(gradient(prod, &[x]), [[12.0, 8.0, 6.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0]]);
}

#[test]
fn powers_have_gradients_at_their_edges() {
    let dx = gradient(ops::Pow, &[vector(&[0.0, 0.0, -2.0]), vector(&[0.0, 2.0, 3.0])]);
    assert_eq!(dx, [[0.0, 0.0, 12.0], [0.0, 0.0, 0.0]]);
    assert_eq!(gradient(ops::Powi { n: 3 }, &[vector(&[2.0, -1.0])]), [[12.0, 3.0]]);
}
