//! Metrics over two batches, with and without weights.

use serde_json::Value;
use tracelift::{
    AnyMetric,
    metrics::{BinaryAccuracy, Mean},
    prelude::*,
};

use crate::golden::{File, assert_near, assert_tensor, numbers, read_tensor};

fn metric(id: &str, args: &Value) -> AnyMetric {
    match args["threshold"].as_f64() {
        Some(threshold) => BinaryAccuracy::new(threshold).into(),
        None => id.into(),
    }
}

/// Class numbers are integers.
fn labels(y_true: &Value) -> Tensor {
    let floats = read_tensor(y_true);
    if floats.rank() == 1 { floats.cast(I32) } else { floats }
}

#[test]
fn running_values_and_variables() {
    let file = File::open("metrics");
    let ids = [
        "MeanSquaredError",
        "MeanAbsoluteError",
        "CategoricalAccuracy",
        "SparseCategoricalAccuracy",
        "BinaryAccuracy",
        "BinaryAccuracy.0.4",
    ];
    for id in ids {
        let entry = file.entry(id);
        for kind in ["plain", "weighted"] {
            let any = metric(id, &entry["args"]);
            let metric = any.metric().unwrap();
            assert_eq!(metric.name(), entry["name"].as_str().unwrap(), "{id}");
            for (i, batch) in entry["batches"].as_array().unwrap().iter().enumerate() {
                let weight = (kind == "weighted").then(|| read_tensor(&batch["sample_weight"]));
                metric
                    .update_state(&labels(&batch["y_true"]), &read_tensor(&batch["y_pred"]), weight.as_ref())
                    .unwrap();
                let expected = &entry[&format!("{kind}.running")][i];
                assert_tensor(&format!("{id}, {kind}, batch {i}"), &metric.result(), expected, 0.0);
            }
            let variables = metric.variables();
            for (variable, expected) in variables.iter().zip(entry[&format!("{kind}.variables")].as_array().unwrap()) {
                assert_tensor(&format!("{id}, {kind}, {}", expected[0]), variable, &expected[1], 0.0);
            }
            metric.reset_state().unwrap();
            assert_tensor(&format!("{id}: after reset"), &metric.result(), &entry["after_reset"], 0.0);
        }
    }
}

#[test]
fn the_mean_of_values() {
    let file = File::open("metrics");
    let entry = file.entry("Mean");
    for kind in ["plain", "weighted"] {
        let mean = Mean::new();
        for (i, batch) in entry["batches"].as_array().unwrap().iter().enumerate() {
            let weight = (kind == "weighted").then(|| read_tensor(&batch["sample_weight"]));
            mean.update_values(&read_tensor(&batch["values"]), weight.as_ref()).unwrap();
            assert_tensor(kind, &mean.result(), &entry[&format!("{kind}.running")][i], 0.0);
        }
    }
}

#[test]
fn functions_of_samples() {
    let file = File::open("metrics");
    let samples = |id: &str| {
        let entry = file.entry(id);
        (read_tensor(&entry["y_true"]), read_tensor(&entry["y_pred"]), entry["per_sample"].clone())
    };
    let (y, p, expected) = samples("sparse_categorical_accuracy.fn");
    assert_tensor("sparse", &metrics::sparse_categorical_accuracy(&y, &p), &expected, 0.0);
    let (y, p, expected) = samples("sparse_categorical_accuracy.float_labels");
    assert_tensor("float labels", &metrics::sparse_categorical_accuracy(&y, &p), &expected, 0.0);
    let (y, p, expected) = samples("categorical_accuracy.fn");
    assert_tensor("categorical", &metrics::categorical_accuracy(&y, &p), &expected, 0.0);
    let (y, p, expected) = samples("binary_accuracy.fn");
    assert_tensor("binary", &metrics::binary_accuracy(&y, &p, 0.5), &expected, 0.0);
}

#[test]
fn losses_weigh_by_rows_and_weighted_metrics_by_weights() {
    let file = File::open("metrics");
    let entry = file.entry("fit_weighted_metrics");
    let part = |name: &str| read_tensor(&entry[name]);
    let huber_fn = |y: &Tensor, p: &Tensor| losses::huber(y, p, 2.0);
    for eagerly in [false, true] {
        let mut model = Model::new(Dense::new(1).without_bias());
        model.predict(&part("x")).unwrap();
        model.set_weights(&[Tensor::full([1, 1], entry["w"].as_f64().unwrap() as f32)]).unwrap();
        let compile = Compile::new().loss(huber_fn).optimizer(Sgd::new(0.0)).metric_fn(huber_fn);
        let compile = compile.weighted_metric(AnyMetric::mean_of(tracelift::loss_fn("whub", huber_fn)));
        model.compile(compile.run_eagerly(eagerly)).unwrap();
        let fit = Fit::new().batch_size(2).shuffle(false).silent().sample_weight(&part("sample_weight"));
        let history = model.fit(&part("x"), &part("y"), fit).unwrap();
        let values: Vec<f64> = history.iter().map(|(_, values)| values[0]).collect();
        let recorded = &entry["history"];
        let expected: Vec<f64> =
            ["loss", "huber_fn", "whub"].iter().flat_map(|name| numbers(&recorded[*name])).collect();
        assert_near("loss, metric, weighted metric", &values, &expected, 0.0);
    }
}
