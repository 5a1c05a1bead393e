//! Gradient tapes: what is computed while a tape lives can be differentiated afterwards.
//!
//! Outside of traces a tape keeps a *record* ([`record`]): the graph of all operations on watched values, with their
//! results. Inside a trace the graph that is being built is the record ([`traced`]). The walk back ([`walk`]) is the same,
//! and the same as that of [`grad`](crate::grad): all three give equal bits.

mod record;
mod sources;
mod traced;
mod walk;

use std::{cell::RefCell, marker::PhantomData};

use tracelift_tensor::{Error, Origin, Result};

pub(crate) use record::{evaluate, is_recording, knows, leaf, note_call, read, unrecorded, watches};
pub use sources::{AsSource, Sources, Targets};

use self::walk::Window;
use crate::{Tensor, gradient::unconnected, scope, tensor::Handle, trace};

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
    tape: Tape,
    how: How,
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

/// How a gradient is taken.
#[derive(Default)]
struct How {
    unconnected: Unconnected,
    /// What the gradients of the targets are multiplied by; ones if nothing is given.
    cotangents: Option<Vec<Tensor>>,
}

/// A tape, without how often it may be asked.
struct Tape {
    home: Home,
    window: RefCell<Window>,
    // Whose operations it records.
    not_send: PhantomData<*const ()>,
}

/// Where a tape's record is.
enum Home {
    /// The record of the thread, in which the tape has this number.
    Eager(u64),
    /// The trace of this number.
    Trace(u64),
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
}

impl PersistentTape {
    /// The gradients of a target, or of the sum of several, with respect to sources, in the form of the sources.
    #[track_caller]
    pub fn gradient<S: Sources>(&self, targets: impl Targets, sources: S) -> S::Gradients {
        self.tape.gradient(&targets, &sources, &How::default(), &scope::origin())
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

impl Tape {
    fn begin() -> Tape {
        let (home, from) = match traced::begin() {
            Some((frame, from)) => (Home::Trace(frame), from),
            None => {
                let (tape, from) = record::begin();
                record::count_recording(true);
                (Home::Eager(tape), from)
            }
        };
        Tape { home, window: RefCell::new(Window::new(from)), not_send: PhantomData }
    }

    fn len(&self) -> u32 {
        match self.home {
            Home::Eager(_) => record::len(),
            Home::Trace(frame) => traced::len(frame).unwrap_or(0),
        }
    }

    fn watch(&self, tensor: &Tensor) {
        let mut window = self.window.borrow_mut();
        match self.home {
            Home::Trace(frame) => traced::watch(frame, &mut window, tensor),
            Home::Eager(_) => {
                if let Handle::Live(variable) = &tensor.handle {
                    window.watch_variable(variable.id());
                }
                if let Some(value) = record::watch(tensor) {
                    window.watch(value, record::len());
                }
            }
        }
    }

    fn pause<R>(&self, body: impl FnOnce() -> R) -> R {
        struct Resume<'a>(&'a Tape, u32);
        impl Drop for Resume<'_> {
            fn drop(&mut self) {
                let Resume(tape, from) = *self;
                if matches!(tape.home, Home::Eager(_)) {
                    record::count_recording(true);
                }
                tape.window.borrow_mut().pause_between(from, tape.len());
            }
        }
        let _resume = Resume(self, self.len());
        if matches!(self.home, Home::Eager(_)) {
            record::count_recording(false);
        }
        body()
    }

    fn gradient<S: Sources>(&self, targets: &impl Targets, sources: &S, how: &How, origin: &Origin) -> S::Gradients {
        let sources = sources.tensors();
        S::gradients(match self.pull(&targets.tensors(), &sources, how, origin) {
            Ok(gradients) => {
                let found = gradients.into_iter().zip(&sources);
                found.map(|(gradient, source)| gradient.unwrap_or_else(|| how.missing(source))).collect()
            }
            Err(error) => {
                let error = if error.op.is_none() { error.op("gradient") } else { error };
                let error = if error.origin.is_unknown() { error.at(origin.clone()) } else { error };
                sources.iter().map(|source| trace::fail(error.clone(), Some(source))).collect()
            }
        })
    }

    fn pull(
        &self,
        targets: &[&Tensor],
        sources: &[&Tensor],
        how: &How,
        origin: &Origin,
    ) -> Result<Vec<Option<Tensor>>> {
        let targets = how.targets(targets)?;
        if let Some(error) = sources.iter().find_map(|source| source.error()) {
            return Err(error.clone());
        }
        let mut window = self.window.borrow_mut();
        match self.home {
            Home::Trace(frame) if traced::len(frame).is_none() => Err(traced::over()),
            Home::Trace(frame) => traced::gradient(frame, &mut window, &targets, sources, origin),
            Home::Eager(tape) => {
                if let Some(traced) = targets.iter().map(|(target, _)| target).find(|target| target.is_traced()) {
                    let message = format!("is asked for a traced {}, which this tape has not seen", traced.ty());
                    return Err(Error::invalid(message).help("make the tape inside the traced function"));
                }
                let window = &mut window;
                record::gradient(record::Question { tape, window, targets: &targets, sources, origin })
            }
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        match self.home {
            Home::Trace(frame) => traced::end(frame),
            Home::Eager(tape) => {
                record::count_recording(false);
                record::end(tape);
            }
        }
    }
}

impl How {
    /// The targets as they are now, with what their gradients start from.
    fn targets(&self, targets: &[&Tensor]) -> Result<Vec<(Tensor, Option<Tensor>)>> {
        if let Some(given) = &self.cotangents
            && given.len() != targets.len()
        {
            let message = format!("got {} output gradients for {} targets", given.len(), targets.len());
            return Err(Error::value(message));
        }
        let mut pairs = Vec::with_capacity(targets.len());
        for (position, target) in targets.iter().enumerate() {
            let target = target.snapshot().ok()?;
            if !target.dtype().is_float() {
                let message = format!("cannot differentiate {}: only floats have gradients", target.ty());
                return Err(Error::type_(message));
            }
            let cotangent = match &self.cotangents {
                Some(given) => Some(given[position].snapshot().ok()?),
                None => None,
            };
            pairs.push((target, cotangent));
        }
        Ok(pairs)
    }

    fn missing(&self, source: &Tensor) -> Tensor {
        match self.unconnected {
            Unconnected::None => unconnected(source),
            Unconnected::Zero => source.zeros_like(),
        }
    }
}
