//! Penalties on weights: `l1`, `l2`, `l1_l2`.

use tracelift_function::Tensor;

use crate::{AnyRegularizer, Regularizer};

/// `l1 Σ|w| + l2 Σw²`.
///
/// ```
/// use tracelift_nn::{Regularizer, regularizers::l2, tensor};
///
/// assert_eq!(l2(0.5).call(&tensor([1., -2.])).item::<f32>()?, 2.5);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct L1L2 {
    /// The factor of the sum of magnitudes.
    pub l1: f64,
    /// The factor of the sum of squares.
    pub l2: f64,
}

impl Regularizer for L1L2 {
    fn call(&self, weight: &Tensor) -> Tensor {
        let magnitudes = || weight.abs().sum(..) * self.l1;
        let squares = || weight.square().sum(..) * self.l2;
        match (self.l1 == 0.0, self.l2 == 0.0) {
            (true, _) => squares(),
            (false, true) => magnitudes(),
            (false, false) => magnitudes() + squares(),
        }
    }
}

/// `factor Σ|w|`.
#[must_use]
pub fn l1(factor: f64) -> L1L2 {
    L1L2 { l1: factor, l2: 0.0 }
}

/// `factor Σw²`.
#[must_use]
pub fn l2(factor: f64) -> L1L2 {
    L1L2 { l1: 0.0, l2: factor }
}

/// `l1 Σ|w| + l2 Σw²`.
#[must_use]
pub fn l1_l2(l1: f64, l2: f64) -> L1L2 {
    L1L2 { l1, l2 }
}

/// The names of all.
pub(crate) const KNOWN: &[&str] = &["l1", "l2", "l1_l2"];

/// The regularizer of a name, with Keras's factor of 0.01.
pub(crate) fn known(name: &str) -> Option<AnyRegularizer> {
    Some(match name {
        "l1" => l1(0.01).into(),
        "l2" => l2(0.01).into(),
        "l1_l2" => l1_l2(0.01, 0.01).into(),
        _ => return None,
    })
}
