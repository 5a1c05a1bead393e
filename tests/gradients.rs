//! Gradients of every op: first and second order against differences, and with equal bits on every engine.

use tracelift_autodiff::{grad as graph_grad, gradients, value_and_grad};
use tracelift_function::{
    Function, Options, Tensor, for_range, grad as derivative, recompute, save_residuals, spec, tensor,
};
use tracelift_ir::{Builder, Graph, Op, ParamRole, Sample, Type, evaluate, ops};
use tracelift_tensor::{Array, DType, F32, F64, Origin};
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
        graph = graph_grad(&graph, &[0]).unwrap();
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

/// tanh(acc) * x six times, over doubles; `SAVE` says what its gradient keeps.
const SIX: &str = "func @six(%x: f64[]) -> f64[] {
  %zero = const 0 : i32[]
  %one = const 1.0 : f64[]
  %1, %2 = while (%i = %zero, %acc = %one) captures (%y = %x) SAVE : i32[], f64[] {
    %limit = const 6 : i32[]
    %3 = lt %i, %limit : bool[]
    yield %3
  } do {
    %4 = const 1 : i32[]
    %5 = add %i, %4 : i32[]
    %6 = tanh %acc : f64[]
    %7 = mul %6, %y : f64[]
    yield %5, %7
  }
  return %2
}
";

fn parsed(text: &str) -> Graph {
    Graph::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// How often `tanh` stands in a graph and its regions.
fn tanhs(graph: &Graph) -> usize {
    let of_node = |op: &Op| op.regions().iter().map(|region| tanhs(region)).sum::<usize>();
    graph.nodes().map(|(_, node)| usize::from(node.op.name() == "tanh") + of_node(&node.op)).sum()
}

#[test]
fn loops_keep_residuals_if_they_are_few_bytes() {
    let of = |save: &str| value_and_grad(&parsed(&SIX.replace("SAVE", save)), &[0]).unwrap();
    // Six iterations of eight bytes.
    let cases =
        [("", 1), ("{save_bytes=48}", 1), ("{save_bytes=47}", 2), ("{save=carried}", 2), ("{save=residuals}", 1)];
    let arguments = [Array::scalar(1.2f64)];
    let expect = evaluate(&of(""), &arguments).unwrap();
    for (save, count) in cases {
        let graph = of(save);
        assert_eq!(tanhs(&graph), count, "{save}: {graph}");
        assert_eq!(compare(&graph, &arguments).unwrap().results.unwrap(), expect, "{save}");
        assert_eq!(parsed(&graph.to_string()), graph, "{save}");
    }
    // Where the number of iterations, or a size, is not known, nothing is known to be little.
    let unknown = SIX.replace("%x: f64[]", "%x: f64[], %n: i32[]").replace("    %limit = const 6 : i32[]\n", "");
    let unknown = unknown.replace("(%y = %x)", "(%y = %x, %limit = %n)");
    assert_eq!(tanhs(&value_and_grad(&parsed(&unknown.replace("SAVE", "")), &[0]).unwrap()), 2);
    assert_eq!(tanhs(&value_and_grad(&parsed(&unknown.replace("SAVE", "{save=residuals}")), &[0]).unwrap()), 1);
}

#[test]
fn options_say_how_much_loops_keep() {
    let looped = |x: &Tensor| for_range(6, x * 0.0 + 1.0, |_, y| y.tanh() * x).sum(..);
    let slope = |f: fn(&Tensor) -> Tensor, options: Options| {
        let f = Function::new(move |x: &Tensor| derivative(f)(x)).options(options);
        let x = tensor([0.5f32, -1.25]);
        (tanhs(f.concrete(&x).unwrap().graph()), f(&x).to_vec::<f32>().unwrap())
    };
    let bytes = |save_bytes| Options { save_bytes, ..Options::default() };
    let (count, expect) = slope(looped, Options::default());
    assert_eq!(count, 1);
    // Six iterations of two numbers.
    assert_eq!(slope(looped, bytes(48)), (1, expect.clone()));
    assert_eq!(slope(looped, bytes(47)), (2, expect.clone()));
    // Half of what a call may take at all.
    let little = Options { max_bytes: Some(94), ..Options::default() };
    let f = Function::new(move |x: &Tensor| derivative(looped)(x)).options(little);
    assert_eq!(tanhs(f.concrete(spec!(f32[2])).unwrap().graph()), 2);
    // What is said of a loop counts.
    assert_eq!(slope(|x| save_residuals(|| for_range(6, x * 0.0 + 1.0, |_, y| y.tanh() * x).sum(..)), bytes(0)).0, 1);
    let again = |x: &Tensor| recompute(|| for_range(6, x * 0.0 + 1.0, |_, y| y.tanh() * x).sum(..));
    let recomputed = slope(again, Options::default());
    assert_eq!(recomputed.1, expect);
    assert!(Function::new(again).concrete(spec!(f32[2])).unwrap().graph().to_string().contains("save=carried"));
    // Options are those of the function that is traced, not of what calls it.
    let through = |save_bytes| {
        let inner = Function::new(looped).options(bytes(save_bytes));
        let outer = Function::new(move |x: &Tensor| derivative(|x: &Tensor| inner(x))(x));
        tanhs(outer.concrete(spec!(f32[2])).unwrap().graph())
    };
    assert_eq!(through(47), through(48) + 1);
}

#[test]
fn loops_that_have_no_gradient_say_why() {
    let message = |text: &str| graph_grad(&parsed(text), &[0]).unwrap_err().to_string();
    // A body that is fused already: what the gradient would be made of is not there any more.
    let fused = SIX.replace("SAVE", "").replace(
        "%6 = tanh %acc : f64[]",
        "%6 = fusion captures (%acc) : f64[] {\n      %8 = tanh %acc : f64[]\n      yield %8\n    }",
    );
    let told = "`fusion` has no gradient: gradients are made before nodes are fused";
    assert!(message(&fused).starts_with(told), "{}", message(&fused));
    // Unless nothing flows back through it.
    let unused = fused.replace("mul %6, %y", "mul %acc, %y");
    let slope = evaluate(&graph_grad(&parsed(&unused), &[0]).unwrap(), &[Array::scalar(1.0f64)]).unwrap();
    assert_eq!(slope[0], Array::scalar(6.0f64));
    // A node without a line has that of its loop.
    let graph = parsed(&fused);
    let (_, looped) = graph.nodes().find(|(_, node)| node.op.name() == "while").unwrap();
    let mut b = Builder::new("placed");
    let x = b.param("x", Type::scalar(F64), ParamRole::Input);
    let (zero, one) = (b.constant(Array::scalar(0i32)), b.constant(Array::scalar(1.0f64)));
    let origin = Origin::caller();
    let y = b.at(origin.clone()).push_multi(looped.op.clone(), &[zero, one, x]).unwrap()[1];
    let error = gradients(&mut b, &[(y, one)], &[x]).unwrap_err();
    assert_eq!((error.origin.clone(), error.op.as_deref()), (origin, Some("fusion")), "{error}");
}

/// What graphs of stacks may say, and gradients make nothing of.
#[test]
fn loops_over_the_stacks_of_others_have_no_gradient() {
    let alone = "func @alone(%x: f64[], %n: bool[]) -> f64[] {
  %s = stack_new {dtype=f64, shape=[]} : stack<f64[]>
  %t = while (%s0 = %s) captures (%y = %x, %m = %n) : stack<f64[]> {
    yield %m
  } do {
    %p = stack_push %s0, %y : stack<f64[]>
    yield %p
  }
  %u, %v = stack_pop %t : stack<f64[]>, f64[]
  return %v
}";
    let outside = "func @outside(%x: f64[], %n: bool[]) -> f64[] {
  %s = stack_new {dtype=f64, shape=[]} : stack<f64[]>
  %i, %t = while (%i0 = %n, %s0 = %s) captures (%y = %x) : bool[], stack<f64[]> {
    yield %i0
  } do {
    %p = cond %i0 captures (%s1 = %s0, %y1 = %y) : stack<f64[]> {
      %q = stack_push %s1, %y1 : stack<f64[]>
      yield %q
    } else {
      yield %s1
    }
    %j = not %i0 : bool[]
    yield %j, %p
  }
  %u, %v = stack_pop %t : stack<f64[]>, f64[]
  return %v
}";
    let message = |text: &str| graph_grad(&parsed(text), &[0]).unwrap_err().to_string();
    assert_eq!(message(alone), "`while` has no gradient: it carries stacks alone");
    assert_eq!(message(outside), "`cond` has no gradient in a loop: it changes a stack that was made outside");
}
