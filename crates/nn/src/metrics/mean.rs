//! Metrics that are weighted means.

use tracelift_function::{F32, Result, Tensor, tensor};

use super::Metric;
use crate::{
    AnyLoss, Module, Weight,
    losses::{mean_absolute_error, mean_squared_error, spread},
    objects::IntoAny,
};

/// The weighted mean of values; in `compile`, of the predictions.
///
/// ```
/// use tracelift_nn::{Metric, metrics::Mean, tensor};
///
/// let mean = Mean::new();
/// mean.update_values(&tensor([1., 3., 5.]), Some(&tensor([1., 0., 2.])))?;
/// assert_eq!(mean.result().item::<f32>()?, 11. / 3.);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Module)]
pub struct Mean {
    total: Weight,
    count: Weight,
}

impl Mean {
    /// The mean of nothing, which is zero.
    #[must_use]
    pub fn new() -> Self {
        Mean { total: Weight::zeros(()), count: Weight::zeros(()) }
    }

    /// Takes values in, each with its weight or with weight one.
    pub fn update_values(&self, values: &Tensor, sample_weight: Option<&Tensor>) -> Result {
        let values = if values.dtype() == F32 { values.clone() } else { values.cast(F32) };
        let (total, count) = match sample_weight {
            Some(weights) => {
                let weights = spread(weights, &values) + values.zeros_like();
                ((values * &weights).sum(..), weights.sum(..))
            }
            None => (values.sum(..), values.size().cast(F32)),
        };
        self.total.assign_add(total)?;
        self.count.assign_add(count)?;
        Ok(())
    }

    /// The mean so far.
    #[must_use]
    pub fn mean(&self) -> Tensor {
        let none = self.count.eq(0);
        none.select(0.0, self.total.value() / none.select(tensor(1.0), &self.count))
    }
}

impl Default for Mean {
    fn default() -> Self {
        Self::new()
    }
}

impl Metric for Mean {
    fn update_state(&self, _: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>) -> Result {
        self.update_values(y_pred, sample_weight)
    }

    fn result(&self) -> Tensor {
        self.mean()
    }
}

/// The mean of a loss, by its samples.
#[derive(Module)]
pub struct MeanOf {
    loss: AnyLoss,
    mean: Mean,
}

impl MeanOf {
    /// The mean of a loss: a name, function, closure or struct.
    #[must_use]
    pub fn new(loss: impl IntoAny<AnyLoss>) -> Self {
        MeanOf { loss: loss.into_any(), mean: Mean::new() }
    }
}

impl Metric for MeanOf {
    fn update_state(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>) -> Result {
        self.mean.update_values(&self.loss.call(y_true, y_pred), sample_weight)
    }

    fn result(&self) -> Tensor {
        self.mean.result()
    }

    fn name(&self) -> String {
        self.loss.name()
    }
}

/// Metrics that are the mean of a function of targets and predictions, without settings.
macro_rules! means {
    ($($(#[$doc:meta])* $Metric:ident |$y_true:ident, $y_pred:ident| $values:expr;)*) => {$(
        $(#[$doc])*
        #[derive($crate::Module)]
        pub struct $Metric {
            mean: $crate::metrics::Mean,
        }

        impl $Metric {
            /// The mean of nothing, which is zero.
            #[must_use]
            pub fn new() -> Self {
                $Metric { mean: $crate::metrics::Mean::new() }
            }
        }

        impl Default for $Metric {
            fn default() -> Self {
                Self::new()
            }
        }

        impl $crate::Metric for $Metric {
            fn update_state(
                &self,
                $y_true: &::tracelift_function::Tensor,
                $y_pred: &::tracelift_function::Tensor,
                sample_weight: Option<&::tracelift_function::Tensor>,
            ) -> ::tracelift_function::Result {
                self.mean.update_values(&$values, sample_weight)
            }

            fn result(&self) -> ::tracelift_function::Tensor {
                self.mean.mean()
            }
        }
    )*};
}
pub(crate) use means;

means! {
    /// The mean squared error.
    MeanSquaredError |y_true, y_pred| mean_squared_error(y_true, y_pred);
    /// The mean absolute error.
    MeanAbsoluteError |y_true, y_pred| mean_absolute_error(y_true, y_pred);
}
