//! Windows of a tensor: what convolutions, pooling and frames of signals are made of.

use tracelift_ir::ops::{self, WindowAxis};
use tracelift_tensor::{Error, Result};

use crate::{
    Tensor,
    dispatch::{apply, poison, refuse},
};

/// How one axis is cut into windows: adjacent elements, one window beginning at each, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    axis: i32,
    size: usize,
    stride: usize,
    dilation: usize,
}

impl Window {
    /// Windows of `size` elements along an axis; negative axes count from the end.
    #[must_use]
    pub fn new(axis: i32, size: usize) -> Self {
        Window { axis, size, stride: 1, dilation: 1 }
    }

    /// From the beginning of one window to that of the next.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Window { stride, ..self }
    }

    /// From one element of a window to the next.
    #[must_use]
    pub fn dilation(self, dilation: usize) -> Self {
        Window { dilation, ..self }
    }
}

impl Tensor {
    /// All windows along some axes: `y[.., o, k, ..] = x[.., stride * o + dilation * k, ..]`.
    ///
    /// An axis becomes the number of its windows; the elements of a window are new axes, in ascending order, directly behind
    /// the last axis that has windows: `f32[N, H, W, C]` becomes `f32[N, H', W', h, w, C]`.
    /// Nothing is copied where the next operation can read the tensor itself.
    ///
    /// ```
    /// use tracelift_function::{Window, tensor};
    ///
    /// let x = tensor([1., 2., 3., 4.]);
    /// let pairs = x.windows(&[Window::new(0, 2)]);
    /// assert_eq!(pairs.shape(), [3, 2]);
    /// assert_eq!(pairs.sum(1).to_vec::<f32>()?, [3., 5., 7.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn windows(&self, windows: &[Window]) -> Tensor {
        match windows_of(self, windows) {
            Ok(op) => apply(op, &[self]),
            Err(error) => refuse("windows", error, &[self]),
        }
    }

    /// The tensor with windows added where [`windows`](Self::windows) takes them from.
    ///
    /// ```
    /// use tracelift_function::{Tensor, Window, tensor};
    ///
    /// let frames = tensor([[1., 2.], [10., 20.], [100., 200.]]);
    /// let signal = Tensor::zeros([4]).overlap_add(&frames, &[Window::new(0, 2)]);
    /// assert_eq!(signal.to_vec::<f32>()?, [1., 12., 120., 200.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn overlap_add(&self, frames: &Tensor, windows: &[Window]) -> Tensor {
        if let Some(poisoned) = poison(&[self, frames]) {
            return poisoned;
        }
        match windows_of(self, windows) {
            Ok(windows) => apply(ops::OverlapAdd { windows }, &[self, frames]),
            Err(error) => refuse("overlap_add", error, &[self, frames]),
        }
    }
}

/// The op, whose axes count from the front and ascend.
fn windows_of(x: &Tensor, windows: &[Window]) -> Result<ops::Windows> {
    let shape = x.shape();
    let axis = |window: &Window| -> Result<WindowAxis> {
        let Window { axis, size, stride, dilation } = *window;
        Ok(WindowAxis { axis: shape.axis(axis.into())?, size, stride, dilation })
    };
    let mut axes = windows.iter().map(axis).collect::<Result<Vec<_>, Error>>()?;
    axes.sort_by_key(|window| window.axis);
    Ok(ops::Windows { axes: axes.into() })
}
