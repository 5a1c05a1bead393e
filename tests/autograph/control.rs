//! The functions beneath: `scan`, `map_fn`, `switch_case`, bounded loops; and `print_t!`.

use std::sync::{Arc, Mutex};

use tracelift::{
    Array, Options, PrintSink, Tensor, WhileLoop, autograph, function, map_fn, print_line, print_t, range_t, scan,
    spec, switch_case, tensor,
};

use crate::check::everywhere;

#[test]
fn scan_gives_states_and_rows() {
    let f = |x: &Tensor| {
        let (state, (sums, products)) = scan((tensor(0.0), tensor(1.0)), x, |(sum, product), x: Tensor| {
            let (sum, product) = (sum + &x, product * &x);
            ((sum.clone(), product.clone()), (sum, product.expand_dims(0)))
        });
        vec![state.0, state.1, sums, products]
    };
    let given = everywhere(f, &tensor([1., 2., 3., 4.]));
    let values: Vec<Vec<f32>> = given.iter().map(|array| array.to_vec().unwrap()).collect();
    assert_eq!(values, [vec![10.0], vec![24.0], vec![1.0, 3.0, 6.0, 10.0], vec![1.0, 2.0, 6.0, 24.0]]);
    assert_eq!(given[3].shape(), [4, 1]);
}

#[test]
fn scan_takes_trees_and_unknown_sizes() {
    let f = tracelift::Function::new(|x: &Tensor| {
        scan(x.sum(..) * 0.0, &(x.clone(), x * 2.0), |sum, (a, b): (Tensor, Tensor)| (&sum + &a, a * b)).1
    })
    .input_signature([spec!(f32[None])]);
    assert_eq!(f(&tensor([1., 2.])).to_vec::<f32>().unwrap(), [2., 8.]);
    assert_eq!(f(&tensor([1., 2., 3.])).to_vec::<f32>().unwrap(), [2., 8., 18.]);
    assert_eq!(f.trace_count(), 1);
}

#[test]
fn map_fn_maps_rows() {
    let given =
        everywhere(|x: &Tensor| map_fn(|row: Tensor| row.square().sum(..).sqrt(), x), &tensor([[3., 4.], [6., 8.]]));
    assert_eq!(given[0].to_vec::<f32>().unwrap(), [5., 10.]);
    let uneven = map_fn(|(a, b): (Tensor, Tensor)| a + b, &(tensor([1., 2.]), tensor([1.])));
    let error = uneven.ok().unwrap_err().to_string();
    assert!(error.starts_with("`scan` goes over tensors of one first size, not f32[2] and f32[1]"), "{error}");
    assert!(map_fn(|x: Tensor| x, &tensor(1.0)).ok().unwrap_err().to_string().contains("goes over rows"));
}

#[test]
fn switch_case_takes_the_last_branch_for_other_numbers() {
    for (index, expect) in [(0, 6.0), (1, 10.0), (2, 25.0), (7, 25.0), (-1, 25.0)] {
        let f = |n: &Tensor| {
            let x = tensor(5.0);
            switch_case(n, &[&|| &x + 1.0, &|| &x * 2.0, &|| x.square()])
        };
        assert_eq!(everywhere(f, &tensor(index))[0].item::<f32>().unwrap(), expect);
    }
}

#[test]
fn loops_are_bounded() {
    let f = |n: &Tensor| WhileLoop::new().maximum_iterations(n).run(tensor(1), |x| x.lt(1000), |x| x * 2);
    for (n, expect) in [(4, 16), (0, 1), (50, 1024)] {
        assert_eq!(everywhere(f, &tensor(n))[0].item::<i32>().unwrap(), expect);
    }
}

#[test]
fn loops_print_at_each_round() {
    #[autograph]
    fn f(n: &Tensor) -> Tensor {
        let mut sum = tensor(0);
        for i in range_t(n) {
            if &i % 2 == 0 {
                print_t!("{} is even, so far {}", i, sum);
            }
            sum += i;
        }
        sum
    }
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = lines.clone();
    let sink = move |message: &str, values: &[Array]| seen.lock().unwrap().push(print_line(message, values));
    let traced = tracelift::Function::new(f)
        .options(Options { print: PrintSink::Function(Arc::new(sink)), ..Options::default() });
    assert_eq!(traced(&tensor(4)).item::<i32>().unwrap(), 6);
    assert_eq!(*lines.lock().unwrap(), ["0 is even, so far 0", "2 is even, so far 1"]);
}

#[test]
fn options_of_the_attribute() {
    #[function(name("halved"), input_signature([spec!(f32[None])]))]
    fn f(x: &Tensor) -> Tensor {
        if x.sum(..) > 0.0 { x / 2.0 } else { x.clone() }
    }
    assert_eq!(f(&tensor([2., 4.])).to_vec::<f32>().unwrap(), [1., 2.]);
    assert_eq!(f(&tensor([-2.])).to_vec::<f32>().unwrap(), [-2.]);
    assert_eq!(f::function().trace_count(), 1);
    assert_eq!(f::function().name(), "halved");
}
