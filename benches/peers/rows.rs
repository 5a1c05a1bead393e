//! W4 and W6: layer norm, softmax and sums, as compositions of tensor methods.

use crate::measure::{Compiled, Settings};
use tracelift_nn::{Function, Tensor, random, value_and_gradients};

/// Over the last axis, with eps 1e-5.
fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor) -> Tensor {
    let centred = x - x.mean_keep(-1);
    let variance = centred.square().mean_keep(-1);
    centred * (variance + 1e-5).rsqrt() * gamma + beta
}

/// The result, and what flows back for `dy`.
fn with_gradients(x: &Tensor, gamma: &Tensor, beta: &Tensor, dy: &Tensor) -> (Tensor, Tensor, Tensor, Tensor) {
    let weighted = || {
        let y = layer_norm(x, gamma, beta);
        ((&y * dy).sum(..), y)
    };
    let ((_, y), [dx, dgamma, dbeta]) = value_and_gradients(weighted, [x, gamma, beta]);
    (y, dx, dgamma, dbeta)
}

/// W4.
pub(crate) fn layer_norms(settings: &Settings) {
    random::set_seed(4).expect("no trace is under way");
    let bytes = (8192 * 1024 * 4) as f64;
    if settings.wants("W4.layernorm.fwd") || settings.wants("W4.layernorm.fwdbwd") {
        let [x, dy] = [(); 2].map(|()| random::normal([8192, 1024], 0.0, 1.0));
        let [gamma, beta] = [(); 2].map(|()| random::normal([1024], 0.0, 1.0));
        let forward: Function<fn(&Tensor, &Tensor, &Tensor) -> Tensor> =
            Function::new(layer_norm).options(settings.options());
        Compiled::new("W4.layernorm.fwd", 2.0 * bytes)
            .run(settings, [&x, &gamma, &beta], |[x, gamma, beta]| forward.concrete((x, gamma, beta)));
        type Gradients = (Tensor, Tensor, Tensor, Tensor);
        let both: Function<fn(&Tensor, &Tensor, &Tensor, &Tensor) -> Gradients> =
            Function::new(with_gradients).options(settings.options());
        let arguments = [&x, &gamma, &beta, &dy];
        Compiled::new("W4.layernorm.fwdbwd", 4.0 * bytes)
            .run(settings, arguments, |[x, gamma, beta, dy]| both.concrete((x, gamma, beta, dy)));
    }
}

/// W6.
pub(crate) fn softmax_and_sums(settings: &Settings) {
    random::set_seed(6).expect("no trace is under way");
    type Unary = fn(&Tensor) -> Tensor;
    let workloads: [(&str, Unary, [usize; 2], f64); 4] = [
        ("W6.softmax", |x| x.softmax(-1), [4096, 1000], 8.0),
        ("W6.sum.axis0", |x| x.sum(0), [4096, 4096], 4.0),
        ("W6.sum.axis1", |x| x.sum(1), [4096, 4096], 4.0),
        ("W6.sum.all", |x| x.sum(..), [4096, 4096], 4.0),
    ];
    for (workload, function, [rows, columns], bytes) in workloads {
        if settings.wants(workload) {
            let x = random::normal([rows, columns], 0.0, 1.0);
            let function: Function<Unary> = Function::new(function).options(settings.options());
            let bytes = bytes * (rows * columns) as f64;
            Compiled::new(workload, bytes).run(settings, [&x], |[x]| function.concrete(x));
        }
    }
}
