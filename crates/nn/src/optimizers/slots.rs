//! State that an optimizer keeps for each variable.

use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use tracelift_function::{Tensor, Variable, eagerly};

use crate::{Module, Visitor};

/// A variable of state for each variable that is trained, zeros at first; clones are the same.
///
/// ```
/// use tracelift_nn::{Slots, Variable};
///
/// let velocity = Slots::default();
/// let w = Variable::new([1., 2.]);
/// velocity.of(&w).assign([3., 4.])?;
/// assert_eq!(velocity.of(&w).to_vec::<f32>()?, [3., 4.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Slots(Arc<Mutex<IndexMap<u64, Variable>>>);

impl Slots {
    /// The state of a variable.
    #[must_use]
    pub fn of(&self, variable: &Variable) -> Variable {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let zeros = Tensor::zeros(variable.shape());
            let zeros = if zeros.dtype() == variable.dtype() { zeros } else { zeros.cast(variable.dtype()) };
            Variable::new(zeros).named(variable.name()).not_trainable()
        };
        slots.entry(variable.id()).or_insert_with(|| eagerly(make)).clone()
    }
}

impl Module for Slots {
    fn visit(&self, visitor: &mut dyn Visitor) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|slot| visitor.variable(slot));
    }

    fn share(&self) -> Self {
        self.clone()
    }
}
