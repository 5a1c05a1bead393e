//! Loops and branches, traced and at once.

use tracelift_function::{Function, Result, Tensor, Variable, cond, for_range, spec, tensor, while_loop};

fn collatz(n: &Tensor) -> Tensor {
    let (_, steps) = while_loop(
        (n.clone(), tensor(0)),
        |(n, _)| n.ne(1),
        |(n, steps)| {
            let even = (&n % 2).eq(0);
            (cond(&even, || n.floor_div(2), || 3 * &n + 1), steps + 1)
        },
    );
    steps
}

#[test]
fn loops_and_branches_nest() {
    assert_eq!(collatz(&tensor(27)).item::<i32>().unwrap(), 111);
    let traced = Function::new(collatz);
    assert_eq!(traced(&tensor(27)).item::<i32>().unwrap(), 111);
    assert_eq!(traced(&tensor(1)).item::<i32>().unwrap(), 0);
    assert_eq!(traced.trace_count(), 1);
}

#[test]
fn loops_capture_arrays_outer_values_and_variables() {
    let step = Variable::new(3.0);
    let captured = step.clone();
    let large = Tensor::ones([20]);
    let f = Function::new(move |x: &Tensor| {
        let doubled = x * 2;
        for_range(4, x * 0.0, |_, sum| sum + &doubled * &captured + large.sum(..))
    });
    assert_eq!(f(&tensor(1.0)).item::<f32>().unwrap(), 4.0 * 26.0);
    step.assign(0.0).unwrap();
    assert_eq!(f(&tensor(1.0)).item::<f32>().unwrap(), 80.0);
}

#[test]
fn assigned_variables_are_carried_through_loops_and_branches() {
    let (n, m) = (Variable::new(0), Variable::new(100));
    let (a, b) = (n.clone(), m.clone());
    let f = Function::new(move |x: &Tensor| -> Tensor {
        for_range(5, (), |i, ()| {
            let done = a
                .assign_add(i)
                .and_then(|_| cond(&i.gt(2), || b.assign_add(1).unwrap_or_else(Tensor::failed), || b.value()).ok());
            assert!(done.is_ok());
        });
        x + &a + &b
    });
    assert_eq!(f(&tensor(1)).item::<i32>().unwrap(), 1 + 10 + 102);
    assert_eq!((n.item::<i32>().unwrap(), m.item::<i32>().unwrap()), (10, 102));
}

#[test]
fn eager_loops_change_variables() -> Result {
    let n = Variable::new(0);
    let last = for_range(tensor(4), tensor(0), |i, _| n.assign_add(i).unwrap_or_else(Tensor::failed));
    assert_eq!((last.item::<i32>()?, n.item::<i32>()?), (6, 6));
    Ok(())
}

#[test]
fn host_conditions_choose_a_closure() {
    let taken = cond(&tensor(true), || 1, || 2);
    assert_eq!(taken, 1);
    let bad = cond(&tensor(1.0), || tensor(1), || tensor(2));
    assert!(bad.error().unwrap().message.contains("wants bool[] as its condition, not f32[]"));
}

#[test]
fn bodies_that_do_not_fit_are_refused() {
    let grows = while_loop(tensor([1.0]), |x| x.sum(..).lt(10.0), |x| tracelift_function::concat(&[&x, &x], 0));
    let error = grows.ok().unwrap_err().to_string();
    assert!(
        error.starts_with("`while` carries f32[1] as value 0, which cannot become f32[2]")
            || error.starts_with("`while_loop` carries f32[1] as value 0, which cannot become f32[2]"),
        "{error}"
    );
    let f = Function::new(|x: &Tensor| cond(&x.gt(0), || x * 2, || x.expand_dims(0)));
    assert!(f(&tensor(1.0)).error().unwrap().message.contains("has branches whose results 0 are f32[] and f32[1]"));
    let counts = while_loop((0, tensor(0)), |(_, x)| x.lt(3), |(n, x)| (n + 1, x + 1));
    assert!(counts.1.error().unwrap().message.contains("changes host values"));
    let mistake = Function::new(|x: &Tensor| while_loop(x.clone(), |x| x.lt(3.0), |x| x + tensor(1)));
    assert!(mistake(&tensor(0.0)).error().unwrap().message.contains("takes operands of one dtype"));
}

#[test]
fn loops_take_unknown_sizes() {
    let f = Function::new(|x: &Tensor| for_range(3, x.clone(), |_, x| x * 2)).input_signature(spec!(f32[None]));
    assert_eq!(f(&tensor([1., 2.])).to_vec::<f32>().unwrap(), [8., 16.]);
    assert_eq!(f(&tensor([1.])).to_vec::<f32>().unwrap(), [8.]);
    assert_eq!(f.trace_count(), 1);
}
