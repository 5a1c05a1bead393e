//! The loops of reductions as machine code: chains down rows, blocks and the tree that joins them.

use super::assembler::*;
use super::encode::Rm;
use super::ir::*;
use super::write::{Context, POINTERS, Writer};
use tracelift_kernel::meaning::BLOCK;

impl<'l> Writer<'l> {
    /// One element after the other, in all lanes; rdx counts.
    pub(super) fn chain(&mut self, walks: &'l [Walk], range: &Range, inside: &'l [Item]) {
        let done = self.a.label();
        self.range(range);
        for (walk, pointer) in walks.iter().zip(POINTERS) {
            let bytes = walk.address.dtype.size() as i64;
            let (step, cell) = &walk.step;
            self.address(&walk.address, pointer, RAX);
            if let (true, Context::Nested(_, at)) = (walk.along, self.context) {
                self.a.load_cell(RAX, at);
                self.multiply(RAX, &Size::Known(bytes));
                self.a.gpr(&[0x01], RAX, pointer);
            }
            if let Range::Block(_) = range {
                self.a.gpr(&[0x89], RSI, RAX);
                self.scale(RAX, step, bytes);
                self.a.gpr(&[0x01], RAX, pointer);
            }
            if let Some(cell) = cell {
                // mov eax, 1
                self.a.raw(&[0xB8, 1, 0, 0, 0]);
                self.scale(RAX, step, bytes);
                self.a.store_cell(*cell, RAX);
            }
        }
        self.a.gpr(&[0x29], RSI, RDX);
        self.a.jump_if(When::NotGreater, done);
        let again = self.a.label();
        self.a.place(again);
        let outside = std::mem::replace(&mut self.context, Context::Chain(walks));
        self.items(inside);
        self.context = outside;
        for (walk, pointer) in walks.iter().zip(POINTERS) {
            match &walk.step {
                (Size::Known(0), _) => {}
                (Size::Known(step), _) => self.a.gpr_with(pointer, 0, (step * walk.address.dtype.size() as i64) as i32),
                (_, Some(cell)) => self.a.gpr_memory(&[0x03], pointer, RSP, 8 * *cell as i32),
                (_, None) => unreachable!("steps that are not known have a number in the frame"),
            }
        }
        // dec rdx
        self.a.gpr(&[0xFF], Gpr(1), RDX);
        self.a.jump_if(When::NotZero, again);
        self.a.place(done);
    }

    pub(super) fn first_block(&mut self, blocks: Blocks, range: &Range) {
        self.range(range);
        self.a.store_cell(blocks.begin(), RSI);
        self.a.store_cell(blocks.end(), RDX);
        self.a.store_cell(blocks.from(), RSI);
        self.clear(blocks.number());
    }

    /// A loop over the blocks of a reduction, from the one under way on.
    pub(super) fn blocks(&mut self, blocks: Blocks, run: Run, inside: &'l [Item]) {
        let (again, test) = (self.a.label(), self.a.label());
        match run {
            Run::First => {}
            Run::Many(_) => self.a.jump(test),
            Run::Rest => {
                self.a.load_cell(RAX, blocks.number());
                // test rax, rax
                self.a.gpr(&[0x85], RAX, RAX);
                self.a.jump_if(When::NotZero, test);
            }
        }
        self.a.place(again);
        self.items(inside);
        self.advance(blocks.number(), run.blocks());
        self.advance(blocks.from(), run.blocks() * BLOCK);
        self.a.place(test);
        // A single one may have fewer elements.
        let elements = if let Run::Many(blocks) = run { blocks * BLOCK } else { 1 };
        self.a.load_cell(RAX, blocks.from());
        self.a.gpr_with(RAX, 0, elements as i32);
        self.a.compare_cell(RAX, blocks.end());
        self.a.jump_if(When::NotGreater, again);
    }

    /// A loop over tiles.
    pub(super) fn tiles(&mut self, Tile(begin): Tile, width: usize, range: &Range, inside: &'l [Item]) {
        let (stop, end) = (begin + 1, begin + 2);
        let (again, leave) = (self.a.label(), self.a.label());
        self.range(range);
        self.a.store_cell(begin, RSI);
        self.a.store_cell(end, RDX);
        self.a.place(again);
        self.a.load_cell(RSI, begin);
        self.a.compare_cell(RSI, end);
        self.a.jump_if(When::NotLess, leave);
        self.end_within(width as i32, end);
        self.a.store_cell(stop, RDX);
        self.items(inside);
        self.a.load_cell(RSI, stop);
        self.a.store_cell(begin, RSI);
        self.a.jump(again);
        self.a.place(leave);
    }

    /// rdx: so many elements after rsi, or the end of all if that is less.
    fn end_within(&mut self, width: i32, end: usize) {
        // lea rdx, [rsi + width]; cmovg
        self.a.gpr_memory(&[0x8D], RDX, RSI, width);
        self.a.compare_cell(RDX, end);
        self.a.gpr_memory(&[0x0F, 0x4F], RDX, RSP, 8 * end as i32);
    }

    /// The range of the block under way to rsi and rdx.
    pub(super) fn block_range(&mut self, blocks: Blocks) {
        self.a.load_cell(RSI, blocks.from());
        self.end_within(BLOCK as i32, blocks.end());
    }

    fn clear(&mut self, cell: usize) {
        self.set_cell(cell, 0);
    }

    fn set_cell(&mut self, cell: usize, number: i32) {
        self.a.gpr_memory(&[0xC7], Gpr(0), RSP, 8 * cell as i32);
        self.a.immediate(number);
    }

    /// A loop over as many levels as the number of the block, or of so many blocks, has trailing ones.
    pub(super) fn carry(&mut self, blocks: Blocks, run: Run, inside: &'l [Item]) {
        let (again, leave) = (self.a.label(), self.a.label());
        // So many blocks are a complete run of that level.
        self.set_cell(blocks.level(), run.blocks().trailing_zeros() as i32);
        self.a.place(again);
        self.a.load_cell(RAX, blocks.level());
        self.a.load_cell(RCX, blocks.number());
        // bt rcx, rax
        self.a.gpr(&[0x0F, 0xA3], RAX, RCX);
        self.a.jump_if(When::NotCarry, leave);
        self.items(inside);
        self.advance(blocks.level(), 1);
        self.a.jump(again);
        self.a.place(leave);
    }

    /// Goes to the level of the lowest bit of the number in rax, and takes the bit away.
    fn next_level(&mut self, blocks: Blocks) {
        // tzcnt rcx, rax
        self.a.raw(&[0xF3]);
        self.a.gpr(&[0x0F, 0xBC], RCX, RAX);
        self.a.store_cell(blocks.level(), RCX);
        self.a.gpr_memory(&[0x8D], RCX, RAX, -1);
        // and rax, rcx
        self.a.gpr(&[0x21], RCX, RAX);
        self.a.store_cell(blocks.number(), RAX);
    }

    pub(super) fn first_level(&mut self, blocks: Blocks) {
        self.a.load_cell(RAX, blocks.number());
        self.next_level(blocks);
    }

    /// A loop over the levels that are left.
    pub(super) fn join(&mut self, blocks: Blocks, inside: &'l [Item]) {
        let (again, leave) = (self.a.label(), self.a.label());
        self.a.place(again);
        self.a.load_cell(RAX, blocks.number());
        // test rax, rax
        self.a.gpr(&[0x85], RAX, RAX);
        self.a.jump_if(When::Zero, leave);
        self.next_level(blocks);
        self.items(inside);
        self.a.jump(again);
        self.a.place(leave);
    }

    /// Where a value is kept.
    pub(super) fn kept(&mut self, kept: Kept, part: usize) -> Rm {
        let displacement = self.slot(kept.slots + part * kept.count);
        let Some(at) = kept.at else { return Rm::At(RSP, displacement) };
        self.a.load_cell(RAX, at);
        // shl rax, the logarithm of a vector's size
        self.a.gpr(&[0xC1], Gpr(4), RAX);
        self.a.raw(&[self.l.wide.bytes().trailing_zeros() as u8]);
        Rm::Indexed { base: RSP, index: RAX, scale: 0, displacement }
    }

    /// Jumps there if there was nothing to reduce… and goes on if so.
    pub(super) fn unless_empty(&mut self, blocks: Blocks) -> Label {
        let some = self.a.label();
        self.a.load_cell(RAX, blocks.begin());
        self.a.compare_cell(RAX, blocks.end());
        self.a.jump_if(When::Less, some);
        some
    }
}
