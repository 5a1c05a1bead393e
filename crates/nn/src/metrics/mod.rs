//! Metrics: values that run over batches, held in variables.

mod mean;
mod accuracy;

use std::{any::Any, fmt, sync::Arc};

use tracelift_function::{Error, Result, Tensor, Variable};

pub use accuracy::{
    Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy, binary_accuracy, categorical_accuracy,
    sparse_categorical_accuracy,
};
pub use mean::{Mean, MeanAbsoluteError, MeanOf, MeanSquaredError};

use crate::{AnyLoss, Module, name::snake_case, objects::IntoAny, suggest::unknown};

/// A value that runs over batches.
///
/// ```
/// use tracelift_nn::{Metric, metrics::MeanAbsoluteError, tensor};
///
/// let mae = MeanAbsoluteError::new();
/// mae.update_state(&tensor([[1.]]), &tensor([[2.]]), None)?;
/// assert_eq!(mae.update(&tensor([[1.]]), &tensor([[4.]]))?.item::<f32>()?, 2.0);
/// mae.reset_state()?;
/// assert_eq!(mae.result().item::<f32>()?, 0.0);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
pub trait Metric: Module {
    /// Takes one batch in.
    fn update_state(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>) -> Result;

    /// The value so far.
    fn result(&self) -> Tensor;

    /// Begins anew: all variables become zero.
    fn reset_state(&self) -> Result {
        self.variables().iter().try_for_each(|variable: &Variable| variable.assign(variable.zeros_like()).map(|_| ()))
    }

    /// Its name in the history: the type's, in snake case.
    fn name(&self) -> String {
        snake_case(std::any::type_name::<Self>())
    }

    /// Takes one batch in and gives the value so far.
    fn update(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        self.update_state(y_true, y_pred, None)?;
        self.result().ok()
    }
}

/// Any metric, with the name it was asked for by; clones are the same metric.
#[derive(Clone)]
pub struct AnyMetric {
    metric: Result<Arc<dyn Metric>>,
    name: Option<String>,
}

const KNOWN: &[&str] = &[
    "mse",
    "mean_squared_error",
    "mae",
    "mean_absolute_error",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
];

impl AnyMetric {
    /// The mean of a loss.
    pub fn mean_of(loss: impl IntoAny<AnyLoss>) -> Self {
        MeanOf::new(loss).into()
    }

    /// The concrete metric, if it is an `M`.
    pub fn get<M: Metric>(&self) -> Option<&M> {
        let metric: &dyn Any = &**self.metric.as_ref().ok()?;
        metric.downcast_ref()
    }

    /// The metric, or the error of an unknown name.
    pub fn metric(&self) -> Result<&dyn Metric> {
        self.metric.as_deref().map_err(Error::clone)
    }

    /// Its name in the history: the one it was asked for by, or its own.
    pub fn name(&self) -> String {
        let own = || self.metric().map_or_else(|_| "unknown".to_owned(), Metric::name);
        self.name.clone().unwrap_or_else(own)
    }
}

impl From<&str> for AnyMetric {
    fn from(name: &str) -> Self {
        let metric: Result<Arc<dyn Metric>> = match name {
            "mse" | "MSE" | "mean_squared_error" | "MeanSquaredError" => Ok(Arc::new(MeanSquaredError::new())),
            "mae" | "MAE" | "mean_absolute_error" | "MeanAbsoluteError" => Ok(Arc::new(MeanAbsoluteError::new())),
            "accuracy" | "acc" => Ok(Arc::new(Accuracy::new())),
            "binary_accuracy" | "BinaryAccuracy" => Ok(Arc::new(BinaryAccuracy::new(0.5))),
            "categorical_accuracy" | "CategoricalAccuracy" => Ok(Arc::new(CategoricalAccuracy::new())),
            "sparse_categorical_accuracy" | "SparseCategoricalAccuracy" => {
                Ok(Arc::new(SparseCategoricalAccuracy::new()))
            }
            _ => Err(unknown("metric", name, KNOWN)),
        };
        AnyMetric { metric, name: Some(name.to_owned()) }
    }
}

impl<M: Metric> From<M> for AnyMetric {
    fn from(metric: M) -> Self {
        AnyMetric { metric: Ok(Arc::new(metric)), name: None }
    }
}

impl<M: Metric> IntoAny<AnyMetric> for M {
    fn into_any(self) -> AnyMetric {
        self.into()
    }
}

impl IntoAny<AnyMetric> for &str {
    fn into_any(self) -> AnyMetric {
        self.into()
    }
}

impl IntoAny<AnyMetric> for AnyMetric {
    fn into_any(self) -> AnyMetric {
        self
    }
}

impl fmt::Debug for AnyMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
