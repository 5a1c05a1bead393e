//! The tapes that users hold.

use super::{
    Sources, Targets,
    inner::{How, Tape},
};
use crate::{Tensor, scope};

/// Records what is computed, for one gradient.
///
/// Trainable variables of floats are watched by themselves, other tensors from [`watch`](Self::watch) on. Taking the
/// gradient consumes the tape. A source that the target does not depend on, as far as the tape has seen, gets a tensor that
/// carries an `Unconnected` error: see [`Tensor::connected`].
///
/// ```
/// use tracelift_function::{GradientTape, Tensor, Variable};
///
/// let f = |w1: &Tensor, w2: &Tensor| 3 * w1.powi(2) + 2 * w1 * w2;
/// let (w1, w2) = (Variable::new(5.), Variable::new(3.));
///
/// let tape = GradientTape::new();
/// let z = f(&w1, &w2);
/// let [d1, d2] = tape.gradient(&z, [&w1, &w2]);
/// assert_eq!((d1.item::<f32>()?, d2.item::<f32>()?), (36., 10.));
/// # Ok::<(), tracelift_function::Error>(())
/// ```
///
/// Tapes nest, for gradients of gradients. Inside a traced function, all of it becomes part of the graph.
///
/// A tape gives one gradient; for several there is [`persistent`](Self::persistent):
///
/// ```compile_fail,E0382
/// # use tracelift_function::{GradientTape, Variable};
/// let w = Variable::new(5.);
/// let tape = GradientTape::new();
/// let z = w.square();
/// let first = tape.gradient(&z, &w);
/// let second = tape.gradient(&z, &w);
/// ```
#[must_use = "a tape records while it lives"]
pub struct GradientTape {
    pub(super) tape: Tape,
    pub(super) how: How,
}

/// Records what is computed, for any number of gradients; see [`GradientTape::persistent`].
///
/// It does not see its own gradients: for a second derivative, nest two tapes.
#[must_use = "a tape records while it lives"]
pub struct PersistentTape {
    tape: Tape,
}

/// A gradient about to be taken from a [`PersistentTape`].
#[must_use = "a gradient is taken by `gradient`"]
pub struct TapeGradient<'a> {
    tape: &'a Tape,
    how: How,
}

/// What stands for the gradient with respect to a source that the target does not depend on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unconnected {
    /// A tensor that carries an `Unconnected` error: see [`Tensor::connected`].
    #[default]
    None,
    /// Zeros.
    Zero,
}

impl GradientTape {
    /// Records from now on.
    pub fn new() -> Self {
        GradientTape { tape: Tape::begin(), how: How::default() }
    }

    /// Records from now on, for several gradients; what it holds is freed when it is dropped.
    ///
    /// ```
    /// use tracelift_function::{GradientTape, Variable};
    ///
    /// let w = Variable::new(5.);
    /// let tape = GradientTape::persistent();
    /// let (y, z) = (w.square(), w.powi(3));
    /// assert_eq!(tape.gradient(&y, &w).item::<f32>()?, 10.);
    /// assert_eq!(tape.gradient(&z, &w).item::<f32>()?, 75.);
    /// drop(tape);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    pub fn persistent() -> PersistentTape {
        PersistentTape { tape: Tape::begin() }
    }

    /// Zeros, or a tensor that says so, for sources that the targets do not depend on.
    pub fn unconnected(mut self, unconnected: Unconnected) -> Self {
        self.how.unconnected = unconnected;
        self
    }

    /// What the targets' gradients start from, one for each target: the gradient is that of Σ target · output gradient.
    ///
    /// ```
    /// use tracelift_function::{GradientTape, tensor};
    ///
    /// let x = tensor([1., 2., 3.]);
    /// let tape = GradientTape::new();
    /// tape.watch(&x);
    /// let y = x.square();
    /// let dx = tape.output_gradients(&tensor([1., 10., 100.])).gradient(&y, &x);
    /// assert_eq!(dx.to_vec::<f32>()?, [2., 40., 600.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    pub fn output_gradients(mut self, given: impl Targets) -> Self {
        self.how.cotangents = Some(given.tensors().into_iter().cloned().collect());
        self
    }

    /// The gradients of a target, or of the sum of several, with respect to sources, in the form of the sources.
    #[track_caller]
    pub fn gradient<S: Sources>(self, targets: impl Targets, sources: S) -> S::Gradients {
        self.tape.gradient(&targets, &sources, &self.how, &scope::origin())
    }

    /// The gradient of each element of a target: shapes are the target's, then the source's.
    ///
    /// ```
    /// use tracelift_function::{GradientTape, tensor};
    ///
    /// let x = tensor([1., 2., 3.]);
    /// let tape = GradientTape::new();
    /// tape.watch(&x);
    /// let y = x.slice(..2) * x.slice(1..);
    /// let jacobian = tape.jacobian(&y, &x);
    /// assert_eq!(jacobian.shape(), [2, 3]);
    /// assert_eq!(jacobian.to_vec::<f32>()?, [2., 1., 0., 0., 3., 2.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    pub fn jacobian<S: Sources>(self, target: &Tensor, sources: S) -> S::Gradients {
        self.tape.jacobian(target, &sources, &self.how, &scope::origin())
    }

    /// The jacobians of the rows of a target by the rows of a source, where row `i` of the one depends on row `i` of the
    /// other alone.
    ///
    /// ```
    /// use tracelift_function::{GradientTape, tensor};
    ///
    /// let x = tensor([[1., 2.], [3., 4.]]);
    /// let tape = GradientTape::new();
    /// tape.watch(&x);
    /// let jacobians = tape.batch_jacobian(&x.square(), &x);
    /// assert_eq!(jacobians.shape(), [2, 2, 2]);
    /// assert_eq!(jacobians.to_vec::<f32>()?, [2., 0., 0., 4., 6., 0., 0., 8.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    pub fn batch_jacobian(self, target: &Tensor, source: &Tensor) -> Tensor {
        self.tape.batch_jacobian(target, source, &self.how, &scope::origin())
    }
}

impl PersistentTape {
    /// The gradients of a target, or of the sum of several, with respect to sources, in the form of the sources.
    #[track_caller]
    pub fn gradient<S: Sources>(&self, targets: impl Targets, sources: S) -> S::Gradients {
        self.tape.gradient(&targets, &sources, &How::default(), &scope::origin())
    }

    /// As [`GradientTape::jacobian`].
    #[track_caller]
    pub fn jacobian<S: Sources>(&self, target: &Tensor, sources: S) -> S::Gradients {
        self.tape.jacobian(target, &sources, &How::default(), &scope::origin())
    }

    /// As [`GradientTape::batch_jacobian`].
    #[track_caller]
    pub fn batch_jacobian(&self, target: &Tensor, source: &Tensor) -> Tensor {
        self.tape.batch_jacobian(target, source, &How::default(), &scope::origin())
    }

    /// As [`GradientTape::unconnected`], for one gradient.
    pub fn unconnected(&self, unconnected: Unconnected) -> TapeGradient<'_> {
        TapeGradient { tape: &self.tape, how: How { unconnected, cotangents: None } }
    }

    /// As [`GradientTape::output_gradients`], for one gradient.
    pub fn output_gradients(&self, given: impl Targets) -> TapeGradient<'_> {
        let cotangents = Some(given.tensors().into_iter().cloned().collect());
        TapeGradient { tape: &self.tape, how: How { unconnected: Unconnected::None, cotangents } }
    }
}

impl TapeGradient<'_> {
    /// As [`GradientTape::unconnected`].
    pub fn unconnected(mut self, unconnected: Unconnected) -> Self {
        self.how.unconnected = unconnected;
        self
    }

    /// As [`GradientTape::output_gradients`].
    pub fn output_gradients(mut self, given: impl Targets) -> Self {
        self.how.cotangents = Some(given.tensors().into_iter().cloned().collect());
        self
    }

    /// The gradients of a target, or of the sum of several, with respect to sources, in the form of the sources.
    #[track_caller]
    pub fn gradient<S: Sources>(self, targets: impl Targets, sources: S) -> S::Gradients {
        self.tape.gradient(&targets, &sources, &self.how, &scope::origin())
    }
}

/// What both kinds of tapes can do.
macro_rules! watching {
    ($($tape:ty),*) => {$(
        impl $tape {
            /// Takes a tensor, or a variable that is not trainable, for something to differentiate by: from now on, what
            /// is computed from it is recorded.
            ///
            /// A tensor is known by its data: clones of it are watched, too.
            pub fn watch(&self, tensor: &Tensor) {
                self.tape.watch(tensor);
            }

            /// Does something that the tape does not record.
            ///
            /// ```
            /// use tracelift_function::{GradientTape, Variable};
            ///
            /// let w = Variable::new(5.);
            /// let tape = GradientTape::new();
            /// let y = &w * tape.stop_recording(|| w.square());
            /// assert_eq!(tape.gradient(&y, &w).item::<f32>()?, 25.);
            /// # Ok::<(), tracelift_function::Error>(())
            /// ```
            pub fn stop_recording<R>(&self, body: impl FnOnce() -> R) -> R {
                self.tape.pause(body)
            }

            /// As [`stop_recording`](Self::stop_recording).
            pub fn pause<R>(&self, body: impl FnOnce() -> R) -> R {
                self.tape.pause(body)
            }
        }
    )*};
}
watching!(GradientTape, PersistentTape);

impl Default for GradientTape {
    fn default() -> Self {
        GradientTape::new()
    }
}
