//! What functions take, return and carry through loops: values made of tensors, variables and host values.

mod leaves;
mod values;

use std::borrow::Cow;

use tracelift_tensor::{Error, Result};

use crate::{Tensor, spec::SpecSource};

pub(crate) use leaves::{Leaf, Results, Visit};
pub use leaves::{LeafSource, Leaves};

use leaves::missing;

/// A value made of tensors, variables and host values.
///
/// Derive it for structs: `#[derive(Clone, Tree)]`. Two values with the same host values and the same structure differ
/// only in their tensors and variables, the *leaves*.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not made of tensors and host values",
    note = "derive it: `#[derive(Clone, Tree)]`"
)]
pub trait Tree: Clone + Send + Sync + 'static {
    /// Shows all leaves, host values and the structure, always in the same order.
    fn visit<'a>(&'a self, leaves: &mut Leaves<'a>);

    /// The same structure and host values with other leaves, taken in the order of [`visit`](Self::visit).
    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self;

    /// A value of this type for tracing, from specs of its leaves; types whose structure is not fixed have none.
    fn from_spec(specs: &mut SpecSource) -> Result<Self> {
        let _ = specs;
        let message = format!("a value of type `{}` cannot be made from a spec", std::any::type_name::<Self>());
        Err(Error::type_(message).help("trace it by calling the function with a value"))
    }

    /// A value of this type, every tensor of which carries an error; types whose structure is not fixed have none.
    fn failed(error: &Error) -> Option<Self> {
        let _ = error;
        None
    }
}

/// The same tree with other tensors; its variables stay.
pub(crate) fn with_tensors<T: Tree>(tree: &T, tensors: impl IntoIterator<Item = Tensor>) -> T {
    let mut tensors = tensors.into_iter();
    let leaves = Leaves::of(tree).leaves.into_iter().map(|leaf| match leaf {
        Leaf::Tensor(_) => Leaf::of(tensors.next().unwrap_or_else(|| missing("a tensor"))),
        Leaf::Variable(variable) => Leaf::Variable(Cow::Owned(variable.into_owned())),
    });
    with_leaves(tree, leaves)
}

/// The same tree with other leaves.
pub(crate) fn with_leaves<T: Tree>(tree: &T, leaves: impl IntoIterator<Item = Leaf<'static>>) -> T {
    tree.rebuild(&mut LeafSource::new(&mut leaves.into_iter()))
}

/// The same tree, every tensor of which carries an error.
pub(crate) fn poisoned<T: Tree>(tree: &T, error: &Error) -> T {
    let tensors = Leaves::of(tree).into_tensors();
    with_tensors(tree, tensors.iter().map(|tensor| Tensor::poisoned(error.clone(), tensor.ty())))
}
