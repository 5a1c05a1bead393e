//! Values that come into being where a rewritten `return` or `break` stands.

use tracelift_tensor::{Error, Result};

use super::{Carried, slot::Group};
use crate::{
    Tensor,
    tree::{poisoned, with_tensors},
};

/// What a function returns or a `loop` gives, once it is decided.
pub struct Late<R> {
    pub(crate) value: Option<R>,
}

impl<R> Late<R> {
    /// Nothing is decided.
    #[expect(clippy::new_without_default, reason = "rewritten code says `new`")]
    pub fn new() -> Self {
        Late { value: None }
    }

    /// It is decided.
    pub fn of(value: R) -> Self {
        Late { value: Some(value) }
    }

    /// What was decided.
    ///
    /// # Panics
    /// If nothing was: rewritten code decides on every path.
    pub fn take(self) -> R {
        self.value.expect("every path through a rewritten function gives a value")
    }
}

/// What can be returned under a condition that a graph decides.
pub trait Returned: Clone + 'static {
    /// Its tensors.
    fn group(&self) -> Group;

    /// Itself with other tensors.
    fn with(&self, tensors: Vec<Tensor>) -> Self;

    /// Itself, every tensor of which carries an error.
    fn failed(&self, error: &Error) -> Self;
}

/// What an error is made of, which is no value of a graph.
pub(crate) const FALLIBLE: [u64; 2] = [u64::MAX; 2];

impl<T: Carried> Returned for T {
    fn group(&self) -> Group {
        Group::of(self)
    }

    fn with(&self, tensors: Vec<Tensor>) -> Self {
        with_tensors(self, tensors)
    }

    fn failed(&self, error: &Error) -> Self {
        poisoned(self, error)
    }
}

impl<T: Carried> Returned for Result<T> {
    fn group(&self) -> Group {
        match self {
            Ok(tree) => Group::of(tree),
            Err(_) => Group { host: FALLIBLE.to_vec(), tensors: Vec::new() },
        }
    }

    fn with(&self, tensors: Vec<Tensor>) -> Self {
        self.as_ref().map(|tree| with_tensors(tree, tensors)).map_err(Error::clone)
    }

    fn failed(&self, error: &Error) -> Self {
        Err(error.clone())
    }
}
