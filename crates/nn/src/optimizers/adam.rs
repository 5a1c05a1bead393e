//! Adam.

use tracelift_function::{Result, Tensor, Variable};

use super::{EPSILON, Optimizer, Rules, Schedule, Slots, exact, power, rounded, shared_options};
use crate::Module;

/// Adam: steps of the size of the learning rate, by running means of gradients and of their squares.
///
/// ```
/// use tracelift_nn::{Adam, Optimizer, Variable, tensor};
///
/// let w = Variable::new([1., 2.]);
/// Adam::new(0.5).apply(&[tensor([10., -0.1])], std::slice::from_ref(&w))?;
/// let w = w.to_vec::<f32>()?;
/// assert!((w[0] - 0.5).abs() < 1e-4 && (w[1] - 2.5).abs() < 1e-4);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Module)]
pub struct Adam {
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    means: Slots,
    squares: Slots,
    rules: Rules,
}

impl Adam {
    /// With a learning rate, a number or a schedule.
    #[must_use]
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Adam {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: EPSILON,
            means: Slots::default(),
            squares: Slots::default(),
            rules: Rules::new(learning_rate),
        }
    }

    /// With other weights of the past in the running means.
    #[must_use]
    pub fn betas(self, beta_1: f64, beta_2: f64) -> Self {
        Adam { beta_1, beta_2, ..self }
    }

    /// With another number added to the root.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Adam { epsilon, ..self }
    }
}

shared_options!(Adam, 0.001);

impl Optimizer for Adam {
    // m += (1 - β₁)(g - m); v += (1 - β₂)(g² - v); w -= rate √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε)
    fn update(&self, variable: &Variable, gradient: &Tensor, learning_rate: &Tensor) -> Result {
        let t = self.rules.step_number();
        let rate = exact(learning_rate) * (1.0 - power(self.beta_2, &t)).sqrt() / (1.0 - power(self.beta_1, &t));
        let (mean, square) = (self.means.of(variable), self.squares.of(variable));
        let m = mean.assign_add((gradient - &mean) * (1.0 - self.beta_1))?;
        let v = square.assign_add((gradient.square() - &square) * (1.0 - self.beta_2))?;
        variable.assign_sub(m * rounded(&rate) / (v.sqrt() + self.epsilon)).map(|_| ())
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }
}
