//! Functions that are traced once per signature.

use std::{
    ops::Deref,
    sync::{Arc, PoisonError},
};

use tracelift_tensor::Result;

use crate::{
    ConcreteFunction, Options, TensorSpec,
    cache::{Core, Settings},
    signature::{Signature, Traceable},
    spec::{SpecItem, SpecList, Specs},
};

/// A closure that is traced once per signature, then runs as compiled code.
///
/// It is called like the closure: `f(&x)`. A signature is the types of all tensors and variables among the arguments,
/// which variables are the same, and the values of everything else.
///
/// ```
/// use tracelift_function::{Function, Tensor, Variable, tensor};
///
/// let total = Variable::new(0.0);
/// let add = Function::new({
///     let total = total.clone();
///     move |x: &Tensor, n: &i32| total.assign_add(x.powi(*n).sum(..))
/// });
/// add(&tensor([1., 2.]), &2)?;
/// add(&tensor([3., 4.]), &2)?;
/// assert_eq!(total.item::<f32>()?, 30.0);
/// assert_eq!(add.trace_count(), 1);
/// add(&tensor([1., 2.]), &3)?;
/// assert_eq!(add.trace_count(), 2);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
pub struct Function<S: Signature> {
    core: Arc<Core>,
    call: Arc<S::Dyn>,
}

impl<S: Signature> Function<S> {
    /// Traces a closure or function at its first call.
    #[must_use]
    pub fn new(f: impl Traceable<S>) -> Self {
        let (core, call) = f.traceable();
        Function { core, call }
    }

    /// Accepts only tensors of these types, for which it is traced once.
    ///
    /// ```
    /// use tracelift_function::{Function, Tensor, spec};
    ///
    /// let half = Function::new(|x: &Tensor| x / 2).input_signature([spec!(f32[None, 2])]);
    /// assert_eq!(half(&Tensor::ones([3, 2])).shape(), [3, 2]);
    /// assert_eq!(half(&Tensor::ones([5, 2])).shape(), [5, 2]);
    /// assert_eq!(half.trace_count(), 1);
    /// assert!(half(&Tensor::ones([3, 3])).error().is_some());
    /// ```
    #[must_use]
    pub fn input_signature(self, specs: impl Specs) -> Self {
        let tensors = SpecList::of(specs).into_iter().filter_map(|item| match item {
            SpecItem::Tensor(ty) => Some(TensorSpec::from(&ty)),
            SpecItem::Variable(_) | SpecItem::Host(_) => None,
        });
        let tensors = tensors.collect();
        self.with(|settings| settings.input_signature = Some(tensors))
    }

    /// Makes a size unknown at its second value rather than trace for each.
    #[must_use]
    pub fn reduce_retracing(self) -> Self {
        self.with(|settings| settings.reduce_retracing = true)
    }

    /// Makes a second trace an error, which says what differs.
    #[must_use]
    pub fn no_retrace(self) -> Self {
        self.with(|settings| settings.no_retrace = true)
    }

    /// How its graphs are made code and run.
    #[must_use]
    pub fn options(self, options: Options) -> Self {
        self.with(|settings| settings.options = options)
    }

    /// How the tensors among its arguments are called in graphs.
    #[must_use]
    pub fn argument_names(self, names: &[&str]) -> Self {
        self.with(|settings| settings.argument_names = names.iter().map(|&name| name.to_owned()).collect())
    }

    /// Another name for graphs and messages than that of the closure; a function keeps the first one it is given.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.core.rename(name);
        self
    }

    /// What it is called in graphs and messages.
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// The concrete function for these arguments or specs, traced if it has not been.
    pub fn concrete(&self, specs: impl Specs) -> Result<Arc<ConcreteFunction>> {
        self.core.concrete(SpecList::of(specs))
    }

    /// How often it was traced.
    pub fn trace_count(&self) -> usize {
        self.core.trace_count()
    }

    /// The concrete functions made so far, oldest first.
    pub fn signatures(&self) -> Vec<Arc<ConcreteFunction>> {
        self.core.concretes()
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.core.settings.write().unwrap_or_else(PoisonError::into_inner));
        self
    }
}

impl<S: Signature> Clone for Function<S> {
    /// The same function, with the same traces.
    fn clone(&self) -> Self {
        Function { core: self.core.clone(), call: self.call.clone() }
    }
}

impl<S: Signature> Deref for Function<S> {
    type Target = S::Dyn;

    fn deref(&self) -> &S::Dyn {
        &self.call
    }
}

impl<S: Signature> std::fmt::Debug for Function<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Function {} ({} traces)", self.name(), self.trace_count())
    }
}
