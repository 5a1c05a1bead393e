//! Reductions along a row: 32 virtual lanes are two vectors, joined by the fixed tree.

use super::ir::*;
use super::list::Lister;
use smallvec::smallvec;
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::loops::Loop;
use tracelift_kernel::meaning::{BLOCK, ReduceKind, ReduceOrder};
use tracelift_tensor::DType;

/// Vectors that hold the lanes.
const VECTORS: usize = 2;

impl Lister<'_> {
    /// A `reduce` loop over one block at most; its results are the same in all lanes.
    pub(super) fn reduce(&mut self, inner: &Loop, kinds: &[ReduceKind], order: ReduceOrder) -> Option<()> {
        let [(var, extent)] = inner.axes.as_slice() else { return None };
        let n = extent.known().filter(|n| (1..=BLOCK as i64).contains(n))?;
        if order != ReduceOrder::Lanes {
            return None;
        }
        let dtypes: Vec<DType> = inner.body.yields.iter().map(|value| self.kernel.dtype(value)).collect();
        let mut reducers = vec![];
        for (kind, dtype) in kinds.iter().zip(&dtypes) {
            let (op, identity) = operation(*kind, *dtype)?;
            let lanes: [Id; VECTORS] = std::array::from_fn(|_| {
                let dst = self.l.value(Class::Vector);
                self.l.items.push(Item::Op { dst, code: Code::Copy, args: smallvec![Arg::Const(identity)] });
                dst
            });
            reducers.push((op, *dtype, lanes));
        }
        let range = Range::Whole(smallvec![Size::Known(n)]);
        let wide = self.begin_wide(&inner.body, *var, range, VECTORS)?;
        for part in 0..VECTORS {
            self.varying(&inner.body, &wide, part)?;
            for (value, (op, dtype, lanes)) in inner.body.yields.iter().zip(&reducers) {
                let element = self.operand(value)?;
                let value = self.lane(*op, &[*dtype; 2], &[Arg::Value(lanes[part]), element])?;
                self.l.items.push(Item::Assign { dst: lanes[part], value, part });
            }
        }
        self.l.items.push(Item::EndWide);
        for ((op, dtype, [low, high]), dst) in reducers.into_iter().zip(&inner.results) {
            let mut joined = self.lane(op, &[dtype; 2], &[Arg::Value(low), Arg::Value(high)])?;
            for by in [8, 4, 2, 1] {
                let moved = self.l.op(Code::Rotate(by), &[joined]);
                joined = self.lane(op, &[dtype; 2], &[joined, moved])?;
            }
            let result = self.l.op(Code::First, &[joined]);
            self.set(*dst, result);
        }
        Some(())
    }
}

/// What joins two results, and what changes nothing.
fn operation(kind: ReduceKind, dtype: DType) -> Option<(LaneOp, u32)> {
    let identity = match (kind, dtype) {
        // −0.0 + x is x for every x; 0.0 + −0.0 is not.
        (ReduceKind::Sum, DType::F32) => (-0.0f32).to_bits(),
        (ReduceKind::Sum, DType::I32) => 0,
        (ReduceKind::Prod, DType::F32) => 1.0f32.to_bits(),
        (ReduceKind::Prod, DType::I32) => 1,
        (ReduceKind::Max, DType::F32) => f32::NEG_INFINITY.to_bits(),
        (ReduceKind::Max, DType::I32) => i32::MIN as u32,
        (ReduceKind::Min, DType::F32) => f32::INFINITY.to_bits(),
        (ReduceKind::Min, DType::I32) => i32::MAX as u32,
        _ => return None,
    };
    Some((kind.join_op(), identity))
}
