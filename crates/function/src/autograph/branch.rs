//! `if` and `else`: the branch that is taken if that is known, else both, one after the other, as a branch of the graph.

use tracelift_ir::{Builder, TensorType, Value};
use tracelift_tensor::{Dim, Error, Result};

use super::{
    Condition, Truth,
    errors::{Site, quoted},
    late::FALLIBLE,
    slot::{Group, Parts, Saved, Slots, restore, save},
};
use crate::{
    Tensor,
    control::push_cond,
    scope,
    trace::{self, Frame, Kind, OpenRegion, Region},
};

/// An `if` under way.
pub struct If {
    site: Site,
    state: State,
}

enum State {
    /// Plain Rust: one branch runs.
    Host(bool),
    /// The condition was never known; the first branch runs for its types, unseen.
    Failed(Error, Option<trace::Entered>),
    Then {
        condition: Tensor,
        before: Vec<Saved>,
        branch: Result<OpenRegion>,
    },
    Else {
        condition: Tensor,
        then: Result<Box<Branch>>,
        branch: Result<OpenRegion>,
    },
    Done,
}

/// A traced branch.
pub(crate) struct Branch {
    pub(crate) region: Region,
    /// What the variables are at its end.
    pub(crate) saved: Vec<Saved>,
    /// What it gives.
    pub(crate) value: Parts,
}

/// What became of the value of an `if`.
pub enum Joined {
    /// Only one branch was run.
    One,
    /// The tensors of the value, as results of the graph's branch.
    Tensors(Vec<Tensor>),
    /// The branches have no common value.
    Failed(Error),
}

impl If {
    /// Looks at the condition.
    #[track_caller]
    pub fn new(condition: impl Condition, slots: Slots<'_, '_>) -> If {
        let site = Site { keyword: "if", origin: scope::origin() };
        let state = match condition.truth("if", &site.origin) {
            Truth::Host(taken) => State::Host(taken),
            Truth::Failed(error) => State::Failed(error, trace::enter(Frame::new(Kind::Discarded, "discarded")).ok()),
            Truth::Graph(condition) => {
                let before = save(&slots);
                let opaque = before.iter().zip(slots.iter()).find_map(|(saved, slot)| match saved.parts {
                    Parts::Opaque(kind) => Some(site.opaque(slot.name(), kind)),
                    _ => None,
                });
                let opened = trace::open("then", &[]).map(|(open, _)| open);
                if let Some(error) = opaque {
                    trace::record(&error);
                }
                State::Then { condition, before, branch: opened }
            }
        };
        If { site, state }
    }

    /// Whether the first branch runs now.
    pub fn takes_then(&self) -> bool {
        match &self.state {
            State::Host(taken) => *taken,
            State::Failed(..) | State::Then { .. } => true,
            State::Else { .. } | State::Done => false,
        }
    }

    /// Whether the other branch runs now.
    pub fn takes_else(&self) -> bool {
        match &self.state {
            State::Host(taken) => !*taken,
            State::Else { .. } => true,
            State::Failed(..) | State::Then { .. } | State::Done => false,
        }
    }

    /// Goes from the first branch, which gave `value`, to the other.
    pub fn turn(&mut self, slots: Slots<'_, '_>, value: Parts) {
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Then { condition, before, branch } => {
                let then = branch.and_then(|open| self.close(open, &slots, value)).map(Box::new);
                restore(slots, &before);
                State::Else { condition, then, branch: trace::open("else", &[]).map(|(open, _)| open) }
            }
            State::Failed(error, entered) => {
                drop(entered);
                slots.iter_mut().for_each(|slot| slot.fail(&error));
                State::Failed(error, None)
            }
            other => other,
        };
    }

    /// Ends the `if`; its other branch gave `value`.
    pub fn end(&mut self, slots: Slots<'_, '_>, value: Parts) -> Joined {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Failed(error, _) => Joined::Failed(error),
            State::Else { condition, then, branch } => {
                let otherwise = branch.and_then(|open| self.close(open, &slots, value));
                match then.and_then(|then| join(&self.site, &condition, *then, otherwise?, slots)) {
                    Ok(tensors) => Joined::Tensors(tensors),
                    Err(error) => {
                        trace::record(&error);
                        slots.iter_mut().for_each(|slot| slot.fail(&error));
                        Joined::Failed(error)
                    }
                }
            }
            State::Host(_) | State::Then { .. } | State::Done => Joined::One,
        }
    }

    fn close(&self, open: OpenRegion, slots: &Slots<'_, '_>, value: Parts) -> Result<Branch> {
        let saved = save(slots);
        let tensors = saved.iter().map(|saved| &saved.parts).chain([&value]).flat_map(Parts::tensors);
        let region = open.close(&tensors.collect::<Vec<_>>(), &self.site.origin)?;
        Ok(Branch { region, saved, value })
    }
}

impl Drop for If {
    fn drop(&mut self) {
        // A branch that is still open was left by a jump.
        let open = match std::mem::replace(&mut self.state, State::Done) {
            State::Then { branch, .. } | State::Else { branch, .. } => branch,
            State::Host(_) | State::Failed(..) | State::Done => return,
        };
        if let Ok(open) = open {
            open.abandon();
        }
        if !std::thread::panicking() {
            trace::leave(self.site.left());
        }
    }
}

/// The branch of the graph; gives the variables their values after it, and the tensors of the value of the `if`.
pub(crate) fn join(
    site: &Site,
    condition: &Tensor,
    then: Branch,
    otherwise: Branch,
    slots: Slots<'_, '_>,
) -> Result<Vec<Tensor>> {
    let mut join = Join { site, then: Side::of(then.region), otherwise: Side::of(otherwise.region) };
    let counts = then.saved.iter().zip(&otherwise.saved).zip(slots.iter()).map(|((a, b), slot)| {
        let count = join.parts(&quoted(slot.name()), &a.parts, &b.parts)?;
        // The pattern is the branch that has a value.
        Ok((count, matches!(a.parts, Parts::Late(None))))
    });
    let counts = counts.collect::<Result<Vec<_>>>()?;
    let value = join.value(&then.value, &otherwise.value)?;
    let results = join.push(condition)?;
    let mut results = results.into_iter();
    for (i, slot) in slots.iter_mut().enumerate() {
        let (count, second) = counts[i];
        let pattern = if second { &otherwise.saved[i] } else { &then.saved[i] };
        slot.load(pattern, count.map(|count| results.by_ref().take(count).collect()));
    }
    Ok(results.take(value).collect())
}

/// A traced branch whose results are looked at in turn.
struct Side {
    region: Region,
    given: std::vec::IntoIter<Value>,
    results: Vec<Value>,
}

impl Side {
    fn of(region: Region) -> Side {
        let given = region.results().to_vec().into_iter();
        Side { region, given, results: Vec::new() }
    }

    fn next(&mut self) -> Value {
        self.given.next().expect("a branch gives the tensors of its variables")
    }

    fn ty(&mut self, value: Value) -> TensorType {
        self.region.builder().ty(value).as_tensor().expect("branches give tensors").clone()
    }
}

struct Join<'a> {
    site: &'a Site,
    then: Side,
    otherwise: Side,
}

impl Join<'_> {
    /// Both branches' values of one variable; how many results it takes, or that it is the same in both.
    fn parts(&mut self, name: &str, then: &Parts, otherwise: &Parts) -> Result<Option<usize>> {
        match (then, otherwise) {
            (Parts::Late(Some(group)), _) | (_, Parts::Late(Some(group))) if group.host == FALLIBLE => {
                Err(self.site.fallible())
            }
            (Parts::Tree(a), Parts::Tree(b)) => self.groups(name, a, b).map(Some),
            (Parts::Late(Some(a)), Parts::Late(Some(b))) => self.groups(name, a, b).map(Some),
            (Parts::Late(Some(a)), Parts::Late(None)) => {
                for _ in &a.tensors {
                    let value = self.then.next();
                    self.then.results.push(value);
                    let ty = self.then.ty(value);
                    let filler = zeros(self.otherwise.region.builder(), &ty)?;
                    self.otherwise.results.push(filler);
                }
                Ok(Some(a.tensors.len()))
            }
            (Parts::Late(None), Parts::Late(Some(b))) => {
                for _ in &b.tensors {
                    let value = self.otherwise.next();
                    self.otherwise.results.push(value);
                    let ty = self.otherwise.ty(value);
                    let filler = zeros(self.then.region.builder(), &ty)?;
                    self.then.results.push(filler);
                }
                Ok(Some(b.tensors.len()))
            }
            (Parts::Flag(Truth::Host(a)), Parts::Flag(Truth::Host(b))) if a == b => Ok(None),
            (Parts::Flag(a), Parts::Flag(b)) => {
                for (side, flag) in [(&mut self.then, a), (&mut self.otherwise, b)] {
                    let value = match flag {
                        Truth::Host(flag) => side.region.builder().constant(tracelift_tensor::Array::scalar(*flag)),
                        _ => side.next(),
                    };
                    side.results.push(value);
                }
                Ok(Some(1))
            }
            _ => Ok(None),
        }
    }

    /// Values of equal structure, whose tensors have equal types.
    fn groups(&mut self, name: &str, then: &Group, otherwise: &Group) -> Result<usize> {
        if then.host != otherwise.host || then.tensors.len() != otherwise.tensors.len() {
            return Err(self.site.host(name));
        }
        for _ in &then.tensors {
            let (a, b) = (self.then.next(), self.otherwise.next());
            let (x, y) = (self.then.ty(a), self.otherwise.ty(b));
            if x != y && !may_join(&x, &y) {
                return Err(self.site.branches(name, &x, &y));
            }
            self.then.results.push(a);
            self.otherwise.results.push(b);
        }
        Ok(then.tensors.len())
    }

    /// The values of the `if` itself.
    fn value(&mut self, then: &Parts, otherwise: &Parts) -> Result<usize> {
        let name = "its value";
        let (a, b) = match (then, otherwise) {
            (Parts::Absent, Parts::Absent) => return Ok(0),
            (Parts::Tree(a), Parts::Tree(b)) => (a.clone(), b.clone()),
            // A number beside a tensor is one, too; two numbers are host values.
            (Parts::Number(_, a), Parts::Number(_, b)) if a.host == b.host => return Ok(0),
            (Parts::Number(..), Parts::Number(..)) => return Err(self.site.host(name)),
            (Parts::Number(x, _), Parts::Tree(b)) => {
                (Group { host: b.host.clone(), tensors: vec![x.clone()] }, b.clone())
            }
            (Parts::Tree(a), Parts::Number(x, _)) => {
                (a.clone(), Group { host: a.host.clone(), tensors: vec![x.clone()] })
            }
            (Parts::Opaque(_), _) => return Err(self.site.value(then)),
            _ => return Err(self.site.value(otherwise)),
        };
        self.groups(name, &a, &b)
    }

    fn push(mut self, condition: &Tensor) -> Result<Vec<Tensor>> {
        self.then.region.set_results(self.then.results);
        self.otherwise.region.set_results(self.otherwise.results);
        push_cond(condition, self.then.region, self.otherwise.region, &self.site.origin)
    }
}

/// Whether branches may give values of these types.
pub(crate) fn may_join(a: &TensorType, b: &TensorType) -> bool {
    trace::with_active(|stack| stack.may_join(a, b)).unwrap_or(false)
}

/// What stands for a value that nobody looks at; sizes that are known only where it would be made are 0.
fn zeros(builder: &mut Builder, ty: &TensorType) -> Result<Value> {
    let ty = trace::with_active(|stack| stack.with_found(ty, |_| Dim::ZERO)).unwrap_or_else(|| ty.clone());
    known_zeros(builder, &ty)
}

/// Zeros of sizes that are known where they are made.
pub(crate) fn known_zeros(builder: &mut Builder, ty: &TensorType) -> Result<Value> {
    let number = builder.number(ty.dtype, 0.0);
    if ty.shape.is_empty() { Ok(number) } else { builder.broadcast(number, ty.shape.clone(), &[]) }
}
