//! The operations of a list as instructions, one after the other.

use super::allocate::Home;
use super::assembler::*;
use super::encode::*;
use super::ir::*;
use super::write::{Context, POINTERS, Plain, Writer};
use tracelift_tensor::DType;

const BROADCAST_BYTE: Opcode = opcode(2, 1, 0x78);
const STORE_FIRST: Opcode = opcode(1, 2, 0x11);
const FMA_213: Opcode = opcode(2, 1, 0xA8);
const FMA_231: Opcode = opcode(2, 1, 0xB8);

impl Writer<'_> {
    /// Where a vector of the frame is, from the stack pointer on.
    pub(super) fn slot(&self, slot: usize) -> i32 {
        self.slots + self.l.wide.bytes() * slot as i32
    }

    /// The number of the frame that says how many elements a tail has.
    pub(super) fn rest(&self) -> usize {
        self.l.cells + 1
    }

    /// Where a value is.
    fn home(&self, id: Id) -> Rm {
        match self.homes.of(id) {
            Home::Register(register) => Rm::Register(register),
            Home::Slot(slot) => Rm::At(RSP, self.slot(self.l.slots + slot)),
        }
    }

    /// An operand as the last one of an instruction, and whether it is 32 bits in memory for all lanes.
    pub(super) fn rm(&self, arg: Arg) -> (Rm, bool) {
        match arg {
            Arg::Value(id) => (self.home(id), false),
            Arg::Const(bits) => match self.held.iter().find(|(held, _)| *held == bits) {
                Some((_, register)) => (Rm::Register(*register), false),
                None => (Rm::Const(bits), self.l.wide.broadcasts()),
            },
            Arg::Slot(slot) => (Rm::At(RDI, 8 * slot as i32), true),
        }
    }

    /// An operand in a register, `scratch` if it has none.
    pub(super) fn in_register(&mut self, arg: Arg, scratch: u8) -> u8 {
        if let (Rm::Register(register), _) = self.rm(arg) {
            return register;
        }
        self.copy(scratch, arg);
        scratch
    }

    /// The register that a value is computed in.
    fn target(&self, dst: Id) -> u8 {
        match self.homes.of(dst) {
            Home::Register(register) => register,
            Home::Slot(_) => self.scratch,
        }
    }

    /// Keeps a value that has just been computed in its target.
    fn keep(&mut self, dst: Id) {
        if let rm @ Rm::At(..) = self.home(dst) {
            self.vector(STORE, self.scratch, 0, (rm, false), None);
        }
    }

    pub(super) fn copy(&mut self, to: u8, arg: Arg) {
        match self.rm(arg) {
            (Rm::Register(from), _) if from == to => {}
            (rm, false) => self.vector(COPY, to, 0, (rm, false), None),
            // Reads 32 bits by itself, which is not the broadcast of other instructions.
            (rm, true) => self.vector(BROADCAST, to, 0, (rm, false), None),
        }
    }

    /// An instruction on vectors that is the same in both forms.
    pub(super) fn vector(&mut self, opcode: Opcode, reg: u8, other: u8, rm: (Rm, bool), imm: Option<u8>) {
        self.set.plain(self, &Plain { opcode, reg, other, rm, short: false, imm });
    }

    /// One on 128 bits.
    pub(super) fn short(&mut self, opcode: Opcode, reg: u8, rm: Rm) {
        self.short_with(opcode, reg, 0, rm, None);
    }

    pub(super) fn short_with(&mut self, opcode: Opcode, reg: u8, other: u8, rm: Rm, imm: Option<u8>) {
        self.set.plain(self, &Plain { opcode, reg, other, rm: (rm, false), short: true, imm });
    }

    /// Writes one entry that is no loop.
    pub(super) fn item(&mut self, item: &Item) {
        match item {
            Item::Op { dst, code, args } => {
                self.op(self.target(*dst), *code, args);
                self.keep(*dst);
            }
            Item::Load { dst, stream, part } => {
                let (memory, dtype, along) = self.element(*stream, *part);
                if along {
                    self.load_neighbours(self.target(*dst), dtype, memory, *part);
                } else {
                    self.load_one(self.target(*dst), dtype, memory);
                }
                self.keep(*dst);
            }
            Item::Store { value, stream, part } => {
                let (memory, dtype, _) = self.element(*stream, *part);
                if self.non_temporal.contains(stream) {
                    let value = self.in_register(*value, self.scratch);
                    self.vector(STORE_NON_TEMPORAL, value, 0, (memory, false), None);
                } else {
                    self.set.store(self, *value, dtype, memory, *part);
                }
            }
            Item::Prefetch { stream, part, bytes } => {
                let (memory, ..) = self.element(*stream, *part);
                self.a.prefetch(memory.plus(*bytes));
            }
            Item::FirstBlock { blocks, range } => self.first_block(*blocks, range),
            Item::LoadOne { dst, from } => {
                self.address(from, RAX, RCX);
                self.load_one(self.target(*dst), from.dtype, Rm::At(RAX, 0));
                self.keep(*dst);
            }
            Item::LoadSlot { dst, slot, dtype } => {
                self.load_one(self.target(*dst), *dtype, Rm::At(RDI, 8 * *slot as i32));
                self.keep(*dst);
            }
            Item::LoadIndex { cell, from } => {
                self.address(from, RAX, RCX);
                match from.dtype {
                    DType::I64 => self.a.gpr_memory(&[0x8B], RAX, RAX, 0),
                    // movsxd rax, [rax]
                    _ => self.a.gpr_memory(&[0x63], RAX, RAX, 0),
                }
                self.a.store_cell(*cell, RAX);
            }
            Item::StoreOne { value, to } if to.dtype.size() == 4 => {
                let value = self.in_register(*value, self.scratch);
                self.address(to, RAX, RCX);
                self.short(STORE_FIRST, value, Rm::At(RAX, 0));
            }
            Item::StoreOne { value, to } => {
                self.address(to, RCX, RAX);
                self.first_lane(*value);
                // mov [rcx], al
                self.a.raw(&[0x88, 0x01]);
            }
            Item::Result { value, slot } => {
                self.first_lane(*value);
                self.a.gpr_memory(&[0x89], RAX, RDI, 8 * *slot as i32);
            }
            Item::Number { dst, terms, offset } => {
                self.number(terms, offset);
                self.set.broadcast(self, self.target(*dst), RAX);
                self.keep(*dst);
            }
            Item::Lanes { dst, part } => {
                let (target, first) = (self.target(*dst), self.second);
                self.set.broadcast(self, first, RSI);
                self.vector(WIDEN_BYTES, target, 0, (Rm::Count, false), None);
                let before = Arg::Const((self.l.wide.lanes() * part) as u32);
                for rm in [(Rm::Register(first), false), self.rm(before)] {
                    self.vector(INTS_ADD, target, target, rm, None);
                }
                self.keep(*dst);
            }
            Item::Assign { dst, value, part } => {
                let value = self.in_register(*value, self.scratch);
                match self.home(*dst) {
                    to if self.tail => self.set.assign_some(self, to, value, *part),
                    Rm::Register(register) if register == value => {}
                    Rm::Register(register) => {
                        self.vector(COPY, register, 0, (Rm::Register(value), false), None);
                    }
                    slot => self.vector(STORE, value, 0, (slot, false), None),
                }
            }
            Item::FirstLevel(blocks) => self.first_level(*blocks),
            Item::LoadKept { dst, from, part } => {
                let kept = self.kept(*from, *part);
                self.vector(LOAD, self.target(*dst), 0, (kept, false), None);
                self.keep(*dst);
            }
            Item::StoreKept { value, to, part } => {
                let value = self.in_register(Arg::Value(*value), self.scratch);
                let kept = self.kept(*to, *part);
                self.vector(STORE, value, 0, (kept, false), None);
            }
            Item::SumOfNothing { dst, blocks } => {
                let some = self.unless_empty(*blocks);
                self.op(self.target(*dst), Code::Copy, &[Arg::Const(0)]);
                self.keep(*dst);
                self.a.place(some);
            }
            item => unreachable!("{item:?} is a loop"),
        }
    }

    /// An element of a stream in this turn, its type, and whether lanes are neighbours.
    fn element(&mut self, stream: usize, part: usize) -> (Rm, DType, bool) {
        let lanes = self.l.wide.lanes();
        let displacement = |dtype: DType| (part * lanes * dtype.size()) as i32;
        let indexed = |base, index, dtype: DType| {
            let scale = dtype.size().trailing_zeros() as u8;
            Rm::Indexed { base, index, scale, displacement: displacement(dtype) }
        };
        match self.context {
            Context::Straight(streams) => {
                let dtype = streams[stream].dtype;
                let (number, bytes) = pointer(streams, stream);
                (indexed(POINTERS[number], RSI, dtype).plus(bytes), dtype, true)
            }
            Context::Nested(streams, at) => {
                let dtype = streams[stream].dtype;
                self.address(&streams[stream], RAX, RCX);
                self.a.load_cell(RCX, at);
                (indexed(RAX, RCX, dtype), dtype, true)
            }
            Context::Chain(walks) => {
                let Walk { address, along, .. } = &walks[stream];
                (Rm::At(POINTERS[stream], displacement(address.dtype)), address.dtype, *along)
            }
            Context::Once => unreachable!("streams are walked through in vector loops"),
        }
    }

    /// One element in every lane.
    fn load_one(&mut self, dst: u8, dtype: DType, memory: Rm) {
        if dtype.size() == 4 {
            return self.vector(BROADCAST, dst, 0, (memory, false), None);
        }
        let bytes = self.scratch;
        let widened = if dtype == DType::Bool { bytes } else { dst };
        self.short(BROADCAST_BYTE, bytes, memory);
        self.vector(WIDEN_BYTES, widened, 0, (Rm::Register(bytes), false), None);
        if dtype == DType::Bool {
            self.set.mask_of(self, dst, widened);
        }
    }

    fn load_neighbours(&mut self, dst: u8, dtype: DType, memory: Rm, part: usize) {
        let to = if dtype == DType::Bool { self.scratch } else { dst };
        self.set.load(self, to, dtype.size() == 1, memory, part);
        if dtype == DType::Bool {
            self.set.mask_of(self, dst, to);
        }
    }

    /// The first lane to eax, whose upper half becomes 0.
    fn first_lane(&mut self, value: Arg) {
        match value {
            Arg::Value(id) if self.l.classes[id.0 as usize] == Class::Mask => {
                self.set.first_of_mask(self, value);
                // and eax, 1
                self.a.raw(&[0x83, 0xE0, 1]);
            }
            value => {
                let value = self.in_register(value, self.scratch);
                self.short(MOVE_TO_GENERAL, value, Rm::Register(RAX.0));
            }
        }
    }

    pub(super) fn op(&mut self, dst: u8, code: Code, args: &[Arg]) {
        match (code, args) {
            (Code::Two(opcode), &[a, b]) => {
                let swap = code.commutes() && !matches!(self.rm(a).0, Rm::Register(_));
                let (a, b) = if swap { (b, a) } else { (a, b) };
                let a = self.in_register(a, self.scratch);
                self.vector(opcode, dst, a, self.rm(b), None);
            }
            (Code::One(opcode), &[a]) => self.vector(opcode, dst, 0, self.rm(a), None),
            (Code::OneWith(opcode, imm), &[a]) => self.vector(opcode, dst, 0, self.rm(a), Some(imm)),
            (Code::Fma, &[a, b, c]) => self.fma(dst, a, b, c),
            (Code::CompareFloats(predicate), &[a, b]) => {
                let a = self.in_register(a, self.scratch);
                self.vector(COMPARE_FLOATS, dst, a, self.rm(b), Some(predicate as u8));
            }
            (Code::First, &[a]) => {
                let a = self.in_register(a, self.scratch);
                self.vector(BROADCAST, dst, 0, (Rm::Register(a), false), None);
            }
            (Code::Copy, &[a]) => self.copy(dst, a),
            (Code::Far(far), &[x, y]) => self.far(dst, far, x, y),
            (code, args) => self.set.op(self, dst, code, args),
        }
    }

    /// `a * b + c`: the form depends on which operand lies where the result goes.
    fn fma(&mut self, dst: u8, a: Arg, b: Arg, c: Arg) {
        let lies_in_dst = |arg: Arg| matches!(arg, Arg::Value(id) if self.homes.of(id) == Home::Register(dst));
        if lies_in_dst(c) {
            let (a, b) = if matches!(a, Arg::Value(_)) { (a, b) } else { (b, a) };
            let a = self.in_register(a, self.scratch);
            return self.vector(FMA_231, dst, a, self.rm(b), None);
        }
        // dst = dst * other + c
        let other = if lies_in_dst(a) {
            b
        } else if lies_in_dst(b) || matches!(a, Arg::Value(_)) && !matches!(b, Arg::Value(_)) {
            self.copy(dst, b);
            a
        } else {
            self.copy(dst, a);
            b
        };
        let other = self.in_register(other, self.second);
        self.vector(FMA_213, dst, other, self.rm(c), None);
    }
}
