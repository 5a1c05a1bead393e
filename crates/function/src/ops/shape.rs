//! The same elements in another arrangement.

use tracelift_ir::ops;
use tracelift_tensor::{Dim, Error, Result, Shape};

use crate::{
    Axes, Operand, Tensor,
    dispatch::{apply, refuse},
};

impl Tensor {
    /// The same elements in another shape; one size may be -1 and follows from the others.
    ///
    /// ```
    /// use tracelift_function::Tensor;
    ///
    /// assert_eq!(Tensor::zeros([2, 3, 4]).reshape([2, -1]).shape(), [2, 12]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Tensor {
        apply(ops::Reshape { shape: shape.into() }, &[self])
    }

    /// All elements along one axis.
    #[track_caller]
    #[must_use]
    pub fn flatten(&self) -> Tensor {
        self.reshape([-1])
    }

    /// The axes in a given order.
    #[track_caller]
    #[must_use]
    pub fn transpose(&self, order: &[i32]) -> Tensor {
        let shape = self.shape();
        let axes = order.iter().map(|&axis| shape.axis(axis.into())).collect::<Result<Vec<usize>>>();
        match axes {
            Ok(order) => apply(ops::Transpose { order: order.as_slice().into() }, &[self]),
            Err(error) => refuse("transpose", error, &[self]),
        }
    }

    /// The axes in reverse order.
    #[track_caller]
    #[must_use]
    pub fn t(&self) -> Tensor {
        let order: Vec<usize> = (0..self.rank()).rev().collect();
        apply(ops::Transpose { order: order.as_slice().into() }, &[self])
    }

    /// Two axes exchanged.
    #[track_caller]
    #[must_use]
    pub fn swap_axes(&self, a: i32, b: i32) -> Tensor {
        let shape = self.shape();
        match (shape.axis(a.into()), shape.axis(b.into())) {
            (Ok(a), Ok(b)) => {
                let mut order: Vec<usize> = (0..shape.rank()).collect();
                order.swap(a, b);
                apply(ops::Transpose { order: order.as_slice().into() }, &[self])
            }
            (Err(error), _) | (_, Err(error)) => refuse("transpose", error, &[self]),
        }
    }

    /// With a new axis of size one; -1 puts it last.
    #[track_caller]
    #[must_use]
    pub fn expand_dims(&self, axis: i32) -> Tensor {
        let mut dims: Vec<Dim> = self.shape().to_vec();
        let rank = dims.len() as i64;
        let at = if axis < 0 { i64::from(axis) + rank + 1 } else { axis.into() };
        match usize::try_from(at) {
            Ok(at) if at <= dims.len() => {
                dims.insert(at, Dim::from(1usize));
                self.reshape(dims)
            }
            _ => {
                let message = format!("has no place {axis} for a new axis: there are {rank} axes");
                refuse("expand_dims", Error::invalid(message), &[self])
            }
        }
    }

    /// Without some axes of size one; `..` takes off all that are known to be.
    #[track_caller]
    #[must_use]
    pub fn squeeze(&self, axes: impl Into<Axes>) -> Tensor {
        let shape = self.shape();
        let axes = match axes.into() {
            Axes::All => Ok((0..shape.rank()).filter(|&axis| shape[axis].is_one()).collect()),
            Axes::Some(axes) => axes.into_iter().map(|axis| shape.axis(axis)).collect::<Result<Vec<usize>>>(),
        };
        let squeezed =
            axes.and_then(|axes| match axes.iter().find(|axis| shape[**axis].known().is_some_and(|n| n != 1)) {
                Some(axis) => {
                    Err(Error::invalid(format!("axis {axis} of {} has size {}, not 1", self.ty(), shape[*axis])))
                }
                None => Ok((0..shape.rank())
                    .filter(|axis| !axes.contains(axis))
                    .map(|axis| shape[axis].clone())
                    .collect::<Vec<Dim>>()),
            });
        match squeezed {
            Ok(dims) => self.reshape(dims),
            Err(error) => refuse("squeeze", error, &[self]),
        }
    }

    /// With `value` around it: so many before and behind on each axis.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// assert_eq!(tensor([1, 2]).pad(&[(1, 2)], 0).to_vec::<i32>()?, [0, 1, 2, 0, 0]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn pad(&self, widths: &[(usize, usize)], value: impl Operand) -> Tensor {
        let value = value.operand(self);
        if widths.len() != self.rank() {
            let message = format!("wants a width for each of the {} axes, not {}", self.rank(), widths.len());
            return refuse("pad", Error::invalid(message), &[self, &value]);
        }
        let low = widths.iter().map(|width| Dim::from(width.0)).collect();
        let high = widths.iter().map(|width| Dim::from(width.1)).collect();
        apply(ops::Pad { low, high, interior: vec![0; widths.len()] }, &[self, &value])
    }

    /// The elements in reverse order along some axes.
    #[track_caller]
    #[must_use]
    pub fn reverse(&self, axes: impl Into<Axes>) -> Tensor {
        let shape = self.shape();
        let axes = match axes.into() {
            Axes::All => Ok((0..shape.rank()).collect()),
            Axes::Some(axes) => axes.into_iter().map(|axis| shape.axis(axis)).collect::<Result<Vec<usize>>>(),
        };
        match axes {
            Ok(axes) => apply(ops::Reverse { axes: axes.as_slice().into() }, &[self]),
            Err(error) => refuse("reverse", error, &[self]),
        }
    }
}
