//! Every engine gives the same bits, changes variables alike, and native code is what runs by default.

use tracelift_function::{
    Array, Engine, ErrorKind, Function, Options, Result, StopToken, Tensor, Variable, cond, for_range, grad, spec,
    tensor, value_and_gradients, while_loop,
};

fn on<S: tracelift_function::Signature>(engine: Engine, f: Function<S>) -> Function<S> {
    f.options(Options { engine, ..Options::default() })
}

/// That all engines give the bits of eager execution.
fn agree(x: &Tensor, f: impl Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static) {
    let array = |y: Tensor| -> Array { y.to_array().unwrap_or_else(|error| panic!("{error}")) };
    let eager = array(f(x));
    for engine in Engine::ALL {
        let y = array(on(engine, Function::new(f.clone()))(x));
        assert!(eager.bit_eq(&y), "{}: {y} rather than {eager}", engine.name());
    }
}

fn numbers(shape: [usize; 2]) -> Tensor {
    let n = shape[0] * shape[1];
    let values: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
    Tensor::from(values).reshape(shape)
}

#[test]
fn functions_run_as_native_code() {
    let f = Function::new(|x: &Tensor| x * x + 1);
    let concrete = f.concrete(spec!(f32[None])).unwrap();
    let compiled = concrete.compiled().unwrap();
    assert!(compiled.is_native() || cfg!(not(target_arch = "x86_64")));
    assert_eq!(compiled.program().unwrap().kernels.len(), 1);
    assert!(concrete.text_after("plan").unwrap().starts_with("kernel"), "{}", concrete.text_after("plan").unwrap());
    assert!(concrete.text_after("fuse").unwrap().contains("fusion"));
    assert!(concrete.text_after("fusing").is_err());
}

#[test]
fn activations_and_normalisations() {
    let x = numbers([7, 33]);
    agree(&x, Tensor::gelu);
    agree(&x, |x| x.softmax(-1));
    agree(&x, |x| x.log_softmax(0));
    agree(&x, |x| x.softplus() + x.relu() * x.tanh() - x.sigmoid());
    agree(&x, |x| (x - x.mean_keep(0)) / (x.variance_keep(0) + 1e-3).sqrt());
    agree(&x, |x| x.logsumexp(1));
}

#[test]
fn structure_and_products() {
    let x = numbers([6, 10]);
    agree(&x, |x| x.matmul(x.t()).sum(0));
    agree(&x, |x| tracelift_function::concat(&[x, &x.reverse(0)], 1).slice((.., 3..12)));
    agree(&x, |x| x.gather(&tensor([5, 0, 0])).max(..));
    agree(&x, |x| x.argmax(1));
    agree(&x, |x| x.reshape([3, -1]).transpose(&[1, 0]));
}

#[test]
fn gradients() {
    let x = numbers([5, 8]);
    agree(&x, |x| grad(|x: &Tensor| x.softmax(-1).log().mean(..))(x));
    agree(&x, |x| grad(|x: &Tensor| (x.matmul(x.t())).tanh())(x));
    agree(&x, |x| grad(|x: &Tensor| x.slice(tracelift_function::s![1.., ..;2]).square())(x));
}

#[test]
fn loops_and_branches() {
    agree(&tensor([1.0, 2.0]), |x| for_range(5, x.clone(), |i, x| x * 1.5 + i.cast(tracelift_function::F32)));
    agree(&tensor(27), |n| {
        let state = (n.clone(), tensor(0));
        while_loop(
            state,
            |(n, _)| n.ne(1),
            |(n, steps)| {
                let next = cond(&(&n % 2).eq(0), || n.floor_div(2), || 3 * &n + 1);
                (next, steps + 1)
            },
        )
        .1
    });
}

#[test]
fn training_steps_are_equal_bit_for_bit() -> Result {
    let mut weights: Vec<Array> = Vec::new();
    for engine in Engine::ALL {
        let (w, b) = (Variable::new([[0.5], [-0.25], [0.125]]), Variable::new([0.0]));
        let (kernel, bias) = (w.clone(), b.clone());
        let step = Function::new(move |x: &Tensor, y: &Tensor| -> Result<Tensor> {
            let loss = || (x.matmul(&kernel) + &bias - y).square().mean(..);
            let (loss, [dw, db]) = value_and_gradients(loss, [&kernel, &bias]);
            kernel.assign_sub(dw * 0.01)?;
            bias.assign_sub(db * 0.01)?;
            Ok(loss)
        })
        .input_signature((spec!(f32[None, 3]), spec!(f32[None, 1])));
        let step = on(engine, step);
        let (x, y) = (numbers([8, 3]), numbers([8, 1]));
        for rows in [8, 8, 5, 8, 1] {
            step(&x.slice(..rows), &y.slice(..rows))?;
        }
        // One row is a product with a vector, which has an order of its own.
        assert!(step.trace_count() <= 3, "{}", step.trace_count());
        weights.push(w.to_array()?);
    }
    assert!(weights.iter().all(|w| w.bit_eq(&weights[0])), "{weights:?}");
    Ok(())
}

#[test]
fn failed_and_stopped_calls_change_nothing() {
    for engine in Engine::ALL {
        let n = Variable::new(1);
        let counted = n.clone();
        let f = on(
            engine,
            Function::new(move |d: &Tensor| -> Result<Tensor> {
                counted.assign_add(1)?;
                Ok(counted.floor_div(d))
            }),
        );
        assert_eq!(f(&tensor(2)).unwrap().item::<i32>().unwrap(), 1);
        assert_eq!(f(&tensor(0)).unwrap_err().kind, ErrorKind::InvalidArgument, "{}", engine.name());
        assert_eq!(n.item::<i32>().unwrap(), 2);

        let stop = StopToken::new();
        let counted = n.clone();
        let endless = Function::new(move |x: &Tensor| -> Result<Tensor> {
            counted.assign_add(1)?;
            Ok(while_loop(x.clone(), |x| x.ge(0), |x| x * 1))
        })
        .options(Options { engine, stop: Some(stop.clone()), ..Options::default() });
        stop.stop();
        assert_eq!(endless(&tensor(1)).unwrap_err().kind, ErrorKind::Cancelled, "{}", engine.name());
        assert_eq!(n.item::<i32>().unwrap(), 2);
    }
}

#[test]
fn results_are_written_over_what_is_given() {
    let f = Function::new(|x: &Tensor| (x + 1, x.sum(..)));
    let concrete = f.concrete(spec!(f32[4])).unwrap();
    let mut results = [tensor(0.0), tensor(0.0)];
    for round in 0..3 {
        concrete.call_into([&Tensor::full([4], round as f32)], &mut results).unwrap();
        assert_eq!(results[0].to_vec::<f32>().unwrap(), [round as f32 + 1.0; 4]);
        assert_eq!(results[1].item::<f32>().unwrap(), 4.0 * round as f32);
    }
    assert!(concrete.call_into([&Tensor::ones([4])], &mut results[..1]).is_err());
}

#[test]
fn many_threads_call_one_function_that_counts() {
    let n = Variable::new(0);
    let counted = n.clone();
    let f = Function::new(move |x: &Tensor| -> Result<Tensor> {
        counted.assign_add(1)?;
        Ok(x * 2)
    });
    std::thread::scope(|scope| {
        for i in 0..8 {
            let f = &f;
            scope.spawn(move || (0..50).for_each(|_| assert_eq!(f(&tensor(i)).unwrap().item::<i32>().unwrap(), 2 * i)));
        }
    });
    assert_eq!(n.item::<i32>().unwrap(), 400);
    assert_eq!(f.trace_count(), 1);
}
