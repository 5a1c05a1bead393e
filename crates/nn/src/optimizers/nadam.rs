//! Nadam: Adam with Nesterov's momentum.

use tracelift_function::{Result, Tensor, Variable, eagerly};

use super::{EPSILON, Optimizer, Rules, Schedule, Slots, exact, power, rounded, shared_options};
use crate::Module;

/// Adam with Nesterov's momentum.
///
/// ```
/// use tracelift_nn::{Nadam, Optimizer, Variable, tensor};
///
/// let w = Variable::new(1.0);
/// Nadam::new(0.001).apply(&[tensor(0.783)], std::slice::from_ref(&w))?;
/// assert!((w.item::<f32>()? - 0.998_937_1).abs() < 1e-6);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Module)]
pub struct Nadam {
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    means: Slots,
    squares: Slots,
    /// The product of all momentum factors so far, f64.
    product: Variable,
    rules: Rules,
}

impl Nadam {
    /// With a learning rate, a number or a schedule.
    #[must_use]
    pub fn new(learning_rate: impl Into<Schedule>) -> Self {
        Nadam {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: EPSILON,
            means: Slots::default(),
            squares: Slots::default(),
            product: eagerly(|| Variable::new(Tensor::from(1.0f64)).named("momentum_product").not_trainable()),
            rules: Rules::new(learning_rate),
        }
    }

    /// With other weights of the past in the running means.
    #[must_use]
    pub fn betas(self, beta_1: f64, beta_2: f64) -> Self {
        Nadam { beta_1, beta_2, ..self }
    }
}

shared_options!(Nadam, 0.001);

impl Nadam {
    /// u = β₁ (1 - 0.5 · 0.96ᵗ)
    fn momentum(&self, t: &Tensor) -> Tensor {
        f64::from(self.beta_1 as f32) * (1.0 - 0.5 * power(0.96, t))
    }
}

impl Optimizer for Nadam {
    fn begin_step(&self) -> Result {
        // U = U · u
        let u = self.momentum(&self.rules.step_number());
        self.product.assign(self.product.value() * u).map(|_| ())
    }

    // m and v as in Adam; m̂ = u' m / (1 - U u') + (1 - u) g / (1 - U), u' the factor of the next step;
    // w -= rate m̂ / (√(v / (1 - β₂ᵗ)) + ε)
    fn update(&self, variable: &Variable, gradient: &Tensor, learning_rate: &Tensor) -> Result {
        let t = self.rules.step_number();
        let (u, next_u, product) = (self.momentum(&t), self.momentum(&(&t + 1)), self.product.value());
        let rate = exact(learning_rate);
        let of_mean = rounded(&(&rate * &next_u / (1.0 - &product * &next_u)));
        let of_gradient = rounded(&(&rate * (1.0 - u) / (1.0 - product)));
        let of_square = rounded(&(1.0 / (1.0 - power(self.beta_2, &t))));
        let (mean, square) = (self.means.of(variable), self.squares.of(variable));
        let m = mean.assign_add((gradient - &mean) * (1.0 - self.beta_1))?;
        let v = square.assign_add((gradient.square() - &square) * (1.0 - self.beta_2))?;
        let step = m * of_mean + gradient * of_gradient;
        variable.assign_sub(step / ((v * of_square).sqrt() + self.epsilon)).map(|_| ())
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }
}
