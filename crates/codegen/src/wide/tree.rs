//! Reductions of more than one block: the fixed binary tree over block numbers, walked as a binary counter.
//!
//! Level l of the tree holds the result of the last complete run of 2^l blocks. A new block is joined with the levels of
//! the trailing ones of its number; the levels that are full at the end are joined from the smallest run upwards.

use super::ir::*;
use super::list::Lister;
use super::reduce::{Extent, Reducer};
use smallvec::smallvec;
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::meaning::BLOCK;
use tracelift_tensor::DType;

/// Levels for a number of blocks that is not known.
const MOST_LEVELS: usize = 53;

impl Lister<'_> {
    /// Reduces all blocks, one after the other; `block` reduces one of them and answers a vector for each of `parts`.
    pub(super) fn in_blocks(
        &mut self,
        extent: &Extent,
        parts: &[Reducer],
        block: &mut dyn FnMut(&mut Self, Range) -> Option<Vec<Arg>>,
    ) -> Option<Vec<Arg>> {
        // A reduction of a single block is never asked for in parts.
        if extent.known.is_some_and(|n| n <= BLOCK as i64) {
            self.given = false;
            return block(self, Range::Whole(extent.sizes.clone()));
        }
        let blocks = self.first_block(extent, parts.len());
        self.run(blocks, Run::First, parts, block)?;
        self.all_blocks(blocks, parts, extent)
    }

    /// The frame for a tree over the blocks of a reduction.
    pub(super) fn first_block(&mut self, extent: &Extent, parts: usize) -> Blocks {
        let levels = extent.known.map_or(MOST_LEVELS, |n| {
            let blocks = (n - 1) / BLOCK as i64 + 1;
            64 - blocks.leading_zeros() as usize
        });
        let blocks = Blocks { cells: self.l.reserve(Blocks::CELLS), slots: self.l.slots, levels };
        self.l.slots += levels * parts;
        let given = std::mem::take(&mut self.given);
        let range = if given { Range::Given(smallvec![]) } else { Range::Whole(extent.sizes.clone()) };
        self.l.items.push(Item::FirstBlock { blocks, range });
        blocks
    }

    /// Reduces blocks by `block`, and hands the results up the tree as far as they complete a run.
    pub(super) fn run(
        &mut self,
        blocks: Blocks,
        run: Run,
        parts: &[Reducer],
        block: &mut dyn FnMut(&mut Self, Range) -> Option<Vec<Arg>>,
    ) -> Option<()> {
        self.l.items.push(Item::Blocks(blocks, run));
        let results = block(self, Range::Block(blocks))?;
        let results: Vec<Id> = results.into_iter().map(|value| self.copy(value)).collect();
        self.l.items.push(Item::Carry(blocks, run));
        self.join_levels(blocks, parts, &results)?;
        self.l.items.push(Item::End);
        for (part, value) in results.iter().enumerate() {
            self.l.items.push(Item::StoreKept { value: *value, to: blocks.kept(), part });
        }
        self.l.items.push(Item::End);
        Some(())
    }

    /// The results of all blocks together.
    pub(super) fn all_blocks(&mut self, blocks: Blocks, parts: &[Reducer], extent: &Extent) -> Option<Vec<Arg>> {
        self.l.items.push(Item::FirstLevel(blocks));
        let results: Vec<Id> = (0..parts.len()).map(|part| self.load_kept(blocks.kept(), part)).collect();
        self.l.items.push(Item::Join(blocks));
        self.join_levels(blocks, parts, &results)?;
        self.l.items.push(Item::End);
        for (reducer, dst) in parts.iter().zip(&results) {
            if (reducer.op, reducer.dtype) == (LaneOp::Add, DType::F32) && extent.known.is_none() {
                self.l.items.push(Item::SumOfNothing { dst: *dst, blocks });
            }
        }
        Some(results.into_iter().map(Arg::Value).collect())
    }

    /// Joins what the tree holds at this level with results of later elements.
    fn join_levels(&mut self, blocks: Blocks, parts: &[Reducer], results: &[Id]) -> Option<()> {
        for (part, (reducer, dst)) in parts.iter().zip(results).enumerate() {
            let before = self.load_kept(blocks.kept(), part);
            let value = self.join(reducer, Arg::Value(before), Arg::Value(*dst))?;
            self.l.items.push(Item::Assign { dst: *dst, value, part: 0 });
        }
        Some(())
    }

    /// The same value, to be set again.
    pub(super) fn copy(&mut self, value: Arg) -> Id {
        let dst = self.l.value(Class::Vector);
        self.l.items.push(Item::Op { dst, code: Code::Copy, args: smallvec![value] });
        dst
    }

    pub(super) fn load_kept(&mut self, from: Kept, part: usize) -> Id {
        let dst = self.l.value(Class::Vector);
        self.l.items.push(Item::LoadKept { dst, from, part });
        dst
    }
}
