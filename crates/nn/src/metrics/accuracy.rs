//! How often predictions are right.

use tracelift_function::{DType, F32, Result, Tensor};

use super::{Mean, Metric, mean::means};
use crate::{Module, losses::matched};

/// Whether each prediction is on the target's side of a threshold.
#[track_caller]
#[must_use]
pub fn binary_accuracy(y_true: &Tensor, y_pred: &Tensor, threshold: f64) -> Tensor {
    let (y_true, y_pred) = matched(y_true, y_pred);
    y_pred.gt(threshold).cast(F32).eq(y_true.cast(F32)).cast(F32)
}

/// Whether the largest prediction is where the largest target is.
#[track_caller]
#[must_use]
pub fn categorical_accuracy(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    y_true.argmax(-1).eq(y_pred.argmax(-1)).cast(F32)
}

/// Whether the largest prediction is at the label.
///
/// ```
/// use tracelift_nn::{metrics::sparse_categorical_accuracy, tensor};
///
/// let right = sparse_categorical_accuracy(&tensor([2, 0]), &tensor([[0.1, 0.2, 0.7], [0.1, 0.9, 0.0]]));
/// assert_eq!(right.to_vec::<f32>()?, [1., 0.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn sparse_categorical_accuracy(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let column = y_true.rank() == y_pred.rank() && y_true.shape().last().is_ok_and(|n| n == 1);
    let labels = if column { y_true.squeeze(-1) } else { y_true.clone() };
    y_pred.argmax(-1).eq(labels.cast(DType::I64)).cast(F32)
}

means! {
    /// How often the largest prediction is where the largest target is.
    CategoricalAccuracy |y_true, y_pred| categorical_accuracy(y_true, y_pred);
    /// How often the largest prediction is at the label.
    SparseCategoricalAccuracy |y_true, y_pred| sparse_categorical_accuracy(y_true, y_pred);
    /// How often predictions are right: binary, by label or by class, as the shapes say.
    Accuracy |y_true, y_pred| accuracy(y_true, y_pred);
}

/// The accuracy that fits the shapes: one output is binary, one target a label, more of both are classes.
#[track_caller]
fn accuracy(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let width = |x: &Tensor| x.shape().last().unwrap_or(1);
    if width(y_pred) == 1 {
        binary_accuracy(y_true, y_pred, 0.5).mean(-1)
    } else if y_true.rank() < y_pred.rank() || width(y_true) == 1 {
        sparse_categorical_accuracy(y_true, y_pred)
    } else {
        categorical_accuracy(y_true, y_pred)
    }
}

/// How often predictions are on the target's side of a threshold.
#[derive(Module)]
pub struct BinaryAccuracy {
    threshold: f64,
    mean: Mean,
}

impl BinaryAccuracy {
    /// With a threshold, usually one half.
    #[must_use]
    pub fn new(threshold: f64) -> Self {
        BinaryAccuracy { threshold, mean: Mean::new() }
    }
}

impl Metric for BinaryAccuracy {
    fn update_state(&self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>) -> Result {
        self.mean.update_values(&binary_accuracy(y_true, y_pred, self.threshold).mean(-1), sample_weight)
    }

    fn result(&self) -> Tensor {
        self.mean.mean()
    }
}
