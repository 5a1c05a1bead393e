//! One tensor made several, and one repeated.

use tracelift_ir::ops;
use tracelift_tensor::{Dim, Error, Result, Shape};

use crate::{
    Tensor,
    dispatch::{apply, refuse},
    scope,
};

impl Tensor {
    /// Parts of equal size along an axis.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// let parts = tensor([1, 2, 3, 4]).split(2, 0);
    /// assert_eq!(parts[1].to_vec::<i32>()?, [3, 4]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn split(&self, parts: usize, axis: i32) -> Vec<Tensor> {
        let found = self.shape().axis(axis.into()).and_then(|axis| {
            let size = &self.shape()[axis];
            match size.known_len() {
                _ if parts == 0 => Err(Error::invalid("makes no parts")),
                Some(n) if n % parts != 0 => {
                    Err(Error::invalid(format!("cannot make {parts} equal parts of axis {axis} of {}", self.ty())))
                }
                Some(n) => Ok((axis, vec![Dim::from(n / parts); parts])),
                // Each call checks that nothing is left over.
                None => Ok((axis, vec![size.floor_div(parts as i64); parts])),
            }
        });
        self.parts("split", found, parts)
    }

    /// Parts of given sizes along an axis, which they make up.
    #[track_caller]
    #[must_use]
    pub fn split_sizes(&self, sizes: &[usize], axis: i32) -> Vec<Tensor> {
        let found = self.shape().axis(axis.into()).and_then(|axis| {
            let total: usize = sizes.iter().sum();
            match self.shape()[axis].known_len() {
                Some(n) if n != total => Err(Error::invalid(format!(
                    "has parts of {total} elements in all for axis {axis} of {}",
                    self.ty()
                ))),
                _ => Ok((axis, sizes.iter().map(|size| Dim::from(*size)).collect())),
            }
        });
        self.parts("split", found, sizes.len())
    }

    /// The elements of an axis of known size, each without that axis.
    #[track_caller]
    #[must_use]
    pub fn unstack(&self, axis: i32) -> Vec<Tensor> {
        let _here = scope::here();
        let found = self.shape().axis(axis.into()).and_then(|axis| match self.shape()[axis].known_len() {
            Some(n) => Ok((axis, vec![Dim::from(1usize); n])),
            None => Err(Error::invalid(format!("needs to know how many elements axis {axis} of {} has", self.ty()))
                .help("use a loop over `dim(axis)`, or `vmap`")),
        });
        self.parts("unstack", found, 1).into_iter().map(|part| part.squeeze(axis)).collect()
    }

    /// Slices one behind the other; a mistake is `count` tensors that carry it.
    #[track_caller]
    fn parts(&self, op: &str, found: Result<(usize, Vec<Dim>)>, count: usize) -> Vec<Tensor> {
        if self.error().is_some() {
            return vec![self.snapshot(); count];
        }
        let _here = scope::here();
        let (axis, sizes) = match found {
            Ok(found) => found,
            Err(error) => return vec![refuse(op, error, &[self]); count.max(1)],
        };
        let shape = self.shape();
        let mut start = Dim::ZERO;
        let part = |size: Dim| {
            let mut axes: Vec<ops::SliceAxis> = shape.iter().map(|dim| ops::SliceAxis::all(dim.clone())).collect();
            let next = &start + &size;
            axes[axis] = ops::SliceAxis { start: std::mem::replace(&mut start, next), size, step: 1 };
            apply(ops::Slice { axes: axes.into() }, &[self])
        };
        sizes.into_iter().map(part).collect()
    }

    /// The tensor repeated so often along each axis.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// assert_eq!(tensor([[1, 2]]).tile(&[2, 2]).to_vec::<i32>()?, [1, 2, 1, 2, 1, 2, 1, 2]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn tile(&self, times: &[usize]) -> Tensor {
        if self.error().is_some() {
            return self.snapshot();
        }
        let _here = scope::here();
        if times.len() != self.rank() {
            let message =
                format!("wants a number for each of the {} axes of {}, not {}", self.rank(), self.ty(), times.len());
            return refuse("tile", Error::invalid(message), &[self]);
        }
        let shape = self.shape();
        let pairs: Shape = times.iter().zip(shape.iter()).flat_map(|(n, dim)| [Dim::from(*n), dim.clone()]).collect();
        let whole: Shape = times.iter().zip(shape.iter()).map(|(n, dim)| dim * Dim::from(*n)).collect();
        let axes: Vec<usize> = (0..shape.rank()).map(|axis| 2 * axis + 1).collect();
        apply(ops::Broadcast { shape: pairs, axes: axes.as_slice().into() }, &[self]).reshape(whole)
    }
}
