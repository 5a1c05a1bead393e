//! A call: one use of a model, for training or not, with the losses that its layers add.

use std::{
    cell::RefCell,
    panic::Location,
    sync::{Arc, Mutex, PoisonError},
};

use tracelift_function::{Dim, IntoTensor, Leaves, Tensor, Tree, add_n, tensor};

use crate::{Inputs, Layer, Module, Visitor, Weight, inputs::Feed, layer};

/// One use of a model: training or not, and what its layers and weights add to the loss.
///
/// ```
/// use tracelift_nn::{Call, Dense, Module, Tensor};
///
/// let dense = Dense::new(1).kernel_initializer("ones").kernel_regularizer("l2");
/// let call = Call::training();
/// let y = call.apply(&dense, &Tensor::ones([2, 3]));
/// assert_eq!(y.to_vec::<f32>()?, [3., 3.]);
/// assert_eq!(call.loss().item::<f32>()?, 0.03);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Clone)]
pub struct Call {
    training: bool,
    added: Arc<Mutex<Added>>,
}

#[derive(Default)]
struct Added {
    losses: Vec<Tensor>,
    /// The weights whose penalty has been added.
    penalized: Vec<usize>,
}

thread_local! {
    /// The calls under way on this thread, innermost last, and the line where each began.
    static CURRENT: RefCell<Vec<(Call, &'static Location<'static>)>> = const { RefCell::new(Vec::new()) };
}

thread_local! {
    /// The layer that was applied last on this thread, and the width of its output.
    static LAST: RefCell<Option<(String, Dim)>> = const { RefCell::new(None) };
}

/// Notes that a layer gave an output.
pub(crate) fn applied<Out: Tree>(name: String, output: &Out) {
    let outputs = Leaves::of(output).into_tensors();
    LAST.set(outputs.first().and_then(width).map(|width| (name, width)));
}

/// The layer whose output `x` seems to be: the last one that was applied, if the widths agree.
pub(crate) fn made_by(x: &Tensor) -> Option<String> {
    let width = width(x)?;
    LAST.with_borrow(|last| last.as_ref().filter(|(_, given)| *given == width).map(|(name, _)| name.clone()))
}

fn width(x: &Tensor) -> Option<Dim> {
    x.shape().dims().last().cloned()
}

/// Ends the innermost call when it is dropped.
pub(crate) struct Entered {
    depth: usize,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|calls| calls.truncate(self.depth));
    }
}

impl Call {
    fn new(training: bool) -> Self {
        Call { training, added: Arc::default() }
    }

    /// A call for training: noise and dropout act.
    #[must_use]
    pub fn training() -> Self {
        Call::new(true)
    }

    /// A call for inference.
    #[must_use]
    pub fn inference() -> Self {
        Call::new(false)
    }

    /// Whether it is for training.
    pub fn is_training(&self) -> bool {
        self.training
    }

    /// Adds to the loss of the model.
    #[track_caller]
    pub fn add_loss(&self, loss: impl IntoTensor) {
        let loss = loss.into_tensor();
        self.with(|added| added.losses.push(loss));
    }

    /// Uses a layer or model in this call.
    #[track_caller]
    pub fn apply<In: Inputs, Out: Tree>(&self, layer: &impl Layer<In, Out>, x: impl Feed<In>) -> Out {
        self.apply_at(layer, x, Location::caller())
    }

    /// Likewise, for a line further out.
    pub(crate) fn apply_at<In: Inputs, Out: Tree>(
        &self,
        layer: &impl Layer<In, Out>,
        x: impl Feed<In>,
        line: &'static Location<'static>,
    ) -> Out {
        let _entered = self.enter(line);
        let y = layer::apply(layer, &x.feed(), line);
        layer.visit(&mut Penalties(self));
        y
    }

    /// What layers added and what weights are penalized with.
    pub fn losses(&self) -> Vec<Tensor> {
        self.with(|added| added.losses.clone())
    }

    /// The sum of [`losses`](Self::losses).
    #[track_caller]
    pub fn loss(&self) -> Tensor {
        let losses = self.losses();
        if losses.is_empty() { tensor(0.0) } else { add_n(&losses) }
    }

    /// Makes it the call under way on this thread.
    pub(crate) fn enter(&self, line: &'static Location<'static>) -> Entered {
        CURRENT.with_borrow_mut(|calls| {
            calls.push((self.clone(), line));
            Entered { depth: calls.len() - 1 }
        })
    }

    /// The call under way, and the line where it began.
    pub(crate) fn current() -> Option<(Call, &'static Location<'static>)> {
        CURRENT.with_borrow(|calls| calls.last().cloned())
    }

    fn with<R>(&self, change: impl FnOnce(&mut Added) -> R) -> R {
        change(&mut self.added.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Adds the penalty of each weight once per call.
struct Penalties<'a>(&'a Call);

impl Visitor for Penalties<'_> {
    fn weight(&mut self, weight: &Weight) {
        let Some(penalty) = weight.penalty().filter(|_| weight.is_built()) else { return };
        let is_new = self.0.with(|added| {
            let is_new = !added.penalized.contains(&weight.address());
            added.penalized.push(weight.address());
            is_new
        });
        if is_new {
            self.0.add_loss(penalty.call(weight));
        }
    }
}

/// Projects all weights that have a constraint; what `fit` does after each update.
pub fn apply_constraints(module: &dyn Module) -> tracelift_function::Result {
    struct Constrained(tracelift_function::Result);
    impl Visitor for Constrained {
        fn weight(&mut self, weight: &Weight) {
            if let (Some(projection), Ok(()), true) = (weight.projection(), &self.0, weight.is_built()) {
                self.0 = weight.assign(projection.call(weight)).map(|_| ());
            }
        }
    }
    let mut constrained = Constrained(Ok(()));
    module.visit(&mut constrained);
    constrained.0
}
