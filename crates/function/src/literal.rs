//! What makes a tensor: literals through `tensor(…)`, and host data, which keeps its type, through `Tensor::from`.

use tracelift_tensor::{Array, DType, Element, Error, Result};

use crate::{Tensor, Variable, ops, scope, tape, trace};

/// A constant from literals: `tensor([[1., 2.], [3., 4.]])` is f32, `tensor(42)` is i32.
///
/// ```
/// use tracelift_function::{DType, tensor};
///
/// assert_eq!(tensor([1, 2, 3]).dtype(), DType::I32);
/// assert_eq!(tensor(true).to_string(), "True");
/// ```
#[track_caller]
#[must_use]
pub fn tensor(value: impl IntoTensor) -> Tensor {
    value.into_tensor()
}

/// What [`tensor`] takes: numbers, and arrays of what it takes; a float literal is f32, an integer literal i32.
#[diagnostic::on_unimplemented(
    message = "`tensor(…)` takes f32, integers, bools and arrays of them, not `{Self}`",
    note = "`Tensor::from(…)` keeps the type of your data, f64 included"
)]
pub trait IntoTensor {
    /// The tensor.
    #[track_caller]
    fn into_tensor(self) -> Tensor;
}

macro_rules! literal {
    ($($t:ty)*) => {$(
        impl IntoTensor for $t {
            #[track_caller]
            fn into_tensor(self) -> Tensor { Tensor::eager(Array::scalar(self)) }
        }
    )*};
}
literal!(f32 i32 i64 u8 bool);

macro_rules! already {
    ($($t:ty)*) => {$(
        impl IntoTensor for $t {
            fn into_tensor(self) -> Tensor { self.clone() }
        }
    )*};
}
already!(&Tensor);

impl IntoTensor for Tensor {
    fn into_tensor(self) -> Tensor {
        self
    }
}

impl IntoTensor for &Variable {
    fn into_tensor(self) -> Tensor {
        self.value()
    }
}

impl<T: IntoTensor, const N: usize> IntoTensor for [T; N] {
    #[track_caller]
    fn into_tensor(self) -> Tensor {
        rows(self.into_iter().map(IntoTensor::into_tensor).collect(), empty_dtype::<T>())
    }
}

impl<T: IntoTensor> IntoTensor for Vec<T> {
    #[track_caller]
    fn into_tensor(self) -> Tensor {
        rows(self.into_iter().map(IntoTensor::into_tensor).collect(), empty_dtype::<T>())
    }
}

/// An array of no elements has the dtype its elements would have had.
fn empty_dtype<T: IntoTensor>() -> DType {
    let name = std::any::type_name::<T>();
    let innermost = name.trim_start_matches(['[', '&']).trim_start_matches("alloc::vec::Vec<");
    DType::ALL
        .into_iter()
        .find(|dtype| innermost.trim_start_matches('[').starts_with(dtype.name()))
        .unwrap_or(DType::F32)
}

/// Rows joined under a new first axis.
#[track_caller]
fn rows(rows: Vec<Tensor>, empty: DType) -> Tensor {
    let _here = scope::here();
    if tape::is_recording() || rows.iter().any(|row| !matches!(row.handle, crate::tensor::Handle::Eager(_))) {
        return ops::stack(&rows.iter().collect::<Vec<_>>(), 0);
    }
    match join(&rows, empty) {
        Ok(array) => Tensor::eager(array),
        Err(error) => trace::fail(error.at(scope::origin()), None),
    }
}

fn join(rows: &[Tensor], empty: DType) -> Result<Array> {
    let Some(first) = rows.first() else { return Array::zeros(empty, [0]) };
    let first = first.to_array()?;
    let mut bytes = Vec::new();
    for row in rows {
        let row = row.to_array()?;
        if row.shape() != first.shape() {
            return Err(Error::value(format!(
                "cannot make a tensor of rows with different shapes: {:?} and {:?}",
                first.shape(),
                row.shape()
            ))
            .help("pad the rows to one length"));
        }
        if row.dtype() != first.dtype() {
            return Err(Error::type_(format!("cannot make a tensor of rows of {} and {}", first.dtype(), row.dtype())));
        }
        bytes.extend_from_slice(row.bytes());
    }
    let mut shape = vec![rows.len()];
    shape.extend_from_slice(first.shape());
    let mut array = Array::zeros(first.dtype(), &shape)?;
    array.bytes_mut().copy_from_slice(&bytes);
    Ok(array)
}

impl From<Array> for Tensor {
    fn from(array: Array) -> Tensor {
        Tensor::eager(array)
    }
}

macro_rules! host_data {
    ($($t:ty)*) => {$(
        impl From<$t> for Tensor {
            fn from(value: $t) -> Tensor {
                Tensor::eager(Array::scalar(value))
            }
        }

        impl From<Vec<$t>> for Tensor {
            #[track_caller]
            fn from(values: Vec<$t>) -> Tensor {
                values.as_slice().into()
            }
        }

        impl From<&[$t]> for Tensor {
            #[track_caller]
            fn from(values: &[$t]) -> Tensor {
                made(Array::vector(values))
            }
        }

        impl<const N: usize> From<[$t; N]> for Tensor {
            #[track_caller]
            fn from(values: [$t; N]) -> Tensor {
                values.as_slice().into()
            }
        }

        impl<const N: usize, const M: usize> From<[[$t; N]; M]> for Tensor {
            #[track_caller]
            fn from(rows: [[$t; N]; M]) -> Tensor {
                made(Array::new([M, N], rows.as_flattened()))
            }
        }

        impl From<Vec<Vec<$t>>> for Tensor {
            #[track_caller]
            fn from(rows: Vec<Vec<$t>>) -> Tensor {
                made(table(&rows))
            }
        }
    )*};
}
host_data!(f32 f64 i32 i64 u8 bool);

fn table<T: Element>(rows: &[Vec<T>]) -> Result<Array> {
    let columns = rows.first().map_or(0, Vec::len);
    if let Some(row) = rows.iter().find(|row| row.len() != columns) {
        let message = format!("cannot make a tensor of rows of {columns} and {} values", row.len());
        return Err(Error::value(message).help("pad the rows to one length"));
    }
    Array::new([rows.len(), columns], rows.concat())
}

impl From<&Tensor> for Tensor {
    fn from(tensor: &Tensor) -> Tensor {
        tensor.clone()
    }
}

impl From<&Variable> for Tensor {
    fn from(variable: &Variable) -> Tensor {
        variable.value()
    }
}

impl From<Result<Tensor>> for Tensor {
    fn from(result: Result<Tensor>) -> Tensor {
        result.unwrap_or_else(Tensor::failed)
    }
}

impl std::iter::Sum for Tensor {
    /// The sum of all, from left to right; nothing sums to a float zero.
    #[track_caller]
    fn sum<I: Iterator<Item = Tensor>>(terms: I) -> Tensor {
        let _here = scope::here();
        terms.reduce(|sum, term| sum + term).unwrap_or_else(|| tensor(0.0))
    }
}

#[track_caller]
fn made(array: Result<Array>) -> Tensor {
    let _here = scope::here();
    array.map_or_else(|error| trace::fail(error.at(scope::origin()), None), Tensor::eager)
}
