//! What functions return: trees, or results of trees.

use tracelift_tensor::Result;

use crate::tree::{Tree, poisoned};

/// What a function may return: a [`Tree`], or a `Result` of one.
///
/// An error of the call becomes the `Err`, or the error that every tensor of the tree carries.
pub trait Outcome: 'static {
    /// The tree.
    type Tree: Tree;

    /// The tree, or the error that the function returned.
    fn split(self) -> Result<Self::Tree>;

    /// The outcome of a call; `shape` gives a tree of the right structure if it failed.
    fn join(result: Result<Self::Tree>, shape: impl FnOnce() -> Self) -> Self;
}

impl<T: Tree> Outcome for T {
    type Tree = T;

    fn split(self) -> Result<T> {
        Ok(self)
    }

    fn join(result: Result<T>, shape: impl FnOnce() -> T) -> T {
        result.unwrap_or_else(|error| T::failed(&error).unwrap_or_else(|| poisoned(&shape(), &error)))
    }
}

impl<T: Tree> Outcome for Result<T> {
    type Tree = T;

    fn split(self) -> Result<T> {
        self
    }

    fn join(result: Result<T>, _: impl FnOnce() -> Result<T>) -> Result<T> {
        result
    }
}
