//! Machine instructions as bytes: the few of x86-64 and of AVX-512 that wide kernels are made of.

use rustc_hash::FxHashMap;

/// A general register by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gpr(pub u8);

pub(super) const RAX: Gpr = Gpr(0);
pub(super) const RCX: Gpr = Gpr(1);
pub(super) const RDX: Gpr = Gpr(2);
pub(super) const RBX: Gpr = Gpr(3);
pub(super) const RSP: Gpr = Gpr(4);
pub(super) const RBP: Gpr = Gpr(5);
pub(super) const RSI: Gpr = Gpr(6);
pub(super) const RDI: Gpr = Gpr(7);

/// Which instruction with a vector or mask prefix: map (1 is `0F`, 2 `0F 38`, 3 `0F 3A`), prefix (0 none, 1 `66`,
/// 2 `F3`, 3 `F2`) and opcode byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// 32 bits of the pool of constants.
    Const(u32),
    /// The 16 bytes of the pool that count from 0.
    Count,
    /// Memory at `base + displacement`.
    At(Gpr, i32),
    /// Memory at `base + (index << scale) + displacement`.
    Indexed { base: Gpr, index: Gpr, scale: u8, displacement: i32 },
}

/// How long a vector is: 16, 32 or 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    L128 = 0,
    L512 = 2,
}

/// An instruction with an EVEX prefix.
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

/// A place in the code that jumps lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Conditions of jumps, after a comparison of signed numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// A bit that was asked for is not set.
    NotCarry = 0x3,
    Zero = 0x4,
    NotZero = 0x5,
    Less = 0xC,
    NotLess = 0xD,
    NotGreater = 0xE,
}

/// Code being written.
#[derive(Default)]
pub(super) struct Assembler {
    bytes: Vec<u8>,
    /// The constants and, for each, where it comes in the pool.
    pool: Vec<u32>,
    known: FxHashMap<u32, usize>,
    /// Where in it the bytes come that count from 0.
    count: Option<usize>,
    /// Displacements to be filled in: where, from which address on, to which constant.
    constants: Vec<(usize, usize, usize)>,
    labels: Vec<Option<usize>>,
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    /// The code with its constants at the end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        for (at, label) in &self.jumps {
            let target = self.labels[label.0].expect("every label is placed");
            let distance = target as i32 - (*at as i32 + 4);
            self.bytes[*at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0xCC);
        let pool = self.bytes.len();
        for (at, end, constant) in &self.constants {
            let distance = (pool + 4 * constant) as i32 - *end as i32;
            self.bytes[*at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        self.bytes.extend(self.pool.iter().flat_map(|bits| bits.to_le_bytes()));
        self.bytes
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Says that a label is here.
    pub(super) fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.bytes.len());
    }

    pub(super) fn jump(&mut self, label: Label) {
        self.bytes.push(0xE9);
        self.target(label);
    }

    pub(super) fn jump_if(&mut self, when: When, label: Label) {
        self.bytes.extend([0x0F, 0x80 | when as u8]);
        self.target(label);
    }

    fn target(&mut self, label: Label) {
        self.jumps.push((self.bytes.len(), label));
        self.bytes.extend([0; 4]);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// `opcode reg, rm` on 64 bits, between two registers.
    pub(super) fn gpr(&mut self, opcode: &[u8], reg: Gpr, rm: Gpr) {
        self.rex(reg, Gpr(0), rm);
        self.bytes.extend(opcode);
        self.bytes.push(0xC0 | (reg.0 & 7) << 3 | rm.0 & 7);
    }

    /// `opcode reg, [base + displacement]` on 64 bits.
    pub(super) fn gpr_memory(&mut self, opcode: &[u8], reg: Gpr, base: Gpr, displacement: i32) {
        self.rex(reg, Gpr(0), base);
        self.bytes.extend(opcode);
        self.memory(reg.0, base, displacement);
    }

    pub(super) fn immediate(&mut self, imm: i32) {
        self.bytes.extend(imm.to_le_bytes());
    }

    fn rex(&mut self, reg: Gpr, index: Gpr, base: Gpr) {
        self.bytes.push(0x48 | (reg.0 >> 3) << 2 | (index.0 >> 3) << 1 | base.0 >> 3);
    }

    fn memory(&mut self, reg: u8, base: Gpr, displacement: i32) {
        self.bytes.push(0x80 | (reg & 7) << 3 | base.0 & 7);
        if base.0 & 7 == RSP.0 {
            self.bytes.push(0x24);
        }
        self.immediate(displacement);
    }

    /// A mask instruction: `opcode reg, other, rm` on mask registers or, where the opcode says so, on `eax`.
    pub(super) fn mask(&mut self, byte: u8, reg: u8, other: Option<u8>, rm: u8) {
        let (vvvv, two_sources) = (!other.unwrap_or(0) & 15, other.is_some());
        self.bytes.extend([0xC5, 0x80 | vvvv << 3 | u8::from(two_sources) << 2, byte, 0xC0 | reg << 3 | rm]);
    }

    pub(super) fn evex(&mut self, e: &Evex) {
        let (base, index, rm_high) = match e.rm {
            Rm::Register(r) => (r >> 3 & 1, r >> 4 & 1, r & 7),
            Rm::Const(_) | Rm::Count => (0, 0, 5),
            Rm::At(base, _) => (base.0 >> 3, 0, base.0 & 7),
            Rm::Indexed { base, index, .. } => (base.0 >> 3, index.0 >> 3, 4),
        };
        let not = |bit: u8| 1 - (bit & 1);
        self.bytes.push(0x62);
        self.bytes.push(not(e.reg >> 3) << 7 | not(index) << 6 | not(base) << 5 | not(e.reg >> 4) << 4 | e.opcode.map);
        self.bytes.push((!e.other & 15) << 3 | 4 | e.opcode.prefix);
        self.bytes.push(
            u8::from(e.zeroing) << 7
                | (e.length as u8) << 5
                | u8::from(e.broadcast) << 4
                | not(e.other >> 4) << 3
                | e.mask,
        );
        self.bytes.push(e.opcode.byte);
        let reg = (e.reg & 7) << 3;
        let mut constant = None;
        match e.rm {
            Rm::Register(_) => self.bytes.push(0xC0 | reg | rm_high),
            Rm::Const(bits) => {
                let next = self.pool.len();
                let at = *self.known.entry(bits).or_insert(next);
                if at == next {
                    self.pool.push(bits);
                }
                self.bytes.push(reg | rm_high);
                constant = Some((self.bytes.len(), at));
                self.bytes.extend([0; 4]);
            }
            Rm::Count => {
                let next = self.pool.len();
                let at = *self.count.get_or_insert(next);
                if at == next {
                    self.pool.extend((0..4).map(|n: u32| 0x0302_0100 + n * 0x0404_0404));
                }
                self.bytes.push(reg | rm_high);
                constant = Some((self.bytes.len(), at));
                self.bytes.extend([0; 4]);
            }
            Rm::At(base, displacement) => self.memory(e.reg, base, displacement),
            Rm::Indexed { base, index, scale, displacement } => {
                self.bytes.extend([0x80 | reg | 4, scale << 6 | (index.0 & 7) << 3 | base.0 & 7]);
                self.immediate(displacement);
            }
        }
        self.bytes.extend(e.imm);
        if let Some((at, constant)) = constant {
            self.constants.push((at, self.bytes.len(), constant));
        }
    }
}
