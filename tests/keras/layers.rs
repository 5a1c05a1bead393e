//! Dense with many activations, regularizers, constraints, the statistics of initializers, output shapes.

use serde_json::Value;
use tracelift::{
    AnyConstraint, AnyInitializer, AnyRegularizer, Call, constraints, prelude::*, value_and_grad, value_and_gradients,
};

use crate::golden::{File, assert_near, assert_tensor, number, numbers, read_tensor, values_of};

fn weights(entry: &Value) -> Vec<Tensor> {
    let weight = |weight: &Value| {
        let shape: Vec<usize> = numbers(&weight["shape"]).into_iter().map(|n| n as usize).collect();
        let values: Vec<f32> = numbers(&weight["values"]).into_iter().map(|x| x as f32).collect();
        Tensor::from(Array::new(shape, values).unwrap())
    };
    entry["weights"].as_array().unwrap().iter().map(weight).collect()
}

#[test]
fn dense_with_activations() {
    let file = File::open("layers");
    let activations =
        ["relu", "selu", "elu", "sigmoid", "tanh", "softplus", "softmax", "gelu", "swish", "linear", "exponential"];
    for activation in activations {
        let entry = file.entry(&format!("mydense.{activation}"));
        let units = entry["args"]["units"].as_u64().unwrap() as usize;
        let (x, y) = (read_tensor(&entry["x"]), read_tensor(&entry["y"]));
        let dense = Dense::new(units).activation(activation);
        dense.apply(&x).ok().unwrap();
        dense.set_weights(&weights(entry)).unwrap();
        let forward = || {
            let output = dense.apply(&x);
            (losses::mean_squared_error(&y, &output).mean(..), output)
        };
        let ((loss, output), gradients) = value_and_gradients(forward, &dense.trainable_variables());
        let noise = |what: &str| number(&entry["noise"][what]);
        assert_tensor(&format!("{activation}: loss"), &loss, &entry["loss"], noise("loss"));
        assert_tensor(&format!("{activation}: output"), &output, &entry["output"], noise("output"));
        for (i, gradient) in gradients.iter().enumerate() {
            assert_tensor(activation, gradient, &entry["gradients"][i], noise("gradients"));
        }
    }
}

#[test]
fn penalties_and_projections() {
    let file = File::open("layers");
    for (name, factor) in [("l1", 0.01), ("l2", 0.01), ("l1_l2", 0.01), ("l1", 0.05), ("l2", 0.05), ("l1_l2", 0.05)] {
        let entry = file.entry(&format!("regularizer.{name}.{factor}"));
        let config = |part: &str| entry["config"][part].as_f64().unwrap_or(0.0);
        let regularizer: AnyRegularizer = regularizers::l1_l2(config("l1"), config("l2")).into();
        let (penalty, gradient) = value_and_grad(move |w: &Tensor| regularizer.call(w))(&read_tensor(&entry["w"]));
        assert_tensor(&format!("{name} {factor}"), &penalty, &entry["penalty"], 1e-9);
        assert_tensor(&format!("{name} {factor}: gradient"), &gradient, &entry["gradient"], 1e-9);
    }
    let min_max = constraints::MinMaxNorm { min_value: 0.5, max_value: 1.0, rate: 0.7 };
    let projections: [(&str, AnyConstraint); 4] = [
        ("non_neg", "non_neg".into()),
        ("unit_norm", constraints::unit_norm.into()),
        ("max_norm", constraints::MaxNorm { max_value: 1.5 }.into()),
        ("min_max_norm", min_max.into()),
    ];
    for (name, constraint) in projections {
        let entry = file.entry(&format!("constraint.{name}"));
        assert_tensor(name, &constraint.call(&read_tensor(&entry["w"])), &entry["output"], 1e-8);
    }
}

#[test]
fn a_constraint_holds_after_each_step() {
    let file = File::open("layers");
    let entry = file.entry("constraint.steps");
    let (x, y) = (read_tensor(&entry["x"]), read_tensor(&entry["y"]));
    let optimizers: [(&str, AnyOptimizer); 4] = [
        ("sgd", Sgd::new(0.5).into()),
        ("sgd_momentum", Sgd::new(0.5).momentum(0.9).into()),
        ("adam", Adam::new(0.1).into()),
        ("nadam", Nadam::new(0.1).into()),
    ];
    for (name, optimizer) in optimizers {
        let expected = &entry["steps"][name];
        let mut model = Model::new(Dense::new(2).kernel_constraint("non_neg"));
        model.predict(&x).unwrap();
        model.set_weights(&weights(entry)).unwrap();
        model.compile(Compile::new().loss("mse").optimizer(optimizer)).unwrap();
        for step in 1..=5 {
            model.fit(&x, &y, Fit::new().batch_size(4).shuffle(false).silent()).unwrap();
            let Some(after) = expected["weights_after"].get(step.to_string()) else { continue };
            for (i, weight) in model.weights().iter().enumerate() {
                assert_tensor(&format!("{name}, step {step}"), weight, &after[i], number(&expected["noise"]));
            }
        }
    }
}

#[test]
fn statistics_of_initializers() {
    random::set_seed(7).unwrap();
    let file = File::open("layers");
    let names = [
        "glorot_uniform",
        "glorot_normal",
        "he_normal",
        "he_uniform",
        "lecun_normal",
        "lecun_uniform",
        "truncated_normal",
        "random_uniform",
        "random_normal",
        "zeros",
        "ones",
    ];
    for name in names {
        let entry = file.entry(&format!("initializer.{name}"));
        let shape: Vec<usize> = numbers(&entry["shape"]).into_iter().map(|n| n as usize).collect();
        let values = values_of(&AnyInitializer::from(name).call(&shape, F32));
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let std = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        let largest = values.iter().fold(f64::MIN, |a, &b| a.max(b));
        // 60,000 draws: the mean is off by 4 std / √n at most, the spread by some percent.
        let (expected_std, expected_mean) = (number(&entry["std"]), number(&entry["mean"]).round());
        assert!((mean - expected_mean).abs() <= 4.0 * expected_std / n.sqrt() + 1e-12, "{name}: mean {mean}");
        assert!((std - expected_std).abs() <= 0.02 * expected_std, "{name}: std {std}, not {expected_std}");
        if !name.starts_with("random_normal") {
            let expected = number(&entry["max"]);
            assert!((largest - expected).abs() <= 0.02 * expected.abs(), "{name}: max {largest}, not {expected}");
        }
    }
}

#[test]
fn shapes_and_parameters() {
    let file = File::open("layers");
    let any = |layer: &dyn Fn(&Tensor) -> Tensor, rest: &[usize]| {
        let shape: Vec<usize> = [3].iter().chain(rest).copied().collect();
        layer(&Tensor::zeros(shape.as_slice())).shape().known().unwrap()[1..].to_vec()
    };
    let expected = |id: &str| -> Vec<usize> {
        numbers(&Value::from(file.entry(id)["output"].as_array().unwrap()[1..].to_vec()))
            .iter()
            .map(|&n| n as usize)
            .collect()
    };
    let dense = Dense::new(30);
    assert_eq!(any(&|x| dense.apply(x), &[8]), expected("output_shape.dense"));
    assert_eq!(any(&|x| Dense::new(30).apply(x), &[5, 8]), expected("output_shape.dense_rank3"));
    assert_eq!(any(&|x| Flatten::new().apply(x), &[28, 28]), expected("output_shape.flatten"));
    let model = Model::new(Sequential::new().input([8]).add(Dense::new(30)).add(Dense::new(1)));
    let count: usize = model.variables().iter().map(|v| v.shape().known().unwrap().iter().product::<usize>()).sum();
    assert_eq!(count as f64, number(&file.entry("dense.param_count")["output"]));
    assert_near("losses of a call without penalties", &values_of(&Call::training().loss()), &[0.0], 0.0);
}
