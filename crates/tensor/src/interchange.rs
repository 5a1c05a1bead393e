//! Serde forms: sizes as their text, shapes as lists of it, arrays as dtype, shape and a flat list of elements.
//!
//! Every element reads back with its bits (NaNs as one); what JSON has no number for is a string (`"inf"`, `"NaN"`).

use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Array, DType, Dim, Dims, Element, Shape, Sym};

impl Serialize for Sym {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Sym {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Sym::new(&String::deserialize(from)?))
    }
}

impl Serialize for Dim {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.known() {
            Some(n) => to.serialize_i64(n),
            None => to.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Dim {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Item::deserialize(from)? {
            Item::Int(n) => Ok(Dim::from(n)),
            Item::Text(text) => text.parse().map_err(D::Error::custom),
            _ => Err(D::Error::custom("a size is a whole number or a text like `2*B + 1`")),
        }
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Shape::from(Vec::<Dim>::deserialize(from)?))
    }
}

/// A value that stands for an element or a size.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// The elements of an array, each as itself.
struct Elements<'a>(&'a Array);

impl Serialize for Elements<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.dtype() {
            DType::F32 => to.collect_seq(self.0.as_slice::<f32>().iter().map(|x| Float(*x, f64::from(*x)))),
            DType::F64 => to.collect_seq(self.0.as_slice::<f64>().iter().map(|x| Float(*x, *x))),
            DType::I32 => to.collect_seq(self.0.as_slice::<i32>()),
            DType::I64 => to.collect_seq(self.0.as_slice::<i64>()),
            DType::U8 => to.collect_seq(self.0.as_slice::<u8>()),
            DType::Bool => to.collect_seq(self.0.as_slice::<u8>().iter().map(|x| *x != 0)),
        }
    }
}

/// A float, and its value for the question whether JSON has a number for it.
struct Float<T>(T, f64);

impl<T: Serialize> Serialize for Float<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.1.is_finite() { self.0.serialize(to) } else { to.collect_str(&self.1) }
    }
}

impl Serialize for Array {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut array = to.serialize_struct("Array", 3)?;
        array.serialize_field("dtype", &self.dtype())?;
        array.serialize_field("shape", self.shape())?;
        array.serialize_field("data", &Elements(self))?;
        array.end()
    }
}

#[derive(Deserialize)]
#[serde(rename = "Array")]
struct Parts {
    dtype: DType,
    shape: Dims,
    data: Vec<Item>,
}

impl<'de> Deserialize<'de> for Array {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(from)?;
        let array = match parts.dtype {
            DType::F32 => parts.array(|item| item.float().map(|x| x as f32)),
            DType::F64 => parts.array(Item::float),
            DType::I32 => parts.array(|item| item.int().and_then(|n| i32::try_from(n).ok())),
            DType::I64 => parts.array(Item::int),
            DType::U8 => parts.array(|item| item.int().and_then(|n| u8::try_from(n).ok())),
            DType::Bool => parts.array(|item| if let Item::Bool(b) = item { Some(*b) } else { None }),
        };
        array.map_err(D::Error::custom)
    }
}

impl Parts {
    fn array<T: Element>(&self, read: impl Fn(&Item) -> Option<T>) -> crate::Result<Array> {
        let wrong = || crate::Error::format(format!("an element of this array is no {}", self.dtype));
        let elements: Option<Vec<T>> = self.data.iter().map(read).collect();
        Array::new(&self.shape, elements.ok_or_else(wrong)?)
    }
}

impl Item {
    fn float(&self) -> Option<f64> {
        match self {
            Item::Float(x) => Some(*x),
            Item::Int(n) => Some(*n as f64),
            Item::Text(text) => text.parse().ok(),
            Item::Bool(_) => None,
        }
    }

    fn int(&self) -> Option<i64> {
        if let Item::Int(n) = self { Some(*n) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_read_back_with_their_bits() {
        let arrays = [
            Array::new([2, 3], [0.1f32, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE / 4.0]),
            Array::new([1], [0.1f64]),
            Array::new([0, 3], Vec::<i32>::new()),
            Array::new([2], [i64::MIN, i64::MAX]),
            Array::new([], [7u8]),
            Array::new([2], [true, false]),
        ];
        for array in arrays.map(Result::unwrap) {
            let json = serde_json::to_string(&array).unwrap();
            let read: Array = serde_json::from_str(&json).unwrap();
            assert!(read.bit_eq(&array), "{json}");
        }
        let json = serde_json::to_string(&Array::vector([1.5f32, f32::INFINITY]).unwrap()).unwrap();
        assert_eq!(json, r#"{"dtype":"f32","shape":[2],"data":[1.5,"inf"]}"#);
    }

    #[test]
    fn shapes_read_back() {
        let shape = Shape::from([Dim::sym("B") * 2i64 + 1i64, Dim::from(784)]);
        let json = serde_json::to_string(&shape).unwrap();
        assert_eq!(json, r#"["2*B + 1",784]"#);
        assert_eq!(serde_json::from_str::<Shape>(&json).unwrap(), shape);
        let sym = Sym::new("B");
        assert_eq!(serde_json::from_str::<Sym>(&serde_json::to_string(&sym).unwrap()).unwrap(), sym);
    }

    #[test]
    fn a_wrong_element_is_refused() {
        let error = serde_json::from_str::<Array>(r#"{"dtype":"u8","shape":[1],"data":[300]}"#).unwrap_err();
        assert!(error.to_string().starts_with("an element of this array is no u8"), "{error}");
        let error = serde_json::from_str::<Array>(r#"{"dtype":"u8","shape":[2],"data":[3]}"#).unwrap_err();
        assert!(error.to_string().contains("elements"), "{error}");
        assert!(serde_json::from_str::<Dim>("1.5").is_err());
    }
}
