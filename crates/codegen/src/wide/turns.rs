//! Large reductions of what is not near: several blocks are gone through by turns, a piece of each at a time.
//!
//! The processor fetches ahead for each place that is read on from, so several of them keep more of the memory busy than
//! one does. The lanes of all these blocks are kept in the frame; when all their pieces are done, the blocks are joined as
//! others are, one after the other, so the result is the same.

use super::ir::*;
use super::list::Lister;
use super::reduce::{Extent, Row};
use crate::clif::cost;
use tracelift_kernel::loops::{Loop, Stmt};
use tracelift_kernel::meaning::{BLOCK, LANES};
use tracelift_tensor::DType;

/// Blocks that are gone through by turns.
pub(super) const BY_TURNS: usize = 4;
/// Elements of each of them at a time.
pub(super) const PIECE: usize = 128;
/// Fewer elements are near already.
const LARGE: i64 = 1 << 19;
/// What computes more for a vector does not wait for memory.
const MOST_INSTRUCTIONS: usize = 16;

/// Whether a reduction in lanes is done sooner if it reads from several places.
pub(super) fn waits_for_memory(inner: &Loop, extent: &Extent) -> bool {
    let instructions = |stmt: &Stmt| match stmt {
        Stmt::Lane { op, .. } => cost(*op, DType::F32),
        _ => 1,
    };
    let all: usize = inner.body.stmts.iter().map(instructions).sum();
    extent.known.is_some_and(|n| n >= LARGE) && all <= MOST_INSTRUCTIONS
}

impl Lister<'_> {
    /// A large reduction in lanes; answers a vector for each thing it makes.
    pub(super) fn by_turns(&mut self, row: &Row<'_>, extent: &Extent) -> Option<Vec<Arg>> {
        let reducers = row.reducers;
        let vectors = LANES / self.l.wide.lanes();
        let blocks = self.first_block(extent, reducers.len());
        let [block, piece] = [0, 1].map(|_| self.l.reserve(2));
        let kept = Kept { slots: self.l.slots, count: BY_TURNS, at: block };
        self.l.slots += reducers.len() * vectors * BY_TURNS;
        let each_block = || Item::Begin { counter: block, range: Range::ByTurns(blocks) };
        self.l.items.extend([Item::Blocks(blocks), each_block()]);
        for (n, reducer) in reducers.iter().enumerate() {
            let value = self.identity(reducer);
            (0..vectors).for_each(|vector| self.keep(value, kept, n * vectors + vector));
        }
        let pieces = Range::Part(0, (BLOCK / PIECE) as i64);
        self.l.items.extend([Item::End, Item::Begin { counter: piece, range: pieces }, each_block()]);
        let lanes = self.kept_lanes(kept, reducers.len(), vectors);
        self.accumulate_lanes(row, Range::Piece { blocks, block, piece }, &lanes, vectors)?;
        for (n, value) in lanes.iter().flatten().enumerate() {
            self.keep(*value, kept, n);
        }
        self.l.items.extend([Item::End, Item::End, each_block()]);
        let lanes = self.kept_lanes(kept, reducers.len(), vectors);
        let results = self.join_all_lanes(reducers, lanes)?;
        self.end_block(blocks, reducers, results)?;
        self.l.items.extend([Item::End, Item::End]);
        self.all_blocks(blocks, reducers, extent)
    }

    fn keep(&mut self, value: Id, to: Kept, part: usize) {
        self.l.items.push(Item::StoreKept { value, to, part });
    }

    fn kept_lanes(&mut self, from: Kept, reducers: usize, vectors: usize) -> Vec<Vec<Id>> {
        let of = |this: &mut Self, n| (0..vectors).map(|vector| this.load_kept(from, n * vectors + vector)).collect();
        (0..reducers).map(|n| of(self, n)).collect()
    }
}
