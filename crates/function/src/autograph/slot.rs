//! The variables that a branch or a round of a loop assigns: saved before it, restored or replaced after it.

use std::{any::Any, cell::RefCell};

use tracelift_tensor::Error;

use super::{
    Carried, Truth,
    late::{Late, Returned},
};
use crate::{
    Tensor,
    tree::{Leaf, Leaves, Tree, poisoned, with_tensors},
};

/// A variable of the user's function, by its place and name.
pub trait Slot {
    /// What the user calls it.
    fn name(&self) -> &'static str;

    /// Its value now.
    fn save(&self) -> Saved;

    /// The saved value again, with other tensors if there are any.
    fn load(&mut self, saved: &Saved, tensors: Option<Vec<Tensor>>);

    /// Makes all its tensors carry an error.
    fn fail(&mut self, error: &Error);
}

/// The variables of one branch or loop.
pub type Slots<'a, 'b> = &'a mut [&'b mut dyn Slot];

/// The value of a variable at some time.
pub struct Saved {
    value: Box<dyn Any>,
    pub(crate) parts: Parts,
}

impl Saved {
    /// A flag.
    pub(crate) fn flag(flag: Truth) -> Saved {
        Saved { value: Box::new(flag.clone()), parts: Parts::Flag(flag) }
    }

    /// Whether a loop carries it only if a round changes it.
    pub(crate) fn is_lazy(&self) -> bool {
        matches!(self.parts, Parts::Flag(_) | Parts::Late(_))
    }
}

/// What a value is made of.
#[derive(Clone)]
pub enum Parts {
    /// Tensors and host values.
    Tree(Group),
    /// A flag of rewritten code.
    Flag(Truth),
    /// What is returned, once something is.
    Late(Option<Group>),
    /// A number beside a tensor in the other branch.
    Number(Tensor, Group),
    /// Anything else, by its type.
    Opaque(&'static str),
    /// The value of a branch that was not run.
    Absent,
}

/// The tensors of a value, and all else about it.
#[derive(Clone)]
pub struct Group {
    pub(crate) host: Vec<u64>,
    pub(crate) tensors: Vec<Tensor>,
}

impl Group {
    pub(crate) fn of(tree: &impl Tree) -> Group {
        let leaves = Leaves::of(tree);
        let mut host = leaves.host.to_vec();
        // Which variables a tree holds is no value of a graph, either.
        host.extend(leaves.leaves.iter().filter_map(|leaf| match leaf {
            Leaf::Variable(variable) => Some(variable.id()),
            Leaf::Tensor(_) => None,
        }));
        Group { host, tensors: leaves.into_tensors() }
    }
}

impl Parts {
    /// The tensors, in order.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        match self {
            Parts::Tree(group) | Parts::Late(Some(group)) => group.tensors.clone(),
            Parts::Flag(Truth::Host(_)) | Parts::Late(None) | Parts::Opaque(_) | Parts::Absent => Vec::new(),
            Parts::Flag(truth) => vec![truth.tensor()],
            Parts::Number(number, _) => vec![number.clone()],
        }
    }
}

/// Finds out what kind of variable a place is; the kinds are told apart by which trait has the method.
pub struct Probe<'a, T: ?Sized>(RefCell<Option<&'a mut T>>, &'static str);

impl<'a, T: ?Sized> Probe<'a, T> {
    /// Of a place and its name.
    pub fn new(place: &'a mut T, name: &'static str) -> Self {
        Probe(RefCell::new(Some(place)), name)
    }

    fn take(&self) -> &'a mut T {
        self.0.take().expect("a place is probed once")
    }
}

/// A variable made of tensors and host values.
pub trait ProbeTree<'a> {
    /// The variable.
    type Slot: Slot;
    /// The variable.
    fn slot(&self) -> Self::Slot;
}

impl<'a, T: Carried> ProbeTree<'a> for &&Probe<'a, T> {
    type Slot = TreeSlot<'a, T>;
    fn slot(&self) -> TreeSlot<'a, T> {
        TreeSlot(self.take(), self.1)
    }
}

/// A variable that the macro made.
pub trait ProbeOwn<'a> {
    /// The variable.
    type Slot: Slot;
    /// The variable.
    fn slot(&self) -> Self::Slot;
}

impl<'a> ProbeOwn<'a> for &Probe<'a, Truth> {
    type Slot = FlagSlot<'a>;
    fn slot(&self) -> FlagSlot<'a> {
        FlagSlot(self.take(), self.1)
    }
}

impl<'a, R: Returned> ProbeOwn<'a> for &Probe<'a, Late<R>> {
    type Slot = LateSlot<'a, R>;
    fn slot(&self) -> LateSlot<'a, R> {
        LateSlot(self.take(), self.1)
    }
}

/// Any other variable.
pub trait ProbeOpaque {
    /// The variable.
    fn slot(&self) -> OpaqueSlot;
}

impl<T: ?Sized> ProbeOpaque for Probe<'_, T> {
    fn slot(&self) -> OpaqueSlot {
        OpaqueSlot(std::any::type_name::<T>(), self.1)
    }
}

/// See [`ProbeTree`].
pub struct TreeSlot<'a, T>(&'a mut T, &'static str);

impl<T: Carried> Slot for TreeSlot<'_, T> {
    fn name(&self) -> &'static str {
        self.1
    }

    fn save(&self) -> Saved {
        Saved { value: Box::new(self.0.clone()), parts: Parts::Tree(Group::of(self.0)) }
    }

    fn load(&mut self, saved: &Saved, tensors: Option<Vec<Tensor>>) {
        let tree = saved.value.downcast_ref::<T>().expect("a variable is given what it was");
        *self.0 = tensors.map_or_else(|| tree.clone(), |tensors| with_tensors(tree, tensors));
    }

    fn fail(&mut self, error: &Error) {
        *self.0 = poisoned(self.0, error);
    }
}

/// See [`ProbeOwn`].
pub struct FlagSlot<'a>(&'a mut Truth, &'static str);

impl Slot for FlagSlot<'_> {
    fn name(&self) -> &'static str {
        self.1
    }

    fn save(&self) -> Saved {
        Saved { value: Box::new(self.0.clone()), parts: Parts::Flag(self.0.clone()) }
    }

    fn load(&mut self, saved: &Saved, tensors: Option<Vec<Tensor>>) {
        let truth = saved.value.downcast_ref::<Truth>().expect("a flag is given what it was");
        *self.0 = match tensors.and_then(|mut tensors| tensors.pop()) {
            Some(tensor) => Truth::Graph(tensor),
            None => truth.clone(),
        };
    }

    fn fail(&mut self, _: &Error) {
        // A loop must not go on for ever because its end is decided by a mistake.
        if self.1.starts_with("__loop") {
            *self.0 = Truth::Host(true);
        }
    }
}

/// See [`ProbeOwn`].
pub struct LateSlot<'a, R>(&'a mut Late<R>, &'static str);

impl<R: Returned> Slot for LateSlot<'_, R> {
    fn name(&self) -> &'static str {
        self.1
    }

    fn save(&self) -> Saved {
        let value = self.0.value.as_ref();
        Saved { value: Box::new(value.cloned()), parts: Parts::Late(value.map(Returned::group)) }
    }

    fn load(&mut self, saved: &Saved, tensors: Option<Vec<Tensor>>) {
        let value = saved.value.downcast_ref::<Option<R>>().expect("a result is given what it was");
        self.0.value = match (value, tensors) {
            (Some(value), Some(tensors)) => Some(value.with(tensors)),
            (value, _) => value.clone(),
        };
    }

    fn fail(&mut self, error: &Error) {
        self.0.value = self.0.value.as_ref().map(|value| value.failed(error));
    }
}

/// See [`ProbeOpaque`].
pub struct OpaqueSlot(&'static str, &'static str);

impl Slot for OpaqueSlot {
    fn name(&self) -> &'static str {
        self.1
    }

    fn save(&self) -> Saved {
        Saved { value: Box::new(()), parts: Parts::Opaque(self.0) }
    }

    fn load(&mut self, _: &Saved, _: Option<Vec<Tensor>>) {}

    fn fail(&mut self, _: &Error) {}
}

/// The values of all variables.
pub(crate) fn save(slots: &Slots<'_, '_>) -> Vec<Saved> {
    slots.iter().map(|slot| slot.save()).collect()
}

/// All variables as they were.
pub(crate) fn restore(slots: Slots<'_, '_>, saved: &[Saved]) {
    slots.iter_mut().zip(saved).for_each(|(slot, saved)| slot.load(saved, None));
}
