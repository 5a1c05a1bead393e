//! Optimizers: rules that change variables by gradients.

mod rules;
mod schedule;
mod slots;
mod sgd;
mod adam;
mod nadam;

use std::{any::Any, fmt, sync::Arc};

use tracelift_function::{Error, ErrorKind, F32, F64, Result, Tensor, Variable};

pub use adam::Adam;
pub use nadam::Nadam;
pub use rules::Rules;
pub use schedule::Schedule;
pub use sgd::Sgd;
pub use slots::Slots;

use crate::{Module, objects::IntoAny, suggest::unknown};

/// A rule that changes a variable by its gradient.
///
/// Clipping, weight decay and the step count are the library's: see [`Rules`].
///
/// ```
/// # extern crate tracelift_nn as tracelift;
/// use tracelift_nn::{Module, Optimizer, Result, Rules, Slots, Tensor, Variable, tensor};
///
/// #[derive(Module)]
/// struct Momentum { factor: f64, velocity: Slots, rules: Rules }
///
/// impl Optimizer for Momentum {
///     fn update(&self, variable: &Variable, gradient: &Tensor, learning_rate: &Tensor) -> Result {
///         let velocity = self.velocity.of(variable);
///         velocity.assign(&velocity * self.factor - gradient * learning_rate)?;
///         variable.assign_add(&velocity)?;
///         Ok(())
///     }
///     fn rules(&self) -> &Rules { &self.rules }
/// }
///
/// let optimizer = Momentum { factor: 0.9, velocity: Slots::default(), rules: Rules::new(0.1) };
/// let w = Variable::new(1.0);
/// optimizer.apply(&[tensor(2.0)], std::slice::from_ref(&w))?;
/// assert_eq!(w.item::<f32>()?, 0.8);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
pub trait Optimizer: Module {
    /// Changes one variable by its gradient.
    fn update(&self, variable: &Variable, gradient: &Tensor, learning_rate: &Tensor) -> Result;

    /// What is done once before the updates of a step.
    fn begin_step(&self) -> Result {
        Ok(())
    }

    /// What is done around the updates, and how many there were.
    fn rules(&self) -> &Rules;

    /// The name in messages: the type's.
    fn name(&self) -> String {
        crate::name::short(std::any::type_name::<Self>()).to_owned()
    }

    /// Changes all variables; a missing gradient is skipped with a warning, if all are missing it is an error.
    #[track_caller]
    fn apply(&self, gradients: &[Tensor], variables: &[Variable]) -> Result
    where
        Self: Sized,
    {
        apply(self, gradients, variables).map(|_| ())
    }
}

/// Changes all variables; gives the names of those whose gradient is missing.
fn apply(optimizer: &dyn Optimizer, gradients: &[Tensor], variables: &[Variable]) -> Result<Vec<String>> {
    if gradients.len() != variables.len() {
        let message = format!("got {} gradients for {} variables", gradients.len(), variables.len());
        return Err(Error::value(message).op(optimizer.name()));
    }
    let mut missing = Vec::new();
    let mut pairs = Vec::with_capacity(variables.len());
    for (gradient, variable) in gradients.iter().zip(variables) {
        match gradient.error() {
            Some(error) if error.kind == ErrorKind::Unconnected => {
                tracing::warn!(variable = variable.name(), "the loss does not depend on it: it is not trained");
                missing.push(variable.name().to_owned());
            }
            Some(error) => return Err(error.clone()),
            None => pairs.push((gradient.clone(), variable)),
        }
    }
    if pairs.is_empty() {
        let error = Error::value("got no gradient for any variable").op(optimizer.name());
        return Err(error.help("the loss must be computed from the model's trainable variables"));
    }
    let rules = optimizer.rules();
    let clipped = rules.clip(pairs.iter().map(|(gradient, _)| gradient));
    let rate = rules.current_rate();
    optimizer.begin_step()?;
    for (gradient, (_, variable)) in clipped.iter().zip(&pairs) {
        rules.decay(variable, &rate)?;
        optimizer.update(variable, gradient, &rate)?;
        variable.constrain()?;
    }
    rules.count_step()?;
    Ok(missing)
}

/// Any optimizer; clones are the same one.
#[derive(Clone)]
pub struct AnyOptimizer(Result<Arc<dyn Optimizer>>);

const KNOWN: &[&str] = &["sgd", "adam", "nadam"];

impl AnyOptimizer {
    /// Changes all variables; gives the names of those whose gradient is missing.
    #[track_caller]
    pub fn apply(&self, gradients: &[Tensor], variables: &[Variable]) -> Result<Vec<String>> {
        apply(self.optimizer()?, gradients, variables)
    }

    /// The optimizer, or the error of an unknown name.
    pub fn optimizer(&self) -> Result<&dyn Optimizer> {
        self.0.as_deref().map_err(Error::clone)
    }

    /// The concrete optimizer, if it is an `O`.
    pub fn get<O: Optimizer>(&self) -> Option<&O> {
        let optimizer: &dyn Any = &**self.0.as_ref().ok()?;
        optimizer.downcast_ref()
    }
}

impl From<&str> for AnyOptimizer {
    fn from(name: &str) -> Self {
        match name.to_lowercase().as_str() {
            "sgd" => Sgd::default().into(),
            "adam" => Adam::default().into(),
            "nadam" => Nadam::default().into(),
            _ => AnyOptimizer(Err(unknown("optimizer", name, KNOWN))),
        }
    }
}

impl<O: Optimizer> From<O> for AnyOptimizer {
    fn from(optimizer: O) -> Self {
        AnyOptimizer(Ok(Arc::new(optimizer)))
    }
}

impl<O: Optimizer> IntoAny<AnyOptimizer> for O {
    fn into_any(self) -> AnyOptimizer {
        self.into()
    }
}

impl IntoAny<AnyOptimizer> for &str {
    fn into_any(self) -> AnyOptimizer {
        self.into()
    }
}

impl IntoAny<AnyOptimizer> for AnyOptimizer {
    fn into_any(self) -> AnyOptimizer {
        self
    }
}

impl fmt::Debug for AnyOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(optimizer) => f.write_str(&optimizer.name()),
            Err(error) => fmt::Display::fmt(error, f),
        }
    }
}

/// `base` to the power of a step number, in f64 so that it is exact enough for any number of steps.
///
/// The base is rounded to f32, as Keras does: `1 - 0.999` is off by 1e-5 of itself otherwise.
fn power(base: f64, exponent: &Tensor) -> Tensor {
    Tensor::from(f64::from(base as f32)).pow(exponent)
}

/// A scalar rounded once, after all scalars were combined in f64.
fn rounded(scalar: &Tensor) -> Tensor {
    scalar.cast(F32)
}

/// The learning rate in f64.
fn exact(learning_rate: &Tensor) -> Tensor {
    learning_rate.cast(F64)
}

/// The epsilon of Keras.
const EPSILON: f64 = 1e-7;

/// Builder methods that all optimizers have, over their `rules` field.
macro_rules! shared_options {
    ($Optimizer:ident, $rate:literal) => {
        impl $Optimizer {
            /// Gradients scaled to at most this norm, each variable's by itself.
            #[must_use]
            pub fn clip_norm(self, norm: f64) -> Self {
                $Optimizer { rules: self.rules.clip_norm(norm), ..self }
            }

            /// Gradients scaled to at most this norm, all together.
            #[must_use]
            pub fn global_clip_norm(self, norm: f64) -> Self {
                $Optimizer { rules: self.rules.global_clip_norm(norm), ..self }
            }

            /// Gradients cut off at this magnitude, entry by entry.
            #[must_use]
            pub fn clip_value(self, value: f64) -> Self {
                $Optimizer { rules: self.rules.clip_value(value), ..self }
            }

            /// Variables shrunk by this share of the learning rate before each update.
            #[must_use]
            pub fn weight_decay(self, decay: f64) -> Self {
                $Optimizer { rules: self.rules.weight_decay(decay), ..self }
            }
        }

        impl Default for $Optimizer {
            #[doc = concat!("With Keras's learning rate, ", stringify!($rate), ".")]
            fn default() -> Self {
                $Optimizer::new($rate)
            }
        }
    };
}
use shared_options;
