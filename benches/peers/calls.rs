//! W8: the cost of a call, x³ of one number.

use crate::measure::{Settings, time_calls};
use serde_json::json;
use tracelift_nn::{Function, Tensor, tensor};

/// The function called as users call it, and its concrete function called directly.
pub(crate) fn scalar(settings: &Settings) {
    let cube: Function<fn(&Tensor) -> Tensor> = Function::new(|x: &Tensor| x.powi(3)).options(settings.options());
    let x = tensor(2.0);
    if settings.wants("W8.call") {
        time_calls(settings, || drop(cube(&x))).report(settings, "W8.call", "function", json!({}));
        let concrete = cube.concrete(&x).expect("the function compiles");
        let call = || drop(concrete.call([&x]).expect("the function runs"));
        time_calls(settings, call).report(settings, "W8.call", "concrete", json!({}));
        let mut results = concrete.call([&x]).expect("the function runs");
        let into = || concrete.call_into([&x], &mut results).expect("the function runs");
        time_calls(settings, into).report(settings, "W8.call", "call_into", json!({}));
        let there_and_back = || {
            let y = cube(&tensor(2.0_f32)).item::<f32>().expect("the function runs");
            assert_eq!(y, 8.0);
        };
        time_calls(settings, there_and_back).report(settings, "W8.call", "host-float-in-out", json!({}));
    }
}
