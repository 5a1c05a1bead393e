//! Block results of a reduction, added by the fixed binary tree over block numbers.
//!
//! The tree is walked as a binary counter: slot `l` holds the result of the last complete run of 2^l blocks. A new block
//! is combined with the slots of the trailing ones of its number, and the slots that are full at the end are combined
//! from the smallest run upwards.

use super::Emitter;
use super::reduce::{Accumulators, Reducer};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, StackSlotData, StackSlotKind, Type, Value};
use smallvec::SmallVec;
use tracelift_tensor::Result;

/// Elements per block.
pub(super) const BLOCK: i64 = 4096;

/// Memory of the function's frame.
#[derive(Clone, Copy)]
pub(super) struct Frame(cranelift_codegen::ir::StackSlot);

impl Emitter<'_, '_> {
    /// Reserves `bytes` of the frame, aligned for vectors.
    pub(super) fn frame(&mut self, bytes: usize) -> Frame {
        let size = u32::try_from(bytes).expect("frames are a few kilobytes");
        Frame(self.builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, size, 4)))
    }

    /// The address of the byte at `offset` of a frame.
    pub(super) fn frame_address(&mut self, frame: Frame, offset: Value) -> Value {
        let base = self.builder.ins().stack_addr(I64, frame.0, 0);
        self.builder.ins().iadd(base, offset)
    }

    /// Reduces all blocks of `0..n`, where `block` reduces one of them, given its first and its last element + 1.
    pub(super) fn blocks(
        &mut self,
        n: Value,
        known: Option<i64>,
        reducers: &[Reducer],
        block: &mut dyn FnMut(&mut Self, Value, Value) -> Result<Accumulators>,
    ) -> Result<Accumulators> {
        if known.is_some_and(|n| n <= BLOCK) {
            let start = self.int(0);
            return block(self, start, n);
        }
        let levels = known.map_or(52, |n| 64 - ((n - 1) / BLOCK).leading_zeros() as usize) + 1;
        let forms = self.identities(reducers);
        let first = forms.values();
        let types: SmallVec<[Type; 8]> = first.iter().map(|v| self.builder.func.dfg.value_type(*v)).collect();
        let frames: SmallVec<[(Frame, Type); 8]> =
            types.iter().map(|ty| (self.frame(levels * ty.bytes() as usize), *ty)).collect();

        let rounded = self.builder.ins().iadd_imm_s(n, BLOCK - 1);
        let count = self.builder.ins().sshr_imm_u(rounded, i64::from(BLOCK.trailing_zeros()));
        // No element at all is one empty block.
        let one = self.int(1);
        let count = self.builder.ins().smax(count, one);
        let start = self.int(0);
        self.counted(start, count, 1, &[], &mut |this, number, _| {
            let from = this.builder.ins().ishl_imm_u(number, i64::from(BLOCK.trailing_zeros()));
            let to = this.builder.ins().iadd_imm_s(from, BLOCK);
            let to = this.builder.ins().smin(to, n);
            let [from, to] = match this.first {
                Some(first) => [from, to].map(|at| this.builder.ins().iadd(at, first)),
                None => [from, to],
            };
            let result = block(this, from, to)?;
            this.push_block(number, &result, &frames, reducers)?;
            Ok(SmallVec::new())
        })?;
        self.join_blocks(count, &forms, &frames, reducers)
    }

    /// Combines a block's result with the complete runs before it that it completes, and keeps what comes of it.
    fn push_block(
        &mut self,
        number: Value,
        result: &Accumulators,
        frames: &[(Frame, Type)],
        reducers: &[Reducer],
    ) -> Result {
        // As many slots take part as the number has trailing ones.
        let inverted = self.builder.ins().bnot(number);
        let ones = self.builder.ins().ctz(inverted);
        let start = self.int(0);
        let done = self.counted(start, ones, 1, &result.values(), &mut |this, level, values| {
            let before = this.load_level(level, frames, result);
            Ok(this.combine(reducers, &before, &result.with(values))?.values())
        })?;
        for ((frame, ty), value) in frames.iter().zip(done) {
            let offset = self.builder.ins().imul_imm_s(ones, i64::from(ty.bytes()));
            let address = self.frame_address(*frame, offset);
            self.builder.ins().store(MemFlagsData::new().with_notrap(), value, address, 0);
        }
        Ok(())
    }

    /// Combines what the slots hold after `count` blocks.
    fn join_blocks(
        &mut self,
        count: Value,
        form: &Accumulators,
        frames: &[(Frame, Type)],
        reducers: &[Reducer],
    ) -> Result<Accumulators> {
        let lowest = self.builder.ins().ctz(count);
        let first = self.load_level(lowest, frames, form);
        let bits = self.without_lowest_bit(count);
        // One turn per further set bit; the carried value is what is left of the count.
        let turns = self.builder.ins().popcnt(bits);
        let start = self.int(0);
        let mut carried = SmallVec::<[Value; 8]>::from_slice(&[bits]);
        carried.extend(first.values());
        let last = self.counted(start, turns, 1, &carried, &mut |this, _, values| {
            let level = this.builder.ins().ctz(values[0]);
            let before = this.load_level(level, frames, form);
            let joined = this.combine(reducers, &before, &form.with(&values[1..]))?;
            let mut next = SmallVec::from_slice(&[this.without_lowest_bit(values[0])]);
            next.extend(joined.values());
            Ok(next)
        })?;
        Ok(form.with(&last[1..]))
    }

    fn without_lowest_bit(&mut self, bits: Value) -> Value {
        let less = self.builder.ins().iadd_imm_s(bits, -1);
        self.builder.ins().band(bits, less)
    }

    fn load_level(&mut self, level: Value, frames: &[(Frame, Type)], form: &Accumulators) -> Accumulators {
        let values: SmallVec<[Value; 8]> = frames
            .iter()
            .map(|(frame, ty)| {
                let offset = self.builder.ins().imul_imm_s(level, i64::from(ty.bytes()));
                let address = self.frame_address(*frame, offset);
                self.builder.ins().load(*ty, MemFlagsData::new().with_notrap(), address, 0)
            })
            .collect();
        form.with(&values)
    }

    /// `if n == 0 { a } else { b }` for a value that exists once.
    pub(super) fn if_empty(&mut self, n: Value, a: Value, b: Value) -> Value {
        let empty = self.builder.ins().icmp_imm_s(IntCC::Equal, n, 0);
        self.builder.ins().select(empty, a, b)
    }
}
