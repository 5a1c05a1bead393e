//! Losses between numbers: squared, absolute, Huber's.

use tracelift_function::Tensor;

use super::{Reduction, matched};
use crate::Loss;

/// The mean of squared differences over the last axis.
///
/// ```
/// use tracelift_nn::{losses::mean_squared_error, tensor};
///
/// let loss = mean_squared_error(&tensor([[0., 1.], [2., 3.]]), &tensor([[0., 3.], [2., 3.]]));
/// assert_eq!(loss.to_vec::<f32>()?, [2., 0.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn mean_squared_error(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = matched(y_true, y_pred);
    (y_true - y_pred).square().mean(-1)
}

/// The mean of absolute differences over the last axis.
#[track_caller]
#[must_use]
pub fn mean_absolute_error(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let (y_true, y_pred) = matched(y_true, y_pred);
    (y_true - y_pred).abs().mean(-1)
}

/// Half the square of differences up to `delta`, a straight line beyond; the mean over the last axis.
#[track_caller]
#[must_use]
pub fn huber(y_true: &Tensor, y_pred: &Tensor, delta: f64) -> Tensor {
    let (y_true, y_pred) = matched(y_true, y_pred);
    let error = y_pred - y_true;
    let distance = error.abs();
    let line = &distance * delta - 0.5 * delta * delta;
    distance.le(delta).select(error.square() * 0.5, line).mean(-1)
}

macro_rules! classes {
    ($($(#[$doc:meta])* $Class:ident $function:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Default, Debug)]
        pub struct $Class {
            /// How samples become one number.
            pub reduction: Reduction,
        }

        impl Loss for $Class {
            #[track_caller]
            fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
                $function(y_true, y_pred)
            }

            fn reduction(&self) -> Reduction {
                self.reduction
            }
        }
    )*};
}
classes! {
    /// [`mean_squared_error`] as a loss.
    MeanSquaredError mean_squared_error;
    /// [`mean_absolute_error`] as a loss.
    MeanAbsoluteError mean_absolute_error;
}

/// [`huber`] as a loss.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Huber {
    /// Up to where differences are squared.
    pub delta: f64,
    /// How samples become one number.
    pub reduction: Reduction,
}

impl Huber {
    /// With a threshold.
    #[must_use]
    pub fn new(delta: f64) -> Self {
        Huber { delta, reduction: Reduction::default() }
    }
}

impl Default for Huber {
    /// With a threshold of 1.
    fn default() -> Self {
        Huber::new(1.0)
    }
}

impl Loss for Huber {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        huber(y_true, y_pred, self.delta)
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }
}
