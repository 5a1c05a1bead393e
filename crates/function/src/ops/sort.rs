//! Elements in order.

use tracelift_ir::ops;
use tracelift_tensor::Error;

use crate::{
    Tensor,
    dispatch::{apply, poison, refuse},
    scope,
};

impl Tensor {
    /// The elements of an axis in ascending order; a NaN is larger than any number.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// assert_eq!(tensor([3., 1., 2.]).sort(-1).to_vec::<f32>()?, [1., 2., 3.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn sort(&self, axis: i32) -> Tensor {
        let _here = scope::here();
        self.take_along(&self.argsort(axis), axis)
    }

    /// The elements of an axis in descending order; a NaN is larger than any number.
    #[track_caller]
    #[must_use]
    pub fn sort_descending(&self, axis: i32) -> Tensor {
        let _here = scope::here();
        self.take_along(&self.argsort_descending(axis), axis)
    }

    /// Where the elements of an axis are in ascending order, as i32; equal ones keep their order.
    #[track_caller]
    #[must_use]
    pub fn argsort(&self, axis: i32) -> Tensor {
        order(self, axis, ops::ArgSort { descending: false })
    }

    /// Where the elements of an axis are in descending order, as i32; equal ones keep their order.
    #[track_caller]
    #[must_use]
    pub fn argsort_descending(&self, axis: i32) -> Tensor {
        order(self, axis, ops::ArgSort { descending: true })
    }

    /// The `k` largest elements of the last axis, largest first, and where they are, as i32; of equal ones the first.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// let (values, places) = tensor([1., 5., 3., 5.]).top_k(3);
    /// assert_eq!(values.to_vec::<f32>()?, [5., 5., 3.]);
    /// assert_eq!(places.to_vec::<i32>()?, [1, 3, 2]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn top_k(&self, k: usize) -> (Tensor, Tensor) {
        let _here = scope::here();
        if let Some(n) = self.shape().iter().next_back().and_then(|dim| dim.known_len())
            && self.error().is_none()
            && n < k
        {
            let error = Error::invalid(format!("wants {k} elements of the last axis of {}, which has {n}", self.ty()));
            let refused = refuse("top_k", error, &[self]);
            return (refused.clone(), refused);
        }
        let order = self.argsort_descending(-1);
        if order.error().is_some() {
            return (order.clone(), order);
        }
        let places = order.slice(crate::s![..., ..k as i64]);
        (self.take_along(&places, -1), places)
    }

    /// For each row along an axis the elements at its own positions, which have the same shape but for that axis.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// let x = tensor([[1., 2., 3.], [4., 5., 6.]]);
    /// assert_eq!(x.take_along(&tensor([[2], [0]]), 1).to_vec::<f32>()?, [3., 4.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn take_along(&self, positions: &Tensor, axis: i32) -> Tensor {
        if let Some(poisoned) = poison(&[self, positions]) {
            return poisoned;
        }
        let _here = scope::here();
        let rank = self.rank();
        if positions.rank() != rank || !positions.dtype().is_int() {
            let message = format!("wants positions of {rank} axes of an integer dtype, got {}", positions.ty());
            return refuse("take_along", Error::invalid(message), &[self, positions]);
        }
        match self.shape().axis(axis.into()) {
            Ok(axis) => {
                // The axis is brought to the end, where each row is one of a batch.
                let last = rank - 1;
                let pick = ops::Gather { axis: last, batch: last };
                let back = |x: &Tensor| if axis == last { x.snapshot() } else { x.swap_axes(axis as i32, -1) };
                back(&apply(pick, &[&back(self), &back(positions)]))
            }
            Err(error) => refuse("take_along", error, &[self, positions]),
        }
    }
}

#[track_caller]
fn order(x: &Tensor, axis: i32, op: ops::ArgSort) -> Tensor {
    if x.error().is_some() {
        return x.snapshot();
    }
    let _here = scope::here();
    match x.shape().axis(axis.into()) {
        Ok(axis) if axis + 1 == x.rank() => apply(op, &[x]),
        Ok(axis) => apply(op, &[&x.swap_axes(axis as i32, -1)]).swap_axes(axis as i32, -1),
        Err(error) => refuse("argsort", error, &[x]),
    }
}
