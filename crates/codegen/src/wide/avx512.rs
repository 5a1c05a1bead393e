//! Instructions of AVX-512: 512-bit vectors, mask registers, numbers in memory read for all lanes.

use super::assembler::{Gpr, RAX};
use super::encode::*;
use super::far::{BOUND, MAGNITUDE, NOT_LESS_OR_EQUAL};
use super::ir::*;
use super::write::{Instructions, Plain, Writer};
use tracelift_tensor::DType;

/// Says which lanes of a turn's first vector exist; that of the second is one lower.
const TAIL: u8 = 7;

const BROADCAST_GENERAL: Opcode = opcode(2, 1, 0x7C);
const BLEND: Opcode = opcode(2, 1, 0x65);
const TEST: Opcode = opcode(2, 1, 0x27);
const ROTATE: Opcode = opcode(3, 1, 0x03);
const COMPARE_INTS: Opcode = opcode(3, 1, 0x1F);

pub(super) struct Avx512;

/// The mask of the lanes that exist; 0 for all.
fn lanes_of(w: &Writer<'_>, part: usize) -> u8 {
    if w.tail { TAIL - part as u8 } else { 0 }
}

/// An instruction on some lanes, those of a mask.
fn masked(w: &mut Writer<'_>, opcode: Opcode, reg: u8, rm: Rm, (mask, zeroing): (u8, bool), length: Length) {
    w.a.evex(&Evex { opcode, reg, other: 0, rm, broadcast: false, mask, zeroing, length, imm: None });
}

/// The register of a mask.
fn mask(w: &Writer<'_>, arg: Arg) -> u8 {
    match w.rm(arg) {
        (Rm::Register(register), _) => register,
        rm => unreachable!("masks are not kept at {rm:?}"),
    }
}

impl Instructions for Avx512 {
    fn plain(&self, w: &mut Writer<'_>, p: &Plain) {
        let Plain { opcode, reg, other, rm: (rm, broadcast), short, imm } = *p;
        let length = if short { Length::L128 } else { Length::L512 };
        w.a.evex(&Evex { opcode, reg, other, rm, broadcast, mask: 0, zeroing: false, length, imm });
    }

    fn op(&self, w: &mut Writer<'_>, dst: u8, code: Code, args: &[Arg]) {
        match (code, args) {
            (Code::Shift(extension, by), &[a]) => w.vector(SHIFT, extension, dst, w.rm(a), Some(by)),
            (Code::CompareInts(predicate), &[a, b]) => {
                let a = w.in_register(a, w.scratch);
                w.vector(COMPARE_INTS, dst, a, w.rm(b), Some(predicate as u8));
            }
            (Code::Blend, &[m, a, b]) => {
                let (mask, other) = (mask(w, m), w.in_register(b, w.scratch));
                let (rm, broadcast) = w.rm(a);
                let (opcode, reg, length) = (BLEND, dst, Length::L512);
                w.a.evex(&Evex { opcode, reg, other, rm, broadcast, mask, zeroing: false, length, imm: None });
            }
            (Code::Masks(join), &[a, b]) => {
                let byte = match join {
                    Join::And => 0x41,
                    Join::Or => 0x45,
                    Join::Xor => 0x47,
                };
                w.a.mask(byte, dst, Some(mask(w, a)), mask(w, b));
            }
            (Code::MaskNot, &[a]) => w.a.mask(0x44, dst, None, mask(w, a)),
            (Code::MaskConst(all), _) => w.a.mask(if all { 0x46 } else { 0x47 }, dst, Some(dst), dst),
            (Code::Rotate(by), &[a]) => {
                let a = w.in_register(a, w.scratch);
                w.vector(ROTATE, dst, a, (Rm::Register(a), false), Some(by));
            }
            (code, args) => unreachable!("{code:?} of {args:?}"),
        }
    }

    fn broadcast(&self, w: &mut Writer<'_>, dst: u8, from: Gpr) {
        w.vector(BROADCAST_GENERAL, dst, 0, (Rm::Register(from.0), false), None);
    }

    fn mask_of(&self, w: &mut Writer<'_>, dst: u8, from: u8) {
        w.vector(TEST, dst, from, (Rm::Register(from), false), None);
    }

    fn first_of_mask(&self, w: &mut Writer<'_>, value: Arg) {
        // kmovw eax, mask
        w.a.mask(0x93, RAX.0, None, mask(w, value));
    }

    fn any_far(&self, w: &mut Writer<'_>, x: u8, part: usize) {
        let (scratch, mask) = (w.scratch, lanes_of(w, part));
        w.vector(BITS_AND, scratch, x, w.rm(MAGNITUDE), None);
        // To k0, which no value has; kortestw k0, k0.
        let (opcode, (rm, broadcast), imm) = (COMPARE_FLOATS, w.rm(BOUND), Some(NOT_LESS_OR_EQUAL));
        let (reg, other, length) = (0, scratch, Length::L512);
        w.a.evex(&Evex { opcode, reg, other, rm, broadcast, mask, zeroing: false, length, imm });
        w.a.mask(0x98, 0, None, 0);
    }

    /// Lanes outside of the tail become zero.
    fn load(&self, w: &mut Writer<'_>, dst: u8, bytes: bool, memory: Rm, part: usize) {
        let mask = lanes_of(w, part);
        masked(w, if bytes { WIDEN_BYTES } else { LOAD }, dst, memory, (mask, mask != 0), Length::L512);
    }

    fn store(&self, w: &mut Writer<'_>, value: Arg, dtype: DType, memory: Rm, part: usize) {
        let (lanes, scratch) = ((lanes_of(w, part), false), w.scratch);
        if dtype == DType::Bool {
            let value = Rm::Register(mask(w, value));
            // Bytes of all ones where the mask is set, their magnitudes, and 16 of those.
            masked(w, opcode(2, 2, 0x28), scratch, value, (0, false), Length::L128);
            masked(w, opcode(2, 1, 0x1C), scratch, Rm::Register(scratch), (0, false), Length::L128);
            return masked(w, opcode(1, 3, 0x7F), scratch, memory, lanes, Length::L128);
        }
        let value = w.in_register(value, scratch);
        let opcode = if dtype == DType::U8 { opcode(2, 2, 0x31) } else { STORE };
        masked(w, opcode, value, memory, lanes, Length::L512);
    }

    fn assign_some(&self, w: &mut Writer<'_>, to: Rm, value: u8, part: usize) {
        let mask = (lanes_of(w, part), false);
        match to {
            Rm::Register(register) => masked(w, COPY, register, Rm::Register(value), mask, Length::L512),
            slot => masked(w, STORE, value, slot, mask, Length::L512),
        }
    }

    fn tail(&self, w: &mut Writer<'_>, vectors: usize) {
        // mov eax, -1; bzhi eax, eax, edx: as many low bits as elements are left.
        w.a.raw(&[0xB8, 0xFF, 0xFF, 0xFF, 0xFF, 0xC4, 0xE2, 0x68, 0xF5, 0xC0]);
        // kmovw k7, eax
        w.a.mask(0x92, TAIL, None, RAX.0);
        if vectors > 1 {
            // shr eax, 16; kmovw k6, eax
            w.a.raw(&[0xC1, 0xE8, 16]);
            w.a.mask(0x92, TAIL - 1, None, RAX.0);
        }
    }
}
