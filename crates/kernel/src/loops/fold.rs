//! A reduction, one value after the other, in the defined order.

use crate::lane::{LaneOp, Scalar, eval_scalar};
use crate::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::DType;

/// How many elements make a block.
const BLOCK: usize = 4096;
/// How many lanes a block is dealt to.
const LANES: usize = 32;

/// A reduction under way.
pub(super) struct Fold {
    kind: ReduceKind,
    order: ReduceOrder,
    dtype: DType,
    /// How many values have come.
    count: usize,
    /// What each lane has of the block under way; a chain is one lane. A lane without values stays out of the tree.
    lanes: [Option<Scalar>; LANES],
    /// Results of 2^level blocks each, levels descending: a binary counter, which joins the same blocks as the tree.
    blocks: Vec<(u32, Scalar)>,
    /// The best value so far and where it was, for `argmax` and `argmin`.
    best: Option<(Scalar, i64)>,
}

impl Fold {
    pub(super) fn new(kind: ReduceKind, order: ReduceOrder, dtype: DType) -> Fold {
        Fold { kind, order, dtype, count: 0, lanes: [None; LANES], blocks: vec![], best: None }
    }

    pub(super) fn push(&mut self, value: Scalar) {
        if matches!(self.kind, ReduceKind::ArgMax | ReduceKind::ArgMin) {
            if self.best.is_none_or(|(best, _)| self.beats(value, best)) {
                self.best = Some((value, self.count as i64));
            }
            self.count += 1;
            return;
        }
        let lane = match self.order {
            ReduceOrder::Lanes => self.count % BLOCK % LANES,
            ReduceOrder::Chain => 0,
        };
        self.lanes[lane] = Some(self.join(self.lanes[lane], value));
        self.count += 1;
        if self.count.is_multiple_of(BLOCK) {
            self.end_block();
        }
    }

    /// The result; nothing if there were no values and the kind needs some.
    pub(super) fn finish(mut self) -> Option<Scalar> {
        if let Some((_, position)) = self.best {
            return Some(Scalar::I64(position));
        }
        if self.count == 0 {
            return match (self.kind, self.dtype) {
                (ReduceKind::Sum, dtype) => Some(Scalar::from_bits(dtype, 0)),
                (ReduceKind::Prod, DType::F32) => Some(Scalar::F32(1.0)),
                (ReduceKind::Prod, DType::F64) => Some(Scalar::F64(1.0)),
                (ReduceKind::Prod, dtype) => Some(Scalar::from_bits(dtype, 1)),
                (ReduceKind::Any, _) => Some(Scalar::Bool(false)),
                (ReduceKind::All, _) => Some(Scalar::Bool(true)),
                _ => None,
            };
        }
        if !self.count.is_multiple_of(BLOCK) {
            self.end_block();
        }
        let mut blocks = std::mem::take(&mut self.blocks).into_iter().rev().map(|(_, value)| value);
        let last = blocks.next().expect("a value came, so a block ended");
        Some(blocks.fold(last, |right, left| self.join(Some(left), right)))
    }

    fn end_block(&mut self) {
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                if let Some(value) = self.lanes[lane + width].take() {
                    self.lanes[lane] = Some(self.join(self.lanes[lane], value));
                }
            }
            width /= 2;
        }
        let mut value = self.lanes[0].take().expect("a block has values");
        let mut level = 0;
        while self.blocks.last().is_some_and(|(other, _)| *other == level) {
            let (_, left) = self.blocks.pop().expect("it was looked at");
            value = self.join(Some(left), value);
            level += 1;
        }
        self.blocks.push((level, value));
    }

    fn join(&self, left: Option<Scalar>, right: Scalar) -> Scalar {
        let Some(left) = left else { return right };
        let op = match self.kind {
            ReduceKind::Sum => LaneOp::Add,
            ReduceKind::Prod => LaneOp::Mul,
            ReduceKind::Min => LaneOp::Min,
            ReduceKind::Max => LaneOp::Max,
            ReduceKind::Any => LaneOp::Or,
            ReduceKind::All => LaneOp::And,
            ReduceKind::ArgMax | ReduceKind::ArgMin => unreachable!("positions are kept, not joined"),
        };
        eval_scalar(op, &[left, right]).expect("none of these operations faults")
    }

    /// Whether a later value replaces the best one: it is better, or the first NaN.
    fn beats(&self, value: Scalar, best: Scalar) -> bool {
        if best.is_nan() || value.is_nan() {
            return !best.is_nan();
        }
        let op = if self.kind == ReduceKind::ArgMax { LaneOp::Gt } else { LaneOp::Lt };
        eval_scalar(op, &[value, best]) == Ok(Scalar::Bool(true))
    }
}
