//! Tensors from nothing but a shape.

use tracelift_ir::ops;
use tracelift_tensor::{Array, DType, Error, Result, Shape};

use crate::{
    Operand, Tensor,
    dispatch::{apply, refuse},
    scope,
    trace::{eagerly, fail},
};

impl Tensor {
    /// All zeros, f32.
    #[track_caller]
    #[must_use]
    pub fn zeros(shape: impl Into<Shape>) -> Tensor {
        Tensor::full(shape, 0f32)
    }

    /// All ones, f32.
    #[track_caller]
    #[must_use]
    pub fn ones(shape: impl Into<Shape>) -> Tensor {
        Tensor::full(shape, 1f32)
    }

    /// All the same value.
    #[track_caller]
    #[must_use]
    pub fn full<T: tracelift_tensor::Element>(shape: impl Into<Shape>, value: T) -> Tensor {
        Tensor::eager(Array::scalar(value)).broadcast_to(shape)
    }

    /// As many zeros of the same dtype.
    #[track_caller]
    #[must_use]
    pub fn zeros_like(&self) -> Tensor {
        self.filled(0)
    }

    /// As many ones of the same dtype.
    #[track_caller]
    #[must_use]
    pub fn ones_like(&self) -> Tensor {
        self.filled(1)
    }

    #[track_caller]
    fn filled(&self, value: u8) -> Tensor {
        if self.error().is_some() {
            return self.snapshot();
        }
        Tensor::from_array(Array::full(self.dtype(), [], value)).broadcast_to(self.shape())
    }

    /// `0, 1, … n - 1`, i32.
    ///
    /// ```
    /// use tracelift_function::Tensor;
    ///
    /// assert_eq!(Tensor::range(3).to_vec::<i32>()?, [0, 1, 2]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn range(n: impl Operand) -> Tensor {
        range(n)
    }

    /// The unit matrix, f32.
    #[track_caller]
    #[must_use]
    pub fn eye(n: usize) -> Tensor {
        let row = apply(ops::Iota { dtype: DType::I64, shape: Shape::from([n, n]), axis: 0 }, &[]);
        let column = apply(ops::Iota { dtype: DType::I64, shape: Shape::from([n, n]), axis: 1 }, &[]);
        row.eq(column).cast(DType::F32)
    }
}

/// `0, 1, … n - 1`, i32; `n` must be known.
#[track_caller]
#[must_use]
pub fn range(n: impl Operand) -> Tensor {
    let n = n.operand(&Tensor::from(0i32));
    if n.error().is_some() {
        return n;
    }
    // The number is read now, also while tracing.
    let known = || n.cast(DType::I64).item::<i64>();
    match if n.is_traced() { known() } else { eagerly(known) }.and_then(length) {
        Ok(n) => apply(ops::Iota { dtype: DType::I32, shape: Shape::from([n]), axis: 0 }, &[]),
        Err(error) => refuse("range", error, &[&n]),
    }
}

/// Which class each index says, along a new axis.
#[track_caller]
fn is_class(indices: &Tensor, classes: usize, axis: i32) -> Tensor {
    let indices = indices.expand_dims(axis);
    if indices.error().is_some() {
        return indices;
    }
    let mut shape: Vec<_> = indices.shape().to_vec();
    // The place that `expand_dims` has found is one of the new axes.
    let axis = indices.shape().axis(axis.into()).unwrap_or(0);
    shape[axis] = classes.into();
    let class = apply(ops::Iota { dtype: indices.dtype(), shape: Shape::from(shape), axis }, &[]);
    indices.eq(class)
}

fn length(n: i64) -> Result<usize> {
    if n > i64::from(i32::MAX) {
        return Err(Error::invalid(format!("cannot count to {n} in i32")));
    }
    Ok(usize::try_from(n).unwrap_or(0))
}

impl Tensor {
    /// One where the index says, else zero: `[1, 0]` of three classes is `[[0, 1, 0], [1, 0, 0]]`, f32.
    ///
    /// An index outside of the classes gives a row of zeros.
    #[track_caller]
    #[must_use]
    pub fn one_hot(&self, classes: usize) -> Tensor {
        let _here = scope::here();
        is_class(self, classes, -1).cast(DType::F32)
    }

    /// `on` where the index says, else `off`, along a new axis of the classes; -1 puts it last.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// let marked = tensor([1, 0, -1]).one_hot_with(2, 0, 5., -1.);
    /// assert_eq!(marked.to_vec::<f32>()?, [-1., 5., -1., 5., -1., -1.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn one_hot_with(&self, classes: usize, axis: i32, on: impl Operand, off: impl Operand) -> Tensor {
        let _here = scope::here();
        is_class(self, classes, axis).select(on, off)
    }

    /// The data of a host array, or the error of making it.
    #[track_caller]
    #[must_use]
    pub fn from_array(array: Result<Array>) -> Tensor {
        let _here = scope::here();
        array.map_or_else(|error| fail(error.at(scope::origin()), None), Tensor::eager)
    }
}
