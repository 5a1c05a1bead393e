//! Gradients of closures, by tensors and by variables, at once and inside traces.

use tracelift_function::{
    ErrorKind, Function, Result, Tensor, Variable, cond, for_range, grad, select, tensor, value_and_grad,
    value_and_gradients,
};

fn f(w1: &Tensor, w2: &Tensor) -> Tensor {
    3 * w1.powi(2) + 2 * w1 * w2
}

fn at(f: impl Fn(&Tensor) -> Tensor, x: f32) -> f32 {
    grad(f)(&tensor(x)).item().unwrap()
}

#[test]
fn by_variables() {
    let (w1, w2) = (Variable::new(5.), Variable::new(3.));
    let (z, [d1, d2]) = value_and_gradients(|| f(&w1, &w2), [&w1, &w2]);
    assert_eq!([z, d1, d2].map(|t| t.item::<f32>().unwrap()), [105., 36., 10.]);
    let both = vec![w1.clone(), w2.clone()];
    let (_, gradients) = value_and_gradients(|| f(&w1, &w2).stop_gradient() + &w1, &both);
    assert_eq!(gradients[0].item::<f32>().unwrap(), 1.0);
    let missing = gradients[1].clone();
    assert_eq!(missing.error().unwrap().kind, ErrorKind::Unconnected);
    assert!(missing.connected().is_none());
}

#[test]
fn what_the_closure_assigns_and_gives_besides() -> Result {
    let (w, steps) = (Variable::new(2.0), Variable::new(0));
    let ((loss, twice), dw) = value_and_gradients(
        || {
            let _ = steps.assign_add(1);
            (w.square(), &w * 2)
        },
        &w,
    );
    assert_eq!((loss.item::<f32>()?, twice.item::<f32>()?, dw.item::<f32>()?), (4.0, 4.0, 4.0));
    assert_eq!(steps.item::<i32>()?, 1);
    Ok(())
}

#[test]
fn higher_orders_and_inside_functions() {
    let third = grad(grad(grad(|x: &Tensor| x.powi(4))));
    assert_eq!(third(&tensor(2.0)).item::<f32>().unwrap(), 48.0);
    let traced = Function::new(move |x: &Tensor| third(x) + grad(|x: &Tensor| x.exp().log())(x));
    assert_eq!(traced(&tensor(2.0)).item::<f32>().unwrap(), 49.0);
}

#[test]
fn a_training_step_is_one_function() -> Result {
    let w = Variable::new([[0.0], [0.0]]);
    let weight = w.clone();
    let step = Function::new(move |x: &Tensor, y: &Tensor| -> Result<Tensor> {
        let (loss, dw) = value_and_gradients(|| (x.matmul(&weight) - y).square().mean(..), &weight);
        weight.assign_sub(dw * 0.1)?;
        Ok(loss)
    });
    let (x, y) = (tensor([[1., 0.], [0., 1.], [1., 1.]]), tensor([[1.], [2.], [3.]]));
    let first = step(&x, &y)?.item::<f32>()?;
    let mut last = first;
    for _ in 0..200 {
        last = step(&x, &y)?.item()?;
    }
    assert!(first > 4.0 && last < 1e-4, "{first} {last}");
    assert_eq!(step.trace_count(), 1);
    let found = w.to_vec::<f32>()?;
    assert!((found[0] - 1.0).abs() < 0.05 && (found[1] - 2.0).abs() < 0.05, "{found:?}");
    Ok(())
}

#[test]
fn ties_and_edges() {
    assert_eq!(at(Tensor::relu, 0.0), 0.0);
    assert_eq!(at(Tensor::relu, 1.0), 1.0);
    assert_eq!(at(Tensor::abs, 0.0), 0.0);
    assert_eq!(at(|x| x.maximum(1.0), 1.0), 1.0);
    assert_eq!(at(|x| tensor(1.0).maximum(x), 1.0), 0.0);
    assert_eq!(at(Tensor::softplus, 0.0), 0.5);
    assert_eq!(at(Tensor::softplus, 1000.0), 1.0);
    assert_eq!(at(|x| select(&x.gt(0), x.sqrt(), 0.0), 0.0), 0.0);
    assert!(at(|x| select(&x.gt(0), x.log(), 0.0), 0.0).is_nan());
    // By autodiff of the formula, the gradient at 0 is 0 rather than 0.5.
    assert_eq!(at(|z| (1 + (-z.abs()).exp()).log() + tensor(0.0).maximum(z), 0.0), 0.0);
    let dx = grad(|x: &Tensor| x.max(..))(&tensor([1., 3., 3.]));
    assert_eq!(dx.to_vec::<f32>().unwrap(), [0., 0.5, 0.5]);
}

#[test]
fn a_vector_target_is_its_sum() {
    let (y, dx) = value_and_grad(|x: &Tensor| x.square())(&tensor([1., 2.]));
    assert_eq!(y.to_vec::<f32>().unwrap(), [1., 4.]);
    assert_eq!(dx.to_vec::<f32>().unwrap(), [2., 4.]);
    let error = grad(|x: &Tensor| x * 2)(&tensor(1)).ok().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Type);
}

#[test]
fn branches_have_gradients() {
    let leaky = |x: &Tensor| cond(&x.gt(0), || x * 1.0, || x * 0.1);
    let slope = Function::new(move |x: &Tensor| grad(leaky)(x));
    assert_eq!(slope(&tensor(3.0)).item::<f32>().unwrap(), 1.0);
    assert_eq!(slope(&tensor(-3.0)).item::<f32>().unwrap(), 0.1);
}

#[test]
fn using_a_missing_gradient_is_an_error() {
    let (v, w) = (Variable::new(1.0), Variable::new(1.0));
    let f = Function::new(move |x: &Tensor| {
        let (_, [dv, dw]) = value_and_gradients(|| x * &v, [&v, &w]);
        dv + dw
    });
    assert_eq!(f(&tensor(1.0)).error().unwrap().kind, ErrorKind::Unconnected);
}

#[test]
fn rows_that_a_loop_picks_have_their_gradients_added_where_they_belong() -> Result {
    let step = |h: &Tensor, x: &Tensor, i: &Tensor| h * x.gather(i) + x.gather(&tensor(0));
    let picks = move |x: &Tensor| for_range(4, Tensor::ones([2]), |i, h| step(&h, x, i)).sum(..);
    let x = Tensor::range(12).reshape([6, 2]).cast(tracelift_function::F32) * 0.5;
    let f = Function::new(move |x: &Tensor| grad(picks)(x));
    // No iteration makes an array of zeros as large as all rows, or adds one.
    let text = f.concrete(&x)?.graph().to_string();
    let all_rows = |op: &str| {
        let makes = |line: &&str| line.contains(&format!("= {op} ")) && line.ends_with(": f32[6, 2]");
        text.lines().filter(makes).count()
    };
    assert_eq!(["scatter_add", "broadcast", "add"].map(all_rows), [2, 1, 0], "{text}");
    let in_a_row = move |x: &Tensor| (0..4).fold(Tensor::ones([2]), |h, i| step(&h, x, &tensor(i))).sum(..);
    assert_eq!(f(&x).to_vec::<f32>()?, grad(in_a_row)(&x).to_vec::<f32>()?);
    Ok(())
}
