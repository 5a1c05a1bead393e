//! Gradients through loops and branches: against differences, against the unrolled graph, eager and compiled to the bit.

use std::sync::Arc;
use tracelift_autodiff::{grad, value_and_grad as graph_gradient};
use tracelift_function::{
    F64, Function, GradientTape, Tensor, Variable, cond, for_range, grad as slope, jacobian, recompute, save_residuals,
    tensor, value_and_grad, value_and_gradients, while_loop,
};
use tracelift_ir::{Graph, Op, evaluate};
use tracelift_passes::Pipeline;
use tracelift_runtime::{Executable, Options};
use tracelift_tensor::{Array, ErrorKind};
use tracelift_testkit::engines::compare;

fn vector(items: &[f64]) -> Tensor {
    Tensor::from(items.to_vec())
}

/// Value and gradient at once and compiled have equal bits; the gradient agrees with differences. Answers the gradient.
fn check(f: impl Fn(&Tensor) -> Tensor + Copy + Send + Sync + 'static, x: &[f64]) -> Vec<f64> {
    let at = |x: &[f64]| f(&vector(x)).item::<f64>().unwrap();
    let (y, dx) = value_and_grad(f)(&vector(x));
    let compiled = Function::new(move |x: &Tensor| value_and_grad(f)(x));
    let (compiled_y, compiled_dx) = compiled(&vector(x));
    let (given, compiled_dx) = (dx.to_vec::<f64>().unwrap(), compiled_dx.to_vec::<f64>().unwrap());
    assert_eq!(y.item::<f64>().unwrap().to_bits(), compiled_y.item::<f64>().unwrap().to_bits());
    assert_eq!(y.item::<f64>().unwrap().to_bits(), at(x).to_bits(), "the gradient leaves the value as it was");
    let bits = |items: &[f64]| items.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&given), bits(&compiled_dx), "eager and compiled");
    for (n, given) in given.iter().enumerate() {
        let moved =
            |by: f64| at(&x.iter().enumerate().map(|(m, x)| if m == n { x + by } else { *x }).collect::<Vec<_>>());
        let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        let close = (difference - given).abs() <= 1e-6 * (1.0 + difference.abs());
        assert!(close, "by element {n}: the gradient says {given}, differences say {difference}");
    }
    given
}

/// The gradient of the gradient's sum, checked like a first one.
fn check_second(f: impl Fn(&Tensor) -> Tensor + Copy + Send + Sync + 'static, x: &[f64]) -> Vec<f64> {
    check(move |x| slope(f)(x).sum(..), x)
}

/// The same function with a loop of the graph and with a loop of Rust has equal gradients, if a captured tensor is used
/// once an iteration. (What several uses give it is summed within the iteration first; unrolled, one after the other.)
/// Second derivatives use it more often, and agree but for such rounding.
fn same_as_unrolled(
    looped: impl Fn(&Tensor) -> Tensor + Copy + Send + Sync + 'static,
    unrolled: impl Fn(&Tensor) -> Tensor + Copy + Send + Sync + 'static,
    x: &[f64],
) {
    let expect = slope(unrolled)(&vector(x)).to_vec::<f64>().unwrap();
    assert_eq!(check(looped, x), expect, "a loop of the graph and one of Rust");
    let expect = slope(slope(unrolled))(&vector(x)).to_vec::<f64>().unwrap();
    let given = slope(slope(looped))(&vector(x)).to_vec::<f64>().unwrap();
    for (given, expect) in given.iter().zip(&expect) {
        assert!((given - expect).abs() <= 1e-12 * (1.0 + expect.abs()), "second order: {given} and {expect}");
    }
}

const X: [f64; 3] = [0.7, -1.3, 0.4];

#[test]
fn a_counted_loop() {
    let step = |y: &Tensor, x: &Tensor| (y * x).tanh() + y;
    same_as_unrolled(
        move |x| for_range(5, x * 0.0 + 0.5, |_, y| step(&y, x)).sum(..),
        move |x| (0..5).fold(x * 0.0 + 0.5, |y, _| step(&y, x)).sum(..),
        &X,
    );
}

#[test]
fn a_loop_that_ends_when_its_values_say_so() {
    let f = |x: &Tensor| {
        let big = |y: &Tensor| y.square().sum(..).lt(50.0);
        while_loop(x.clone(), big, |y| &y * 1.7 + y.sin() * x).square().sum(..)
    };
    check(f, &X);
    check_second(f, &X);
}

#[test]
fn newtons_square_root() {
    let root = |x: &Tensor| {
        let start = (x * 0.0 + 1.0, tensor(1.0).cast(F64));
        let go_on = |(_, change): &(Tensor, Tensor)| change.gt(1e-12);
        let step = |(y, _): (Tensor, Tensor)| {
            let next = (&y + x / &y) * 0.5;
            let change = (&next - y).abs().max(..).stop_gradient();
            (next, change)
        };
        while_loop(start, go_on, step).0.sum(..)
    };
    let given = check(root, &[2.0, 9.0]);
    for (given, x) in given.iter().zip([2.0_f64, 9.0]) {
        assert!((given - 0.5 / x.sqrt()).abs() < 1e-9, "{given}");
    }
}

#[test]
fn no_iteration_at_all() {
    let f = |x: &Tensor| for_range(0, x.square(), |_, y| y.exp()).sum(..);
    assert_eq!(check(f, &X), [1.4, -2.6, 0.8]);
    let never = |x: &Tensor| while_loop(x.square(), |y| y.sum(..).lt(-1.0), |y| y.exp()).sum(..);
    assert_eq!(check(never, &X), [1.4, -2.6, 0.8]);
}

#[test]
fn a_captured_tensor_gets_what_all_iterations_give_it() {
    let step = |i: f64, sum: &Tensor, x: &Tensor| sum + (x * i).sin() * 1.5;
    same_as_unrolled(
        move |x| for_range(4, x * 0.0, |i, sum| sum + (x * i.cast(F64)).sin() * 1.5).sum(..),
        move |x| (0..4).fold(x * 0.0, |sum, i| step(i as f64, &sum, x)).sum(..),
        &X,
    );
}

#[test]
fn loops_in_loops_of_growing_length() {
    let f =
        |x: &Tensor| for_range(4, x.clone(), |i, y| for_range(i, y, |j, z| (&z * x).tanh() + x * j.cast(F64))).sum(..);
    check(f, &X);
    check_second(f, &X);
}

#[test]
fn branches_in_loops_and_loops_in_branches() {
    let branch_inside = |x: &Tensor| {
        for_range(5, x.clone(), |i, y| {
            let even = (i % 2).eq(0);
            cond(&even, || y.sin() * x, || &y * &y + x)
        })
        .sum(..)
    };
    check(branch_inside, &X);
    check_second(branch_inside, &X);
    let loop_inside = |x: &Tensor| {
        let positive = x.sum(..).gt(0.0);
        let up = || for_range(3, x.clone(), |_, y| &y * x + y.exp() * 0.1);
        cond(&positive, up, || x.powi(3)).sum(..)
    };
    for x in [X, [0.7, 0.3, 0.4]] {
        check(loop_inside, &x);
        check_second(loop_inside, &x);
    }
}

#[test]
fn whole_numbers_and_truth_values_are_carried_along() {
    // Collatz steps decide what is done.
    let f = |x: &Tensor| {
        let start = (tensor(6), tensor(true), x.clone());
        let go_on = |(n, ..): &(Tensor, Tensor, Tensor)| n.gt(1);
        let step = |(n, up, y): (Tensor, Tensor, Tensor)| {
            let even = (&n % 2).eq(0);
            let next = cond(&even, || n.floor_div(2), || &n * 3 + 1);
            let y = cond(&up, || &y * x, || y.tanh() - x);
            (next, even.eq(false), y)
        };
        while_loop(start, go_on, step).2.sum(..)
    };
    check(f, &X);
    check_second(f, &X);
}

#[test]
fn third_order_of_a_power() {
    let fourth = |x: &Tensor| for_range(4, x * 0.0 + 1.0, |_, y| y * x).sum(..);
    let orders = [check(fourth, &[2.0])[0], check_second(fourth, &[2.0])[0]];
    assert_eq!(orders, [32.0, 48.0]);
    assert_eq!(slope(slope(slope(fourth)))(&vector(&[2.0])).to_vec::<f64>().unwrap(), [48.0]);
    assert_eq!(slope(slope(slope(slope(fourth))))(&vector(&[2.0])).to_vec::<f64>().unwrap(), [24.0]);
}

#[test]
fn what_stops_in_the_body_passes_nothing_on() {
    let f = |x: &Tensor| for_range(3, x.clone(), |_, y| y.stop_gradient() * x).sum(..);
    // Only the last factor counts: y₂ = x³.
    let given = slope(f)(&vector(&[2.0])).to_vec::<f64>().unwrap();
    assert_eq!(given, [8.0]);
}

const POWERS: &str = "func @powers(%x: f64[], %n: i32[]) -> f64[] {
  %0 = const 0 : i32[]
  %one = const 1.0 : f64[]
  %1, %2 = while (%i = %0, %acc = %one) captures (%limit = %n, %y = %x) SAVE : i32[], f64[] {
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

fn graph(text: &str) -> Graph {
    Graph::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn residuals_are_kept_or_computed_again() {
    let made = |save: &str| graph_gradient(&graph(&POWERS.replace("SAVE", save)), &[0]).unwrap();
    let (again, kept) = (made(""), made("{save=residuals}"));
    let count = |graph: &Graph| tanhs(graph);
    assert_eq!((count(&again), count(&kept)), (2, 1), "{again}\n{kept}");
    let arguments = [Array::scalar(1.2f64), Array::scalar(6i32)];
    let results = compare(&again, &arguments).unwrap().results.unwrap();
    assert_eq!(results, compare(&kept, &arguments).unwrap().results.unwrap());
    let text = kept.to_string();
    assert_eq!(Graph::parse(&text).unwrap(), kept, "{text}");
}

/// How often `tanh` stands in a graph and its regions.
fn tanhs(graph: &Graph) -> usize {
    let of_node = |op: &Op| op.regions().iter().map(|region| tanhs(region)).sum::<usize>();
    graph.nodes().map(|(_, node)| usize::from(matches!(node.op, Op::Tanh(_))) + of_node(&node.op)).sum()
}

/// A loop whose gradient needs only how often it ran.
#[test]
fn doubling_keeps_only_the_count() {
    let text = POWERS.replace("SAVE", "").replace("mul %6, %y", "add %acc, %acc").replace("tanh %acc", "neg %acc");
    let text = text.replace("%acc = %one", "%acc = %x").replace(", %y = %x", "");
    let gradient = grad(&graph(&text), &[0]).unwrap();
    let arguments = [Array::scalar(1.5f64), Array::scalar(10i32)];
    assert_eq!(compare(&gradient, &arguments).unwrap().results.unwrap()[0].item::<f64>().unwrap(), 1024.0);
}

fn compiled(graph: &Graph, options: Options) -> Executable {
    let program = Pipeline::default().lower(graph, &mut |_, _| {}).unwrap();
    Executable::compile(Arc::new(program), options).unwrap()
}

#[test]
fn a_hundred_thousand_iterations_within_limits() {
    let gradient = graph_gradient(&graph(&POWERS.replace("SAVE", "")), &[0]).unwrap();
    let arguments = [Array::scalar(1.001f64), Array::scalar(100_000i32)];
    let expect = evaluate(&gradient, &arguments).unwrap();
    let call = |max_bytes: Option<usize>| compiled(&gradient, Options { max_bytes, ..Options::default() });
    // Eight bytes an iteration, in pieces that double.
    let enough = call(Some(2_000_000));
    for _ in 0..3 {
        assert_eq!(enough.call(&arguments, &[]).unwrap(), expect);
    }
    let error: tracelift_tensor::Error = call(Some(500_000)).call(&arguments, &[]).unwrap_err().into();
    assert_eq!(error.kind, ErrorKind::OutOfMemory, "{error}");
    assert!(error.to_string().contains("more than the limit of 500000"), "{error}");
    let fewer = [Array::scalar(1.001f64), Array::scalar(1000i32)];
    assert_eq!(enough.call(&fewer, &[]).unwrap(), evaluate(&gradient, &fewer).unwrap());
}

#[test]
fn a_loop_of_known_length_has_its_stack_planned() {
    let text = POWERS.replace("SAVE", "").replace(", %n: i32[]", "").replace("%limit = %n, ", "");
    let text = text.replace("%3 = lt %i, %limit", "%9 = const 1000 : i32[]\n %3 = lt %i, %9");
    let gradient = graph_gradient(&graph(&text), &[0]).unwrap();
    let program = Pipeline::default().lower(&gradient, &mut |_, _| {}).unwrap().to_string();
    assert!(program.contains("stack of 1000"), "{program}");
    compare(&gradient, &[Array::scalar(1.001f64)]).unwrap();
    let error = compiled(&gradient, Options { max_bytes: Some(7000), ..Options::default() })
        .call(&[Array::scalar(1.001f64)], &[])
        .unwrap_err();
    assert_eq!(tracelift_tensor::Error::from(error).kind, ErrorKind::OutOfMemory);
}

#[test]
fn arrays_of_unknown_size_are_kept() {
    let text = "func @f(%x: f64[B, 2], %n: i32[]) -> f64[] {
      %0 = const 0 : i32[]
      %1, %2 = while (%i = %0, %acc = %x) captures (%limit = %n, %y = %x) : i32[], f64[B, 2] {
        %3 = lt %i, %limit : bool[]
        yield %3
      } do {
        %4 = const 1 : i32[]
        %5 = add %i, %4 : i32[]
        %6 = sin %acc : f64[B, 2]
        %7 = mul %6, %y : f64[B, 2]
        yield %5, %7
      }
      %8 = reduce_sum %2 {axes=[0, 1], keep=false, order=lanes} : f64[]
      return %8
    }";
    let first = grad(&graph(text), &[0]).unwrap();
    for (rows, n) in [(3usize, 4i32), (3, 0), (0, 3), (1, 300)] {
        let items: Vec<f64> = (0..rows * 2).map(|i| 0.3 + 0.2 * i as f64).collect();
        compare(&first, &[Array::new([rows, 2], items).unwrap(), Array::scalar(n)]).unwrap();
    }
}

#[test]
fn stacks_are_used_once_and_handed_on() {
    let refused =
        |body: &str| Graph::parse(&format!("func @f(%x: f32[]) -> f32[] {{ {body} }}")).unwrap_err().to_string();
    let twice = refused(
        "%s = stack_new {dtype=f32, shape=[]} : stack<f32[]>
         %a = stack_push %s, %x : stack<f32[]>
         %b = stack_push %s, %x : stack<f32[]>
         %c, %y = stack_pop %a : stack<f32[]>, f32[]
         return %y",
    );
    assert!(twice.contains("is used twice"), "{twice}");
    let captured = refused(
        "%s = stack_new {dtype=f32, shape=[]} : stack<f32[]>
         %y = while (%i = %x) captures (%t = %s) : f32[] { %p = lt %i, %i : bool[] yield %p } do { yield %i }
         return %y",
    );
    assert!(captured.contains("captures a stack"), "{captured}");
    let exchanged = refused(
        "%s = stack_new {dtype=f32, shape=[]} : stack<f32[]>
         %t = stack_new {dtype=f32, shape=[]} : stack<f32[]>
         %a, %b = while (%u = %s, %v = %t) captures (%x) : stack<f32[]>, stack<f32[]> {
           %p = lt %x, %x : bool[] yield %p
         } do { yield %v, %u }
         return %x",
    );
    assert!(exchanged.contains("another stack"), "{exchanged}");
}

#[test]
fn every_engine_agrees_on_gradients_of_loops() {
    let gradient = graph_gradient(&graph(&POWERS.replace("SAVE", "")), &[0]).unwrap();
    let second = grad(&grad(&graph(&POWERS.replace("SAVE", "")), &[0]).unwrap(), &[0]).unwrap();
    for graph in [gradient, second] {
        tracelift_ir::verify(&graph).unwrap();
        assert_eq!(Graph::parse(&graph.to_string()).unwrap(), graph);
        for n in [0, 1, 7, 1000] {
            compare(&graph, &[Array::scalar(0.9f64), Array::scalar(n)]).unwrap();
        }
    }
}

/// Six times eight steps; each block of eight computed again on the way back, or not.
fn blocks(x: &Tensor, again: bool) -> Tensor {
    let block = |y: &Tensor| (0..8).fold(y.clone(), |y, _| (y * 1.1).tanh());
    (0..6).fold(x.clone(), |y, _| if again { recompute(|| block(&y)) } else { block(&y) }).sum(..)
}

#[test]
fn recomputing_gives_equal_bits() {
    let plain = |x: &Tensor| blocks(x, false);
    let again = |x: &Tensor| blocks(x, true);
    assert_eq!(check(plain, &X), check(again, &X));
    let (plain, again) = (slope(slope(plain)), slope(slope(again)));
    for (a, b) in plain(&vector(&X)).to_vec::<f64>().unwrap().iter().zip(again(&vector(&X)).to_vec::<f64>().unwrap()) {
        assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "second order: {a} and {b}");
    }
}

#[test]
fn recomputing_takes_less_memory() {
    // Products are not fused: each of the 48 results is an array of 32 kB.
    let w =
        Tensor::from((0..4096).map(|i| ((i * 37 % 101) as f64 - 50.0) / 300.0).collect::<Vec<_>>()).reshape([64, 64]);
    let f = move |x: &Tensor, again: bool| {
        let block = |y: &Tensor| (0..8).fold(y.clone(), |y, _| y.matmul(&w).tanh());
        (0..6).fold(x.clone(), |y, _| if again { recompute(|| block(&y)) } else { block(&y) }).sum(..)
    };
    let options = Options { max_bytes: Some(1_000_000), threads: 1, ..Options::default() };
    let gradient = |again: bool| {
        let f = f.clone();
        Function::new(move |x: &Tensor| slope(|x: &Tensor| f(x, again))(x))
    };
    let x = Tensor::from(vec![0.5; 4096]).reshape([64, 64]);
    let expect = gradient(false)(&x).to_vec::<f64>().unwrap();
    let given = gradient(true).options(options.clone())(&x).to_vec::<f64>();
    assert!(given.is_ok_and(|given| given == expect), "equal bits within the limit");
    let kind = gradient(false).options(options)(&x).to_vec::<f64>().map(drop).map_err(|error| error.kind);
    assert_eq!(kind, Err(ErrorKind::OutOfMemory));
}

#[test]
fn recomputing_under_a_tape_and_with_variables() {
    let w = Variable::new(Tensor::from(vec![0.3, 0.7]));
    let x = vector(&[1.5, -0.5]);
    let f = || recompute(|| (&w * &x).sin().exp().sum(..));
    let tape = GradientTape::new();
    let y = f();
    let dw = tape.gradient(&y, &w);
    let (_, [expect]) = value_and_gradients(|| (&w * &x).sin().exp().sum(..), [&w]);
    assert_eq!(dw.to_vec::<f64>().unwrap(), expect.to_vec::<f64>().unwrap());
    let counter = Variable::new(0);
    let counting = |x: &Tensor| {
        recompute(|| {
            counter.assign_add(1).unwrap();
            x.square()
        })
    };
    assert_eq!(slope(counting)(&tensor(3.0)).item::<f32>().unwrap(), 6.0);
    assert_eq!(counter.value().item::<i32>().unwrap(), 1, "what the closure assigns is assigned once");
}

#[test]
fn loops_may_save_residuals() {
    let looped = |x: &Tensor| for_range(4, x * 0.0 + 0.5, |_, y| (&y * x).tanh() + y).sum(..);
    let saving = move |x: &Tensor| save_residuals(|| looped(x));
    assert_eq!(check(looped, &X), check(saving, &X));
    let text = Function::new(saving).concrete(&vector(&X)).unwrap().graph().to_string();
    assert!(text.contains("save=residuals"), "{text}");
}

/// A tape around a loop, and one around the tape.
fn by_tapes(w: &Variable, x: &Tensor) -> (Tensor, Tensor) {
    let outer = GradientTape::new();
    let inner = GradientTape::new();
    let y = for_range(4, x * 0.0 + 0.5, |_, y| (&y * w).tanh() + x).sum(..);
    let first = inner.gradient(&y, w);
    let second = outer.gradient(&first, w);
    (first, second)
}

#[test]
fn tapes_see_through_loops() {
    let (w, x) = (Variable::new(Tensor::from(vec![0.8, -0.3])), vector(&[0.2, 1.1]));
    let (first, second) = by_tapes(&w, &x);
    let f = {
        let x = x.clone();
        move |w: &Tensor| for_range(4, &x * 0.0 + 0.5, |_, y| (&y * w).tanh() + &x).sum(..)
    };
    let expect = slope(&f)(&w.value());
    assert_eq!(first.to_vec::<f64>().unwrap(), expect.to_vec::<f64>().unwrap());
    let expect = slope(slope(&f))(&w.value()).to_vec::<f64>().unwrap();
    let close = |given: &Tensor| {
        for (given, expect) in given.to_vec::<f64>().unwrap().iter().zip(&expect) {
            assert!((given - expect).abs() <= 1e-12 * (1.0 + expect.abs()), "{given} and {expect}");
        }
    };
    close(&second);
    let own = w.clone();
    let traced = Function::new(move |x: &Tensor| by_tapes(&own, x));
    let (traced_first, traced_second) = traced(&x);
    assert_eq!(traced_first.to_vec::<f64>().unwrap(), first.to_vec::<f64>().unwrap());
    close(&traced_second);
}

#[test]
fn jacobians_of_loops_are_the_gradients_of_their_elements() {
    let f = |x: &Tensor| for_range(3, x.clone(), |i, y| (&y * x.sum(..)).sin() + i.cast(F64) * x);
    let rows = jacobian(f)(&vector(&X)).to_vec::<f64>().unwrap();
    for n in 0..3 {
        let row = slope(move |x: &Tensor| f(x).slice(n..n + 1).sum(..))(&vector(&X)).to_vec::<f64>().unwrap();
        for (given, expect) in rows[3 * n as usize..].iter().zip(&row) {
            assert!((given - expect).abs() <= 1e-12 * (1.0 + expect.abs()), "row {n}: {given} and {expect}");
        }
    }
    let compiled = Function::new(move |x: &Tensor| jacobian(f)(x));
    assert_eq!(compiled(&vector(&X)).to_vec::<f64>().unwrap(), rows);
    // Of a gradient: what goes back over the loop that goes back, for all rows at once.
    let curvature = jacobian(slope(move |x: &Tensor| f(x).square().sum(..)))(&vector(&X)).to_vec::<f64>().unwrap();
    for (n, m) in [(0, 1), (0, 2), (1, 2)] {
        let (a, b) = (curvature[3 * n + m], curvature[3 * m + n]);
        assert!((a - b).abs() <= 1e-10 * (1.0 + a.abs()), "the hessian is symmetric: {a} and {b}");
    }
}
