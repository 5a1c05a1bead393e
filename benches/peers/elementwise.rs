//! W5: elementwise chains and their gradients, compiled; gelu also eagerly.

use crate::measure::{Compiled, Settings, time_calls};
use serde_json::json;
use tracelift_nn::{Function, Tensor, random, select, tensor, value_and_grad, value_and_gradients};

type Unary = fn(&Tensor) -> Tensor;

fn chain(x: &Tensor) -> Tensor {
    (1.1 * x + 0.1).relu() * 0.9 + 0.2
}

fn gelu(x: &Tensor) -> Tensor {
    0.5 * x * (1.0 + (0.7978845608 * (x + 0.044715 * x.powi(3))).tanh())
}

fn softplus(z: &Tensor) -> Tensor {
    (1.0 + (-z.abs()).exp()).log() + z.maximum(0.0)
}

fn huber(e: &Tensor) -> Tensor {
    select(&e.abs().lt(1.0), 0.5 * e.square(), e.abs() - 0.5).mean(..)
}

fn chain5(x: &Tensor, a: &Tensor, b: &Tensor, c: &Tensor, d: &Tensor) -> Tensor {
    (a * x + b).relu() * c + d
}

/// The peers give the derivative by `x` alone.
fn chain5_and_gradient(x: &Tensor, a: &Tensor, b: &Tensor, c: &Tensor, d: &Tensor) -> (Tensor, Tensor) {
    value_and_gradients(|| chain5(x, a, b, c, d), x)
}

const UNARY: [(&str, Unary, f64, f64); 4] = [
    ("chain", chain, 8.0, 12.0),
    ("gelu", gelu, 8.0, 12.0),
    ("softplus", softplus, 8.0, 12.0),
    ("huber", huber, 4.0, 8.0),
];

/// Every chain at every size, forward and with its gradient.
pub(crate) fn all(settings: &Settings) {
    random::set_seed(1).expect("no trace is under way");
    for (name, n) in [("1e3", 1_000usize), ("1e5", 100_000), ("1e7", 10_000_000)] {
        let x = random::normal([n], 0.0, 1.0);
        for (chain, f, forward_bytes, grad_bytes) in UNARY {
            let forward: Function<Unary> = Function::new(f).options(settings.options());
            let both: Function<fn(&Tensor) -> (Tensor, Tensor)> =
                Function::new(move |x: &Tensor| value_and_grad(f)(x)).options(settings.options());
            Compiled::new(format!("W5.{chain}.fwd.{name}"), forward_bytes * n as f64)
                .run(settings, [&x], |[x]| forward.concrete(x));
            Compiled::new(format!("W5.{chain}.grad.{name}"), grad_bytes * n as f64)
                .run(settings, [&x], |[x]| both.concrete(x));
        }
        five(settings, name, n);
    }
    // Results that are dropped at once: what they cost beside results that are given back.
    if settings.wants("W5.chain.fwd.1e7") {
        let x = random::normal([10_000_000], 0.0, 1.0);
        let function: Function<Unary> = Function::new(chain).options(settings.options());
        time_calls(settings, || drop(function(&x))).report(settings, "W5.chain.fwd.1e7", "call", json!({}));
    }
    if settings.wants("W5.gelu.fwd.1e5") {
        let x = random::normal([100_000], 0.0, 1.0);
        let times = time_calls(settings, || drop(gelu(&x)));
        times.report(settings, "W5.gelu.fwd.1e5", "eager", json!({ "first": gelu(&tensor([1.0])).item::<f32>().ok() }));
    }
}

fn five(settings: &Settings, name: &str, n: usize) {
    let workloads = ["fwd", "grad"].map(|kind| format!("W5.chain5.{kind}.{name}"));
    if !workloads.iter().any(|workload| settings.wants(workload)) {
        return;
    }
    let arrays: Vec<Tensor> = (0..5).map(|_| random::normal([n], 0.0, 1.0)).collect();
    let [x, a, b, c, d] = &arrays[..] else { unreachable!("there are five arrays") };
    let forward: Function<fn(&Tensor, &Tensor, &Tensor, &Tensor, &Tensor) -> Tensor> =
        Function::new(chain5).options(settings.options());
    let both: Function<fn(&Tensor, &Tensor, &Tensor, &Tensor, &Tensor) -> (Tensor, Tensor)> =
        Function::new(chain5_and_gradient).options(settings.options());
    let [fwd, grad] = workloads;
    Compiled::new(fwd, 24.0 * n as f64)
        .run(settings, [x, a, b, c, d], |[x, a, b, c, d]| forward.concrete((x, a, b, c, d)));
    Compiled::new(grad, 28.0 * n as f64)
        .run(settings, [x, a, b, c, d], |[x, a, b, c, d]| both.concrete((x, a, b, c, d)));
}
