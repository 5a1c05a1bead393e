//! Gradient descent, with momentum and Nesterov's variant of it.

use tracelift_function::{Result, Tensor, Variable};

use super::{Optimizer, Rules, Schedule, Slots, shared_options};
use crate::Module;

/// Gradient descent: `w -= rate · g`.
///
/// ```
/// use tracelift_nn::{Optimizer, Sgd, Variable, tensor};
///
/// let w = Variable::new([1., 2.]);
/// Sgd::new(0.5).apply(&[tensor([1., -1.])], std::slice::from_ref(&w))?;
/// assert_eq!(w.to_vec::<f32>()?, [0.5, 2.5]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Module)]
pub struct Sgd {
    momentum: f64,
    nesterov: bool,
    velocity: Slots,
    rules: Rules,
}

impl Sgd {
    /// With a learning rate, a number or a schedule.
    #[must_use]
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Sgd { momentum: 0.0, nesterov: false, velocity: Slots::default(), rules: Rules::new(learning_rate) }
    }

    /// With momentum: steps go on in part.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Self {
        Sgd { momentum, ..self }
    }

    /// With Nesterov's momentum, which looks ahead.
    #[must_use]
    pub fn nesterov(self) -> Self {
        Sgd { nesterov: true, ..self }
    }
}

shared_options!(Sgd, 0.01);

impl Optimizer for Sgd {
    // m = μ m - rate g; w += m, or with Nesterov w += μ m - rate g
    fn update(&self, variable: &Variable, gradient: &Tensor, learning_rate: &Tensor) -> Result {
        let step = gradient * learning_rate;
        if self.momentum == 0.0 {
            return variable.assign_sub(step).map(|_| ());
        }
        let velocity = self.velocity.of(variable);
        let moved = velocity.assign(velocity.value() * self.momentum - &step)?;
        let change = if self.nesterov { moved * self.momentum - step } else { moved };
        variable.assign_add(change).map(|_| ())
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }
}
