//! Traced functions: when they are traced, and that they compute what the closure computes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tracelift_function::{ErrorKind, F32, Function, I32, Result, Tensor, Variable, eagerly, spec, tensor};

fn cube() -> Function<fn(&Tensor) -> Tensor> {
    Function::new(|x: &Tensor| x.powi(3))
}

#[test]
fn a_trace_serves_all_values_of_its_types() {
    let f = cube();
    assert_eq!(f(&tensor(2.0)).item::<f32>().unwrap(), 8.0);
    assert_eq!(f(&tensor(3.0)).item::<f32>().unwrap(), 27.0);
    assert_eq!(f.trace_count(), 1);
    assert_eq!(f(&tensor(2)).item::<i32>().unwrap(), 8);
    assert_eq!(f(&tensor([[1., 2.]])).to_vec::<f32>().unwrap(), [1., 8.]);
    assert_eq!(f.trace_count(), 3);
    assert_eq!(f(&tensor(-1.0)).item::<f32>().unwrap(), -1.0);
    assert_eq!(f.trace_count(), 3);
}

#[test]
fn concrete_functions_are_the_ones_that_calls_use() {
    let f = cube();
    let concrete = f.concrete(&tensor(2.0)).unwrap();
    assert!(Arc::ptr_eq(&concrete, &f.concrete(spec!(f32[])).unwrap()));
    let _ = f(&tensor(7.0));
    assert_eq!(f.trace_count(), 1);
    assert_eq!(concrete.call([&tensor(2.0)]).unwrap()[0].item::<f32>().unwrap(), 8.0);
    assert_eq!(format!("{concrete:?}").split(' ').next(), Some("ConcreteFunction"));
    let wrong = concrete.call([&tensor(2)]).unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::InvalidArgument);
    assert!(wrong.message.contains("was traced for f32[], not for i32[]"), "{wrong}");
    assert!(concrete.call([&tensor([2.0])]).is_err());
    assert!(concrete.call([]).is_err());
}

#[test]
fn the_graph_is_what_was_written() {
    let f = Function::new(|x: &Tensor| {
        let unused = x * 2;
        let _ = unused;
        x + x
    })
    .argument_names(&["input"]);
    let text = f.concrete(spec!(f32[None, 3])).unwrap().graph().to_string();
    let expect = [
        "(%input: f32[B, 3]) -> f32[B, 3] {",
        "  %0 = const 2.0 : f32[]",
        "  %1 = broadcast %0 {shape=[B, 3]} : f32[B, 3]",
        "  %2 = mul %input, %1 : f32[B, 3]",
        "  %3 = add %input, %input : f32[B, 3]",
        "  %4 = identity %3 : f32[B, 3]",
        "  return %4",
        "}",
    ];
    assert_eq!(text.split_once('(').map(|(_, rest)| format!("({rest}")).unwrap().trim_end(), expect.join("\n"));
}

#[test]
fn host_values_and_structure_are_part_of_the_signature() {
    let f = Function::new(|xs: &Vec<Tensor>, n: &i32, name: &Option<&'static str>| {
        let sum: Tensor = xs.iter().cloned().sum();
        (sum.powi(*n), name.is_some())
    });
    let one = tensor(1.0);
    let (y, named) = f(&vec![one.clone(), one.clone()], &2, &None);
    assert_eq!((y.item::<f32>().unwrap(), named), (4.0, false));
    let _ = f(&vec![tensor(5.0), one.clone()], &2, &None);
    assert_eq!(f.trace_count(), 1);
    assert_eq!(f(&vec![one.clone(); 3], &2, &None).0.item::<f32>().unwrap(), 9.0);
    assert_eq!(f(&vec![one.clone(); 2], &3, &None).0.item::<f32>().unwrap(), 8.0);
    assert!(f(&vec![one.clone(); 2], &3, &Some("a")).1);
    assert_eq!(f.trace_count(), 4);
}

#[test]
fn unknown_sizes_share_a_trace() {
    let f = Function::new(|x: &Tensor| x.mean(0)).input_signature(spec!(f32[None, 2]));
    assert_eq!(f(&tensor([[1., 2.], [3., 4.]])).to_vec::<f32>().unwrap(), [2., 3.]);
    assert_eq!(f(&tensor([[1., 2.]])).to_vec::<f32>().unwrap(), [1., 2.]);
    assert_eq!(f.trace_count(), 1);
    for bad in [tensor([[1, 2]]), tensor([1., 2.]), tensor([[1., 2., 3.]])] {
        assert_eq!(f(&bad).error().unwrap().kind, ErrorKind::Type);
    }
}

#[test]
fn retracing_is_reduced_at_the_second_size() {
    let f = cube().reduce_retracing();
    let counts = [1, 2, 3, 4, 2].map(|n| {
        assert_eq!(f(&Tensor::ones([n])).shape(), [n]);
        f.trace_count()
    });
    assert_eq!(counts, [1, 2, 2, 2, 2]);
    let plain = cube();
    let counts = [1, 2, 3, 4, 2].map(|n| {
        let _ = plain(&Tensor::ones([n]));
        plain.trace_count()
    });
    assert_eq!(counts, [1, 2, 3, 4, 4]);
}

#[test]
fn a_forbidden_retrace_says_what_differs() {
    let f = cube().no_retrace();
    let _ = f(&tensor([1.0]));
    let error = f(&tensor([1.0, 2.0])).error().unwrap().clone();
    assert!(error.message.contains("argument 0 is f32[2], not f32[1]"), "{error}");
    assert_eq!(f.trace_count(), 1);
}

#[test]
fn a_broken_assumption_traces_again_with_the_sizes_known() {
    let row = tensor([1., 2., 3.]);
    let f = Function::new(move |x: &Tensor| x + &row).input_signature(spec!(f32[None]));
    assert_eq!(f(&tensor([1., 1., 1.])).to_vec::<f32>().unwrap(), [2., 3., 4.]);
    assert_eq!(f.trace_count(), 1);
    // A size of one broadcasts instead.
    assert_eq!(f(&tensor([1.])).to_vec::<f32>().unwrap(), [2., 3., 4.]);
    assert_eq!(f.trace_count(), 2);
    let error = f(&tensor([1., 2.])).error().unwrap().clone();
    assert!(error.message.contains("f32[2]") && error.message.contains("f32[3]"), "{error}");
}

#[test]
fn variables_are_captured_and_changed() {
    let total = Variable::new(0.0).named("total");
    let captured = total.clone();
    let f = Function::new(move |x: &Tensor| -> Result<Tensor> {
        captured.assign_add(x)?;
        captured.assign_add(1)
    });
    assert_eq!(f(&tensor(2.0)).unwrap().item::<f32>().unwrap(), 3.0);
    assert_eq!(f(&tensor(2.0)).unwrap().item::<f32>().unwrap(), 6.0);
    assert_eq!(total.item::<f32>().unwrap(), 6.0);
    let signature = f.signatures()[0].signature().to_string();
    assert_eq!(signature, "(x: f32[], total: resource f32[]) -> (f32[])");
}

#[test]
fn variables_as_arguments_share_a_trace_unless_they_are_the_same() {
    let f = Function::new(|a: &Variable, b: &Variable| -> Result<Tensor> {
        a.assign_add(1)?;
        b.assign_add(10)?;
        Ok(a + b)
    });
    let (v, w, u) = (Variable::new(0), Variable::new(100), Variable::new(1000));
    assert_eq!(f(&v, &w).unwrap().item::<i32>().unwrap(), 111);
    assert_eq!(f(&w, &u).unwrap().item::<i32>().unwrap(), 111 + 1010);
    assert_eq!(f.trace_count(), 1);
    assert_eq!((v.item::<i32>().unwrap(), w.item::<i32>().unwrap(), u.item::<i32>().unwrap()), (1, 111, 1010));
    assert_eq!(f(&v, &v).unwrap().item::<i32>().unwrap(), 24);
    assert_eq!(v.item::<i32>().unwrap(), 12);
    assert_eq!(f.trace_count(), 2);
}

#[test]
fn an_argument_that_is_also_captured_is_one_variable() {
    let v = Variable::new(1);
    let captured = v.clone();
    let f = Function::new(move |a: &Variable| -> Result<Tensor> {
        a.assign_add(1)?;
        captured.assign(&captured * 10)
    });
    let other = Variable::new(5);
    assert_eq!(f(&other).unwrap().item::<i32>().unwrap(), 10);
    assert_eq!((other.item::<i32>().unwrap(), v.item::<i32>().unwrap()), (6, 10));
    assert_eq!(f(&v).unwrap().item::<i32>().unwrap(), 110);
    assert_eq!(v.item::<i32>().unwrap(), 110);
    assert_eq!(f(&other).unwrap().item::<i32>().unwrap(), 1100);
    assert_eq!(f.trace_count(), 2);
}

#[test]
fn variables_are_made_in_the_first_trace_only() {
    let made = Arc::new(std::sync::OnceLock::new());
    let slot = made.clone();
    let once = Function::new(move |x: &Tensor| -> Tensor {
        let v: &Variable = slot.get_or_init(|| eagerly(|| Variable::new(tensor(2.0) * 3)));
        x * v
    });
    assert_eq!(once(&tensor(2.0)).item::<f32>().unwrap(), 12.0);
    assert_eq!(once(&tensor([2.0])).to_vec::<f32>().unwrap(), [12.0]);
    let always = Function::new(|x: &Tensor| x * Variable::new(2.0));
    assert_eq!(always(&tensor(2.0)).item::<f32>().unwrap(), 4.0);
    let error = always(&tensor([2.0])).error().unwrap().clone();
    assert!(error.message.contains("makes a variable each time it is traced"), "{error}");
    assert!(error.origin.to_string().contains("functions.rs"), "{error}");
}

#[test]
fn functions_call_functions() {
    let scale = Variable::new(2.0);
    let captured = scale.clone();
    let inner = Function::new(move |x: &Tensor| -> Result<Tensor> {
        captured.assign_add(1)?;
        Ok(x * &captured)
    });
    let called = inner.clone();
    let outer = Function::new(move |x: &Tensor| -> Result<Tensor> {
        let y = called(x)?;
        called(&y)
    });
    assert_eq!(outer(&tensor(1.0)).unwrap().item::<f32>().unwrap(), 12.0);
    assert_eq!(scale.item::<f32>().unwrap(), 4.0);
    assert_eq!(inner.trace_count(), 1);
    // An unknown size of the caller is one of the callee.
    let sum = Function::new(|x: &Tensor| x.sum(0));
    let caller = Function::new(move |x: &Tensor| sum(x) + x.size().cast(F32)).input_signature(spec!(f32[None]));
    assert_eq!(caller(&tensor([1., 2., 3.])).item::<f32>().unwrap(), 9.0);
    assert_eq!(caller(&tensor([1.])).item::<f32>().unwrap(), 2.0);
}

#[test]
fn endless_recursion_is_an_error() {
    static SELF: std::sync::OnceLock<Function<fn(&Tensor, &i32) -> Tensor>> = std::sync::OnceLock::new();
    let f = SELF.get_or_init(|| {
        Function::new(|x: &Tensor, n: &i32| {
            let f = SELF.get().expect("it is set before the first call");
            if *n == 0 { x.clone() } else { f(x, &(n - 1)) + 1 }
        })
    });
    assert_eq!(f(&tensor(0), &5).item::<i32>().unwrap(), 5);
    let error = f(&tensor(0), &-1).error().unwrap().clone();
    assert_eq!(error.kind, ErrorKind::Runtime);
    assert!(error.to_string().contains("calls itself without end"), "{error}");
}

#[test]
fn host_effects_happen_while_tracing_only() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let f = Function::new(move |x: &Tensor| {
        counted.fetch_add(1, Ordering::Relaxed);
        x + 1
    });
    for _ in 0..3 {
        let _ = f(&tensor(1));
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn many_threads_make_one_trace() {
    let f = cube();
    std::thread::scope(|scope| {
        for n in 0..16 {
            let f = &f;
            scope.spawn(move || assert_eq!(f(&tensor(n)).item::<i32>().unwrap(), n * n * n));
        }
    });
    assert_eq!(f.trace_count(), 1);
    assert_eq!(f.signatures().len(), 1);
    assert_eq!(f.signatures()[0].signature().inputs[0].spec.dtype, I32);
}

#[test]
fn large_captured_arrays_are_hidden_parameters_and_small_ones_constants() {
    let (small, large) = (Tensor::ones([16]), Tensor::ones([17]));
    let f = Function::new(move |x: &Tensor| (&small * x, &large * x + &large));
    let concrete = f.concrete(spec!(f32[])).unwrap();
    let (a, b) = f(&tensor(2.0));
    assert_eq!((a.sum(..).item::<f32>().unwrap(), b.sum(..).item::<f32>().unwrap()), (32.0, 51.0));
    assert_eq!(concrete.graph().params().len(), 2);
}
