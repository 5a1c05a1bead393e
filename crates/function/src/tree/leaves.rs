//! The leaves of trees: collected for a call, and given back when a tree is rebuilt.

use std::fmt;

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
    fn visit_leaves(&self, leaves: &mut Leaves);
}

impl<T: Tree> Visit for T {
    fn visit_leaves(&self, leaves: &mut Leaves) {
        self.visit(leaves);
    }
}

/// Collects the leaves of a [`Tree`], and everything else about it as a key.
#[derive(Default)]
pub struct Leaves {
    pub(crate) leaves: SmallVec<[Leaf; 4]>,
    /// All host values and the structure; equal keys mean trees that differ in their leaves only.
    pub(crate) host: SmallVec<[u64; 8]>,
    /// Writes down what it is shown instead of keeping it; only while a trace is made.
    pub(crate) recorder: Option<Box<Recorder>>,
}

/// The leaves of a call's result; written where the caller has room for them.
pub(crate) type Results = SmallVec<[Leaf; 2]>;

/// A tensor or variable in a [`Tree`].
#[derive(Clone)]
pub(crate) enum Leaf {
    Tensor(Tensor),
    Variable(Variable),
}

impl Leaf {
    pub(crate) fn as_tensor(&self) -> Option<&Tensor> {
        match self {
            Leaf::Tensor(tensor) => Some(tensor),
            Leaf::Variable(_) => None,
        }
    }

    pub(crate) fn into_tensor(self) -> Option<Tensor> {
        match self {
            Leaf::Tensor(tensor) => Some(tensor),
            Leaf::Variable(_) => None,
        }
    }
}

impl Leaves {
    /// All leaves of a tree.
    pub fn of(tree: &impl Tree) -> Leaves {
        let mut leaves = Leaves::default();
        tree.visit(&mut leaves);
        leaves
    }

    /// What several trees consist of, in words.
    pub(crate) fn parts(trees: &[&dyn Visit]) -> Vec<Part> {
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

    /// Shows a tensor.
    pub fn tensor(&mut self, tensor: &Tensor) {
        match (&mut self.recorder, &tensor.handle) {
            // The usual case apart, so that the leaf is made where it stays.
            (None, Handle::Eager(array)) => self.leaves.push(Leaf::Tensor(Tensor::eager(array.clone()))),
            (None, _) => self.leaves.push(Leaf::Tensor(tensor.snapshot())),
            (Some(recorder), _) => recorder.leaf(),
        }
    }

    /// Shows a variable.
    pub fn variable(&mut self, variable: &Variable) {
        match &mut self.recorder {
            None => self.leaves.push(Leaf::Variable(variable.clone())),
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
    pub fn part(&mut self, place: &dyn fmt::Display, visit: impl FnOnce(&mut Leaves)) {
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
    leaves: &'a mut dyn Iterator<Item = Leaf>,
}

impl<'a> LeafSource<'a> {
    pub(crate) fn new(leaves: &'a mut dyn Iterator<Item = Leaf>) -> Self {
        LeafSource { leaves }
    }

    /// The next leaf, a tensor.
    pub fn tensor(&mut self) -> Tensor {
        match self.leaves.next() {
            Some(Leaf::Tensor(tensor)) => tensor,
            _ => missing("a tensor"),
        }
    }

    /// The next leaf, a variable.
    pub fn variable(&mut self) -> Variable {
        match self.leaves.next() {
            Some(Leaf::Variable(variable)) => variable,
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
