//! The stacks of the reference evaluator: arrays in a list, and a number that stands for the list among values.

use crate::types::TensorType;
use tracelift_kernel::fault::Fault;
use tracelift_tensor::{Array, DType, Error, Result, count_elements};

/// All stacks of one evaluation.
#[derive(Default)]
pub(super) struct Stacks(Vec<Stack>);

/// One stack.
#[derive(Default)]
pub(crate) struct Stack {
    items: Vec<Array>,
    capacity: Option<usize>,
}

impl Stack {
    pub(crate) fn push(&mut self, item: Array) -> Result {
        if let Some(bound) = self.capacity.filter(|bound| self.items.len() >= *bound) {
            let fault = Fault::OutOfBounds { position: None, index: self.items.len() as i64, bound: bound as i64 };
            return Err(fault.error(None));
        }
        self.items.push(item);
        Ok(())
    }

    pub(crate) fn pop(&mut self) -> Option<Array> {
        self.items.pop()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}

impl Stacks {
    pub(super) fn new_stack(&mut self, capacity: Option<usize>) -> Array {
        self.0.push(Stack { items: vec![], capacity });
        Array::scalar(self.0.len() as i64 - 1)
    }

    pub(super) fn get(&mut self, handle: &Array) -> Result<&mut Stack> {
        let number = handle.item::<i64>()? as usize;
        self.0.get_mut(number).ok_or_else(|| Error::internal("a value stands for no stack"))
    }

    /// Forgets all stacks: nothing outlives an evaluation.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The items of an array along its first axis as a stack, the bottom first.
    pub(super) fn unpack(&mut self, array: &Array, item: &TensorType) -> Result<Array> {
        let fits = array.dtype() == item.dtype && array.rank() == item.shape.rank() + 1;
        if !fits {
            return Err(Error::invalid(format!("takes the items of stack<{item}>, not {}", array.type_text())));
        }
        let (count, dims) = (array.shape()[0], &array.shape()[1..]);
        let bytes = count_elements(dims)? * item.dtype.size();
        let mut items = Vec::with_capacity(count);
        for n in 0..count {
            let mut part = Array::zeros(item.dtype, dims)?;
            part.bytes_mut().copy_from_slice(&array.bytes()[n * bytes..][..bytes]);
            items.push(part);
        }
        self.0.push(Stack { items, capacity: None });
        Ok(Array::scalar(self.0.len() as i64 - 1))
    }

    /// The items of a stack as one array.
    pub(super) fn pack(&mut self, handle: &Array, item: &TensorType) -> Result<Array> {
        let items = &self.get(handle)?.items;
        let inner: Vec<usize> = match (items.first(), item.shape.known()) {
            (Some(first), _) => first.shape().to_vec(),
            (None, Some(dims)) => dims.to_vec(),
            (None, None) => vec![0; item.shape.rank()],
        };
        let dims: Vec<usize> = std::iter::once(items.len()).chain(inner).collect();
        let dtype: DType = item.dtype;
        let mut all = Array::zeros(dtype, &dims)?;
        let bytes = items.first().map_or(0, |first| first.bytes().len());
        for (n, part) in items.iter().enumerate() {
            all.bytes_mut()[n * bytes..][..bytes].copy_from_slice(part.bytes());
        }
        Ok(all)
    }
}
