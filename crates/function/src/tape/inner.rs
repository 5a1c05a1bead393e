//! What both kinds of tapes are: a window on a record, and how it is asked.

use std::{cell::RefCell, marker::PhantomData};

use tracelift_tensor::{Error, Origin, Result};

use super::{Sources, Targets, Unconnected, record, traced, walk::Window};
use crate::{Tensor, gradient::unconnected, tensor::Handle, trace};

/// How a gradient is taken.
#[derive(Default)]
pub(super) struct How {
    pub(super) unconnected: Unconnected,
    /// What the gradients of the targets are multiplied by; ones if nothing is given.
    pub(super) cotangents: Option<Vec<Tensor>>,
}

/// A tape, without how often it may be asked.
pub(super) struct Tape {
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

impl Tape {
    pub(super) fn begin() -> Tape {
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

    pub(super) fn watch(&self, tensor: &Tensor) {
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

    pub(super) fn pause<R>(&self, body: impl FnOnce() -> R) -> R {
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

    pub(super) fn gradient<S: Sources>(
        &self,
        targets: &impl Targets,
        sources: &S,
        how: &How,
        origin: &Origin,
    ) -> S::Gradients {
        let made = self.pull_sum(&targets.tensors(), &sources.tensors(), how, origin);
        self.answer(made, sources, origin, |source| how.missing(source))
    }

    /// The gradients in the form of the sources; an error is carried by all of them.
    pub(super) fn answer<S: Sources>(
        &self,
        made: Result<Vec<Option<Tensor>>>,
        sources: &S,
        origin: &Origin,
        missing: impl Fn(&Tensor) -> Tensor,
    ) -> S::Gradients {
        let sources = sources.tensors();
        S::gradients(match made {
            Ok(gradients) => {
                let found = gradients.into_iter().zip(&sources);
                found.map(|(gradient, source)| gradient.unwrap_or_else(|| missing(source))).collect()
            }
            Err(error) => {
                let error = if error.op.is_none() { error.op("gradient") } else { error };
                let error = if error.origin.is_unknown() { error.at(origin.clone()) } else { error };
                sources.iter().map(|source| trace::fail(error.clone(), Some(source))).collect()
            }
        })
    }

    fn pull_sum(
        &self,
        targets: &[&Tensor],
        sources: &[&Tensor],
        how: &How,
        origin: &Origin,
    ) -> Result<Vec<Option<Tensor>>> {
        self.pull(Want::Sum(&how.targets(targets)?), sources, origin)
    }

    pub(super) fn pull(&self, want: Want<'_>, sources: &[&Tensor], origin: &Origin) -> Result<Vec<Option<Tensor>>> {
        if let Some(error) = sources.iter().find_map(|source| source.error()) {
            return Err(error.clone());
        }
        let mut window = self.window.borrow_mut();
        match self.home {
            Home::Trace(frame) if traced::len(frame).is_none() => Err(traced::over()),
            Home::Trace(frame) => traced::gradient(frame, &mut window, want, sources, origin),
            Home::Eager(tape) => {
                if let Some(traced) = want.targets().find(|target| target.is_traced()) {
                    let message = format!("is asked for a traced {}, which this tape has not seen", traced.ty());
                    return Err(Error::invalid(message).help("make the tape inside the traced function"));
                }
                record::gradient(tape, &mut window, want, sources, origin)
            }
        }
    }
}

/// What a tape is asked for.
#[derive(Clone, Copy)]
pub(super) enum Want<'a> {
    /// The gradients of Σ target · cotangent; a missing cotangent is ones.
    Sum(&'a [(Tensor, Option<Tensor>)]),
    /// The gradients of one target for each row of cotangents, which have a first axis of known size.
    Rows { target: &'a Tensor, cotangents: &'a Tensor, size: usize },
}

impl<'a> Want<'a> {
    fn targets(self) -> impl Iterator<Item = &'a Tensor> {
        let (sum, rows) = match self {
            Want::Sum(targets) => (targets, None),
            Want::Rows { target, .. } => (&[][..], Some(target)),
        };
        sum.iter().map(|(target, _)| target).chain(rows)
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
    pub(super) fn targets(&self, targets: &[&Tensor]) -> Result<Vec<(Tensor, Option<Tensor>)>> {
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

    pub(super) fn missing(&self, source: &Tensor) -> Tensor {
        match self.unconnected {
            Unconnected::None => unconnected(source),
            Unconnected::Zero => source.zeros_like(),
        }
    }
}
