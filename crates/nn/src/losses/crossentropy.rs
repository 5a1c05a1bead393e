//! Losses between distributions, from probabilities or from logits.
//!
//! Probabilities are clipped to `[1e-7, 1 - 1e-7]`, through which no gradient flows where it acts.

use tracelift_function::{Array, DType, Error, Result, Shape, Tensor, assert_all, select};

use super::{Reduction, matched};
use crate::Loss;

const EPSILON: f64 = 1e-7;

#[track_caller]
fn clipped(probabilities: &Tensor) -> Tensor {
    probabilities.clip(EPSILON, 1.0 - EPSILON)
}

/// The cross-entropy of independent yes-or-no targets, the mean over the last axis.
///
/// ```
/// use tracelift_nn::{losses::binary_crossentropy, tensor};
///
/// let loss = binary_crossentropy(&tensor([[1., 0.]]), &tensor([[0.5, 0.5]]), false);
/// assert_eq!(loss.to_vec::<f32>()?, [2f32.ln()]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn binary_crossentropy(y_true: &Tensor, y_pred: &Tensor, from_logits: bool) -> Tensor {
    let (y_true, y_pred) = matched(y_true, y_pred);
    if from_logits {
        // -y ln σ(x) - (1 - y) ln (1 - σ(x)) = softplus(x) - x y
        return (y_pred.softplus() - y_pred * y_true).mean(-1);
    }
    let p = clipped(&y_pred);
    -(&y_true * p.log() + (1.0 - &y_true) * (1.0 - &p).log()).mean(-1)
}

/// The cross-entropy of distributions over classes, along the last axis.
///
/// Predictions that are no logits are scaled to sum to one.
#[track_caller]
#[must_use]
pub fn categorical_crossentropy(y_true: &Tensor, y_pred: &Tensor, from_logits: bool) -> Tensor {
    let y_true = if y_true.dtype() == y_pred.dtype() { y_true.clone() } else { y_true.cast(y_pred.dtype()) };
    if let Err(error) = same_shape("categorical_crossentropy", &y_true, y_pred) {
        return Tensor::failed(error);
    }
    let log_p = if from_logits { y_pred.log_softmax(-1) } else { clipped(&(y_pred / y_pred.sum_keep(-1))).log() };
    -(y_true * log_p).sum(-1)
}

/// The cross-entropy of class numbers, along the last axis of the predictions.
///
/// A class number that does not exist is an error; in a traced function, of the call that met it, which then leaves all
/// variables as they were.
///
/// ```
/// use tracelift_nn::{losses::sparse_categorical_crossentropy, tensor};
///
/// let p = tensor([[0.25, 0.75]]);
/// let loss = sparse_categorical_crossentropy(&tensor([1]), &p, false).item::<f32>()?;
/// assert!((loss + 0.75f32.ln()).abs() < 1e-6);
/// assert!(sparse_categorical_crossentropy(&tensor([2]), &p, false).error().is_some());
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn sparse_categorical_crossentropy(y_true: &Tensor, y_pred: &Tensor, from_logits: bool) -> Tensor {
    let labels = labels_of(y_true, y_pred);
    let log_p = if from_logits { y_pred.log_softmax(-1) } else { clipped(y_pred).log().log_softmax(-1) };
    let classes = match y_pred.shape().last() {
        Ok(classes) => classes,
        Err(error) => return Tensor::failed(error.op("sparse_categorical_crossentropy")),
    };
    let checked = match labels.is_traced() {
        true => assert_all(&labels.ge(0).and(labels.lt(classes)), &format!("got a label {}", not_among(classes))),
        false => labels.clone().ok().and_then(|labels| labels.to_array()).and_then(|labels| in_range(&labels, classes)),
    };
    if let Err(error) = checked {
        return Tensor::failed(error.op("sparse_categorical_crossentropy"));
    }
    // Chosen rather than multiplied: a probability of 0 elsewhere is no NaN here.
    -select(&labels.one_hot(classes).gt(0.5), &log_p, 0.0).sum(-1)
}

/// Labels as integers, without a last axis of size one.
#[track_caller]
fn labels_of(y_true: &Tensor, y_pred: &Tensor) -> Tensor {
    let labels = if y_true.dtype().is_int() { y_true.clone() } else { y_true.cast(DType::I64) };
    let column = labels.rank() == y_pred.rank() && labels.shape().last().is_ok_and(|n| n == 1);
    if column { labels.squeeze(-1) } else { labels }
}

/// That every label is the number of a class.
fn in_range(labels: &Array, classes: usize) -> Result {
    let is_class = |i: usize| usize::try_from(labels.get_i64(i)).is_ok_and(|label| label < classes);
    match (0..labels.len()).find(|&i| !is_class(i)) {
        None => Ok(()),
        Some(i) => {
            let row = i / labels.shape().iter().skip(1).product::<usize>().max(1);
            let label = labels.get_f64(i);
            let message = format!("got the label {label} in row {row}, {}", not_among(classes));
            Err(Error::invalid(message).help("the model's last layer needs as many units as there are classes"))
        }
    }
}

fn not_among(classes: usize) -> String {
    format!("which is not one of {classes} classes, numbered from 0")
}

fn same_shape(op: &str, y_true: &Tensor, y_pred: &Tensor) -> Result {
    let (target, output) = (y_true.shape(), y_pred.shape());
    let fits = target.rank() == output.rank()
        && target.iter().zip(output.iter()).all(|(a, b)| a == b || a.known().is_none() || b.known().is_none());
    if fits || y_true.error().is_some() || y_pred.error().is_some() {
        return Ok(());
    }
    let error = Error::value(format!("cannot compare targets of shape {target} with outputs of shape {output}")).op(op);
    Err(error.help("class numbers go with `sparse_categorical_crossentropy`"))
}

/// Targets moved towards equal shares: `y (1 - s) + s / n`.
#[track_caller]
fn smoothed(y_true: &Tensor, smoothing: f64, classes: f64) -> Tensor {
    if smoothing == 0.0 {
        return y_true.clone();
    }
    y_true * (1.0 - smoothing) + smoothing / classes
}

/// [`binary_crossentropy`] as a loss.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct BinaryCrossentropy {
    /// Whether predictions are logits rather than probabilities.
    pub from_logits: bool,
    /// How far targets are moved towards one half.
    pub label_smoothing: f64,
    /// How samples become one number.
    pub reduction: Reduction,
}

impl Loss for BinaryCrossentropy {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        let (y_true, y_pred) = matched(y_true, y_pred);
        binary_crossentropy(&smoothed(&y_true, self.label_smoothing, 2.0), &y_pred, self.from_logits)
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }
}

/// [`categorical_crossentropy`] as a loss.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct CategoricalCrossentropy {
    /// Whether predictions are logits rather than probabilities.
    pub from_logits: bool,
    /// How far targets are moved towards equal shares.
    pub label_smoothing: f64,
    /// How samples become one number.
    pub reduction: Reduction,
}

impl Loss for CategoricalCrossentropy {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        let y_true = if y_true.dtype() == y_pred.dtype() { y_true.clone() } else { y_true.cast(y_pred.dtype()) };
        let classes = y_pred.shape().last().unwrap_or(1) as f64;
        categorical_crossentropy(&smoothed(&y_true, self.label_smoothing, classes), y_pred, self.from_logits)
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }
}

/// [`sparse_categorical_crossentropy`] as a loss.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct SparseCategoricalCrossentropy {
    /// Whether predictions are logits rather than probabilities.
    pub from_logits: bool,
    /// How samples become one number.
    pub reduction: Reduction,
}

impl Loss for SparseCategoricalCrossentropy {
    #[track_caller]
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        sparse_categorical_crossentropy(y_true, y_pred, self.from_logits)
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn check_targets(&self, y_true: &Array, outputs: &Shape) -> Result {
        in_range(y_true, outputs.last()?).map_err(|error| error.op("sparse_categorical_crossentropy"))
    }
}
