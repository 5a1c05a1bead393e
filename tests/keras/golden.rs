//! Reads golden files and compares with them.

use serde_json::Value;
use tracelift::prelude::*;

/// The entries of a file.
pub(crate) struct File(Vec<Value>);

impl File {
    pub(crate) fn open(name: &str) -> File {
        let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let file: Value = serde_json::from_str(&text).unwrap();
        File(file["entries"].as_array().unwrap().clone())
    }

    pub(crate) fn entries(&self) -> &[Value] {
        &self.0
    }

    pub(crate) fn entry(&self, id: &str) -> &Value {
        self.0.iter().find(|entry| entry["id"] == id).unwrap_or_else(|| panic!("there is no entry {id}"))
    }
}

/// A number; `NaN` and infinities are texts.
pub(crate) fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            other => panic!("{other} is no number"),
        },
        other => other.as_f64().unwrap_or_else(|| panic!("{other} is no number")),
    }
}

/// All numbers of nested lists, in reading order.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![number(other)],
    }
}

/// The shape of nested lists.
fn shape_of(value: &Value) -> Vec<usize> {
    match value {
        Value::Array(items) => {
            [items.len()].into_iter().chain(items.first().map(shape_of).unwrap_or_default()).collect()
        }
        _ => Vec::new(),
    }
}

/// A tensor: `{"dtype", "shape", "values"}`, or nested lists, which are f32.
pub(crate) fn read_tensor(value: &Value) -> Tensor {
    let (dtype, shape, values) = if value.is_object() {
        let shape = value["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        (value["dtype"].as_str().unwrap(), shape, numbers(&value["values"]))
    } else {
        ("float32", shape_of(value), numbers(value))
    };
    let array = match dtype {
        "float32" => Array::new(shape, values.iter().map(|&x| x as f32).collect::<Vec<_>>()),
        "float64" => Array::new(shape, values),
        "int32" => Array::new(shape, values.iter().map(|&x| x as i32).collect::<Vec<_>>()),
        "int64" => Array::new(shape, values.iter().map(|&x| x as i64).collect::<Vec<_>>()),
        other => panic!("no tensors of {other}"),
    };
    array.unwrap().into()
}

pub(crate) fn values_of(tensor: &Tensor) -> Vec<f64> {
    let array = tensor.to_array().unwrap_or_else(|error| panic!("{error}"));
    (0..array.len()).map(|i| array.get_f64(i)).collect()
}

/// That numbers are within 1e-5 relative, or within 10 times the recorded noise of f32, whichever is larger.
pub(crate) fn assert_near(what: &str, own: &[f64], expected: &[f64], noise: f64) {
    assert_eq!(own.len(), expected.len(), "{what}: how many numbers");
    for (i, (own, expected)) in own.iter().zip(expected).enumerate() {
        let same = own == expected || (own.is_nan() && expected.is_nan());
        let near = (own - expected).abs() <= (1e-5 * expected.abs()).max(10.0 * noise);
        assert!(same || near, "{what}: number {i} is {own}, not {expected}");
    }
}

/// The same for a tensor.
pub(crate) fn assert_tensor(what: &str, own: &Tensor, expected: &Value, noise: f64) {
    let values = if expected.is_object() { &expected["values"] } else { expected };
    assert_near(what, &values_of(own), &numbers(values), noise);
}
