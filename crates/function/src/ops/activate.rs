//! Activation functions and normalisations, composed of ops.

use tracelift_ir::ops::Max;

use super::combine;
use crate::{Operand, Tensor, dispatch::refuse};

impl Tensor {
    /// The positive part: `max(0, x)`; its gradient at 0 is 0.
    #[track_caller]
    #[must_use]
    pub fn relu(&self) -> Tensor {
        // Zero comes first: at a tie the gradient goes to it.
        combine(Max.into(), &0.operand(self), self)
    }

    /// `ln(1 + exp(x))` without overflow; its gradient is the logistic function everywhere.
    #[track_caller]
    #[must_use]
    pub fn softplus(&self) -> Tensor {
        // |x| and max(x, 0) by one condition, whose gradient at 0 is that of the right side: 1 - 1/2.
        let right = self.ge(0);
        let positive = right.select(self, self.zeros_like());
        let distance = right.select(self, -self);
        positive + (-distance).exp().log1p()
    }

    /// `x Φ(x)` with the normal distribution function Φ, by the error function.
    #[track_caller]
    #[must_use]
    pub fn gelu(&self) -> Tensor {
        self * 0.5 * ((self * std::f64::consts::FRAC_1_SQRT_2).erf() + 1)
    }

    /// `x` where not negative, else `exp(x) - 1`.
    #[track_caller]
    #[must_use]
    pub fn elu(&self) -> Tensor {
        self.lt(0).select(self.minimum(0).expm1(), self)
    }

    /// The exponential linear unit with the scales that keep mean and variance.
    #[track_caller]
    #[must_use]
    pub fn selu(&self) -> Tensor {
        const ALPHA: f64 = 1.673_263_242_354_377_2;
        const SCALE: f64 = 1.050_700_987_355_480_5;
        // The gradient at 0 is that of the right side, as in TensorFlow.
        self.lt(0).select(self.minimum(0).expm1() * ALPHA, self) * SCALE
    }

    /// `x` times its logistic function.
    #[track_caller]
    #[must_use]
    pub fn silu(&self) -> Tensor {
        self * self.sigmoid()
    }

    /// `exp(x)`, scaled to sum to one along an axis.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// assert_eq!(tensor([1000., 1000.]).softmax(-1).to_vec::<f32>()?, [0.5, 0.5]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn softmax(&self, axis: i32) -> Tensor {
        let exp = self.shifted("softmax", axis).exp();
        &exp / exp.sum_keep(axis)
    }

    /// The logarithm of [`softmax`](Self::softmax), without its rounding errors.
    #[track_caller]
    #[must_use]
    pub fn log_softmax(&self, axis: i32) -> Tensor {
        let shifted = self.shifted("log_softmax", axis);
        &shifted - shifted.exp().sum_keep(axis).log()
    }

    /// What is left after taking off the largest along an axis, through which no gradient flows.
    #[track_caller]
    fn shifted(&self, op: &str, axis: i32) -> Tensor {
        if !self.dtype().is_float() && self.error().is_none() {
            let error = tracelift_tensor::Error::type_(format!("wants floats, got {}", self.ty()));
            return refuse(op, error.help("cast first: `.cast(F32)`"), &[self]);
        }
        self - self.max_keep(axis).stop_gradient()
    }
}
