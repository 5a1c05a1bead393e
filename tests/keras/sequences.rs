//! Layers of sequences: normalization, LSTM, attention, pooling. Eager and traced give equal bits, near Keras's.

use serde_json::Value;
use tracelift::{AsSource, prelude::*, value_and_gradients};

use crate::golden::{File, assert_tensor, number, read_tensor};

/// Whether an argument is given, and is not what it is by default.
fn is(args: &Value, name: &str, value: bool) -> bool {
    args[name].as_bool() == Some(value)
}

fn size(args: &Value, name: &str) -> Option<usize> {
    args[name].as_u64().map(|n| n as usize)
}

fn lstm(args: &Value) -> Lstm {
    let mut lstm = Lstm::new(size(args, "units").unwrap());
    if let Some(activation) = args["activation"].as_str() {
        lstm = lstm.activation(activation);
    }
    if let Some(activation) = args["recurrent_activation"].as_str() {
        lstm = lstm.recurrent_activation(activation);
    }
    if is(args, "use_bias", false) {
        lstm = lstm.without_bias();
    }
    if is(args, "return_sequences", true) {
        lstm = lstm.return_sequences();
    }
    if is(args, "go_backwards", true) {
        lstm = lstm.go_backwards();
    }
    lstm
}

fn normalization(args: &Value) -> LayerNormalization {
    let mut norm = LayerNormalization::new();
    let number = |axis: &Value| axis.as_i64().unwrap() as i32;
    norm = match &args["axis"] {
        Value::Null => norm,
        Value::Array(axes) => norm.axes(axes.iter().map(number)),
        axis => norm.axes([number(axis)]),
    };
    if let Some(epsilon) = args["epsilon"].as_f64() {
        norm = norm.epsilon(epsilon);
    }
    if is(args, "center", false) {
        norm = norm.without_center();
    }
    if is(args, "scale", false) {
        norm = norm.without_scale();
    }
    norm
}

fn attention(args: &Value) -> MultiHeadAttention {
    let mut attention = MultiHeadAttention::new(size(args, "num_heads").unwrap(), size(args, "key_dim").unwrap());
    if let Some(value_dim) = size(args, "value_dim") {
        attention = attention.value_dim(value_dim);
    }
    if let Some(output_dim) = size(args, "output_shape") {
        attention = attention.output_dim(output_dim);
    }
    if is(args, "use_bias", false) {
        attention = attention.without_bias();
    }
    attention
}

/// What a layer gives, and the gradients of `sum(output * upstream)` by inputs and weights.
type Given = (Tensor, Vec<Tensor>);

/// What a gradient is by.
enum By {
    Input(Tensor),
    Weight(Variable),
}

impl AsSource for By {
    fn source(&self) -> &Tensor {
        match self {
            By::Input(input) => input.source(),
            By::Weight(weight) => weight.source(),
        }
    }
}

/// Compares one layer with one entry, eagerly and traced.
fn check<L: Module>(
    entry: &'static Value,
    layer: L,
    apply: impl Fn(&L, &[Tensor]) -> Tensor + Copy + Send + Sync + 'static,
) {
    let id = entry["id"].as_str().unwrap();
    let list = |name: &str| entry[name].as_array().unwrap().iter();
    let inputs: Vec<Tensor> = list("inputs").map(read_tensor).collect();
    apply(&layer, &inputs).ok().unwrap_or_else(|error| panic!("{id}: {error}"));
    let weights: Vec<Tensor> = list("weights")
        .map(|weight| {
            let shape: Vec<i64> = weight["shape"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
            read_tensor(&weight["values"]).reshape(shape)
        })
        .collect();
    layer.set_weights(&weights).unwrap_or_else(|error| panic!("{id}: {error}"));
    let own: Vec<String> = layer.variables().iter().map(|variable| variable.name().to_owned()).collect();
    let theirs: Vec<&str> = list("weights").map(|weight| weight["name"].as_str().unwrap()).collect();
    for (own, theirs) in own.iter().zip(theirs) {
        assert!(theirs.ends_with(own.as_str()), "{id}: the weight {own} is {theirs} in Keras");
    }
    let upstream = read_tensor(&entry["upstream"]);
    let given = move |inputs: &Vec<Tensor>| -> Given {
        let target = || {
            let y = apply(&layer, inputs);
            ((&y * &upstream).sum(..), y)
        };
        let inputs = inputs.iter().cloned().map(By::Input);
        let by: Vec<By> = inputs.chain(layer.trainable_variables().into_iter().map(By::Weight)).collect();
        let ((_, y), gradients) = value_and_gradients(target, &by);
        (y, gradients)
    };
    let eager = given(&inputs);
    let traced: Function<fn(&Vec<Tensor>) -> Given> = Function::new(given);
    let traced = traced(&inputs);
    let bits = |tensor: &Tensor| -> Vec<u32> { tensor.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect() };
    assert_eq!(bits(&eager.0), bits(&traced.0), "{id}: output, eager and traced");
    assert_tensor(&format!("{id}: output"), &eager.0, &entry["output"], number(&entry["noise"]["output"]));
    let expected: Vec<&Value> = list("input_gradients").chain(list("gradients")).collect();
    assert_eq!(eager.1.len(), expected.len(), "{id}: how many gradients");
    for (n, (gradient, expected)) in eager.1.iter().zip(expected).enumerate() {
        assert_eq!(bits(gradient), bits(&traced.1[n]), "{id}: gradient {n}, eager and traced");
        assert_tensor(&format!("{id}: gradient {n}"), gradient, expected, number(&entry["noise"]["gradients"]));
    }
}

#[test]
fn sequence_layers_are_those_of_keras() {
    let file: &'static File = Box::leak(Box::new(File::open("sequence_layers")));
    let mut kinds = std::collections::BTreeMap::<&str, usize>::new();
    for entry in file.entries() {
        let (id, args) = (entry["id"].as_str().unwrap(), &entry["args"]);
        let kind = id.split('.').next().unwrap();
        *kinds.entry(kind).or_default() += 1;
        match kind {
            "lstm" => check(entry, lstm(args), |layer, x| layer.apply(&x[0])),
            "layer_normalization" => check(entry, normalization(args), |layer, x| layer.apply(&x[0])),
            "global_average_pooling_1d" => check(entry, GlobalAveragePooling1D::new(), |layer, x| layer.apply(&x[0])),
            "attention" => match entry["inputs"].as_array().unwrap().len() {
                1 if id.ends_with("causal") => {
                    check(entry, attention(args).use_causal_mask(), |layer, x| layer.apply(&x[0]));
                }
                1 => check(entry, attention(args), |layer, x| layer.apply(&x[0])),
                _ => check(entry, attention(args), |layer, x| layer.apply((&x[0], &x[1], &x[2]))),
            },
            other => panic!("no layer `{other}`"),
        }
    }
    assert!(kinds.len() == 4 && kinds["lstm"] >= 8 && kinds["attention"] >= 6, "{kinds:?}");
}
