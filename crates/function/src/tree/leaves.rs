//! The leaves of trees: collected for a call, and given back when a tree is rebuilt.

use std::{borrow::Cow, fmt};

use smallvec::SmallVec;
use tracelift_tensor::Error;

use super::Tree;
use crate::{
    Tensor, Variable,
    parts::{Part, Recorder},
    tensor::Handle,
};

/// A tree behind a reference, whatever its type.
pub(crate) trait Visit {
    fn visit_leaves<'a>(&'a self, leaves: &mut Leaves<'a>);
}

impl<T: Tree> Visit for T {
    fn visit_leaves<'a>(&'a self, leaves: &mut Leaves<'a>) {
        self.visit(leaves);
    }
}

/// Collects the leaves of a [`Tree`], and everything else about it as a key.
#[derive(Default)]
pub struct Leaves<'a> {
    pub(crate) leaves: SmallVec<[Leaf<'a>; 4]>,
    /// All host values and the structure; equal keys mean trees that differ in their leaves only.
    pub(crate) host: SmallVec<[u64; 8]>,
    /// Writes down what it is shown instead of keeping it; only while a trace is made.
    pub(crate) recorder: Option<Box<Recorder>>,
}

/// The leaves of a call's result; written where the caller has room for them.
pub(crate) type Results = SmallVec<[Leaf<'static>; 2]>;

/// A tensor or variable in a [`Tree`], borrowed where the tree has it: a call need not count who holds it.
#[derive(Clone)]
pub(crate) enum Leaf<'a> {
    Tensor(Cow<'a, Tensor>),
    Variable(Cow<'a, Variable>),
}

impl Leaf<'static> {
    /// A tensor that is nobody else's.
    #[inline]
    pub(crate) fn of(tensor: Tensor) -> Leaf<'static> {
        Leaf::Tensor(Cow::Owned(tensor))
    }

    /// A variable that is nobody else's.
    pub(crate) fn of_variable(variable: Variable) -> Leaf<'static> {
        Leaf::Variable(Cow::Owned(variable))
    }
}

impl Leaf<'_> {
    /// The same leaf, kept beyond the tree.
    pub(crate) fn into_owned(self) -> Leaf<'static> {
        match self {
            Leaf::Tensor(tensor) => Leaf::of(tensor.into_owned()),
            Leaf::Variable(variable) => Leaf::of_variable(variable.into_owned()),
        }
    }

    pub(crate) fn as_tensor(&self) -> Option<&Tensor> {
        match self {
            Leaf::Tensor(tensor) => Some(&**tensor),
            Leaf::Variable(_) => None,
        }
    }

    pub(crate) fn into_tensor(self) -> Option<Tensor> {
        match self {
            Leaf::Tensor(tensor) => Some(tensor.into_owned()),
            Leaf::Variable(_) => None,
        }
    }
}

impl<'a> Leaves<'a> {
    /// All leaves of a tree.
    pub fn of(tree: &'a impl Tree) -> Leaves<'a> {
        let mut leaves = Leaves::default();
        tree.visit(&mut leaves);
        leaves
    }

    /// What several trees consist of, in words.
    pub(crate) fn parts(trees: &[&'a dyn Visit]) -> Vec<Part> {
        let mut leaves = Leaves { recorder: Some(Box::default()), ..Leaves::default() };
        for (argument, tree) in trees.iter().enumerate() {
            if let Some(recorder) = &mut leaves.recorder {
                recorder.argument(argument);
            }
            tree.visit_leaves(&mut leaves);
        }
        leaves.recorder.map_or_else(Vec::new, |recorder| recorder.finish())
    }

    /// The tensors, in order.
    pub fn into_tensors(self) -> Vec<Tensor> {
        self.leaves.into_iter().filter_map(Leaf::into_tensor).collect()
    }

    /// The same leaves, kept beyond the tree.
    pub(crate) fn into_owned(self) -> Leaves<'static> {
        let Leaves { leaves, host, recorder } = self;
        Leaves { leaves: leaves.into_iter().map(Leaf::into_owned).collect(), host, recorder }
    }

    /// Shows a tensor.
    #[inline]
    pub fn tensor(&mut self, tensor: &'a Tensor) {
        match (&mut self.recorder, &tensor.handle) {
            // A variable's tensor is what it holds now.
            (None, Handle::Live(_)) => self.leaves.push(Leaf::of(tensor.snapshot())),
            (None, _) => self.leaves.push(Leaf::Tensor(Cow::Borrowed(tensor))),
            (Some(recorder), _) => recorder.leaf(),
        }
    }

    /// Shows a tensor that was made to be shown.
    pub fn made_tensor(&mut self, tensor: Tensor) {
        match &mut self.recorder {
            None => self.leaves.push(Leaf::of(tensor.snapshot())),
            Some(recorder) => recorder.leaf(),
        }
    }

    /// Shows a variable.
    pub fn variable(&mut self, variable: &'a Variable) {
        match &mut self.recorder {
            None => self.leaves.push(Leaf::Variable(Cow::Borrowed(variable))),
            Some(recorder) => recorder.leaf(),
        }
    }

    /// Shows a host value by its bits.
    pub fn host(&mut self, bits: u64) {
        self.value(bits, &bits);
    }

    /// Shows a host value by its bits, and in words for those who ask why a function is traced again.
    pub fn value(&mut self, bits: u64, value: &dyn fmt::Debug) {
        match &mut self.recorder {
            None => self.host.push(bits),
            Some(recorder) => recorder.host(format_args!("{value:?}")),
        }
    }

    /// Shows how many items a list has.
    pub fn length(&mut self, n: usize) {
        match &mut self.recorder {
            None => self.host.push(n as u64),
            Some(recorder) => recorder.structure(format_args!("a list of {n}")),
        }
    }

    /// Shows on what the parts that follow depend, such as whether there are any.
    pub fn structure(&mut self, bits: u64, words: &str) {
        match &mut self.recorder {
            None => self.host.push(bits),
            Some(recorder) => recorder.structure(format_args!("{words}")),
        }
    }

    /// Shows a host text.
    pub fn text(&mut self, text: &str) {
        match &mut self.recorder {
            None => self.push_bytes(text.as_bytes()),
            Some(recorder) => recorder.host(format_args!("{text:?}")),
        }
    }

    /// Shows host bytes.
    pub fn host_bytes(&mut self, bytes: &[u8]) {
        match &mut self.recorder {
            None => self.push_bytes(bytes),
            Some(recorder) => recorder.host(format_args!("{bytes:?}")),
        }
    }

    /// Shows a part of the tree; `place` is how the part is reached from the whole, such as `.weight` or `[2]`.
    pub fn part(&mut self, place: &dyn fmt::Display, visit: impl FnOnce(&mut Leaves<'a>)) {
        let Some(recorder) = &mut self.recorder else { return visit(self) };
        let outer = recorder.enter(place);
        visit(self);
        if let Some(recorder) = &mut self.recorder {
            recorder.leave(outer);
        }
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        self.host.push(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.host.push(u64::from_le_bytes(word));
        }
    }
}

/// Gives the leaves of a [`Tree`] that is rebuilt.
pub struct LeafSource<'a> {
    leaves: &'a mut dyn Iterator<Item = Leaf<'static>>,
}

impl<'a> LeafSource<'a> {
    pub(crate) fn new(leaves: &'a mut dyn Iterator<Item = Leaf<'static>>) -> Self {
        LeafSource { leaves }
    }

    /// The next leaf, a tensor.
    pub fn tensor(&mut self) -> Tensor {
        match self.leaves.next() {
            Some(Leaf::Tensor(tensor)) => tensor.into_owned(),
            _ => missing("a tensor"),
        }
    }

    /// The next leaf, a variable.
    pub fn variable(&mut self) -> Variable {
        match self.leaves.next() {
            Some(Leaf::Variable(variable)) => variable.into_owned(),
            _ => Variable::new(missing("a variable")),
        }
    }
}

pub(super) fn missing(what: &str) -> Tensor {
    let message = format!("a tree was rebuilt from other leaves than it showed: {what} was expected");
    Tensor::failed(
        Error::internal(message).help("`visit` and `rebuild` must go through the same leaves in the same order"),
    )
}
