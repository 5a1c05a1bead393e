//! Golden values: what TensorFlow gives, and the comparison with what we give.

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::Value;
use tracelift_function::{DType, Engine, Error, ErrorKind, Function, Options, Tensor};

/// The file of small results, and which of them were looked at.
pub(crate) struct Golden {
    entries: Vec<Value>,
    graphs: Vec<Value>,
    read: RefCell<BTreeSet<String>>,
}

impl Golden {
    pub(crate) fn load() -> Golden {
        let entries = |text: &str| {
            let file: Value = serde_json::from_str(text).expect("the golden file is JSON");
            file["entries"].as_array().expect("the golden file has entries").clone()
        };
        Golden {
            entries: entries(include_str!("../golden/cells.json")),
            graphs: entries(include_str!("../golden/graphs.json")),
            read: RefCell::default(),
        }
    }

    /// The operations and signature of a function that TensorFlow traced.
    pub(crate) fn graph(&self, key: &str) -> &Value {
        self.read.borrow_mut().insert(key.to_owned());
        self.graphs.iter().find(|entry| entry["id"] == key).unwrap_or_else(|| panic!("there is no golden graph {key}"))
    }

    pub(crate) fn was_read(&self, key: &str) -> bool {
        self.read.borrow().contains(key)
    }

    fn entry(&self, key: &str) -> &Value {
        self.read.borrow_mut().insert(key.to_owned());
        self.entries.iter().find(|entry| entry["id"] == key).unwrap_or_else(|| panic!("there is no golden value {key}"))
    }

    pub(crate) fn output(&self, key: &str) -> &Value {
        &self.entry(key)["output"]
    }

    /// That a tensor is what TensorFlow gives, to the bit.
    pub(crate) fn same(&self, key: &str, given: &Tensor) {
        same(key, self.output(key), given, 0.0);
    }

    /// That a list of tensors is what TensorFlow gives.
    pub(crate) fn same_list(&self, key: &str, given: &[&Tensor]) {
        let list = self.output(key).as_array().unwrap_or_else(|| panic!("{key} is no list"));
        assert_eq!(list.len(), given.len(), "{key}");
        for (expect, given) in list.iter().zip(given) {
            same(key, expect, given, 0.0);
        }
    }

    /// That gradients are what TensorFlow gives: missing where it gives `None`.
    pub(crate) fn same_options<const N: usize>(&self, key: &str, given: [Tensor; N]) {
        let list = self.output(key).as_array().unwrap_or_else(|| panic!("{key} is no list"));
        assert_eq!(list.len(), N, "{key}");
        for (expect, given) in list.iter().zip(given) {
            match given.connected() {
                Some(given) => same(key, expect, &given, 0.0),
                None => assert!(expect.is_null(), "{key}"),
            }
        }
    }

    /// The class of TensorFlow's error, for what is a compile error here.
    pub(crate) fn error_class(&self, key: &str) -> &str {
        self.entry(key)["error"]["class"].as_str().unwrap_or_else(|| panic!("{key} is no error"))
    }

    /// That a call fails in the way TensorFlow's does.
    pub(crate) fn fails<T: std::fmt::Debug>(&self, key: &str, given: Result<T, Error>) -> Error {
        let class = self.entry(key)["error"]["class"].as_str().unwrap_or_else(|| panic!("{key} is no error"));
        let kind = match class {
            "InvalidArgumentError" => ErrorKind::InvalidArgument,
            "ValueError" => ErrorKind::Value,
            "TypeError" => ErrorKind::Type,
            "KeyError" => ErrorKind::Key,
            "OutOfRangeError" => ErrorKind::OutOfRange,
            "RuntimeError" => ErrorKind::Runtime,
            other => panic!("{key}: no kind for {other}"),
        };
        let error = given.expect_err(key);
        assert_eq!(error.kind, kind, "{key}: {error}");
        error
    }

    /// That a function of one tensor gives the golden value, at once and on every engine, with equal bits.
    pub(crate) fn everywhere(
        &self,
        key: &str,
        x: &Tensor,
        f: impl Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static,
    ) {
        let array = |tensor: Tensor| tensor.to_array().unwrap_or_else(|error| panic!("{key}: {error}"));
        let eager = array(f(x));
        self.same(key, &Tensor::from(eager.clone()));
        for engine in Engine::ALL {
            let compiled = Function::new(f.clone()).options(Options { engine, ..Options::default() });
            let given = array(compiled(x));
            assert!(eager.bit_eq(&given), "{key}: {eager} eager, {given} on {}", engine.name());
        }
    }
}

/// Compares values, with a relative tolerance where the golden value itself is rounded by another library's function.
pub(crate) fn same(key: &str, expect: &Value, given: &Tensor, tolerance: f64) {
    let array = given.to_array().unwrap_or_else(|error| panic!("{key}: {error}"));
    let dtype = match expect["dtype"].as_str() {
        Some("float32") => DType::F32,
        Some("float64") => DType::F64,
        Some("int32") => DType::I32,
        Some("int64") => DType::I64,
        Some("bool") => DType::Bool,
        other => panic!("{key}: no dtype for {other:?}"),
    };
    assert_eq!(array.dtype(), dtype, "{key}");
    let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
    assert_eq!(&Value::from(shape), &expect["shape"], "{key}");
    let values = expect["values"].as_array().unwrap_or_else(|| panic!("{key} has no values"));
    assert_eq!(values.len(), array.len(), "{key}");
    for (i, expect) in values.iter().enumerate() {
        let expect = number(expect);
        // The file holds the shortest decimals of f32 values.
        let expect = if dtype == DType::F32 { f64::from(expect as f32) } else { expect };
        let given = array.get_f64(i);
        // TensorFlow flushes subnormal numbers to zero, which is seen where functions are compared.
        let flushed = tolerance > 0.0 && expect == 0.0 && given.abs() < f64::from(f32::MIN_POSITIVE);
        let close = flushed || (given - expect).abs() <= tolerance * expect.abs();
        assert!(given == expect || close || (given.is_nan() && expect.is_nan()), "{key}[{i}]: {given}, not {expect}");
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.replace("Infinity", "inf").parse().unwrap_or(f64::NAN),
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        other => other.as_f64().expect("golden values are numbers"),
    }
}
