//! W9: the first call, tracing and compiling included, after one trivial function.

use crate::measure::{Settings, Times};
use crate::train::{deep_model, fashion_model, housing_data, housing_model};
use serde_json::json;
use std::time::Instant;
use tracelift_nn::{Compile, Fit, Function, I32, Model, Nadam, Sequential, Tensor, random, tensor};

/// The cube, and one training step of small, wide and deep models.
pub(crate) fn all(settings: &Settings) {
    let began = Instant::now();
    let trivial: Function<fn(&Tensor) -> Tensor> = Function::new(|x: &Tensor| x + 1.0).options(settings.options());
    drop(trivial(&tensor(1.0)));
    let cold = began.elapsed().as_secs_f64();
    if settings.wants("W9.cube") {
        first(settings, "W9.cube", cold, 9, || {
            let cube: Function<fn(&Tensor) -> Tensor> =
                Function::new(|x: &Tensor| x.powi(3)).options(settings.options());
            let x = tensor(2.0);
            move || drop(cube(&x))
        });
    }
    if settings.wants("W9.W1step") {
        let (x, y) = housing_data().expect("the shipped table is read");
        step(settings, "W9.W1step", cold, housing_model, "mse", (&x.slice(..32), &y.slice(..32)));
    }
    random::set_seed(9).expect("no trace is under way");
    if settings.wants("W9.W2step") {
        let (x, y) = (random::uniform([32, 784], 0.0, 1.0), random::indices(32, 10).cast(I32));
        step(settings, "W9.W2step", cold, fashion_model, "sparse_categorical_crossentropy", (&x, &y));
    }
    if settings.wants("W9.deep24") {
        let (x, y) = (random::normal([32, 64], 0.0, 1.0), random::normal([32, 1], 0.0, 1.0));
        step(settings, "W9.deep24", cold, deep_model, "mse", (&x, &y));
    }
}

/// The first training step of models that have their weights.
fn step(
    settings: &Settings,
    workload: &str,
    cold: f64,
    make: fn() -> Sequential,
    loss: &str,
    (x, y): (&Tensor, &Tensor),
) {
    first(settings, workload, cold, 9, || {
        let mut model = Model::new(make());
        let how = Compile::new().loss(loss).optimizer(Nadam::new(1e-3)).options(settings.options());
        model.compile(how).expect("the model compiles");
        // Weights are made before the clock starts.
        drop(model.predict(x).expect("the model predicts"));
        move || drop(model.fit(x, y, Fit::new().silent()).expect("the model trains"))
    });
}

/// Times the first call of what `make` makes, a few times anew.
fn first<F: FnMut()>(settings: &Settings, workload: &str, cold: f64, times: usize, make: impl Fn() -> F) {
    let (mut firsts, mut second) = (vec![], 0.0);
    for _ in 0..times {
        let mut call = make();
        let began = Instant::now();
        call();
        firsts.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        call();
        second = began.elapsed().as_secs_f64();
    }
    let extra = json!({ "cold_trivial_s": cold, "second_call_s": second });
    Times::of_repetitions(firsts, 1, 0.0).report(settings, workload, "first-call", extra);
}
