//! Vector and mask instructions as bytes: the few of AVX2 and AVX-512 that wide kernels are made of.

use super::assembler::{Assembler, Displacement, Gpr};

/// Which instruction with a vector or mask prefix: map (1 is `0F`, 2 `0F 38`, 3 `0F 3A`), prefix (0 none, 1 `66`,
/// 2 `F3`, 3 `F2`) and opcode byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Opcode {
    pub map: u8,
    pub prefix: u8,
    pub byte: u8,
}

/// A shorthand for [`Opcode`].
pub(super) const fn opcode(map: u8, prefix: u8, byte: u8) -> Opcode {
    Opcode { map, prefix, byte }
}

/// The last operand of a vector instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rm {
    /// A vector or mask register.
    Register(u8),
    /// 32 bits of the pool of constants, as often as they stand there.
    Const(u32),
    /// The 16 bytes of the pool that count from 0.
    Count,
    /// Memory at `base + displacement`.
    At(Gpr, i32),
    /// Memory at `base + (index << scale) + displacement`.
    Indexed { base: Gpr, index: Gpr, scale: u8, displacement: i32 },
}

impl Rm {
    /// Memory so many bytes further.
    pub(super) fn plus(self, bytes: i32) -> Rm {
        match self {
            Rm::At(base, displacement) => Rm::At(base, displacement + bytes),
            Rm::Indexed { base, index, scale, displacement } => {
                Rm::Indexed { base, index, scale, displacement: displacement + bytes }
            }
            rm => unreachable!("{rm:?} has no place in memory that could be moved"),
        }
    }

    /// The fourth bits of the registers in it: base or register, and index.
    pub(super) fn high_bits(self) -> (u8, u8) {
        match self {
            Rm::Register(r) => (r >> 3 & 1, 0),
            Rm::Const(_) | Rm::Count => (0, 0),
            Rm::At(base, _) => (base.0 >> 3, 0),
            Rm::Indexed { base, index, .. } => (base.0 >> 3, index.0 >> 3),
        }
    }
}

/// How long a vector is: 16, 32 or 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    L128 = 0,
    L256 = 1,
    L512 = 2,
}

/// An instruction with a VEX prefix, of AVX2 or older.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vex {
    pub opcode: Opcode,
    /// The register in the middle of the encoding, or the number that extends the opcode.
    pub reg: u8,
    /// The further source (or destination of shifts); 0 where there is none.
    pub other: u8,
    pub rm: Rm,
    pub length: Length,
    pub imm: Option<u8>,
}

/// An instruction with an EVEX prefix, of AVX-512.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evex {
    pub opcode: Opcode,
    /// The register in the middle of the encoding, or the number that extends the opcode.
    pub reg: u8,
    /// The further source (or destination of shifts); 0 where there is none.
    pub other: u8,
    pub rm: Rm,
    /// Whether the 32 bits in memory are read for every lane.
    pub broadcast: bool,
    /// The mask register; 0 is none.
    pub mask: u8,
    /// Whether lanes outside the mask become zero rather than stay.
    pub zeroing: bool,
    pub length: Length,
    pub imm: Option<u8>,
}

/// The lowest bit, turned around.
fn not(bit: u8) -> u8 {
    1 - (bit & 1)
}

impl Assembler {
    /// A mask instruction: `opcode reg, other, rm` on mask registers or, where the opcode says so, on `eax`.
    pub(super) fn mask(&mut self, byte: u8, reg: u8, other: Option<u8>, rm: u8) {
        let length = if other.is_some() { Length::L256 } else { Length::L128 };
        let rm = Rm::Register(rm);
        self.vex(&Vex { opcode: opcode(1, 0, byte), reg, other: other.unwrap_or(0), rm, length, imm: None });
    }

    pub(super) fn vex(&mut self, v: &Vex) {
        let (base, index) = v.rm.high_bits();
        let last = (!v.other & 15) << 3 | (v.length as u8) << 2 | v.opcode.prefix;
        if (base, index, v.opcode.map) == (0, 0, 1) {
            self.raw(&[0xC5, not(v.reg >> 3) << 7 | last]);
        } else {
            self.raw(&[0xC4, not(v.reg >> 3) << 7 | not(index) << 6 | not(base) << 5 | v.opcode.map, last]);
        }
        self.raw(&[v.opcode.byte]);
        self.operands(v.reg, v.rm, Displacement::Short, v.imm);
    }

    pub(super) fn evex(&mut self, e: &Evex) {
        let (base, index) = match e.rm {
            // The fifth bit of a register stands where that of an index would.
            Rm::Register(r) => (r >> 3, r >> 4),
            rm => rm.high_bits(),
        };
        self.raw(&[
            0x62,
            not(e.reg >> 3) << 7 | not(index) << 6 | not(base) << 5 | not(e.reg >> 4) << 4 | e.opcode.map,
            (!e.other & 15) << 3 | 4 | e.opcode.prefix,
            u8::from(e.zeroing) << 7
                | (e.length as u8) << 5
                | u8::from(e.broadcast) << 4
                | not(e.other >> 4) << 3
                | e.mask,
            e.opcode.byte,
        ]);
        // Short displacements would count in vectors.
        self.operands(e.reg, e.rm, Displacement::Full, e.imm);
    }
}

#[cfg(test)]
mod tests {
    use super::super::assembler::{RAX, RBP, RCX, RDI, RSI, RSP};
    use super::*;

    /// The bytes of one instruction in hexadecimal digits, as disassemblers show them.
    fn bytes(write: impl FnOnce(&mut Assembler)) -> String {
        let mut a = Assembler::new(1);
        write(&mut a);
        let digits: Vec<String> = a.finish().code.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.join(" ").trim_end_matches(" cc").to_string()
    }

    /// An instruction that has no further operands than these.
    fn vex(opcode: Opcode, reg: u8, other: u8, rm: Rm, length: Length, imm: Option<u8>) -> String {
        bytes(|a| a.vex(&Vex { opcode, reg, other, rm, length, imm }))
    }

    fn indexed(base: Gpr, index: Gpr, scale: u8, displacement: i32) -> Rm {
        Rm::Indexed { base, index, scale, displacement }
    }

    #[test]
    fn instructions_of_avx2_are_those_of_an_assembler() {
        use Length::{L128, L256};
        let [add, load, store] = [0x58, 0x10, 0x11].map(|byte| opcode(1, 0, byte));
        let register = Rm::Register;
        for (got, expected, text) in [
            (vex(add, 1, 2, register(3), L256, None), "c5 ec 58 cb", "vaddps ymm1, ymm2, ymm3"),
            (
                vex(add, 9, 10, indexed(Gpr(8), RSI, 2, 0x20), L256, None),
                "c4 41 2c 58 4c b0 20",
                "vaddps ymm9, ymm10, [r8 + rsi*4 + 0x20]",
            ),
            (vex(store, 15, 0, Rm::At(RSP, 0x40), L256, None), "c5 7c 11 7c 24 40", "vmovups [rsp + 0x40], ymm15"),
            (
                vex(load, 0, 0, indexed(Gpr(13), RAX, 0, 0), L256, None),
                "c4 c1 7c 10 44 05 00",
                "vmovups ymm0, [r13 + rax]",
            ),
            (
                vex(load, 0, 0, indexed(RBP, RSI, 2, -0x1000), L256, None),
                "c5 fc 10 84 b5 00 f0 ff ff",
                "vmovups ymm0, [rbp + rsi*4 - 0x1000]",
            ),
            (
                vex(opcode(3, 1, 0x4A), 8, 1, register(12), L256, Some(14 << 4)),
                "c4 43 75 4a c4 e0",
                "vblendvps ymm8, ymm1, ymm12, ymm14",
            ),
            (vex(opcode(1, 1, 0x72), 6, 3, register(11), L256, Some(7)), "c4 c1 65 72 f3 07", "vpslld ymm3, ymm11, 7"),
            (
                vex(opcode(3, 1, 0x39), 15, 0, register(14), L256, Some(1)),
                "c4 43 7d 39 fe 01",
                "vextracti128 xmm14, ymm15, 1",
            ),
            (
                vex(opcode(3, 1, 0x20), 15, 15, indexed(Gpr(11), RSI, 0, 3), L128, Some(3)),
                "c4 43 01 20 7c 33 03 03",
                "vpinsrb xmm15, xmm15, [r11 + rsi + 3], 3",
            ),
            (
                vex(opcode(3, 1, 0x14), 15, 0, Rm::At(Gpr(12), 5), L128, Some(5)),
                "c4 43 79 14 7c 24 05 05",
                "vpextrb [r12 + 5], xmm15, 5",
            ),
            (vex(opcode(1, 1, 0x6E), 3, 0, register(2), L128, None), "c5 f9 6e da", "vmovd xmm3, edx"),
            (vex(opcode(1, 1, 0x7E), 13, 0, register(0), L128, None), "c5 79 7e e8", "vmovd eax, xmm13"),
            (
                vex(opcode(2, 1, 0x31), 12, 0, Rm::At(RCX, 0x100), L256, None),
                "c4 62 7d 31 a1 00 01 00 00",
                "vpmovzxbd ymm12, [rcx + 0x100]",
            ),
            (
                vex(opcode(2, 1, 0x2C), 1, 14, Rm::At(RBP, 0), L256, None),
                "c4 e2 0d 2c 4d 00",
                "vmaskmovps ymm1, ymm14, [rbp]",
            ),
            (
                vex(opcode(2, 1, 0x2E), 2, 14, Rm::At(Gpr(9), 0), L256, None),
                "c4 c2 0d 2e 11",
                "vmaskmovps [r9], ymm14, ymm2",
            ),
            (
                vex(opcode(2, 1, 0xB8), 4, 5, Rm::At(RSP, 0), L256, None),
                "c4 e2 55 b8 24 24",
                "vfmadd231ps ymm4, ymm5, [rsp]",
            ),
            (
                vex(opcode(3, 1, 0x06), 2, 3, register(3), L256, Some(1)),
                "c4 e3 65 06 d3 01",
                "vperm2f128 ymm2, ymm3, ymm3, 1",
            ),
            (
                vex(opcode(3, 1, 0x04), 2, 0, register(13), L256, Some(0x4E)),
                "c4 c3 7d 04 d5 4e",
                "vpermilps ymm2, ymm13, 0x4e",
            ),
            (vex(opcode(3, 1, 0x08), 6, 0, register(7), L256, Some(9)), "c4 e3 7d 08 f7 09", "vroundps ymm6, ymm7, 9"),
            (
                vex(opcode(1, 0, 0x2B), 15, 0, indexed(Gpr(9), RSI, 2, 0), L256, None),
                "c4 41 7c 2b 3c b1",
                "vmovntps [r9 + rsi*4], ymm15",
            ),
        ] {
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn instructions_of_avx512_are_those_of_an_assembler() {
        let evex = |opcode, reg, other, rm, (mask, zeroing), imm| {
            let (broadcast, length) = (rm == Rm::At(RDI, 0), Length::L512);
            bytes(|a| a.evex(&Evex { opcode, reg, other, rm, broadcast, mask, zeroing, length, imm }))
        };
        let (register, all) = (Rm::Register, (0, false));
        let [add, load, store] = [0x58, 0x10, 0x11].map(|byte| opcode(1, 0, byte));
        for (got, expected, text) in [
            (evex(add, 17, 30, register(9), all, None), "62 c1 0c 40 58 c9", "vaddps zmm17, zmm30, zmm9"),
            (evex(add, 1, 2, Rm::At(RDI, 0), all, None), "62 f1 6c 58 58 0f", "vaddps zmm1, zmm2, [rdi]{1to16}"),
            (
                evex(load, 5, 0, indexed(Gpr(8), RSI, 2, 0x40), (7, true), None),
                "62 d1 7c cf 10 ac b0 40 00 00 00",
                "vmovups zmm5{k7}{z}, [r8 + rsi*4 + 0x40]",
            ),
            (
                evex(store, 31, 0, Rm::At(RSP, 0x80), (6, false), None),
                "62 61 7c 4e 11 bc 24 80 00 00 00",
                "vmovups [rsp + 0x80]{k6}, zmm31",
            ),
            (
                evex(opcode(1, 0, 0x2B), 31, 0, indexed(Gpr(9), RSI, 2, 0x40), all, None),
                "62 41 7c 48 2b bc b1 40 00 00 00",
                "vmovntps [r9 + rsi*4 + 0x40], zmm31",
            ),
            (
                evex(opcode(2, 1, 0x64), 3, 4, register(25), (2, false), None),
                "62 92 5d 4a 64 d9",
                "vpblendmd zmm3{k2}, zmm4, zmm25",
            ),
            (
                evex(opcode(3, 1, 0x1F), 3, 1, register(18), all, Some(6)),
                "62 b3 75 48 1f da 06",
                "vpcmpd k3, zmm1, zmm18, 6",
            ),
            (
                evex(opcode(1, 1, 0x72), 6, 29, register(3), all, Some(4)),
                "62 f1 15 40 72 f3 04",
                "vpslld zmm29, zmm3, 4",
            ),
            (bytes(|a| a.mask(0x92, 7, None, RAX.0)), "c5 f8 92 f8", "kmovw k7, eax"),
            (bytes(|a| a.mask(0x41, 1, Some(2), 3)), "c5 ec 41 cb", "kandw k1, k2, k3"),
        ] {
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn constants_stand_once_behind_the_code_as_often_as_they_are_read() {
        let mut a = Assembler::new(8);
        let constant = |reg, bits, imm| {
            let (opcode, other, length) = (opcode(3, 1, 0x08), 0, Length::L256);
            Vex { opcode, reg, other, rm: Rm::Const(bits), length, imm }
        };
        // Three of ten bytes each: 30, and 2 until constants are aligned.
        for bits in [1, 0x0403_0201, 1] {
            a.vex(&constant(0, bits, Some(9)));
        }
        let code = a.finish().code;
        assert_eq!(code.len(), 32 + 2 * 32);
        assert_eq!([code[5], code[15], code[25]], [32 - 10, 64 - 20, 32 - 30]);
        assert_eq!(&code[30..36], [0xCC, 0xCC, 1, 0, 0, 0]);
        assert!(code[64..].chunks(4).all(|copy| copy == [1, 2, 3, 4]));
    }
}
