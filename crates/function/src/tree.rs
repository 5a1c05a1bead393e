//! What functions take, return and carry through loops: values made of tensors, variables and host values.

use smallvec::SmallVec;
use tracelift_tensor::{DType, Error, Result};

use crate::{
    Tensor, Variable,
    spec::{SpecItem, SpecSource},
};

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
    fn visit(&self, leaves: &mut Leaves);

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
}

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

    /// All leaves of several trees.
    pub(crate) fn collect(trees: &[&dyn Visit]) -> Leaves {
        let mut leaves = Leaves::default();
        trees.iter().for_each(|tree| tree.visit_leaves(&mut leaves));
        leaves
    }

    /// The tensors, in order.
    pub fn into_tensors(self) -> Vec<Tensor> {
        self.leaves.into_iter().filter_map(Leaf::into_tensor).collect()
    }

    /// Shows a tensor.
    pub fn tensor(&mut self, tensor: &Tensor) {
        self.leaves.push(Leaf::Tensor(tensor.snapshot()));
    }

    /// Shows a variable.
    pub fn variable(&mut self, variable: &Variable) {
        self.leaves.push(Leaf::Variable(variable.clone()));
    }

    /// Shows a host value, or a part of the structure such as a length, by its bits.
    pub fn host(&mut self, bits: u64) {
        self.host.push(bits);
    }

    /// Shows host bytes.
    pub fn host_bytes(&mut self, bytes: &[u8]) {
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

fn missing(what: &str) -> Tensor {
    let message = format!("a tree was rebuilt from other leaves than it showed: {what} was expected");
    Tensor::failed(
        Error::internal(message).help("`visit` and `rebuild` must go through the same leaves in the same order"),
    )
}

/// The same tree with other tensors; its variables stay.
pub(crate) fn with_tensors<T: Tree>(tree: &T, tensors: impl IntoIterator<Item = Tensor>) -> T {
    let mut tensors = tensors.into_iter();
    let leaves: Vec<Leaf> = Leaves::of(tree)
        .leaves
        .into_iter()
        .map(|leaf| match leaf {
            Leaf::Tensor(_) => Leaf::Tensor(tensors.next().unwrap_or_else(|| missing("a tensor"))),
            variable => variable,
        })
        .collect();
    with_leaves(tree, leaves)
}

/// The same tree with other leaves.
pub(crate) fn with_leaves<T: Tree>(tree: &T, leaves: impl IntoIterator<Item = Leaf>) -> T {
    tree.rebuild(&mut LeafSource::new(&mut leaves.into_iter()))
}

/// The same tree, every tensor of which carries an error.
pub(crate) fn poisoned<T: Tree>(tree: &T, error: &Error) -> T {
    let tensors = Leaves::of(tree).into_tensors();
    with_tensors(tree, tensors.iter().map(|tensor| Tensor::poisoned(error.clone(), tensor.ty())))
}

impl Tree for Tensor {
    fn visit(&self, leaves: &mut Leaves) {
        leaves.tensor(self);
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        leaves.tensor()
    }

    fn from_spec(specs: &mut SpecSource) -> Result<Self> {
        match specs.next("a tensor")? {
            SpecItem::Tensor(ty) => Ok(Tensor::placeholder(ty)),
            SpecItem::Variable(variable) => Ok(Tensor::placeholder(variable.ty())),
            SpecItem::Host(_) => {
                Err(Error::type_("a host value was given where a tensor was expected").help("wrap it: `tensor(…)`"))
            }
        }
    }

    fn failed(error: &Error) -> Option<Self> {
        Some(Tensor::failed(error.clone()))
    }
}

impl Tree for Variable {
    fn visit(&self, leaves: &mut Leaves) {
        leaves.variable(self);
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        leaves.variable()
    }

    fn from_spec(specs: &mut SpecSource) -> Result<Self> {
        match specs.next("a variable")? {
            SpecItem::Variable(variable) => Ok(variable),
            SpecItem::Tensor(ty) => {
                Err(Error::type_(format!("a tensor of {ty} was given where a variable was expected")))
            }
            SpecItem::Host(_) => Err(Error::type_("a host value was given where a variable was expected")),
        }
    }
}

macro_rules! host_values {
    ($($t:ty = $none:expr, $value:ident => $bits:expr;)*) => {$(
        impl Tree for $t {
            fn visit(&self, leaves: &mut Leaves) {
                let $value = *self;
                leaves.host($bits);
            }

            fn rebuild(&self, _: &mut LeafSource<'_>) -> Self {
                *self
            }

            fn from_spec(specs: &mut SpecSource) -> Result<Self> {
                specs.host()
            }

            fn failed(_: &Error) -> Option<Self> {
                Some($none)
            }
        }
    )*};
}
host_values! {
    i32 = 0, n => n as u32 as u64;
    i64 = 0, n => n as u64;
    u8 = 0, n => n.into();
    u32 = 0, n => n.into();
    u64 = 0, n => n;
    usize = 0, n => n as u64;
    f32 = 0.0, x => x.to_bits().into();
    f64 = 0.0, x => x.to_bits();
    bool = false, b => b.into();
    char = '\0', c => c.into();
    DType = DType::F32, dtype => dtype as u64;
}

macro_rules! host_texts {
    ($($t:ty)*) => {$(
        impl Tree for $t {
            fn visit(&self, leaves: &mut Leaves) {
                leaves.host_bytes(self.as_bytes());
            }

            fn rebuild(&self, _: &mut LeafSource<'_>) -> Self {
                self.clone()
            }

            fn from_spec(specs: &mut SpecSource) -> Result<Self> {
                specs.host()
            }

            fn failed(_: &Error) -> Option<Self> {
                Some(Self::default())
            }
        }
    )*};
}
host_texts!(String &'static str);

impl<T: Tree> Tree for Vec<T> {
    fn visit(&self, leaves: &mut Leaves) {
        leaves.host(self.len() as u64);
        self.iter().for_each(|item| item.visit(leaves));
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        self.iter().map(|item| item.rebuild(leaves)).collect()
    }
}

impl<T: Tree> Tree for Option<T> {
    fn visit(&self, leaves: &mut Leaves) {
        leaves.host(self.is_some().into());
        self.iter().for_each(|item| item.visit(leaves));
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        self.as_ref().map(|item| item.rebuild(leaves))
    }
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    fn visit(&self, leaves: &mut Leaves) {
        self.iter().for_each(|item| item.visit(leaves));
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        self.each_ref().map(|item| item.rebuild(leaves))
    }

    fn from_spec(specs: &mut SpecSource) -> Result<Self> {
        let items = (0..N).map(|_| T::from_spec(specs)).collect::<Result<Vec<T>>>()?;
        Ok(items.try_into().unwrap_or_else(|_| unreachable!("N items were made")))
    }

    fn failed(error: &Error) -> Option<Self> {
        let item = T::failed(error)?;
        Some(std::array::from_fn(|_| item.clone()))
    }
}

impl Tree for () {
    fn visit(&self, _: &mut Leaves) {}

    fn rebuild(&self, _: &mut LeafSource<'_>) -> Self {}

    fn from_spec(_: &mut SpecSource) -> Result<Self> {
        Ok(())
    }

    fn failed(_: &Error) -> Option<Self> {
        Some(())
    }
}

macro_rules! tuples {
    ($($($T:ident $t:ident)*;)*) => {$(
        impl<$($T: Tree),*> Tree for ($($T,)*) {
            fn visit(&self, leaves: &mut Leaves) {
                let ($($t,)*) = self;
                $($t.visit(leaves);)*
            }
            fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
                let ($($t,)*) = self;
                ($($t.rebuild(leaves),)*)
            }

            fn from_spec(specs: &mut SpecSource) -> Result<Self> {
                Ok(($($T::from_spec(specs)?,)*))
            }

            fn failed(error: &Error) -> Option<Self> {
                Some(($($T::failed(error)?,)*))
            }
        }
    )*};
}
tuples! { A a; A a B b; A a B b C c; A a B b C c D d; A a B b C c D d E e; A a B b C c D d E e F f; }
