//! Activations: values and gradients, at special values too.

use tracelift::{prelude::*, value_and_grad};

use crate::golden::{File, assert_near, numbers, read_tensor, values_of};

#[test]
fn values_and_gradients() {
    let file = File::open("activations");
    let names = [
        "elu",
        "exponential",
        "gelu",
        "leaky_relu",
        "linear",
        "log_softmax",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "softmax",
        "softplus",
        "softsign",
        "swish",
        "tanh",
    ];
    for name in names {
        let entry = file.entry(&format!("act.{name}"));
        let activation = AnyActivation::from(name);
        activation.check().unwrap();
        let (x, upstream) = (read_tensor(&entry["x"]), read_tensor(&entry["upstream"]));
        let weighted = {
            let (activation, upstream) = (activation.clone(), upstream.clone());
            move |x: &Tensor| (activation.call(x) * &upstream).sum(..)
        };
        let both = {
            let activation = activation.clone();
            Function::new(move |x: &Tensor| (activation.call(x), value_and_grad(&weighted)(x).1))
        };
        let eager = activation.call(&x);
        let (y, vjp) = both(&x);
        assert_eq!(format!("{:?}", values_of(&eager)), format!("{:?}", values_of(&y)), "{name}: both engines");
        // The finite inputs; what comes of infinities and NaN is the ops' business.
        let finite: Vec<usize> = (0..values_of(&x).len()).filter(|&i| values_of(&x)[i].is_finite()).collect();
        // The f64 column is exact; what overflows in f32 does so here.
        let picked = |all: &[f64]| -> Vec<f64> { finite.iter().map(|&i| f64::from(all[i] as f32)).collect() };
        assert_near(name, &picked(&values_of(&y)), &picked(&numbers(&entry["y_f64"]["values"])), 1e-7);
        assert_near(
            &format!("{name}: gradient"),
            &picked(&values_of(&vjp)),
            &picked(&numbers(&entry["vjp_f64"]["values"])),
            1e-7,
        );
    }
}
