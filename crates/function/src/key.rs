//! What decides whether a trace serves a call: the types of tensors and variables, which variables are the same, host
//! values, and the structure around them.

use smallvec::SmallVec;
use tracelift_ir::TensorType;
use tracelift_tensor::{DType, Dim};

use crate::{
    Tensor, Variable,
    tensor::Handle,
    tree::{Leaf, Leaves},
};

/// The type of a leaf of the arguments.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum ArgType {
    Tensor(TensorType),
    Variable {
        ty: TensorType,
        /// The first variable leaf that is the same variable.
        same_as: usize,
        /// The very variable, if the trace is for no other: the closure also captures it.
        only: Option<u64>,
    },
}

impl ArgType {
    pub(crate) fn ty(&self) -> &TensorType {
        match self {
            ArgType::Tensor(ty) | ArgType::Variable { ty, .. } => ty,
        }
    }

    /// Whether they differ in sizes at most.
    pub(crate) fn alike(&self, other: &ArgType) -> bool {
        match (self, other) {
            (ArgType::Tensor(a), ArgType::Tensor(b)) => a.dtype == b.dtype && a.shape.rank() == b.shape.rank(),
            _ => self == other,
        }
    }
}

/// A signature, written so that it is compared and hashed fast.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key(SmallVec<[u64; 16]>);

const VARIABLE: u64 = 1 << 32;
const ONLY: u64 = 1 << 33;

impl Key {
    pub(crate) fn of_types(types: &[ArgType], host: &[u64]) -> Key {
        let mut key = Key(SmallVec::from_slice(host));
        for ty in types {
            match ty {
                ArgType::Tensor(ty) => key.push_type(ty, 0),
                ArgType::Variable { ty, same_as, only } => {
                    key.push_type(ty, VARIABLE | if only.is_some() { ONLY } else { 0 });
                    key.0.push(*same_as as u64);
                    key.0.extend(*only);
                }
            }
        }
        key
    }

    fn push_head(&mut self, dtype: DType, rank: usize, flags: u64) {
        self.0.push(flags | (dtype as u64) << 16 | rank as u64);
    }

    fn push_type(&mut self, ty: &TensorType, flags: u64) {
        self.push_head(ty.dtype, ty.shape.rank(), flags);
        for dim in ty.shape.iter() {
            match dim.known() {
                Some(n) => self.0.push(n as u64),
                None => self.push_unknown(dim),
            }
        }
    }

    /// An unknown size by its text; no known size is that large.
    fn push_unknown(&mut self, dim: &Dim) {
        let text = dim.to_string();
        self.0.push(u64::MAX - text.len() as u64);
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0.push(u64::from_le_bytes(word));
        }
    }
}

/// The key of a call whose arguments are traced with just their types.
pub(crate) fn key_of(leaves: &Leaves<'_>) -> Key {
    let mut key = Key(leaves.host.iter().copied().collect());
    for (position, leaf) in leaves.leaves.iter().enumerate() {
        match leaf {
            Leaf::Tensor(tensor) => match &tensor.handle {
                Handle::Eager(array) => {
                    key.push_head(array.dtype(), array.rank(), 0);
                    key.0.extend(array.shape().iter().map(|&n| n as u64));
                }
                _ => key.push_type(&tensor.ty(), 0),
            },
            Leaf::Variable(variable) => {
                key.push_type(&variable.ty(), VARIABLE);
                key.0.push(same_as(leaves, position, variable) as u64);
            }
        }
    }
    key
}

/// The types of the leaves.
pub(crate) fn arg_types(leaves: &Leaves<'_>) -> Vec<ArgType> {
    let types = leaves.leaves.iter().enumerate().map(|(position, leaf)| match leaf {
        Leaf::Tensor(tensor) => ArgType::Tensor(tensor.ty()),
        Leaf::Variable(variable) => {
            ArgType::Variable { ty: variable.ty(), same_as: same_as(leaves, position, variable), only: None }
        }
    });
    types.collect()
}

fn same_as(leaves: &Leaves<'_>, position: usize, variable: &Variable) -> usize {
    let same = |leaf: &Leaf<'_>| matches!(leaf, Leaf::Variable(other) if other.same(variable));
    leaves.leaves.iter().position(same).unwrap_or(position)
}

/// Whether arguments are of these types, whose unknown sizes are any; only arrays are looked at, and variables.
pub(crate) fn fits(types: &[ArgType], host: &[u64], leaves: &Leaves<'_>) -> bool {
    types.len() == leaves.leaves.len()
        && host.len() == leaves.host.len()
        // Not compared as slices: that asks `memcmp`, which is slow on the address of an empty one.
        && host.iter().zip(&leaves.host).all(|(a, b)| a == b)
        && types.iter().zip(&leaves.leaves).enumerate().all(|(position, (ty, leaf))| match (ty, leaf) {
            (ArgType::Tensor(ty), Leaf::Tensor(tensor)) => {
                let Tensor { handle: Handle::Eager(array) } = &**tensor else { return false };
                ty.dtype == array.dtype()
                    && ty.shape.rank() == array.rank()
                    && ty.shape.iter().zip(array.shape()).all(|(dim, n)| dim.known().is_none_or(|k| k == *n as i64))
            }
            (ArgType::Variable { ty, same_as: first, only: None }, Leaf::Variable(variable)) => {
                variable.data().is_ok_and(|data| data.ty() == ty) && same_as(leaves, position, variable) == *first
            }
            _ => false,
        })
}
