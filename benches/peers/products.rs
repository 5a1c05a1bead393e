//! W10: matrix products, square ones and those of small networks, compiled.

use crate::measure::{Settings, time_calls};
use crate::roofline;
use serde_json::json;
use tracelift_nn::{Function, Tensor, random};

type Product = fn(&Tensor, &Tensor) -> Tensor;

fn plain(x: &Tensor, y: &Tensor) -> Tensor {
    x.matmul(y)
}

/// The left operand is stored as `[k, m]`.
fn left_transposed(x: &Tensor, y: &Tensor) -> Tensor {
    x.t().matmul(y)
}

/// The right operand is stored as `[n, k]`.
fn right_transposed(x: &Tensor, y: &Tensor) -> Tensor {
    x.matmul(y.t())
}

/// Name, product, `m`, `k`, `n`.
const PRODUCTS: [(&str, Product, usize, usize, usize); 11] = [
    ("matmul.64", plain, 64, 64, 64),
    ("matmul.256", plain, 256, 256, 256),
    ("matmul.1024", plain, 1024, 1024, 1024),
    ("matmul.2048", plain, 2048, 2048, 2048),
    ("fwd.32x784x100", plain, 32, 784, 100),
    ("dw.784x32x100", left_transposed, 784, 32, 100),
    ("dx.32x100x784", right_transposed, 32, 100, 784),
    ("fwd.32x100x10", plain, 32, 100, 10),
    ("fwd.32x8x30", plain, 32, 8, 30),
    ("fwd.32x30x30", plain, 32, 30, 30),
    ("fwd.512x784x100", plain, 512, 784, 100),
];

/// Every product.
pub(crate) fn all(settings: &Settings) {
    random::set_seed(2).expect("no trace is under way");
    for (name, product, m, k, n) in PRODUCTS {
        let workload = format!("W10.{name}");
        if !settings.wants(&workload) {
            continue;
        }
        let is = |other: Product| std::ptr::fn_addr_eq(product, other);
        let x = random::normal(if is(left_transposed) { [k, m] } else { [m, k] }, 0.0, 1.0);
        let y = random::normal(if is(right_transposed) { [n, k] } else { [k, n] }, 0.0, 1.0);
        let function: Function<fn(&Tensor, &Tensor) -> Tensor> = Function::new(product).options(settings.options());
        let concrete = function.concrete((&x, &y)).expect("the product compiles");
        let mut results = concrete.call([&x, &y]).expect("the product runs");
        let times = time_calls(settings, || concrete.call_into([&x, &y], &mut results).expect("the product runs"));
        let gflop_s = 2e-9 * (m * k * n) as f64 / times.median();
        times.report(settings, &workload, "call_into", json!({ "gflop_s": gflop_s }));
        roofline::show(settings, &workload, &concrete, &[&x, &y]);
    }
}
