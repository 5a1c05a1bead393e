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
        // The f64 column is exact; what overflows in f32 does so here.
        let rounded = |all: Vec<f64>| -> Vec<f64> { all.into_iter().map(|x| f64::from(x as f32)).collect() };
        assert_near(name, &values_of(&y), &rounded(numbers(&entry["y_f64"]["values"])), 1e-7);
        let (mut got, mut want) = (values_of(&vjp), rounded(numbers(&entry["vjp_f64"]["values"])));
        for (i, x) in values_of(&x).into_iter().enumerate() {
            // Two gradients differ by rule: through `max(0, NaN)`, and of inf / inf.
            let by_rule = (name.starts_with("relu") && x.is_nan()) || (name == "softsign" && x.is_infinite());
            if by_rule {
                (got[i], want[i]) = (0.0, 0.0);
            }
        }
        assert_near(&format!("{name}: gradient"), &got, &want, 1e-7);
    }
}
