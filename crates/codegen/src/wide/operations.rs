//! The operations of a list as instructions, one after the other.

use super::encode::*;
use super::ir::*;
use super::write::{POINTERS, Writer};
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
const WIDEN_BYTES: Opcode = opcode(2, 1, 0x31);
const TEST: Opcode = opcode(2, 1, 0x27);
const SHIFT: Opcode = opcode(1, 1, 0x72);
const BLEND: Opcode = opcode(2, 1, 0x65);
const FMA_213: Opcode = opcode(2, 1, 0xA8);
const FMA_231: Opcode = opcode(2, 1, 0xB8);

impl Writer<'_> {
    fn register(&self, id: Id) -> u8 {
        self.registers[id.0 as usize]
    }

    /// An operand as the last one of an instruction, and whether it is 32 bits in memory for all lanes.
    fn rm(&self, arg: Arg) -> (Rm, bool) {
        match arg {
            Arg::Value(id) => (Rm::Register(self.register(id)), false),
            Arg::Const(bits) => (Rm::Const(bits), true),
            Arg::Slot(slot) => (Rm::At(RDI, 8 * slot as i32), true),
        }
    }

    /// An operand in a register, `scratch` if it has none.
    fn in_register(&mut self, arg: Arg, scratch: u8) -> u8 {
        if let Arg::Value(id) = arg {
            return self.register(id);
        }
        self.copy(scratch, arg);
        scratch
    }

    fn copy(&mut self, to: u8, arg: Arg) {
        match self.rm(arg) {
            (Rm::Register(from), _) if from == to => {}
            (rm @ Rm::Register(_), _) => self.vector(opcode(1, 0, 0x28), to, 0, (rm, false), None),
            // Reads 32 bits by itself, which is not the broadcast of other instructions.
            (rm, _) => self.vector(BROADCAST, to, 0, (rm, false), None),
        }
    }

    fn vector(&mut self, opcode: Opcode, reg: u8, other: u8, (rm, broadcast): (Rm, bool), imm: Option<u8>) {
        let length = Length::L512;
        self.a.evex(&Evex { opcode, reg, other, rm, broadcast, mask: 0, zeroing: false, length, imm });
    }

    /// Writes one entry that is no loop.
    pub(super) fn item(&mut self, item: &Item, streams: &[Address]) {
        match item {
            Item::Op { dst, code, args } => self.op(self.register(*dst), *code, args),
            Item::Load { dst, stream, part } => {
                let memory = in_stream(streams, *stream, *part);
                self.load(self.register(*dst), streams[*stream].dtype, memory, *part);
            }
            Item::Store { value, stream, part } => {
                let memory = in_stream(streams, *stream, *part);
                self.store(*value, streams[*stream].dtype, memory, *part);
            }
            Item::LoadOne { dst, from } => {
                self.address(from, RAX, RCX);
                self.vector(BROADCAST, self.register(*dst), 0, (Rm::At(RAX, 0), false), None);
            }
            Item::StoreOne { value, to } => {
                let value = self.in_register(*value, SCRATCH);
                self.address(to, RAX, RCX);
                self.masked(opcode(1, 2, 0x11), value, Rm::At(RAX, 0), ALL, Length::L128);
            }
            Item::Assign { dst, value, part } => {
                let value = self.in_register(*value, SCRATCH);
                let mask = self.lanes_of(*part);
                self.masked(opcode(1, 0, 0x28), self.register(*dst), Rm::Register(value), (mask, false), Length::L512);
            }
            Item::Begin { .. } | Item::End { .. } | Item::BeginWide(_) | Item::Head | Item::EndWide => {
                unreachable!("loops are written by themselves")
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
        let value = self.in_register(value, SCRATCH);
        match dtype {
            DType::F32 | DType::I32 => self.masked(opcode(1, 0, 0x11), value, memory, (mask, false), Length::L512),
            DType::U8 => self.masked(opcode(2, 2, 0x31), value, memory, (mask, false), Length::L512),
            _ => {
                // Bytes of all ones where the mask is set, their magnitudes, and 16 of those.
                let scratch = Rm::Register(SCRATCH);
                self.masked(opcode(2, 2, 0x28), SCRATCH, Rm::Register(value), ALL, Length::L128);
                self.masked(opcode(2, 1, 0x1C), SCRATCH, scratch, ALL, Length::L128);
                self.masked(opcode(1, 3, 0x7F), SCRATCH, memory, (mask, false), Length::L128);
            }
        }
    }

    fn op(&mut self, dst: u8, code: Code, args: &[Arg]) {
        match (code, args) {
            (Code::Two(opcode), &[a, b]) => {
                let swap = code.commutes() && !matches!(a, Arg::Value(_));
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
                let (mask, length) = (self.register(mask), Length::L512);
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
                self.a.mask(byte, dst, Some(self.register(a)), self.register(b));
            }
            (Code::MaskNot, &[Arg::Value(a)]) => self.a.mask(0x44, dst, None, self.register(a)),
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
        let lies_in_dst = |arg: Arg| matches!(arg, Arg::Value(id) if self.registers[id.0 as usize] == dst);
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

/// The `part`-th vector of a stream in this turn.
fn in_stream(streams: &[Address], stream: usize, part: usize) -> Rm {
    let bytes = streams[stream].dtype.size();
    Rm::Indexed {
        base: POINTERS[stream],
        index: RSI,
        scale: bytes.trailing_zeros() as u8,
        displacement: part as i32 * BYTES / 4 * bytes as i32,
    }
}
