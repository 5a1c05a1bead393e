//! Instructions of AVX2: 256-bit vectors; masks are vectors, too, of all ones where they are set.

use super::assembler::{Gpr, RAX, RDX, RSP, When};
use super::encode::*;
use super::far::{BOUND, MAGNITUDE, NOT_LESS_OR_EQUAL};
use super::ir::*;
use super::write::{Instructions, Plain, Writer};
use tracelift_tensor::DType;

const EQUAL_INTS: Opcode = opcode(1, 1, 0x76);
const GREATER_INTS: Opcode = opcode(1, 1, 0x66);
const BLEND: Opcode = opcode(3, 1, 0x4A);
const SWAP_HALVES: Opcode = opcode(3, 1, 0x06);
const SHUFFLE_HALVES: Opcode = opcode(3, 1, 0x04);
const MOVE_FROM_GENERAL: Opcode = opcode(1, 1, 0x6E);
const BROADCAST_INT: Opcode = opcode(2, 1, 0x58);
const HIGH_HALF: Opcode = opcode(3, 1, 0x39);
const NARROW_TO_WORDS: Opcode = opcode(2, 1, 0x2B);
const NARROW_TO_BYTES: Opcode = opcode(1, 1, 0x67);
const STORE_8_BYTES: Opcode = opcode(1, 1, 0xD6);
const INSERT_BYTE: Opcode = opcode(3, 1, 0x20);
const EXTRACT_BYTE: Opcode = opcode(3, 1, 0x14);
const LOAD_SOME: Opcode = opcode(2, 1, 0x2C);
const TEST: Opcode = opcode(2, 1, 0x17);
const STORE_SOME: Opcode = opcode(2, 1, 0x2E);

const ONES: Arg = Arg::Const(u32::MAX);

pub(super) struct Avx2;

/// The mask of the tail's lanes, to the second scratch register.
fn lanes_of(w: &mut Writer<'_>, part: usize) -> u8 {
    let second = w.second;
    w.vector(COPY, second, 0, (Rm::At(RSP, w.slot(w.tail_masks + part)), false), None);
    second
}

/// Does something for each lane of a part that exists: those of a tail are less than all.
fn each_lane_of_tail(w: &mut Writer<'_>, part: usize, each: &mut dyn FnMut(&mut Writer<'_>, u8)) {
    let done = w.a.label();
    for lane in 0..8 {
        w.a.compare_cell_with(w.rest(), 8 * part as i32 + i32::from(lane));
        w.a.jump_if(When::NotGreater, done);
        each(w, lane);
    }
    w.a.place(done);
}

impl Instructions for Avx2 {
    fn plain(&self, w: &mut Writer<'_>, p: &Plain) {
        let Plain { opcode, reg, other, rm: (rm, _), short, imm } = *p;
        let length = if short { Length::L128 } else { Length::L256 };
        w.a.vex(&Vex { opcode, reg, other, rm, length, imm });
    }

    fn op(&self, w: &mut Writer<'_>, dst: u8, code: Code, args: &[Arg]) {
        match (code, args) {
            (Code::Shift(extension, by), &[a]) => {
                let a = w.in_register(a, w.scratch);
                w.vector(SHIFT, extension, dst, (Rm::Register(a), false), Some(by));
            }
            (Code::CompareInts(predicate), &[a, b]) => {
                let (opcode, first, second, negated) = match predicate {
                    Predicate::Eq => (EQUAL_INTS, a, b, false),
                    Predicate::Ne => (EQUAL_INTS, a, b, true),
                    Predicate::Gt => (GREATER_INTS, a, b, false),
                    Predicate::Le => (GREATER_INTS, a, b, true),
                    Predicate::Lt => (GREATER_INTS, b, a, false),
                    Predicate::Ge => (GREATER_INTS, b, a, true),
                };
                let first = w.in_register(first, w.scratch);
                w.vector(opcode, dst, first, w.rm(second), None);
                if negated {
                    w.vector(BITS_XOR, dst, dst, w.rm(ONES), None);
                }
            }
            (Code::Blend, &[mask, a, b]) => {
                let (b, mask) = (w.in_register(b, w.scratch), w.in_register(mask, w.second));
                w.vector(BLEND, dst, b, w.rm(a), Some(mask << 4));
            }
            (Code::Masks(join), &[a, b]) => {
                let opcode = match join {
                    Join::And => BITS_AND,
                    Join::Or => BITS_OR,
                    Join::Xor => BITS_XOR,
                };
                let a = w.in_register(a, w.scratch);
                w.vector(opcode, dst, a, w.rm(b), None);
            }
            (Code::MaskNot, &[a]) => {
                let a = w.in_register(a, w.scratch);
                w.vector(BITS_XOR, dst, a, w.rm(ONES), None);
            }
            (Code::MaskConst(all), _) => w.copy(dst, if all { ONES } else { Arg::Const(0) }),
            (Code::Rotate(4), &[a]) => {
                let a = w.in_register(a, w.scratch);
                w.vector(SWAP_HALVES, dst, a, (Rm::Register(a), false), Some(1));
            }
            (Code::Rotate(by), &[a]) => {
                // The number of a lane of each half in two bits: lane by, by + 1, …
                let order = (0..4).fold(0, |order, lane| order | ((lane + by) & 3) << (2 * lane));
                w.vector(SHUFFLE_HALVES, dst, 0, w.rm(a), Some(order));
            }
            (code, args) => unreachable!("{code:?} of {args:?}"),
        }
    }

    fn broadcast(&self, w: &mut Writer<'_>, dst: u8, from: Gpr) {
        w.short(MOVE_FROM_GENERAL, dst, Rm::Register(from.0));
        w.vector(BROADCAST_INT, dst, 0, (Rm::Register(dst), false), None);
    }

    fn mask_of(&self, w: &mut Writer<'_>, dst: u8, from: u8) {
        let zero = w.second;
        w.vector(BITS_XOR, zero, zero, (Rm::Register(zero), false), None);
        w.vector(GREATER_INTS, dst, from, (Rm::Register(zero), false), None);
    }

    fn first_of_mask(&self, w: &mut Writer<'_>, value: Arg) {
        let value = w.in_register(value, w.scratch);
        w.short(MOVE_TO_GENERAL, value, Rm::Register(RAX.0));
    }

    fn any_far(&self, w: &mut Writer<'_>, x: u8, part: usize) {
        let scratch = w.scratch;
        w.vector(BITS_AND, scratch, x, w.rm(MAGNITUDE), None);
        w.vector(COMPARE_FLOATS, scratch, scratch, w.rm(BOUND), Some(NOT_LESS_OR_EQUAL));
        if w.tail {
            let lanes = Rm::At(RSP, w.slot(w.tail_masks + part));
            w.vector(BITS_AND, scratch, scratch, (lanes, false), None);
        }
        w.vector(TEST, scratch, 0, (Rm::Register(scratch), false), None);
    }

    fn load(&self, w: &mut Writer<'_>, dst: u8, bytes: bool, memory: Rm, part: usize) {
        match (w.tail, bytes) {
            (false, false) => w.vector(LOAD, dst, 0, (memory, false), None),
            (false, true) => w.vector(WIDEN_BYTES, dst, 0, (memory, false), None),
            (true, false) => {
                let mask = lanes_of(w, part);
                w.vector(LOAD_SOME, dst, mask, (memory, false), None);
            }
            (true, true) => {
                w.short_with(BITS_XOR, dst, dst, Rm::Register(dst), None);
                each_lane_of_tail(w, part, &mut |w, lane| {
                    w.short_with(INSERT_BYTE, dst, dst, memory.plus(lane.into()), Some(lane));
                });
                w.vector(WIDEN_BYTES, dst, 0, (Rm::Register(dst), false), None);
            }
        }
    }

    fn store(&self, w: &mut Writer<'_>, value: Arg, dtype: DType, memory: Rm, part: usize) {
        let [scratch, second] = [w.scratch, w.second];
        let mut value = w.in_register(value, scratch);
        if matches!(dtype, DType::F32 | DType::I32) {
            if w.tail {
                let mask = lanes_of(w, part);
                w.vector(STORE_SOME, value, mask, (memory, false), None);
            } else {
                w.vector(STORE, value, 0, (memory, false), None);
            }
            return;
        }
        if dtype == DType::Bool {
            // The highest bit to the lowest place: 1 where the mask is set.
            w.vector(SHIFT, 2, scratch, (Rm::Register(value), false), Some(31));
            value = scratch;
        }
        w.vector(HIGH_HALF, value, 0, (Rm::Register(second), false), Some(1));
        w.short_with(NARROW_TO_WORDS, scratch, value, Rm::Register(second), None);
        w.short_with(NARROW_TO_BYTES, scratch, scratch, Rm::Register(scratch), None);
        if w.tail {
            each_lane_of_tail(w, part, &mut |w, lane| {
                w.short_with(EXTRACT_BYTE, scratch, 0, memory.plus(lane.into()), Some(lane));
            });
        } else {
            w.short(STORE_8_BYTES, scratch, memory);
        }
    }

    fn assign_some(&self, w: &mut Writer<'_>, to: Rm, value: u8, part: usize) {
        let mask = lanes_of(w, part);
        match to {
            Rm::Register(to) => w.vector(BLEND, to, to, (Rm::Register(value), false), Some(mask << 4)),
            slot => w.vector(STORE_SOME, value, mask, (slot, false), None),
        }
    }

    /// The masks are kept in the frame, and the number of elements, too, for bytes.
    fn tail(&self, w: &mut Writer<'_>, vectors: usize) {
        let [scratch, second] = [w.scratch, w.second];
        w.a.store_cell(w.rest(), RDX);
        self.broadcast(w, scratch, RDX);
        for part in 0..vectors {
            // Those are left whose number is less than theirs.
            w.vector(WIDEN_BYTES, second, 0, (Rm::Count, false), None);
            if part > 0 {
                w.vector(INTS_ADD, second, second, w.rm(Arg::Const(8 * part as u32)), None);
            }
            w.vector(GREATER_INTS, second, scratch, (Rm::Register(second), false), None);
            let slot = Rm::At(RSP, w.slot(w.tail_masks + part));
            w.vector(STORE, second, 0, (slot, false), None);
        }
    }
}
