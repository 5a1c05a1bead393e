//! Gradient tapes: what they see, what they do not, how long they hold on to it.

use tracelift_function::{
    ErrorKind, Function, GradientTape, Tensor, Unconnected, Variable, cond, custom_gradient, grad, hessian, jacobian,
    jvp, tensor, value_and_gradients, vmap, while_loop,
};

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.to_vec().unwrap()
}

fn number(tensor: &Tensor) -> f32 {
    tensor.item().unwrap()
}

#[test]
fn what_was_computed_before_a_tensor_is_watched_is_a_constant() {
    let x = tensor(3.);
    let tape = GradientTape::persistent();
    let before = x.square();
    tape.watch(&x);
    let after = x.square() + &before;
    assert_eq!(number(&tape.gradient(&after, &x)), 6.);
    assert!(tape.gradient(&before, &x).connected().is_none());
    // A value between is a source, too; what does not depend on something watched is none.
    let y = &x * 2;
    let z = &y * &y + &before;
    let (dx, dy) = tape.gradient(&z, (&x, &y));
    assert_eq!((number(&dx), number(&dy)), (24., 12.));
    assert!(tape.gradient(&z, &before).connected().is_none());
    // A target that is its own source.
    assert_eq!(number(&tape.gradient(&x, &x)), 1.);
}

#[test]
fn an_assigned_variable_is_a_source_anew() {
    let gradient = |w: &Variable| {
        let tape = GradientTape::new();
        let before = w.square();
        w.assign(2 * w).unwrap();
        let y = before + w * 10;
        tape.gradient(&y, w)
    };
    let w = Variable::new(3.);
    assert_eq!(number(&gradient(&w)), 16.);
    let w = Variable::new(3.);
    let traced = Function::new({
        let w = w.clone();
        move || gradient(&w)
    });
    assert_eq!(number(&traced()), 16.);
    assert_eq!(number(&w), 6.);
}

#[test]
fn variables_that_are_not_trainable_are_watched_on_request() {
    let (w, frozen) = (Variable::new(3.), Variable::new(5.).not_trainable());
    let gradients = |watch: bool| {
        let tape = GradientTape::new();
        if watch {
            tape.watch(&frozen);
        }
        let y = &w * &frozen;
        tape.gradient(&y, [&w, &frozen])
    };
    let [dw, missing] = gradients(false);
    assert_eq!(number(&dw), 5.);
    assert!(missing.connected().is_none());
    assert_eq!(gradients(true).each_ref().map(number), [5., 3.]);
    let _ = grad(|x: &Tensor| {
        let [_, missing] = gradients(false);
        assert!(missing.connected().is_none());
        assert!(gradients(true).iter().all(|dx| dx.error().is_none()));
        x.square()
    })(&tensor(1.));
}

#[test]
fn tapes_end_in_any_order() {
    let w = Variable::new(2.);
    let first = GradientTape::new();
    let a = w.powi(3);
    let second = GradientTape::persistent();
    let b = w.square();
    let third = GradientTape::new();
    let c = &a + &b;
    drop(first);
    // What was made before the second tape is no concern of its.
    assert_eq!(number(&second.gradient(&c, &w)), 4.);
    assert!(third.gradient(&b, &w).connected().is_none());
    assert_eq!(number(&second.gradient(&b, &w)), 4.);
    assert_eq!(number(&second.gradient(&(&c * &c), &w)), 2. * 12. * 4.);
    drop(second);
    let late = GradientTape::new();
    assert!(late.gradient(&c, &w).connected().is_none(), "a tensor of a record that is gone is a constant");
}

#[test]
fn a_panic_leaves_no_tape_behind() {
    let w = Variable::new(2.);
    let panicked = std::panic::catch_unwind(|| {
        let tape = GradientTape::new();
        tape.stop_recording(|| std::panic::resume_unwind(Box::new(())))
    });
    assert!(panicked.is_err());
    let y = w.square();
    let tape = GradientTape::new();
    assert!(tape.gradient(&y, &w).connected().is_none());
    let tape = GradientTape::new();
    let y = w.square();
    assert_eq!(number(&tape.gradient(&y, &w)), 4.);
}

#[test]
fn calls_loops_and_closures_are_seen_through() {
    let (w, x) = (Variable::new(3.), tensor(2.));
    let cube = Function::new({
        let w = w.clone();
        move |x: &Tensor| x.powi(3) * &w
    });
    let tape = GradientTape::persistent();
    tape.watch(&x);
    let y = cube(&x).square();
    let (dx, dw) = tape.gradient(&y, (&x, &w));
    assert_eq!((number(&dx), number(&dw)), (2. * 24. * 36., 2. * 24. * 8.));
    // Also through what a function or loop has captured.
    let twice = &w * 2;
    let scaled = Function::new({
        let twice = twice.clone();
        move |x: &Tensor| x * &twice
    });
    let y = scaled(&x) + while_loop(tensor(0.), |n| n.lt(3), |n| n + &twice);
    assert_eq!(number(&tape.gradient(&y, &w)), 4. + 2.);
    let slope = grad(|x: &Tensor| x.powi(3) * &w)(&x);
    let (dx, dw) = tape.gradient(&slope, (&x, &w));
    assert_eq!((number(&dx), number(&dw)), (36., 12.));
    let (_, dw) = value_and_gradients(|| &w * &x, &w);
    assert_eq!(number(&tape.gradient(&dw, &x)), 1.);
    let grown = while_loop((tensor(0), x.clone()), |(n, _)| n.lt(3), |(n, y)| (n + 1, y * &w)).1;
    let (dx, dw) = tape.gradient(&grown, (&x, &w));
    assert_eq!((number(&dx), number(&dw)), (27., 2. * 3. * 9.));
    let chosen = cond(&x.gt(0), || &x * &w, || x.clone());
    assert_eq!(number(&tape.gradient(&chosen, &x)), 3.);
}

#[test]
fn tapes_inside_branches_and_bodies() {
    let f = |x: &Tensor| {
        cond(
            &x.gt(0),
            || {
                let tape = GradientTape::new();
                tape.watch(x);
                let y = x.powi(3);
                tape.gradient(&y, x)
            },
            || x.clone(),
        )
    };
    assert_eq!(number(&f(&tensor(2.))), 12.);
    let traced = Function::new(f);
    assert_eq!(number(&traced(&tensor(2.))), 12.);
    assert_eq!(number(&traced(&tensor(-2.))), -2.);
    // Newton's method: the slope is taken in the body of a loop.
    let root = |a: &Tensor| {
        while_loop(
            (tensor(0), a.clone()),
            |(n, _)| n.lt(20),
            |(n, x)| {
                let tape = GradientTape::new();
                tape.watch(&x);
                let y = x.square() - a;
                let slope = tape.gradient(&y, &x);
                (n + 1, x - y / slope)
            },
        )
        .1
    };
    assert_eq!(number(&root(&tensor(2.))), 2f32.sqrt());
    assert_eq!(number(&Function::new(root)(&tensor(2.))), 2f32.sqrt());
    // A tape from outside of a branch does not reach into it.
    let outside = Function::new(|x: &Tensor| {
        let tape = GradientTape::persistent();
        tape.watch(x);
        cond(&x.gt(0), || tape.gradient(&x.square(), x), || x.clone())
    });
    let error = outside(&tensor(1.)).ok().unwrap_err();
    assert!(error.message.contains("inside a loop body or branch"), "{error}");
}

#[test]
fn output_gradients_and_zeros() {
    let x = tensor([1., 2., 3.]);
    let tape = GradientTape::persistent();
    tape.watch(&x);
    let (y, z) = (x.square(), &x * 3);
    let dx = tape.output_gradients([&tensor([1., 10., 100.]), &tensor([0., 0., 1.])]).gradient([&y, &z], &x);
    assert_eq!(numbers(&dx), [2., 40., 603.]);
    let wrong = tape.output_gradients(&tensor([1., 2.])).gradient(&y, &x);
    assert_eq!(wrong.error().unwrap().kind, ErrorKind::InvalidArgument);
    assert_eq!(tape.output_gradients(&x).gradient([&y, &z], &x).error().unwrap().kind, ErrorKind::Value);
    assert_eq!(tape.gradient(&tensor(1), &x).error().unwrap().kind, ErrorKind::Type);
    let zeros = tape.unconnected(Unconnected::Zero).gradient(&tensor(1.), &x);
    assert_eq!(numbers(&zeros), [0., 0., 0.]);
}

#[test]
fn jacobians() {
    let f = |x: &Tensor| x.slice(..2) * x.slice(1..);
    let x = tensor([1., 2., 3.]);
    let expected = [2., 1., 0., 0., 3., 2.];
    assert_eq!(numbers(&jacobian(f)(&x)), expected);
    assert_eq!(numbers(&Function::new(move |x: &Tensor| jacobian(f)(x))(&x)), expected);
    let tape = GradientTape::persistent();
    tape.watch(&x);
    let y = f(&x);
    assert_eq!(numbers(&tape.jacobian(&y, &x)), expected);
    let [same] = tape.jacobian(&x, [&x]);
    assert_eq!(numbers(&same), [1., 0., 0., 0., 1., 0., 0., 0., 1.]);
    assert!(tape.jacobian(&tensor([1., 2.]), &x).connected().is_none());
    let zeros = jacobian(|_: &Tensor| tensor([1., 2.]))(&x);
    assert_eq!((zeros.shape(), numbers(&zeros)), ([2, 3].into(), vec![0.; 6]));
    // An outer tape sees the jacobian.
    let second = tape.gradient(&tape.jacobian(&y, &x), &x);
    assert!(second.connected().is_none(), "a persistent tape does not see its own gradients");
    let outer = GradientTape::new();
    outer.watch(&x);
    assert_eq!(numbers(&outer.gradient(&jacobian(f)(&x), &x)), [1., 2., 1.]);
    let cubes = |x: &Tensor| x.powi(3).sum(..);
    assert_eq!(numbers(&hessian(cubes)(&x)), [6., 0., 0., 0., 12., 0., 0., 0., 18.]);
    assert_eq!(numbers(&hessian(|x: &Tensor| x.sum(..))(&x)), [0.; 9]);
}

#[test]
fn jacobians_of_rows() {
    let x = tensor([[1., 2.], [3., 4.], [5., 6.]]);
    let f = |x: &Tensor| {
        let tape = GradientTape::new();
        tape.watch(x);
        let y = x.square().sum_keep(-1) * x;
        tape.batch_jacobian(&y, x)
    };
    let rows = jacobian(|x: &Tensor| x.square().sum_keep(-1) * x);
    let expected: Vec<f32> = (0..3).flat_map(|row| numbers(&rows(&x.slice(row)))).collect();
    assert_eq!(f(&x).shape(), [3, 2, 2]);
    assert_eq!(numbers(&f(&x)), expected);
    let traced = Function::new(f).input_signature([tracelift_function::spec!(f32[None, 2])]);
    assert_eq!(numbers(&traced(&x)), expected);
    assert_eq!(traced(&Tensor::ones([0, 2])).shape(), [0, 2, 2]);
    let tape = GradientTape::persistent();
    tape.watch(&x);
    let y = x.sum(0);
    assert!(tape.batch_jacobian(&y, &x).error().unwrap().message.contains("no rows in common"));
}

#[test]
fn derivatives_along_a_direction() {
    let f = |x: &Tensor| (x.slice(..2) * x.slice(1..)).exp();
    let (x, v) = (tensor([0.1, 0.2, 0.3]), tensor([1., -1., 2.]));
    let (y, dy) = jvp(f, &x, &v);
    assert_eq!(numbers(&y), numbers(&f(&x)));
    let through = jacobian(f)(&x).matmul(v.reshape([3, 1])).reshape([2]);
    for (a, b) in numbers(&dy).into_iter().zip(numbers(&through)) {
        assert!((a - b).abs() <= 1e-6 * b.abs(), "{a}, not {b}");
    }
    let traced = Function::new(move |x: &Tensor, v: &Tensor| jvp(f, x, v).1);
    assert_eq!(numbers(&traced(&x, &v)), numbers(&dy));
}

fn steep(x: &Tensor) -> Tensor {
    custom_gradient(x, Tensor::square, |x, _, dy| dy * (x * 20))
}

#[test]
fn custom_gradients_of_any_order() {
    let x = tensor(3.);
    assert_eq!(number(&steep(&x)), 9.);
    assert_eq!(number(&grad(steep)(&x)), 60.);
    assert_eq!(number(&grad(grad(steep))(&x)), 20.);
    assert_eq!(number(&Function::new(|x: &Tensor| grad(steep)(x))(&x)), 60.);
    let called = Function::new(steep);
    assert_eq!(number(&grad(|x: &Tensor| called(x) * 2)(&x)), 120.);
    let second = |x: &Tensor| {
        let outer = GradientTape::new();
        outer.watch(x);
        let inner = GradientTape::new();
        inner.watch(x);
        let y = steep(x) * 2;
        let dx = inner.gradient(&y, x);
        (outer.gradient(&dx, x), dx)
    };
    let (second_order, first_order) = second(&x);
    assert_eq!((number(&first_order), number(&second_order)), (120., 40.));
    let (second_order, first_order) = Function::new(second)(&x);
    assert_eq!((number(&first_order), number(&second_order)), (120., 40.));
    // In a branch, and over several rows at once.
    let branch = Function::new(|x: &Tensor| cond(&x.gt(0), || grad(steep)(x), || x.clone()));
    assert_eq!(number(&branch(&x)), 60.);
    assert_eq!(numbers(&jacobian(steep)(&tensor([1., 2.]))), [20., 0., 0., 40.]);
    // The gradient of a batch of them: of what all share, it is the sum.
    let (x, w) = (tensor([1., 2., 3.]), tensor(5.));
    assert_eq!(numbers(&grad(|x: &Tensor| vmap(steep)(x).sum(..))(&x)), [20., 40., 60.]);
    let product = |x: &Tensor, w: &Tensor| {
        let pair = (x.clone(), w.clone());
        custom_gradient(&pair, |(x, w)| x * w, |(x, w), _, dy| (dy * w * 10, dy * x * 10))
    };
    let shared = |w: &Tensor| vmap(|x: &Tensor| product(x, w))(&x).sum(..);
    assert_eq!(number(&grad(shared)(&w)), 60.);
}

#[test]
fn custom_gradients_of_several_tensors_with_captures() {
    let (w, scale) = (Variable::new(4.), tensor([2., 3.]));
    let f = |a: &Tensor, b: &Tensor| {
        custom_gradient(&(a.clone(), b.clone()), |(a, b)| a * b + &w, |(a, b), _, dy| (dy * b * &scale, dy * a * &w))
    };
    let (a, b) = (tensor([1., 2.]), tensor([5., 6.]));
    let check = |[da, db, dw]: [Tensor; 3]| {
        assert_eq!((numbers(&da), numbers(&db)), (vec![10., 18.], vec![4., 8.]));
        assert!(dw.connected().is_none(), "what the closures capture is a constant");
    };
    let tape = GradientTape::new();
    tape.watch(&a);
    tape.watch(&b);
    let y = f(&a, &b);
    assert_eq!(numbers(&y), [9., 16.]);
    let (da, db, dw) = tape.gradient(&y, (&a, &b, &w));
    check([da, db, dw]);
    let (_, (da, db, dw)) = value_and_gradients(|| f(&a, &b), (&a, &b, &w));
    check([da, db, dw]);
    let wrong = grad(|x: &Tensor| custom_gradient(x, Tensor::square, |_, _, dy| dy.sum(..)))(&a);
    assert!(wrong.error().unwrap().message.contains("gives a gradient of f32[] for f32[2]"), "{wrong}");
}

#[test]
fn one_walk_back_serves_any_number_of_sources() {
    let steps = |sources: usize| {
        let variables: Vec<Variable> = (0..sources).map(|n| Variable::new(1. + n as f32)).collect();
        let all: Vec<Variable> = (0..50).map(|n| variables.get(n).cloned().unwrap_or(Variable::new(1.))).collect();
        let f = Function::new(move |x: &Tensor| {
            let tape = GradientTape::new();
            let y = all.iter().fold(x.clone(), |y, w| (y * w).tanh());
            tape.gradient(&y, &variables)
        });
        f.concrete(&tensor(0.5)).unwrap().graph().len()
    };
    let (one, all) = (steps(1), steps(50));
    // Each source costs its own product, not another walk.
    assert!(all < one + 50 * 4, "{one} nodes for one source, {all} for 50");
}

#[test]
fn long_records_need_no_stack() {
    let thread = std::thread::Builder::new().stack_size(512 << 10);
    let run = || {
        let x = tensor(1.);
        let tape = GradientTape::new();
        tape.watch(&x);
        let mut y = x.clone();
        for _ in 0..100_000 {
            y += 1;
        }
        assert_eq!(number(&tape.gradient(&y, &x)), 1.);
    };
    thread.spawn(run).unwrap().join().unwrap();
}
