//! Functions of one element over a batch.

use tracelift_function::{F32, Function, Tensor, Variable, cond, grad, random, spec, stack, tensor, vmap, while_loop};

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

fn numbers(shape: [usize; 2]) -> Tensor {
    (Tensor::range((shape[0] * shape[1]) as i32).cast(F32).reshape(shape) * 0.7 + 0.1).sin()
}

/// The function on each row, stacked.
fn one_by_one(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Tensor {
    let rows: Vec<Tensor> = (0..x.shape()[0].known().unwrap()).map(|n| f(&x.slice(n))).collect();
    stack(&rows.iter().collect::<Vec<_>>(), 0)
}

#[test]
fn a_batch_is_its_elements_stacked() {
    let w = numbers([4, 3]);
    let functions: [(&str, &dyn Fn(&Tensor) -> Tensor); 6] = [
        ("elementwise", &|x| x.exp() * 2 + 1),
        ("softmax", &|x| x.softmax(-1)),
        ("row product", &|x| x.expand_dims(0).matmul(&w).squeeze(0)),
        ("reductions", &|x| x.max(..) - x.mean_keep(0)),
        ("parts", &|x| x.slice(1..).reverse(0).pad(&[(1, 0)], 5.)),
        ("constant", &|_| tensor([1., 2.])),
    ];
    let x = numbers([5, 4]);
    for (name, f) in functions {
        let expected = one_by_one(f, &x);
        let eager = vmap(f)(&x);
        assert_eq!(eager.to_array().unwrap(), expected.to_array().unwrap(), "{name}");
    }
}

#[test]
fn axes_are_where_they_are_said_to_be() {
    let x = numbers([3, 2]);
    let sums = vmap(|x: &Tensor| x.sum(..));
    assert_eq!(floats(&sums(&x)), floats(&x.sum(1)));
    let columns = vmap(|x: &Tensor| x.sum(..)).in_axes([Some(-1)]);
    assert_eq!(floats(&columns(&x)), floats(&x.sum(0)));
    let turned = vmap(|x: &Tensor| x * 2).out_axes(1);
    assert_eq!(floats(&turned(&x)), floats(&(x.t() * 2)));
    let outer = vmap(|(x, y): &(Tensor, Tensor)| {
        vmap(|(x, y): &(Tensor, Tensor)| x * y).in_axes([None, Some(0)])(&(x.clone(), y.clone()))
    })
    .in_axes([Some(0), None]);
    assert_eq!(floats(&outer(&(tensor([1., 2.]), tensor([3., 4.])))), [3., 4., 6., 8.]);
}

#[test]
fn control_flow_is_that_of_each_element() {
    let x = tensor([3., -2., 0.]);
    let branched = vmap(|x: &Tensor| cond(&x.gt(0), || x * 10, || -x));
    assert_eq!(floats(&branched(&x)), [30., 2., -0.]);
    // Halvings until below one: each element leaves at its own time.
    let halved = vmap(|x: &Tensor| while_loop((x.clone(), tensor(0)), |(x, _)| x.ge(1), |(x, n)| (x / 2, n + 1)));
    let (left, count) = halved(&tensor([9., 1., 0.5, 64.]));
    assert_eq!(floats(&left), [0.5625, 0.5, 0.5, 0.5]);
    assert_eq!(count.to_vec::<i32>().unwrap(), [4, 1, 0, 7]);
}

#[test]
fn gradients_of_each_element_and_gradients_through() {
    let w = tensor([1., -2.]);
    let loss = |x: &Tensor| (x * &w).sum(..).square();
    let x = tensor([[1., 2.], [3., 4.]]);
    let each = vmap(grad(loss));
    assert_eq!(floats(&each(&x)), floats(&one_by_one(grad(loss), &x)));
    let total = grad(|x: &Tensor| vmap(loss)(x).sum(..));
    assert_eq!(floats(&total(&x)), floats(&each(&x)));
}

#[test]
fn it_is_a_part_of_traced_functions() {
    let scale = Variable::new(2.0);
    let f = Function::new({
        let scale = scale.clone();
        move |x: &Tensor| vmap(|x: &Tensor| x.softmax(0) * scale.value())(x)
    })
    .input_signature([spec!(f32[None, 3])]);
    for rows in [1, 2, 7] {
        let x = numbers([rows, 3]);
        assert_eq!(floats(&f(&x)), floats(&(x.softmax(-1) * 2)));
    }
    assert_eq!(f.trace_count(), 1);
    let inner = Function::new(|x: &Tensor| x.square() + 1);
    let called = vmap(|x: &Tensor| inner(x));
    assert_eq!(floats(&called(&tensor([1., 2.]))), [2., 5.]);
}

#[test]
fn mistakes_say_what_is_wrong() {
    let sum = |(x, y): &(Tensor, Tensor)| x + y;
    let message = |y: &Tensor| y.error().unwrap().to_string();
    let (x, y) = (tensor([1., 2.]), tensor([1., 2., 3.]));
    let uneven = message(&vmap(sum)(&(x.clone(), y.clone())));
    assert!(uneven.starts_with("`vmap` has batches of 2 and of 3: axis 0 of f32[3]"), "{uneven}");
    let missing = message(&vmap(sum).in_axes([Some(0)])(&(x.clone(), y.clone())));
    assert!(missing.starts_with("`vmap` has axes for 1 tensors, and the argument is made of 2"), "{missing}");
    let none = message(&vmap(sum).in_axes([None, None])(&(x.clone(), x.clone())));
    assert!(none.starts_with("`vmap` has no tensor with an item for each element"), "{none}");
    let scalar = message(&vmap(|x: &Tensor| x + 1)(&tensor(1.)));
    assert!(scalar.contains("axis 0"), "{scalar}");
    let total = Variable::new(0.0);
    let assigned = vmap(|x: &Tensor| total.assign_add(x).unwrap_or_else(|_| x.clone()));
    assert!(message(&assigned(&x)).contains("assigns `"), "{}", message(&assigned(&x)));
    let generator = random::Generator::new(1);
    let noisy = vmap(|x: &Tensor| x + generator.uniform((), 0., 1.));
    assert!(message(&noisy(&x)).contains("draw random numbers outside"), "{}", message(&noisy(&x)));
}

#[test]
fn gradients_of_loops_for_each_element() {
    // x^(2^3), by squaring in a loop whose values the gradient needs.
    let power = |x: &Tensor| tracelift_function::for_range(3, x.clone(), |_, x| &x * &x);
    let x = tensor([1., 2., -1.5]);
    let slopes = vmap(grad(power));
    assert_eq!(floats(&slopes(&x)), floats(&one_by_one(grad(power), &x)));
    // A number of rounds of its own for each element.
    let halvings = |x: &Tensor| while_loop(x.clone(), |x| x.gt(1), |x| &x * &x / 4);
    let x = tensor([3., 0.5, 2., 3.5]);
    let refused = vmap(grad(halvings))(&x);
    assert!(refused.error().unwrap().to_string().contains("help: differentiate after batching"), "{refused:?}");
    let slopes = grad(|x: &Tensor| vmap(halvings)(x).sum(..));
    assert_eq!(floats(&slopes(&x)), floats(&one_by_one(grad(halvings), &x)));
    let all = tracelift_function::jacobian(move |x: &Tensor| {
        tracelift_function::for_range(2, x.clone(), |_, x| &x * x.sum(..))
    });
    let found = all(&tensor([1., 2.]));
    // y = x s · (s s), s = x₀ + x₁: dy/dx by hand.
    assert_eq!(floats(&found), [54., 27., 54., 81.]);
}
