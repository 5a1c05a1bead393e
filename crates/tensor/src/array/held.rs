//! What the clones of an array share: dtype, shape, bytes.

use std::sync::Arc;

use super::Block;
use crate::{DType, Dims};

pub(super) struct Held {
    pub(super) dtype: DType,
    pub(super) shape: Dims,
    data: Data,
}

/// Where the bytes are.
enum Data {
    Own(Block),
    /// Those of an array of another shape, which has bytes of its own.
    Of(Arc<Held>),
}

const OWNER: &str = "an array refers to one that has bytes of its own";

impl Held {
    pub(super) fn new(dtype: DType, shape: &[usize], bytes: Block) -> Held {
        Held { dtype, shape: Dims::from_slice(shape), data: Data::Own(bytes) }
    }

    /// The same bytes under another shape.
    pub(super) fn reshaped(held: &Arc<Held>, shape: &[usize]) -> Held {
        let owner = match &held.data {
            Data::Own(_) => held,
            Data::Of(owner) => owner,
        };
        Held { dtype: held.dtype, shape: Dims::from_slice(shape), data: Data::Of(owner.clone()) }
    }

    #[inline]
    pub(super) fn block(&self) -> &Block {
        match &self.data {
            Data::Own(block) => block,
            Data::Of(owner) => match &owner.data {
                Data::Own(block) => block,
                Data::Of(_) => unreachable!("{OWNER}"),
            },
        }
    }

    /// Whether nobody else holds the bytes.
    #[inline]
    pub(super) fn is_unique(held: &Arc<Held>) -> bool {
        let owner_is = || match &held.data {
            Data::Own(_) => true,
            Data::Of(owner) => Arc::strong_count(owner) == 1,
        };
        Arc::strong_count(held) == 1 && owner_is()
    }

    /// The bytes for writing; nobody else may hold them.
    #[inline]
    pub(super) fn block_mut(held: &mut Arc<Held>) -> &mut [u8] {
        match &mut unshared(held).data {
            Data::Own(block) => block.bytes_mut(),
            Data::Of(owner) => match &mut unshared(owner).data {
                Data::Own(block) => block.bytes_mut(),
                Data::Of(_) => unreachable!("{OWNER}"),
            },
        }
    }
}

#[inline]
fn unshared(held: &mut Arc<Held>) -> &mut Held {
    Arc::get_mut(held).expect("what nobody else holds can be written")
}
