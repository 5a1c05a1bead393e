//! Losses: one value per sample, reduced to one number by [`reduce`].

mod reduction;
mod regression;
mod crossentropy;

use tracelift_function::Tensor;

pub use crossentropy::{
    BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy, binary_crossentropy,
    categorical_crossentropy, sparse_categorical_crossentropy,
};
pub(crate) use reduction::spread;
pub use reduction::{Reduction, reduce};
pub use regression::{Huber, MeanAbsoluteError, MeanSquaredError, huber, mean_absolute_error, mean_squared_error};

use crate::AnyLoss;

/// The names of all.
pub(crate) const KNOWN: &[&str] = &[
    "mse",
    "mean_squared_error",
    "mae",
    "mean_absolute_error",
    "huber",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
];

/// The loss of a name: Keras's short forms, function names and class names.
pub(crate) fn known(name: &str) -> Option<AnyLoss> {
    Some(match name {
        "mse" | "MSE" | "mean_squared_error" | "MeanSquaredError" => MeanSquaredError::default().into(),
        "mae" | "MAE" | "mean_absolute_error" | "MeanAbsoluteError" => MeanAbsoluteError::default().into(),
        "huber" | "Huber" => Huber::default().into(),
        "binary_crossentropy" | "bce" | "BinaryCrossentropy" => BinaryCrossentropy::default().into(),
        "categorical_crossentropy" | "CategoricalCrossentropy" => CategoricalCrossentropy::default().into(),
        "sparse_categorical_crossentropy" | "SparseCategoricalCrossentropy" => {
            SparseCategoricalCrossentropy::default().into()
        }
        _ => return None,
    })
}

/// Targets and predictions brought to one rank and dtype: a last axis of size one is put in or taken out.
#[track_caller]
pub(crate) fn matched(y_true: &Tensor, y_pred: &Tensor) -> (Tensor, Tensor) {
    let (y_true, y_pred) = same_rank(y_true, y_pred);
    let y_true = if y_true.dtype() == y_pred.dtype() { y_true } else { y_true.cast(y_pred.dtype()) };
    (y_true, y_pred)
}

#[track_caller]
fn same_rank(a: &Tensor, b: &Tensor) -> (Tensor, Tensor) {
    let ends_in_one = |x: &Tensor| x.shape().last().is_ok_and(|n| n == 1);
    if a.rank() == b.rank() + 1 && ends_in_one(a) {
        return if b.rank() == 1 { (a.clone(), b.expand_dims(-1)) } else { (a.squeeze(-1), b.clone()) };
    }
    if b.rank() == a.rank() + 1 && ends_in_one(b) {
        return if a.rank() == 1 { (a.expand_dims(-1), b.clone()) } else { (a.clone(), b.squeeze(-1)) };
    }
    (a.clone(), b.clone())
}
