//! Plain data in JSON and its like: sizes and shapes as their text, arrays as dtype, shape and values.
//!
//! Every element reads back with its bits, NaNs as one.

use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, Visitor},
    ser::SerializeSeq,
};

use crate::{Array, DType, Dim, Dims, Element, Result, Shape, Sym};

/// Written as by `Display`, read as by `FromStr`.
macro_rules! as_text {
    ($($ty:ty),*) => {$(
        impl Serialize for $ty {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                <$ty>::from_str(&text).map_err(D::Error::custom)
            }
        }
    )*};
}
as_text!(Sym, Dim, Shape);

/// How an array is written, in this order of fields.
#[derive(Serialize)]
#[serde(rename = "Array")]
struct Written<'a> {
    dtype: DType,
    shape: &'a [usize],
    values: Values<'a>,
}

impl Serialize for Array {
    /// Floats have the fewest digits that read back; `"NaN"`, `"Infinity"` and `"-Infinity"` are strings.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { dtype: self.dtype(), shape: self.shape(), values: Values(self) }.serialize(serializer)
    }
}

struct Values<'a>(&'a Array);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Values(array) = self;
        let mut list = serializer.serialize_seq(Some(array.len()))?;
        for i in 0..array.len() {
            match array.dtype() {
                _ if array.dtype().is_float() && !array.get_f64(i).is_finite() => {
                    list.serialize_element(special(array.get_f64(i)))?
                }
                DType::F32 => list.serialize_element(&array.as_slice::<f32>()[i])?,
                DType::F64 => list.serialize_element(&array.as_slice::<f64>()[i])?,
                DType::Bool => list.serialize_element(&(array.get_i64(i) != 0))?,
                DType::I32 | DType::I64 | DType::U8 => list.serialize_element(&array.get_i64(i))?,
            }
        }
        list.end()
    }
}

fn special(x: f64) -> &'static str {
    match (x.is_nan(), x > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    }
}

/// What is read before the dtype of the values is known.
#[derive(Deserialize)]
#[serde(rename = "Array", deny_unknown_fields)]
struct Found {
    dtype: DType,
    shape: Dims,
    values: Vec<Value>,
}

impl<'de> Deserialize<'de> for Array {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Array, D::Error> {
        let found = Found::deserialize(deserializer)?;
        found.to_array().map_err(D::Error::custom)
    }
}

impl Found {
    fn to_array(&self) -> Result<Array> {
        match self.dtype {
            DType::F32 => self.collect(|value| value.float().map(|x| x as f32)),
            DType::F64 => self.collect(Value::float),
            DType::I32 => self.collect(Value::int::<i32>),
            DType::I64 => self.collect(Value::int::<i64>),
            DType::U8 => self.collect(Value::int::<u8>),
            DType::Bool => self.collect(Value::bool),
        }
    }

    fn collect<T: Element>(&self, read: impl Fn(&Value) -> Option<T>) -> Result<Array> {
        let read = |(i, value): (usize, &Value)| {
            read(value).ok_or_else(|| crate::Error::format(format!("value {i} is no {}: {value:?}", self.dtype)))
        };
        let values = self.values.iter().enumerate().map(read).collect::<Result<Vec<T>>>()?;
        Array::new(&self.shape, values)
    }
}

#[derive(Debug)]
enum Value {
    Float(f64),
    Int(i64),
    Bool(bool),
}

impl Value {
    fn float(&self) -> Option<f64> {
        match *self {
            Value::Float(x) => Some(x),
            Value::Int(n) => Some(n as f64),
            Value::Bool(_) => None,
        }
    }

    fn int<T: TryFrom<i64>>(&self) -> Option<T> {
        match *self {
            Value::Int(n) => T::try_from(n).ok(),
            Value::Float(_) | Value::Bool(_) => None,
        }
    }

    fn bool(&self) -> Option<bool> {
        match *self {
            Value::Bool(b) => Some(b),
            Value::Float(_) | Value::Int(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        struct AnyNumber;

        impl Visitor<'_> for AnyNumber {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a truth value, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }

            fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
                Ok(Value::Bool(b))
            }

            fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
                Ok(Value::Int(n))
            }

            fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
                Ok(i64::try_from(n).map_or(Value::Float(n as f64), Value::Int))
            }

            fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
                Ok(Value::Float(x))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
                let known = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().find(|&x| special(x) == text);
                known.map(Value::Float).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(AnyNumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json<T: Serialize>(value: &T) -> String {
        serde_json::to_string(value).unwrap()
    }

    fn error<T: for<'de> Deserialize<'de> + fmt::Debug>(text: &str) -> String {
        serde_json::from_str::<T>(text).unwrap_err().to_string()
    }

    #[test]
    fn sizes_and_shapes_are_texts() {
        assert_eq!(json(&Sym::new("B")), "\"B\"");
        assert!(error::<Sym>("\"2 B\"").starts_with("bad name `2 B`"), "{}", error::<Sym>("\"2 B\""));
        let shape: Shape = "[2*B + 1, 3]".parse().unwrap();
        assert_eq!(json(&shape), "\"[2*B + 1, 3]\"");
        assert_eq!(serde_json::from_str::<Shape>(&json(&shape)).unwrap(), shape);
        assert_eq!(serde_json::from_str::<Dim>("\"B\\u002f/2\"").unwrap().to_string(), "B//2");
        assert!(error::<Dim>("\"B +\"").starts_with("bad size `B +`"), "{}", error::<Dim>("\"B +\""));
    }

    #[test]
    fn arrays_show_dtype_shape_and_values() {
        let array = Array::new([2, 2], [0.1f32, -0.0, f32::NAN, f32::NEG_INFINITY]).unwrap();
        let text = r#"{"dtype":"f32","shape":[2,2],"values":[0.1,-0.0,"NaN","-Infinity"]}"#;
        assert_eq!(json(&array), text);
        assert!(serde_json::from_str::<Array>(text).unwrap().bit_eq(&array));
        let bools = r#"{"dtype":"bool","shape":[2],"values":[true,false]}"#;
        assert_eq!(json(&serde_json::from_str::<Array>(bools).unwrap()), bools);
        let whole = serde_json::from_str::<Array>(r#"{"values":[1,2],"shape":[2],"dtype":"f64"}"#).unwrap();
        assert_eq!(whole.to_vec::<f64>().unwrap(), [1.0, 2.0]);
    }

    #[test]
    fn wrong_values_are_errors() {
        let array = |dtype, values| error::<Array>(&format!(r#"{{"dtype":"{dtype}","shape":[2],"values":{values}}}"#));
        assert_eq!(array("i32", "[1, 2.5]"), "value 1 is no i32: Float(2.5)");
        assert_eq!(array("u8", "[1, 256]"), "value 1 is no u8: Int(256)");
        assert_eq!(array("bool", "[1, 0]"), "value 0 is no bool: Int(1)");
        assert_eq!(array("f32", "[1]"), "1 elements do not fill the shape [2], which holds 2");
        assert!(array("f32", "[1, \"nan\"]").starts_with("invalid value: string \"nan\", expected a number"));
        assert!(array("f8", "[]").starts_with("unknown variant `f8`"));
    }

    proptest! {
        #[test]
        fn every_float_reads_back(bits in any::<u32>(), wide in any::<u64>()) {
            let (narrow, wide) = (Array::scalar(f32::from_bits(bits)), Array::scalar(f64::from_bits(wide)));
            prop_assert!(serde_json::from_str::<Array>(&json(&narrow)).unwrap().bit_eq(&narrow));
            prop_assert!(serde_json::from_str::<Array>(&json(&wide)).unwrap().bit_eq(&wide));
        }
    }
}
