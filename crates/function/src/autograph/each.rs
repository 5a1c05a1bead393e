//! `for`: over anything iterable the rounds of plain Rust, over a range of tensors or the rows of one a loop of the graph.

use std::cell::RefCell;

use tracelift_tensor::{Error, Result};

use super::{NO, Truth, errors::Site, rounds, slot::Slots};
use crate::{IntoTensor, Tensor, Variable, control::TensorRange, scope, trace};

/// What a `for` goes over; its kind is told apart by which trait has the method.
pub struct Over<I>(RefCell<Option<I>>);

impl<I> Over<I> {
    /// Of the expression after `in`.
    pub fn new(over: I) -> Self {
        Over(RefCell::new(Some(over)))
    }

    fn take(&self) -> I {
        self.0.take().expect("a loop goes over a thing once")
    }
}

/// Something that a loop of the graph goes over.
pub trait OverGraph {
    /// The loop.
    #[track_caller]
    fn each(&self) -> EachTensor;
}

macro_rules! over_rows {
    ($($t:ty),*) => {$(
        impl OverGraph for &Over<$t> {
            fn each(&self) -> EachTensor {
                EachTensor::new(TensorRange::rows(&self.take()))
            }
        }
    )*};
}
over_rows!(Tensor, &Tensor, &Variable);

impl OverGraph for &Over<TensorRange> {
    fn each(&self) -> EachTensor {
        EachTensor::new(self.take())
    }
}

/// Anything iterable.
pub trait OverHost {
    /// What it gives.
    type Iter: Iterator;
    /// The loop.
    fn each(&self) -> Each<Self::Iter>;
}

impl<I: IntoIterator> OverHost for Over<I> {
    type Iter = I::IntoIter;
    fn each(&self) -> Each<I::IntoIter> {
        Each { broke: NO, continued: NO, items: self.take().into_iter() }
    }
}

/// A `for` whose rounds are those of plain Rust.
pub struct Each<I> {
    /// Whether a `break` was reached.
    pub broke: Truth,
    /// Whether a `continue` was reached in this round.
    pub continued: Truth,
    items: I,
}

impl<I: Iterator> Each<I> {
    /// The next item, unless the loop is over.
    pub fn next(&mut self, _: Slots<'_, '_>) -> Option<I::Item> {
        self.continued = NO;
        if self.broke.is_yes() { None } else { self.items.next() }
    }

    /// After each round.
    pub fn end(&mut self, _: Slots<'_, '_>) {}

    /// Whether the rest of this round runs.
    #[track_caller]
    pub fn goes_on(&self) -> Truth {
        Truth::neither(&self.broke, &self.continued)
    }
}

/// A `while let`, whose rounds are those of plain Rust.
pub struct Rounds {
    /// Whether a `break` was reached.
    pub broke: Truth,
    /// Whether a `continue` was reached in this round.
    pub continued: Truth,
}

impl Rounds {
    /// Before the first round.
    #[expect(clippy::new_without_default, reason = "rewritten code says `new`")]
    pub fn new() -> Rounds {
        Rounds { broke: NO, continued: NO }
    }

    /// Whether the loop is over.
    pub fn is_over(&mut self) -> bool {
        self.continued = NO;
        self.broke.is_yes()
    }

    /// Whether the rest of this round runs.
    #[track_caller]
    pub fn goes_on(&self) -> Truth {
        Truth::neither(&self.broke, &self.continued)
    }
}

/// A `for` that is a loop of the graph, or counts on tensors that hold data.
pub struct EachTensor {
    /// Whether a `break` was reached.
    pub broke: Truth,
    /// Whether a `continue` was reached in this round.
    pub continued: Truth,
    site: Site,
    range: TensorRange,
    /// The position of the next round.
    position: Tensor,
    state: State,
}

enum State {
    Host,
    Body(Box<rounds::Body>),
    Done,
}

impl EachTensor {
    #[track_caller]
    fn new(range: TensorRange) -> EachTensor {
        let site = Site { keyword: "for", origin: scope::origin() };
        let position = range.start().clone();
        EachTensor { broke: NO, continued: NO, site, range, position, state: State::Host }
    }

    /// The next item, unless the loop is over.
    pub fn next(&mut self, slots: Slots<'_, '_>) -> Option<Tensor> {
        self.continued = NO;
        if matches!(self.state, State::Done) || self.broke.is_yes() {
            return None;
        }
        let next = if trace::is_active() { self.open(slots) } else { self.count() };
        next.unwrap_or_else(|error| {
            trace::record(&error);
            slots.iter_mut().for_each(|slot| slot.fail(&error));
            self.state = State::Done;
            None
        })
    }

    /// The next item of a loop on data.
    fn count(&mut self) -> Result<Option<Tensor>> {
        if !self.range.goes_on(&self.position).item::<bool>()? {
            return Ok(None);
        }
        let item = self.range.item(&self.position);
        self.position = self.range.next(&self.position);
        Ok(Some(item))
    }

    /// The item that stands for any.
    fn open(&mut self, slots: Slots<'_, '_>) -> Result<Option<Tensor>> {
        self.range.check()?;
        let (condition, position) = rounds::Condition::open(vec![self.position.clone()], &self.site, slots)?;
        let goes_on = self.range.goes_on(&position[0]);
        let (body, position) = condition.close(&goes_on, &self.site, slots)?;
        self.state = State::Body(Box::new(body));
        self.position = position.into_iter().next().ok_or_else(|| Error::internal("a loop lost its position"))?;
        Ok(Some(self.range.item(&self.position)))
    }

    /// After each round.
    pub fn end(&mut self, slots: Slots<'_, '_>) {
        if let State::Body(body) = std::mem::replace(&mut self.state, State::Host) {
            self.state = State::Done;
            let next = self.range.next(&self.position);
            if let Err(error) = body.close(&[next], (&NO, &self.broke), &self.site, slots) {
                trace::record(&error);
                slots.iter_mut().for_each(|slot| slot.fail(&error));
            }
        }
    }

    /// Whether the rest of this round runs.
    #[track_caller]
    pub fn goes_on(&self) -> Truth {
        Truth::neither(&self.broke, &self.continued)
    }
}

impl Drop for EachTensor {
    fn drop(&mut self) {
        if let State::Body(body) = std::mem::replace(&mut self.state, State::Done) {
            body.abandon();
            if !std::thread::panicking() {
                trace::leave(self.site.left());
            }
        }
    }
}

/// What an `assert!` looks at: a bool, or any number of them in a tensor.
pub trait Asserted {
    /// The bool, or the tensor.
    fn asserted(&self) -> Result<bool, Tensor>;
}

impl Asserted for bool {
    fn asserted(&self) -> Result<bool, Tensor> {
        Ok(*self)
    }
}

impl<T: super::compare::TensorLike + ?Sized> Asserted for T {
    fn asserted(&self) -> Result<bool, Tensor> {
        let tensor = self.like().snapshot();
        if tensor.is_traced() || tensor.error().is_some() {
            return Err(tensor);
        }
        match tensor.all(..).item() {
            Ok(holds) => Ok(holds),
            Err(_) => Err(tensor),
        }
    }
}

/// The tensor of an `assert!`, which fails the call unless all of it is true.
#[track_caller]
pub fn assert_tensor(condition: &Tensor, message: &str) {
    // The error is in the trace; a tensor that carries one gives it where it is read.
    let _ = crate::assert_all(condition, message);
}

/// A tensor, for the macros.
#[track_caller]
pub fn tensor_of(value: impl IntoTensor) -> Tensor {
    value.into_tensor()
}
