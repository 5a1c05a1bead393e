//! Running sums and products.

use tracelift_ir::ops::{self, Running};

use crate::{
    Tensor,
    dispatch::{apply, refuse},
    scope,
};

/// How sums and products run along an axis: forward with the element itself, unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cumulation {
    exclusive: bool,
    reverse: bool,
}

impl Cumulation {
    /// Forward, each element included.
    #[must_use]
    pub fn new() -> Self {
        Cumulation::default()
    }

    /// Each result leaves its own element out: the first is 0 (or 1).
    #[must_use]
    pub fn exclusive(self) -> Self {
        Cumulation { exclusive: true, ..self }
    }

    /// From the last element to the first.
    #[must_use]
    pub fn reverse(self) -> Self {
        Cumulation { reverse: true, ..self }
    }
}

impl Tensor {
    /// The sum of all elements of an axis up to each.
    ///
    /// ```
    /// use tracelift_function::{Cumulation, tensor};
    ///
    /// let x = tensor([1., 2., 3.]);
    /// assert_eq!(x.cumsum(0).to_vec::<f32>()?, [1., 3., 6.]);
    /// assert_eq!(x.cumsum_by(0, Cumulation::new().exclusive()).to_vec::<f32>()?, [0., 1., 3.]);
    /// assert_eq!(x.cumsum_by(0, Cumulation::new().reverse()).to_vec::<f32>()?, [6., 5., 3.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn cumsum(&self, axis: i32) -> Tensor {
        self.cumsum_by(axis, Cumulation::new())
    }

    /// Running sums, backward or without each element itself.
    #[track_caller]
    #[must_use]
    pub fn cumsum_by(&self, axis: i32, how: Cumulation) -> Tensor {
        cumulate(self, axis, Running::Sum, how)
    }

    /// The product of all elements of an axis up to each.
    #[track_caller]
    #[must_use]
    pub fn cumprod(&self, axis: i32) -> Tensor {
        self.cumprod_by(axis, Cumulation::new())
    }

    /// Running products, backward or without each element itself.
    #[track_caller]
    #[must_use]
    pub fn cumprod_by(&self, axis: i32, how: Cumulation) -> Tensor {
        cumulate(self, axis, Running::Product, how)
    }
}

#[track_caller]
fn cumulate(x: &Tensor, axis: i32, running: Running, how: Cumulation) -> Tensor {
    if x.error().is_some() {
        return x.snapshot();
    }
    let _here = scope::here();
    let axis = match x.shape().axis(axis.into()) {
        Ok(axis) => axis,
        Err(error) => return refuse(if running == Running::Sum { "cumsum" } else { "cumprod" }, error, &[x]),
    };
    let turned = |x: Tensor| if how.reverse { x.reverse(axis as i32) } else { x };
    let mut x = turned(x.snapshot());
    if how.exclusive {
        // All but the last, behind what the chain begins with.
        let part = |dim: &tracelift_tensor::Dim, n: usize| if n == axis { dim - 1 } else { dim.clone() };
        let shape = x.shape();
        if shape[axis].is_zero() {
            return x;
        }
        let axes = shape.iter().enumerate().map(|(n, dim)| ops::SliceAxis::all(part(dim, n)));
        let first = if running == Running::Sum { 0 } else { 1 };
        let widths: Vec<(usize, usize)> = (0..shape.rank()).map(|n| (usize::from(n == axis), 0)).collect();
        x = apply(ops::Slice { axes: axes.collect() }, &[&x]).pad(&widths, first);
    }
    turned(apply(ops::Cumulate { running, axis }, &[&x]))
}
