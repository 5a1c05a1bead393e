//! `&&` and `||`: of two bools a bool, as soon as one operand is a tensor a tensor.
//!
//! The right operand has a say only if the left one does not decide. Where that is known when the graph runs, the right
//! operand is a branch of the graph, unless it is a few operations on numbers that cannot fail: computing those costs less
//! than deciding whether to.

use tracelift_tensor::Result;

use super::{
    Condition, Truth,
    branch::{Branch, join},
    cheap::is_cheap,
    errors::Site,
    slot::{Group, Parts, Saved, Slots, restore, save},
};
use crate::{
    Tensor, scope, tensor,
    trace::{self, OpenRegion},
};

/// The right operand under way.
pub struct Lazy {
    site: Site,
    /// The left value that decides alone.
    decides: bool,
    state: State,
}

enum State {
    /// Plain Rust: it runs or not.
    Host(bool),
    /// It runs in a branch of the graph.
    Open {
        left: Tensor,
        before: Vec<Saved>,
        branch: Result<OpenRegion>,
    },
    Done,
}

impl Lazy {
    /// Of `left && …`, whose right operand assigns some variables.
    #[track_caller]
    pub fn and(left: &impl Condition, slots: Slots<'_, '_>) -> Lazy {
        Lazy::of("&&", false, left, &slots)
    }

    /// Of `left || …`.
    #[track_caller]
    pub fn or(left: &impl Condition, slots: Slots<'_, '_>) -> Lazy {
        Lazy::of("||", true, left, &slots)
    }

    #[track_caller]
    fn of(keyword: &'static str, decides: bool, left: &impl Condition, slots: &Slots<'_, '_>) -> Lazy {
        let site = Site { keyword, origin: scope::origin() };
        let state = match left.truth(keyword, &site.origin) {
            Truth::Host(value) => State::Host(value != decides),
            // For its types and mistakes.
            Truth::Failed(_) => State::Host(true),
            Truth::Graph(left) => {
                let before = save(slots);
                let opaque = before.iter().zip(slots.iter()).find_map(|(saved, slot)| match saved.parts {
                    Parts::Opaque(kind) => Some(site.opaque(slot.name(), kind)),
                    _ => None,
                });
                if let Some(error) = opaque {
                    trace::record(&error);
                }
                State::Open { left, before, branch: trace::open("right", &[]).map(|(open, _)| open) }
            }
        };
        Lazy { site, decides, state }
    }

    /// Whether the right operand is run.
    pub fn runs(&self) -> bool {
        match &self.state {
            State::Host(runs) => *runs,
            State::Open { .. } => true,
            State::Done => false,
        }
    }

    /// After the right operand; gives the value of both if that is made already.
    pub fn end(&mut self, right: &Option<impl Condition>, slots: Slots<'_, '_>) -> Option<Tensor> {
        let State::Open { left, before, branch } = std::mem::replace(&mut self.state, State::Done) else { return None };
        let right = right.as_ref()?;
        let made = branch.and_then(|open| self.close(&left, &before, open, right, slots));
        Some(made.unwrap_or_else(|error| {
            slots.iter_mut().for_each(|slot| slot.fail(&error));
            trace::fail(error, None)
        }))
    }

    fn close(
        &self,
        left: &Tensor,
        before: &[Saved],
        open: OpenRegion,
        right: &impl Condition,
        slots: Slots<'_, '_>,
    ) -> Result<Tensor> {
        let Site { keyword, origin } = &self.site;
        let value = Parts::Tree(Group { host: Vec::new(), tensors: vec![right.truth(keyword, origin).tensor()] });
        let saved = save(&slots);
        let tensors = saved.iter().map(|saved| &saved.parts).chain([&value]).flat_map(Parts::tensors);
        let closed = open.close(&tensors.collect::<Vec<_>>(), origin);
        restore(slots, before);
        let mut region = closed?;
        if slots.is_empty() && region.assigned().is_empty() && is_cheap(region.builder()) {
            let right = region.inline(origin)?.remove(0);
            return Ok(if self.decides { left.or(right) } else { left.and(right) });
        }
        let right = Branch { region, saved, value };
        let (open, _) = trace::open("decided", &[])?;
        let saved = save(&slots);
        let value = Parts::Tree(Group { host: Vec::new(), tensors: vec![tensor(self.decides)] });
        let tensors = saved.iter().map(|saved| &saved.parts).chain([&value]).flat_map(Parts::tensors);
        let decided = Branch { region: open.close(&tensors.collect::<Vec<_>>(), origin)?, saved, value };
        let (then, otherwise) = if self.decides { (decided, right) } else { (right, decided) };
        Ok(join(&self.site, left, then, otherwise, slots)?.remove(0))
    }
}

impl Drop for Lazy {
    fn drop(&mut self) {
        // A right operand that is still open was left by a jump.
        if let State::Open { branch, .. } = std::mem::replace(&mut self.state, State::Done) {
            if let Ok(open) = branch {
                open.abandon();
            }
            if !std::thread::panicking() {
                trace::leave(self.site.left());
            }
        }
    }
}

/// The operands; the right one is there only if it has a say.
pub struct Logic<A, B>(A, Option<B>, Option<Tensor>);

impl<A, B> Logic<A, B> {
    /// Of the left operand and, unless that decides alone, the right one; `made` is their value, if it is made already.
    pub fn new(left: A, right: Option<B>, made: Option<Tensor>) -> Self {
        Logic(left, right, made)
    }
}

/// Two bools.
pub trait LogicHost {
    /// `a && b`
    fn and(&self) -> bool;
    /// `a || b`
    fn or(&self) -> bool;
}

impl LogicHost for &Logic<bool, bool> {
    fn and(&self) -> bool {
        self.0 && self.1.unwrap_or(false)
    }

    fn or(&self) -> bool {
        self.0 || self.1.unwrap_or(true)
    }
}

/// At least one tensor.
pub trait LogicTensor {
    /// Both.
    #[track_caller]
    fn and(&self) -> Tensor;
    /// One of both.
    #[track_caller]
    fn or(&self) -> Tensor;
}

impl<A: Condition, B: Condition> LogicTensor for Logic<A, B> {
    fn and(&self) -> Tensor {
        self.joined("&&", Tensor::and)
    }

    fn or(&self) -> Tensor {
        self.joined("||", Tensor::or)
    }
}

impl<A: Condition, B: Condition> Logic<A, B> {
    #[track_caller]
    fn joined(&self, keyword: &'static str, join: fn(&Tensor, Tensor) -> Tensor) -> Tensor {
        if let Some(made) = &self.2 {
            return made.clone();
        }
        let origin = scope::origin();
        let left = self.0.truth(keyword, &origin).tensor();
        self.1.as_ref().map_or_else(|| left.clone(), |right| join(&left, right.truth(keyword, &origin).tensor()))
    }
}
