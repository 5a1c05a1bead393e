//! Projections of weights after each update: `non_neg`, `max_norm`, `unit_norm`, `min_max_norm`.

use tracelift_function::Tensor;

use crate::{AnyConstraint, Constraint};

/// Keeps what is not negative.
#[track_caller]
#[must_use]
pub fn non_neg(weight: &Tensor) -> Tensor {
    weight.relu()
}

/// Each column scaled to norm 1.
#[track_caller]
#[must_use]
pub fn unit_norm(weight: &Tensor) -> Tensor {
    weight / (norms(weight) + EPSILON)
}

/// Columns with at most this norm.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MaxNorm {
    /// The largest norm.
    pub max_value: f64,
}

impl Constraint for MaxNorm {
    fn call(&self, weight: &Tensor) -> Tensor {
        let norms = norms(weight);
        weight * (norms.clip(0.0, self.max_value) / (&norms + EPSILON))
    }
}

/// Columns with norms between two bounds, approached at a rate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MinMaxNorm {
    /// The smallest norm.
    pub min_value: f64,
    /// The largest norm.
    pub max_value: f64,
    /// How far towards the bounds a column goes in one step, 1 all the way.
    pub rate: f64,
}

impl Constraint for MinMaxNorm {
    fn call(&self, weight: &Tensor) -> Tensor {
        let norms = norms(weight);
        let desired = norms.clip(self.min_value, self.max_value) * self.rate + &norms * (1.0 - self.rate);
        weight * (desired / (&norms + EPSILON))
    }
}

const EPSILON: f64 = 1e-7;

/// The norm of each column.
#[track_caller]
fn norms(weight: &Tensor) -> Tensor {
    weight.square().sum_keep(0).sqrt()
}

/// The names of all.
pub(crate) const KNOWN: &[&str] = &["non_neg", "max_norm", "unit_norm", "min_max_norm"];

/// The constraint of a name, with Keras's bounds.
pub(crate) fn known(name: &str) -> Option<AnyConstraint> {
    Some(match name {
        "non_neg" | "nonneg" => non_neg.into(),
        "unit_norm" => unit_norm.into(),
        "max_norm" => MaxNorm { max_value: 2.0 }.into(),
        "min_max_norm" => MinMaxNorm { min_value: 0.0, max_value: 1.0, rate: 1.0 }.into(),
        _ => return None,
    })
}
