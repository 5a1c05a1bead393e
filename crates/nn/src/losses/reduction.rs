//! From the losses of samples to one number.

use tracelift_function::Tensor;

use crate::module::no_weights;

/// How the losses of the samples of a batch become one number.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Reduction {
    /// Their sum, divided by how many they are; weights do not count in the division.
    #[default]
    SumOverBatchSize,
    /// Their sum.
    Sum,
    /// The same as `SumOverBatchSize`.
    Mean,
    /// Their sum, divided by the sum of the weights.
    MeanWithSampleWeight,
    /// They stay as they are.
    None,
}

no_weights!(Reduction);

/// Weighs and reduces the losses of samples.
///
/// ```
/// use tracelift_nn::{losses::{Reduction, reduce}, tensor};
///
/// let (values, weights) = (tensor([1., 3.]), tensor([1., 0.]));
/// let reduced = |how| reduce(&values, Some(&weights), how).item::<f32>();
/// assert_eq!(reduced(Reduction::SumOverBatchSize)?, 0.5);
/// assert_eq!(reduced(Reduction::MeanWithSampleWeight)?, 1.0);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn reduce(values: &Tensor, sample_weight: Option<&Tensor>, reduction: Reduction) -> Tensor {
    let weights = sample_weight.map(|weight| spread(weight, values));
    let weighted = match &weights {
        Some(weights) => values * weights,
        None => values.clone(),
    };
    match (reduction, &weights) {
        (Reduction::None, _) => weighted,
        (Reduction::Sum, _) => weighted.sum(..),
        (Reduction::MeanWithSampleWeight, Some(weights)) => {
            let divisor = (weights + values.zeros_like()).sum(..);
            divisor.eq(0).select(0.0, weighted.sum(..) / &divisor)
        }
        (Reduction::SumOverBatchSize | Reduction::Mean | Reduction::MeanWithSampleWeight, _) => weighted.mean(..),
    }
}

/// Weights in the dtype and rank of the values they weigh.
#[track_caller]
pub(crate) fn spread(weights: &Tensor, values: &Tensor) -> Tensor {
    let mut weights = if weights.dtype() == values.dtype() { weights.clone() } else { weights.cast(values.dtype()) };
    while weights.rank() > values.rank() && weights.shape().last().is_ok_and(|n| n == 1) {
        weights = weights.squeeze(-1);
    }
    while weights.rank() < values.rank() && weights.rank() > 0 {
        weights = weights.expand_dims(-1);
    }
    weights
}
