//! Diagonals, bands and triangles of matrices, the last two axes.

use tracelift_ir::ops::{Iota, SliceAxis};
use tracelift_tensor::{DType, Dim, Error, Shape};

use crate::{
    Tensor,
    dispatch::{apply, refuse},
    scope,
};

impl Tensor {
    /// Matrices with the last axis on their diagonals, zeros elsewhere.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// assert_eq!(tensor([1, 2]).diag().to_vec::<i32>()?, [1, 0, 0, 2]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn diag(&self) -> Tensor {
        if self.error().is_some() {
            return self.snapshot();
        }
        let _here = scope::here();
        let shape = self.shape();
        let Some(n) = shape.iter().next_back() else {
            return refuse("diag", Error::invalid(format!("has no axis in {}", self.ty())), &[self]);
        };
        let square: Shape = shape.iter().chain([n]).cloned().collect();
        let rows = self.expand_dims(-1).broadcast_to(square);
        masked(&rows, |distance| distance.eq(0))
    }

    /// The diagonals of matrices.
    #[track_caller]
    #[must_use]
    pub fn diag_part(&self) -> Tensor {
        if self.error().is_some() {
            return self.snapshot();
        }
        let _here = scope::here();
        let shape = self.shape();
        let [before @ .., m, n] = shape.dims() else {
            return refuse("diag_part", Error::invalid(format!("wants matrices, got {}", self.ty())), &[self]);
        };
        match (m.known_len(), n.known_len()) {
            (Some(m), Some(n)) => {
                // Every (n + 1)-th element of the rows one behind the other.
                let flat: Shape = before.iter().cloned().chain([Dim::from(m * n)]).collect();
                let mut axes: Vec<SliceAxis> = before.iter().map(|dim| SliceAxis::all(dim.clone())).collect();
                axes.push(SliceAxis { start: Dim::ZERO, size: Dim::from(m.min(n)), step: n as i64 + 1 });
                apply(tracelift_ir::ops::Slice { axes: axes.into() }, &[&self.reshape(flat)])
            }
            _ if m == n && self.dtype() != DType::Bool => masked(self, |distance| distance.eq(0)).sum(-1),
            _ => {
                let message = format!("needs numbers in matrices of known or equal sizes, got {}", self.ty());
                refuse("diag_part", Error::invalid(message), &[self])
            }
        }
    }

    /// The sums of diagonals.
    #[track_caller]
    #[must_use]
    pub fn trace(&self) -> Tensor {
        let _here = scope::here();
        self.diag_part().sum(-1)
    }

    /// Matrices with zeros outside of a band: so many diagonals below and above the main one; all of them if negative.
    #[track_caller]
    #[must_use]
    pub fn band_part(&self, below: i64, above: i64) -> Tensor {
        let _here = scope::here();
        masked(self, |distance| match (below, above) {
            (..0, ..0) => distance.eq(distance),
            (..0, above) => distance.le(above),
            (below, ..0) => distance.ge(-below),
            (below, above) => distance.ge(-below).and(distance.le(above)),
        })
    }

    /// The lower triangles of matrices, up to the `k`-th diagonal above the main one, and zeros.
    ///
    /// ```
    /// use tracelift_function::Tensor;
    ///
    /// assert_eq!(Tensor::ones([2, 3]).tril(0).to_vec::<f32>()?, [1., 0., 0., 1., 1., 0.]);
    /// assert_eq!(Tensor::ones([2, 3]).triu(1).to_vec::<f32>()?, [0., 1., 1., 0., 0., 1.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn tril(&self, k: i64) -> Tensor {
        let _here = scope::here();
        masked(self, |distance| distance.le(k))
    }

    /// The upper triangles of matrices, from the `k`-th diagonal above the main one on, and zeros.
    #[track_caller]
    #[must_use]
    pub fn triu(&self, k: i64) -> Tensor {
        let _here = scope::here();
        masked(self, |distance| distance.ge(k))
    }
}

/// The matrices where a condition on the distance from the diagonal, column minus row, holds; else zeros.
#[track_caller]
fn masked(x: &Tensor, keep: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    if x.error().is_some() {
        return x.snapshot();
    }
    let shape = x.shape();
    let [.., m, n] = shape.dims() else {
        return refuse("band_part", Error::invalid(format!("wants matrices, got {}", x.ty())), &[x]);
    };
    let place = |axis| {
        let shape = Shape::from([m.clone(), n.clone()]);
        apply(Iota { dtype: DType::I64, shape, axis }, &[])
    };
    let distance = place(1) - place(0);
    keep(&distance).select(x, x.zeros_like())
}
