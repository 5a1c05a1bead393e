//! Convolutions and pooling: outputs and gradients, eager and traced.

use serde_json::Value;
use tracelift::{PerAxis, TensorSpec, prelude::*, value_and_gradients};

use crate::golden::{File, assert_tensor, numbers, read_tensor};

/// `[3, 2]`
fn sizes(value: &Value) -> PerAxis {
    value.as_array().into_iter().flatten().map(|n| n.as_u64().unwrap() as usize).collect::<Vec<_>>().into()
}

fn padding(value: &Value) -> Padding {
    match value.as_str() {
        None | Some("valid") => Padding::Valid,
        Some("same") => Padding::Same,
        Some("causal") => Padding::Causal,
        Some(other) => panic!("no padding is {other}"),
    }
}

/// A layer with what the arguments say beyond its constructor's.
macro_rules! sliding {
    ($layer:expr, $args:ident) => {{
        let mut layer = $layer.padding(padding(&$args["padding"]));
        if $args["strides"].is_array() {
            layer = layer.strides(sizes(&$args["strides"]));
        }
        layer
    }};
}

macro_rules! convolution {
    ($layer:expr, $args:ident) => {{
        let mut layer = sliding!($layer, $args);
        if $args["dilation_rate"].is_array() {
            layer = layer.dilation_rate(sizes(&$args["dilation_rate"]));
        }
        if let Some(activation) = $args["activation"].as_str() {
            layer = layer.activation(activation);
        }
        if $args["use_bias"] == false { layer.without_bias() } else { layer }.boxed()
    }};
}

/// The layer of an entry.
fn layer(entry: &Value) -> AnyLayer {
    let args = &entry["args"];
    let count = |name: &str, default: usize| args[name].as_u64().map_or(default, |n| n as usize);
    let (filters, groups) = (count("filters", 0), count("groups", 1));
    let (kernel, pool) = (sizes(&args["kernel_size"]), sizes(&args["pool_size"]));
    match entry["layer"].as_str().unwrap() {
        "Conv1D" => convolution!(Conv1D::new(filters, kernel).groups(groups), args),
        "Conv2D" => convolution!(Conv2D::new(filters, kernel).groups(groups), args),
        "Conv3D" => convolution!(Conv3D::new(filters, kernel).groups(groups), args),
        "DepthwiseConv2D" => {
            convolution!(DepthwiseConv2D::new(kernel).depth_multiplier(count("depth_multiplier", 1)), args)
        }
        "Conv2DTranspose" => convolution!(Conv2DTranspose::new(filters, kernel), args),
        "MaxPooling1D" => sliding!(MaxPooling1D::new(pool), args).boxed(),
        "MaxPooling2D" => sliding!(MaxPooling2D::new(pool), args).boxed(),
        "MaxPooling3D" => sliding!(MaxPooling3D::new(pool), args).boxed(),
        "AveragePooling1D" => sliding!(AveragePooling1D::new(pool), args).boxed(),
        "AveragePooling2D" => sliding!(AveragePooling2D::new(pool), args).boxed(),
        "AveragePooling3D" => sliding!(AveragePooling3D::new(pool), args).boxed(),
        "GlobalAveragePooling2D" => GlobalAveragePooling2D::new().boxed(),
        "GlobalMaxPooling1D" => GlobalMaxPooling1D::new().boxed(),
        "GlobalMaxPooling2D" => GlobalMaxPooling2D::new().boxed(),
        other => panic!("no layer is {other}"),
    }
}

/// The output, then the gradients of `sum(output * upstream)` by the input and by each weight.
fn results(layer: &AnyLayer, x: &Variable, upstream: &Tensor) -> Vec<Tensor> {
    let variables: Vec<Variable> = [x.clone()].into_iter().chain(layer.trainable_variables()).collect();
    let forward = || {
        let y = layer.apply(&**x);
        ((&y * upstream).sum(..), y)
    };
    let ((_, y), gradients) = value_and_gradients(forward, &variables);
    [y].into_iter().chain(gradients).collect()
}

fn check(entry: &Value) {
    let id = entry["id"].as_str().unwrap();
    let (x, layer) = (Variable::new(read_tensor(&entry["x"])), layer(entry));
    let output = layer.apply(&*x);
    let own: Vec<usize> = output.shape().known().unwrap_or_else(|| panic!("{id}: {output}")).to_vec();
    assert_eq!(Value::from(own), entry["output"]["shape"], "{id}");
    let weights: Vec<&Value> = entry["weights"].as_array().unwrap().iter().collect();
    let names: Vec<String> = layer.variables().iter().map(|variable| variable.name().to_string()).collect();
    assert_eq!(names, weights.iter().map(|weight| weight["name"].as_str().unwrap()).collect::<Vec<_>>(), "{id}");
    let values = |weight: &&Value| {
        let shape: Vec<usize> = numbers(&weight["shape"]).into_iter().map(|n| n as usize).collect();
        Tensor::from(numbers(&weight["values"]).into_iter().map(|x| x as f32).collect::<Vec<_>>()).reshape(shape)
    };
    layer.set_weights(&weights.iter().map(values).collect::<Vec<_>>()).unwrap();
    let upstream: Vec<f32> = numbers(&entry["upstream"]).into_iter().map(|x| x as f32).collect();
    let upstream = Tensor::from(upstream).reshape(output.shape());

    let eager = results(&layer, &x, &upstream);
    let held = layer.share();
    let traced: Function<fn(&Variable, &Tensor) -> Vec<Tensor>> =
        Function::new(move |x: &Variable, upstream: &Tensor| results(&held, x, upstream));
    let traced = traced(&x, &upstream);
    for (i, (eager, traced)) in eager.iter().zip(&traced).enumerate() {
        let bits = |x: &Tensor| x.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(eager), bits(traced), "{id}: result {i}, eager and traced");
    }
    let any_rows: Vec<Option<usize>> = x.shape().known().unwrap().iter().map(|&n| Some(n)).collect();
    let any_rows = TensorSpec::new(F32, [&[None], &any_rows[1..]].concat());
    let held = layer.share();
    let of_any_rows = Function::new(move |x: &Tensor| held.apply(x)).input_signature([any_rows]);
    assert_eq!(of_any_rows(&x).to_array().unwrap(), eager[0].to_array().unwrap(), "{id}: for any number of rows");
    assert_tensor(&format!("{id}: output"), &eager[0], &entry["output"], noise(&entry["output"]["values"]));
    let expected = entry["gradients"].as_array().unwrap();
    assert_eq!(eager.len(), expected.len() + 1, "{id}");
    for (i, (own, expected)) in eager[1..].iter().zip(expected).enumerate() {
        assert_tensor(&format!("{id}: gradient {i}"), own, expected, noise(expected));
    }
}

/// What is a tenth of the distance allowed: 1e-5 of the largest magnitude, as sums may cancel.
fn noise(expected: &Value) -> f64 {
    1e-6 * numbers(expected).into_iter().map(f64::abs).fold(0.0, f64::max)
}

fn check_all(layers: &str) {
    let file = File::open("conv_layers");
    let entries: Vec<&Value> =
        file.entries().iter().filter(|entry| entry["id"].as_str().unwrap().contains(layers)).collect();
    assert!(!entries.is_empty(), "there are entries of {layers}");
    entries.into_iter().for_each(check);
}

#[test]
fn along_one_axis() {
    check_all("conv1d.");
}

#[test]
fn of_images() {
    check_all("conv2d.");
}

#[test]
fn of_volumes() {
    check_all("conv3d.");
}

#[test]
fn transposed() {
    check_all("conv2d_transpose.");
}

#[test]
fn pooling() {
    check_all("_pooling");
}
