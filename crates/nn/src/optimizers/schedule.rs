//! Learning rates: a number, or a function of the step.

use std::sync::Arc;

use tracelift_function::{F32, Tensor};

/// A learning rate: a number, or a function of the number of steps done, i64.
///
/// ```
/// use tracelift_nn::{F64, Schedule, Tensor, tensor};
///
/// let halving = Schedule::from(|step: &Tensor| 0.1 * Tensor::from(0.5).pow(step.cast(F64)));
/// assert_eq!(halving.at(&tensor(2i64)).item::<f32>()?, 0.025);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Clone)]
pub struct Schedule(Kind);

#[derive(Clone)]
enum Kind {
    Number(f64),
    Function(Arc<dyn Fn(&Tensor) -> Tensor + Send + Sync>),
}

impl Schedule {
    /// The rate after so many steps, f32.
    #[must_use]
    pub fn at(&self, steps: &Tensor) -> Tensor {
        match &self.0 {
            Kind::Number(rate) => Tensor::from(*rate as f32),
            Kind::Function(f) => f(steps).cast(F32),
        }
    }
}

impl From<f64> for Schedule {
    fn from(rate: f64) -> Self {
        Schedule(Kind::Number(rate))
    }
}

impl<F: Fn(&Tensor) -> Tensor + Send + Sync + 'static> From<F> for Schedule {
    fn from(f: F) -> Self {
        Schedule(Kind::Function(Arc::new(f)))
    }
}
