//! Losses under every reduction, with and without weights, and their gradients.

use serde_json::Value;
use tracelift::{
    losses::{BinaryCrossentropy, CategoricalCrossentropy, Huber, Reduction, SparseCategoricalCrossentropy, reduce},
    prelude::*,
    value_and_grad,
};

use crate::golden::{File, assert_tensor, read_tensor};

/// The loss of an entry.
fn loss(id: &str, args: &Value) -> AnyLoss {
    let from_logits = args["from_logits"].as_bool().unwrap_or(false);
    let label_smoothing = args["label_smoothing"].as_f64().unwrap_or(0.0);
    let reduction = Reduction::default();
    match id.split('.').next().unwrap() {
        "Huber" => Huber::new(args["delta"].as_f64().unwrap()).into(),
        "BinaryCrossentropy" => BinaryCrossentropy { from_logits, label_smoothing, reduction }.into(),
        "CategoricalCrossentropy" => CategoricalCrossentropy { from_logits, label_smoothing, reduction }.into(),
        "SparseCategoricalCrossentropy" => SparseCategoricalCrossentropy { from_logits, reduction }.into(),
        name => name.into(),
    }
}

#[test]
fn reductions_and_gradients() {
    let file = File::open("losses");
    let ids = [
        "MeanSquaredError",
        "MeanAbsoluteError",
        "Huber.0.5",
        "Huber.1.0",
        "Huber.2.0",
        "BinaryCrossentropy",
        "BinaryCrossentropy.logits",
        "BinaryCrossentropy.smoothing",
        "CategoricalCrossentropy",
        "CategoricalCrossentropy.logits",
        "CategoricalCrossentropy.smoothing",
        "CategoricalCrossentropy.unnormalised",
        "SparseCategoricalCrossentropy",
        "SparseCategoricalCrossentropy.logits",
    ];
    let reductions = [
        ("none", Reduction::None),
        ("sum_over_batch_size", Reduction::SumOverBatchSize),
        ("sum", Reduction::Sum),
        ("mean_with_sample_weight", Reduction::MeanWithSampleWeight),
    ];
    for id in ids {
        let entry = file.entry(id);
        let loss = loss(id, &entry["args"]);
        let part = |name: &str| read_tensor(&entry[name]);
        let (y_true, y_pred, weight) = (part("y_true"), part("y_pred"), part("sample_weight"));
        for weight in [None, Some(weight)] {
            let suffix = if weight.is_some() { ".weighted" } else { "" };
            for (name, reduction) in reductions {
                let key = format!("{name}{suffix}");
                let what = format!("{id}: {key}");
                let (own, y, w) = (loss.clone(), y_true.clone(), weight.clone());
                let reduced = move |p: &Tensor| reduce(&own.call(&y, p), w.as_ref(), reduction);
                assert_tensor(&what, &reduced(&y_pred), &entry[&key], 1e-8);
                if reduction == Reduction::SumOverBatchSize {
                    let expected = &entry[&format!("{key}.gradient")];
                    let gradient = value_and_grad(&reduced)(&y_pred).1;
                    assert_tensor(&format!("{what}, gradient"), &gradient, expected, 1e-8);
                    let compiled = Function::new(move |p: &Tensor| value_and_grad(&reduced)(p));
                    let (value, gradient) = compiled(&y_pred);
                    assert_tensor(&format!("{what}, compiled"), &value, &entry[&key], 1e-8);
                    assert_tensor(&format!("{what}, gradient, compiled"), &gradient, expected, 1e-8);
                }
            }
        }
    }
}

#[test]
fn names_shapes_and_labels() {
    let file = File::open("losses");
    let entry = file.entry("MeanSquaredError.rank_squeeze");
    let (y_true, y_pred) = (read_tensor(&entry["y_true"]), read_tensor(&entry["y_pred"]));
    let value = AnyLoss::from("mse").call(&y_true, &y_pred).mean(..);
    assert_tensor("rank_squeeze", &value, &entry["sum_over_batch_size"], 0.0);
    let entry = file.entry("MeanSquaredError.bad_shapes");
    let bad = AnyLoss::from("mse").call(&read_tensor(&entry["y_true"]), &read_tensor(&entry["y_pred"]));
    assert!(bad.error().is_some());
    assert!(AnyLoss::from("mean_square_error").check().unwrap_err().to_string().contains("\"mean_squared_error\""));
    let label = losses::sparse_categorical_crossentropy(&tensor([0, 3]), &Tensor::ones([2, 3]), true);
    assert!(label.error().unwrap().to_string().contains("the label 3 in row 1, which is not one of 3 classes"));
}

#[test]
fn a_label_out_of_range_fails_the_call_of_a_traced_function() {
    let seen = tracelift::Variable::new(0);
    let counted = seen.clone();
    let loss = Function::new(move |labels: &Tensor, p: &Tensor| -> tracelift::Result<Tensor> {
        counted.assign_add(1)?;
        losses::sparse_categorical_crossentropy(labels, p, true).ok()
    });
    let p = Tensor::ones([2, 3]);
    assert_eq!(loss(&tensor([0, 2]), &p).unwrap().shape(), [2]);
    for bad in [3, -1] {
        let error = loss(&tensor([0, bad]), &p).unwrap_err().to_string();
        assert!(error.contains("got a label which is not one of 3 classes, numbered from 0"), "{error}");
    }
    assert_eq!(seen.item::<i32>().unwrap(), 1);
}
