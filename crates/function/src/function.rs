//! Functions that are traced once per signature.

use std::{
    ops::Deref,
    sync::{Arc, PoisonError},
};

use tracelift_tensor::Result;

use crate::{
    ConcreteFunction, Explanation, Options, Retrace, SignatureInfo, TensorSpec,
    cache::{Core, Settings},
    call_site,
    retrace::{Given, signature_text},
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

    /// Accepts only tensors of these types, for which it is traced once; once for each rank where a spec is of any rank.
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
            SpecItem::AnyRank(dtype) => Some(TensorSpec::of_any_rank(dtype)),
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

    /// Keeps at most this many traces (256 if not said): of more, the one not used for longest goes, with its code.
    ///
    /// ```
    /// use tracelift_function::{Function, Tensor};
    ///
    /// let f = Function::new(|x: &Tensor| x + 1).max_signatures(2);
    /// (1..=5).for_each(|n| drop(f(&Tensor::ones([n]))));
    /// assert_eq!((f.trace_count(), f.signatures().len(), f.evictions()), (5, 2, 3));
    /// ```
    #[must_use]
    pub fn max_signatures(self, most: usize) -> Self {
        self.with(|settings| settings.max_signatures = most)
    }

    /// How its graphs are made code and run.
    #[must_use]
    pub fn options(self, options: Options) -> Self {
        self.with(|settings| settings.options = options)
    }

    /// How its arguments are called, in their order: in graphs, signatures and explanations.
    ///
    /// ```
    /// use tracelift_function::{Function, Tensor, Variable, spec, tensor};
    ///
    /// let step = Function::new(|state: &(Tensor, Tensor), rate: &f32| (&state.0 - &state.1 * *rate).sum(..))
    ///     .argument_names(&["state", "rate"]);
    /// let concrete = step.concrete((spec!(f32[2]), spec!(f32[2]), 0.5_f32))?;
    /// assert_eq!(concrete.signature().to_string(), "(state_0: f32[2], state_1: f32[2]) -> (f32[])");
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
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

    /// What a macro has made of its code.
    #[doc(hidden)]
    #[must_use]
    pub fn rewritten_to(self, code: &'static str) -> Self {
        self.with(|settings| settings.code = Some(code))
    }

    /// The function that is traced, with its control flow rewritten, as formatted Rust; `ag::` is the run-time support.
    ///
    /// A closure given to [`Function::new`] is traced as it was written, and has no text.
    pub fn to_code(&self) -> &'static str {
        self.core.settings().code.unwrap_or("// a closure, traced as it was written")
    }

    /// What it is called in graphs and messages.
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// The concrete function for these arguments or specs, traced if it has not been.
    #[track_caller]
    pub fn concrete(&self, specs: impl Specs) -> Result<Arc<ConcreteFunction>> {
        call_site::note();
        self.core.concrete(SpecList::of(specs))
    }

    /// How often it was traced.
    pub fn trace_count(&self) -> usize {
        self.core.trace_count()
    }

    /// The concrete functions that are kept, oldest first.
    pub fn signatures(&self) -> Vec<Arc<ConcreteFunction>> {
        self.core.concretes()
    }

    /// How many traces were dropped because there were more than [`max_signatures`](Self::max_signatures).
    pub fn evictions(&self) -> usize {
        self.core.slots.evicted()
    }

    /// Why it was traced again: the latest 64 times, oldest first.
    pub fn retraces(&self) -> Vec<Retrace> {
        self.core.history.lock().unwrap_or_else(PoisonError::into_inner).latest()
    }

    /// Bytes of native code of all signatures that are kept.
    pub fn code_bytes(&self) -> usize {
        self.core.concretes().iter().map(|concrete| concrete.code_bytes()).sum()
    }

    /// What it was traced for, how often, and why: print it.
    ///
    /// ```
    /// use tracelift_function::{Function, Tensor};
    ///
    /// let f = Function::new(|x: &Tensor| x * 2).argument_names(&["x"]);
    /// (1..=3).for_each(|n| drop(f(&Tensor::ones([n]))));
    /// let text = f.explain().to_string();
    /// assert!(text.contains("3 traces, 3 signatures"));
    /// assert!(text.contains("trace 3: `x` is f32[3], not f32[2]"));
    /// assert!(text.contains("help: give `input_signature`"));
    /// ```
    pub fn explain(&self) -> Explanation {
        let names = self.core.settings().argument_names;
        let slots = self.core.slots.made();
        let signatures = slots.iter().filter_map(|slot| {
            let concrete = slot.made.get()?;
            let given = Given { types: &slot.types, parts: concrete.parts(), names: &names };
            Some(SignatureInfo {
                arguments: signature_text(given),
                operations: concrete.graph().len(),
                code_bytes: concrete.code_bytes(),
            })
        });
        Explanation {
            function: self.name().to_owned(),
            signatures: signatures.collect(),
            trace_count: self.trace_count(),
            evictions: self.evictions(),
            retraces: self.retraces(),
        }
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.core.change(change);
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

    #[track_caller]
    fn deref(&self) -> &S::Dyn {
        call_site::note();
        &self.call
    }
}

impl<S: Signature> std::fmt::Debug for Function<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Function {} ({} traces)", self.name(), self.trace_count())
    }
}
