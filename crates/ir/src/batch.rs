//! What an op is given, and what it answers, when it is applied to every element of a batch at once.

use crate::build::Builder;
use crate::op::Op;
use crate::ops::Axes;
use crate::types::Type;
use crate::value::Value;
use smallvec::SmallVec;
use tracelift_tensor::{Dim, Result, Shape};

/// The place where one node becomes nodes over a batch.
///
/// A *batched* operand holds one operand per element of the batch, along a new first axis; the others are the same for
/// all elements. A rule is asked only if some operand is batched: a node without any stays as it is.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Takes the nodes of the rule.
    pub b: &'a mut Builder,
    /// The operands; those that are batched have one axis more than the op was written for.
    pub x: &'a [Value],
    /// Which operands are batched.
    pub batched: &'a [bool],
    /// How many elements the batch has.
    pub size: &'a Dim,
    /// The types of the results for one element.
    pub y: &'a [Type],
}

/// What an op becomes over a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchRule {
    /// The results, every one of them with the batch as its first axis.
    Batched(SmallVec<[Value; 2]>),
    /// The results, none of them with the batch: tokens.
    Same(SmallVec<[Value; 2]>),
    /// The results, each with the word whether it has the batch as its first axis.
    Each(SmallVec<[(Value, bool); 2]>),
    /// The op owns graphs, and the rule belongs to the transformation.
    Region,
    /// It cannot be done; why not.
    Refused(&'static str),
}

impl Batch<'_> {
    /// Operand `n` with the batch as its first axis: repeated if it is the same for all elements.
    pub fn operand(&mut self, n: usize) -> Result<Value> {
        if self.batched[n] {
            return Ok(self.x[n]);
        }
        let shape = self.b.ty(self.x[n]).shape().clone();
        let axes: Vec<usize> = (1..=shape.rank()).collect();
        self.b.broadcast(self.x[n], self.with_batch(&shape), &axes)
    }

    /// All operands with the batch as their first axis.
    pub fn operands(&mut self) -> Result<SmallVec<[Value; 3]>> {
        (0..self.x.len()).map(|n| self.operand(n)).collect()
    }

    /// A shape behind the axis of the batch.
    pub fn with_batch(&self, shape: &Shape) -> Shape {
        std::iter::once(self.size).chain(shape).cloned().collect()
    }

    /// The op on all operands, batched: for ops that do the same along any further axis.
    pub fn push(&mut self, op: impl Into<Op>) -> Result<BatchRule> {
        self.push_op(op.into())
    }

    fn push_op(&mut self, op: Op) -> Result<BatchRule> {
        let operands = self.operands()?;
        self.b.push_multi(op, &operands).map(BatchRule::Batched)
    }

    /// An op on the operands as they are, which gives results with the batch as their first axis.
    pub fn push_as_is(&mut self, op: impl Into<Op>) -> Result<BatchRule> {
        self.b.push_multi(op, self.x).map(BatchRule::Batched)
    }

    /// Brings the batch, which stands at `axis` of `x`, to the front.
    pub fn to_front(&mut self, x: Value, axis: usize) -> Result<BatchRule> {
        if axis == 0 {
            return Ok(BatchRule::one(x));
        }
        let rank = self.b.ty(x).rank();
        let order: Vec<usize> = std::iter::once(axis).chain((0..rank).filter(|other| *other != axis)).collect();
        self.b.transpose(x, &order).map(BatchRule::one)
    }
}

impl BatchRule {
    /// One result.
    pub fn one(y: Value) -> BatchRule {
        BatchRule::Batched(SmallVec::from_slice(&[y]))
    }
}

/// The axes of an operand behind the axis of a batch.
pub(crate) fn shifted(axes: &[usize]) -> Axes {
    axes.iter().map(|axis| axis + 1).collect()
}

/// The axes of an operand with that of its batch before them.
pub(crate) fn with_first(axes: &[usize]) -> Axes {
    std::iter::once(0).chain(shifted(axes)).collect()
}
