//! W9: the first call, tracing and compiling included, after one trivial function.

use crate::measure::{Settings, Times};
use crate::train::{housing_data, housing_model};
use serde_json::json;
use std::time::Instant;
use tracelift_nn::{Compile, Fit, Function, Model, Nadam, Tensor, tensor};

/// The cube, and one step of the model of W1.
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
        let (x, y) = (x.slice(..32), y.slice(..32));
        first(settings, "W9.W1step", cold, 9, || {
            let mut model = Model::new(housing_model());
            let how = Compile::new().loss("mse").optimizer(Nadam::new(1e-3)).options(settings.options());
            model.compile(how).expect("the model compiles");
            // Weights are made before the clock starts.
            drop(model.predict(&x).expect("the model predicts"));
            let (x, y) = (x.clone(), y.clone());
            move || drop(model.fit(&x, &y, Fit::new().silent()).expect("the model trains"))
        });
    }
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
