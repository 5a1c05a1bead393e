//! Random numbers: functions of a seed, the same at once and traced, never drawn twice.

use tracelift_function::{
    Engine, Function, Options, Result, Tensor, for_range, random, random::Generator, spec, tensor,
};

#[test]
fn a_seed_gives_the_same_numbers_at_once_and_traced() -> Result {
    let draw = |generator: &Generator| {
        let a = generator.normal([5], 1.0, 2.0);
        let b = generator.uniform([2, 3], -1.0, 1.0);
        (a, b)
    };
    let (a, b) = draw(&Generator::new(42));
    for engine in Engine::ALL {
        let generator = Generator::new(42);
        let traced = generator.clone();
        let f = Function::new(move || draw(&traced)).options(Options { engine, ..Options::default() });
        let (x, y) = f();
        assert!(a.to_array()?.bit_eq(&x.to_array()?) && b.to_array()?.bit_eq(&y.to_array()?), "{}", engine.name());
        assert!(!a.to_array()?.bit_eq(&f().0.to_array()?), "a second call draws other numbers");
        // Five numbers use two blocks, six another two, twice.
        assert_eq!(generator.state().to_vec::<i64>()?, [42, 8]);
    }
    Ok(())
}

#[test]
fn numbers_lie_where_they_should() -> Result {
    let generator = Generator::new(1);
    let uniform = generator.uniform([10_000], 2.0, 5.0);
    let (low, high) = (uniform.min(..).item::<f32>()?, uniform.max(..).item::<f32>()?);
    assert!((2.0..2.01).contains(&low) && (4.99..5.0).contains(&high), "{low} {high}");
    let normal = generator.normal([10_000], 1.0, 0.5);
    let (mean, variance) = (normal.mean(..).item::<f32>()?, normal.variance(..).item::<f32>()?);
    assert!((mean - 1.0).abs() < 0.02 && (variance - 0.25).abs() < 0.02, "{mean} {variance}");
    let indices = generator.indices(1000, 7).to_vec::<i64>()?;
    assert!((0..7).all(|n| indices.contains(&n)) && indices.iter().all(|n| (0..7).contains(n)));
    Ok(())
}

#[test]
fn loops_draw_new_numbers_each_time() -> Result {
    let generator = Generator::new(3);
    let in_loop = generator.clone();
    let f = Function::new(move |x: &Tensor| for_range(3, x.clone(), |_, sum| sum + in_loop.uniform((), 0.0, 1.0)));
    let sum = f(&tensor(0.0)).item::<f32>()?;
    let again = Generator::new(3);
    let expect = (0..3).map(|_| again.uniform((), 0.0, 1.0)).fold(tensor(0.0), |sum, x| sum + x);
    assert_eq!(sum, expect.item::<f32>()?);
    assert_eq!(generator.state().to_vec::<i64>()?, again.state().to_vec::<i64>()?);
    Ok(())
}

#[test]
fn the_stream_of_the_process_starts_anew_with_a_seed() -> Result {
    random::set_seed(5)?;
    let first = random::normal([3], 0.0, 1.0).to_vec::<f32>()?;
    assert_ne!(first, random::normal([3], 0.0, 1.0).to_vec::<f32>()?);
    random::set_seed(5)?;
    assert_eq!(first, random::normal([3], 0.0, 1.0).to_vec::<f32>()?);
    Ok(())
}

#[test]
fn unknown_sizes_draw_as_many_numbers() -> Result {
    let generator = Generator::new(9);
    let traced = generator.clone();
    let noisy =
        Function::new(move |x: &Tensor| x + traced.normal(x.shape(), 0.0, 1.0)).input_signature(spec!(f32[None]));
    let a = noisy(&Tensor::zeros([5])).to_vec::<f32>()?;
    assert_eq!(a, Generator::new(9).normal([5], 0.0, 1.0).to_vec::<f32>()?);
    assert_eq!(generator.state().to_vec::<i64>()?, [9, 2]);
    let _ = noisy(&Tensor::zeros([3]));
    assert_eq!(generator.state().to_vec::<i64>()?, [9, 3]);
    assert_eq!(noisy.trace_count(), 1);
    Ok(())
}
