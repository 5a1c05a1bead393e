//! The operations of a list as instructions, one after the other.

use super::allocate::Home;
use super::encode::*;
use super::ir::*;
use super::write::{Context, POINTERS, SLOT, Writer};
use tracelift_tensor::DType;

/// A register for what an instruction does not take from memory.
const SCRATCH: u8 = 31;
/// The same where two are needed.
const SECOND_SCRATCH: u8 = 30;
/// Says which lanes of a turn's first vector exist; that of the second is one lower.
const TAIL: u8 = 7;
/// No mask.
const ALL: (u8, bool) = (0, false);
/// Bytes of a vector.
const BYTES: i32 = 64;

const BROADCAST: Opcode = opcode(2, 1, 0x18);
const STORE: Opcode = opcode(1, 0, 0x11);
const BROADCAST_BYTE: Opcode = opcode(2, 1, 0x78);
const BROADCAST_GENERAL: Opcode = opcode(2, 1, 0x7C);
const ADD_INTEGERS: Opcode = opcode(1, 1, 0xFE);
const WIDEN_BYTES: Opcode = opcode(2, 1, 0x31);
const TEST: Opcode = opcode(2, 1, 0x27);
const SHIFT: Opcode = opcode(1, 1, 0x72);
const BLEND: Opcode = opcode(2, 1, 0x65);
const FMA_213: Opcode = opcode(2, 1, 0xA8);
const FMA_231: Opcode = opcode(2, 1, 0xB8);

impl Writer<'_> {
    /// Where a vector of the frame is, from the stack pointer on.
    pub(super) fn slot(&self, slot: usize) -> i32 {
        self.slots + SLOT * slot as i32
    }

    /// Where a value is.
    fn home(&self, id: Id) -> Rm {
        match self.homes.of(id) {
            Home::Register(register) => Rm::Register(register),
            Home::Slot(slot) => Rm::At(RSP, self.slot(self.l.slots + slot)),
        }
    }

    /// The register of a mask, which always has one.
    fn mask_register(&self, id: Id) -> u8 {
        match self.homes.of(id) {
            Home::Register(register) => register,
            Home::Slot(_) => unreachable!("masks are not kept in the frame"),
        }
    }

    /// An operand as the last one of an instruction, and whether it is 32 bits in memory for all lanes.
    fn rm(&self, arg: Arg) -> (Rm, bool) {
        match arg {
            Arg::Value(id) => (self.home(id), false),
            Arg::Const(bits) => (Rm::Const(bits), true),
            Arg::Slot(slot) => (Rm::At(RDI, 8 * slot as i32), true),
        }
    }

    /// An operand in a register, `scratch` if it has none.
    fn in_register(&mut self, arg: Arg, scratch: u8) -> u8 {
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
            Home::Slot(_) => SCRATCH,
        }
    }

    /// Keeps a value that has just been computed in its target.
    fn keep(&mut self, dst: Id) {
        if let rm @ Rm::At(..) = self.home(dst) {
            self.masked(STORE, SCRATCH, rm, ALL, Length::L512);
        }
    }

    fn copy(&mut self, to: u8, arg: Arg) {
        match self.rm(arg) {
            (Rm::Register(from), _) if from == to => {}
            (rm, false) => self.vector(opcode(1, 0, 0x28), to, 0, (rm, false), None),
            // Reads 32 bits by itself, which is not the broadcast of other instructions.
            (rm, true) => self.vector(BROADCAST, to, 0, (rm, false), None),
        }
    }

    fn vector(&mut self, opcode: Opcode, reg: u8, other: u8, (rm, broadcast): (Rm, bool), imm: Option<u8>) {
        let length = Length::L512;
        self.a.evex(&Evex { opcode, reg, other, rm, broadcast, mask: 0, zeroing: false, length, imm });
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
                    self.load(self.target(*dst), dtype, memory, *part);
                } else {
                    self.load_one(self.target(*dst), dtype, memory);
                }
                self.keep(*dst);
            }
            Item::Store { value, stream, part } => {
                let (memory, dtype, _) = self.element(*stream, *part);
                self.store(*value, dtype, memory, *part);
            }
            Item::LoadOne { dst, from } => {
                self.address(from, RAX, RCX);
                self.load_one(self.target(*dst), from.dtype, Rm::At(RAX, 0));
                self.keep(*dst);
            }
            Item::LoadByte { dst, slot } => {
                let dtype = if self.l.classes[dst.0 as usize] == Class::Mask { DType::Bool } else { DType::U8 };
                self.load_one(self.target(*dst), dtype, Rm::At(RDI, 8 * *slot as i32));
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
                let value = self.in_register(*value, SCRATCH);
                self.address(to, RAX, RCX);
                self.masked(opcode(1, 2, 0x11), value, Rm::At(RAX, 0), ALL, Length::L128);
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
                self.vector(BROADCAST_GENERAL, self.target(*dst), 0, (Rm::Register(RAX.0), false), None);
                self.keep(*dst);
            }
            Item::Lanes { dst, part } => {
                let target = self.target(*dst);
                self.vector(BROADCAST_GENERAL, SECOND_SCRATCH, 0, (Rm::Register(RSI.0), false), None);
                self.vector(WIDEN_BYTES, target, 0, (Rm::Count, false), None);
                for rm in [(Rm::Register(SECOND_SCRATCH), false), (Rm::Const(16 * *part as u32), true)] {
                    self.vector(ADD_INTEGERS, target, target, rm, None);
                }
                self.keep(*dst);
            }
            Item::Assign { dst, value, part } => {
                let value = self.in_register(*value, SCRATCH);
                let mask = self.lanes_of(*part);
                match self.home(*dst) {
                    Rm::Register(register) if register == value && mask == 0 => {}
                    Rm::Register(register) => {
                        let all = Length::L512;
                        self.masked(opcode(1, 0, 0x28), register, Rm::Register(value), (mask, false), all);
                    }
                    slot => self.masked(STORE, value, slot, (mask, false), Length::L512),
                }
            }
            Item::FirstLevel(blocks) => self.first_level(*blocks),
            Item::LoadLevel { dst, blocks, part } => {
                let level = self.level(*blocks, *part);
                self.masked(opcode(1, 0, 0x10), self.target(*dst), level, ALL, Length::L512);
                self.keep(*dst);
            }
            Item::StoreLevel { value, blocks, part } => {
                let value = self.in_register(Arg::Value(*value), SCRATCH);
                let level = self.level(*blocks, *part);
                self.masked(STORE, value, level, ALL, Length::L512);
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
        let displacement = |dtype: DType| part as i32 * BYTES / 4 * dtype.size() as i32;
        let indexed = |base, index, dtype: DType| {
            let scale = dtype.size().trailing_zeros() as u8;
            Rm::Indexed { base, index, scale, displacement: displacement(dtype) }
        };
        match self.context {
            Context::Straight(streams) => {
                let dtype = streams[stream].dtype;
                (indexed(POINTERS[stream], RSI, dtype), dtype, true)
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
        match dtype {
            DType::F32 | DType::I32 => self.vector(BROADCAST, dst, 0, (memory, false), None),
            DType::U8 => {
                self.masked(BROADCAST_BYTE, SCRATCH, memory, ALL, Length::L128);
                self.vector(WIDEN_BYTES, dst, 0, (Rm::Register(SCRATCH), false), None);
            }
            _ => {
                self.masked(BROADCAST_BYTE, SCRATCH, memory, ALL, Length::L128);
                self.vector(WIDEN_BYTES, SCRATCH, 0, (Rm::Register(SCRATCH), false), None);
                self.vector(TEST, dst, SCRATCH, (Rm::Register(SCRATCH), false), None);
            }
        }
    }

    /// The first lane to eax, whose upper half becomes 0.
    fn first_lane(&mut self, value: Arg) {
        match value {
            Arg::Value(id) if self.l.classes[id.0 as usize] == Class::Mask => {
                // kmovw eax, mask; and eax, 1
                self.a.raw(&[0xC5, 0xF8, 0x93, 0xC0 | self.mask_register(id), 0x83, 0xE0, 1]);
            }
            value => {
                let value = self.in_register(value, SCRATCH);
                // vmovd eax, value
                self.masked(opcode(1, 1, 0x7E), value, Rm::Register(RAX.0), ALL, Length::L128);
            }
        }
    }

    /// The mask of the lanes that exist; 0 for all.
    fn lanes_of(&self, part: usize) -> u8 {
        if self.tail { TAIL - part as u8 } else { 0 }
    }

    fn masked(&mut self, opcode: Opcode, reg: u8, rm: Rm, (mask, zeroing): (u8, bool), length: Length) {
        self.a.evex(&Evex { opcode, reg, other: 0, rm, broadcast: false, mask, zeroing, length, imm: None });
    }

    /// Lanes outside of the tail become zero and are not read.
    fn load(&mut self, dst: u8, dtype: DType, memory: Rm, part: usize) {
        let mask = self.lanes_of(part);
        let (opcode, to) = match dtype {
            DType::F32 | DType::I32 => (opcode(1, 0, 0x10), dst),
            DType::U8 => (WIDEN_BYTES, dst),
            _ => (WIDEN_BYTES, SCRATCH),
        };
        self.masked(opcode, to, memory, (mask, mask != 0), Length::L512);
        if dtype == DType::Bool {
            self.vector(TEST, dst, SCRATCH, (Rm::Register(SCRATCH), false), None);
        }
    }

    fn store(&mut self, value: Arg, dtype: DType, memory: Rm, part: usize) {
        let mask = self.lanes_of(part);
        if dtype == DType::Bool {
            let Arg::Value(value) = value else { unreachable!("truth values are masks") };
            let (value, scratch) = (Rm::Register(self.mask_register(value)), Rm::Register(SCRATCH));
            // Bytes of all ones where the mask is set, their magnitudes, and 16 of those.
            self.masked(opcode(2, 2, 0x28), SCRATCH, value, ALL, Length::L128);
            self.masked(opcode(2, 1, 0x1C), SCRATCH, scratch, ALL, Length::L128);
            return self.masked(opcode(1, 3, 0x7F), SCRATCH, memory, (mask, false), Length::L128);
        }
        let value = self.in_register(value, SCRATCH);
        match dtype {
            DType::F32 | DType::I32 => self.masked(STORE, value, memory, (mask, false), Length::L512),
            _ => self.masked(opcode(2, 2, 0x31), value, memory, (mask, false), Length::L512),
        }
    }

    pub(super) fn op(&mut self, dst: u8, code: Code, args: &[Arg]) {
        match (code, args) {
            (Code::Two(opcode), &[a, b]) => {
                let swap = code.commutes() && !matches!(self.rm(a).0, Rm::Register(_));
                let (a, b) = if swap { (b, a) } else { (a, b) };
                let a = self.in_register(a, SCRATCH);
                self.vector(opcode, dst, a, self.rm(b), None);
            }
            (Code::One(opcode), &[a]) => self.vector(opcode, dst, 0, self.rm(a), None),
            (Code::OneWith(opcode, imm), &[a]) => self.vector(opcode, dst, 0, self.rm(a), Some(imm)),
            (Code::Shift(extension, by), &[a]) => self.vector(SHIFT, extension, dst, self.rm(a), Some(by)),
            (Code::Fma, &[a, b, c]) => self.fma(dst, a, b, c),
            (Code::Compare(opcode, predicate), &[a, b]) => {
                let a = self.in_register(a, SCRATCH);
                self.vector(opcode, dst, a, self.rm(b), Some(predicate));
            }
            (Code::Blend, &[Arg::Value(mask), a, b]) => {
                let b = self.in_register(b, SCRATCH);
                let (rm, broadcast) = self.rm(a);
                let (mask, length) = (self.mask_register(mask), Length::L512);
                let zeroing = false;
                self.a.evex(&Evex {
                    opcode: BLEND,
                    reg: dst,
                    other: b,
                    rm,
                    broadcast,
                    mask,
                    zeroing,
                    length,
                    imm: None,
                });
            }
            (Code::Masks(byte), &[Arg::Value(a), Arg::Value(b)]) => {
                self.a.mask(byte, dst, Some(self.mask_register(a)), self.mask_register(b));
            }
            (Code::MaskNot, &[Arg::Value(a)]) => self.a.mask(0x44, dst, None, self.mask_register(a)),
            (Code::MaskConst(all), _) => self.a.mask(if all { 0x46 } else { 0x47 }, dst, Some(dst), dst),
            (Code::Rotate(by), &[a]) => {
                let a = self.in_register(a, SCRATCH);
                self.vector(opcode(3, 1, 0x03), dst, a, (Rm::Register(a), false), Some(by));
            }
            (Code::First, &[a]) => {
                let a = self.in_register(a, SCRATCH);
                self.vector(BROADCAST, dst, 0, (Rm::Register(a), false), None);
            }
            (Code::Copy, &[a]) => self.copy(dst, a),
            (code, args) => unreachable!("{code:?} of {args:?}"),
        }
    }

    /// `a * b + c`: the form depends on which operand lies where the result goes.
    fn fma(&mut self, dst: u8, a: Arg, b: Arg, c: Arg) {
        let lies_in_dst = |arg: Arg| matches!(arg, Arg::Value(id) if self.homes.of(id) == Home::Register(dst));
        if lies_in_dst(c) {
            let (a, b) = if matches!(a, Arg::Value(_)) { (a, b) } else { (b, a) };
            let a = self.in_register(a, SCRATCH);
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
        let other = self.in_register(other, SECOND_SCRATCH);
        self.vector(FMA_213, dst, other, self.rm(c), None);
    }
}
