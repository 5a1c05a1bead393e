//! Code being written: its bytes, labels and constants, and the instructions on general registers.

use super::encode::Rm;
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

/// Bytes that count from 0, for a vector of so many.
const COUNT: std::ops::Range<u8> = 0..16;

/// What stands at the end of the code.
#[derive(Clone, Copy, Debug)]
enum Pooled {
    /// The n-th constant.
    Constant(usize),
    Count,
}

/// A displacement to be filled in.
#[derive(Clone, Copy, Debug)]
struct Reference {
    /// Where it stands, four bytes.
    at: usize,
    /// From where on it counts: the end of the instruction.
    end: usize,
    to: Pooled,
}

/// Code being written.
pub(super) struct Assembler {
    pub(super) bytes: Vec<u8>,
    /// The constants and, for each, where it comes in the pool.
    pool: Vec<u32>,
    known: FxHashMap<u32, usize>,
    /// How often each constant stands in the pool, one copy after the other.
    copies: usize,
    references: Vec<Reference>,
    labels: Vec<Option<usize>>,
    jumps: Vec<(usize, Label)>,
    /// Where the address of the helper is to be written.
    calls: Vec<u32>,
}

/// Code that is done, but for the addresses of what it calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub code: Vec<u8>,
    /// Where the 8 bytes of the address of the one helper stand.
    pub calls: Vec<u32>,
}

impl Assembler {
    /// No code yet; constants will stand in memory so often, as many as an instruction reads.
    pub(super) fn new(copies: usize) -> Self {
        Assembler {
            bytes: vec![],
            pool: vec![],
            known: FxHashMap::default(),
            copies,
            references: vec![],
            labels: vec![],
            jumps: vec![],
            calls: vec![],
        }
    }

    /// The code with its constants at the end.
    pub(super) fn finish(mut self) -> Written {
        for (at, label) in &self.jumps {
            let target = self.labels[label.0].expect("every label is placed");
            let distance = target as i32 - (*at as i32 + 4);
            self.bytes[*at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        let size = 4 * self.copies;
        self.bytes.resize(self.bytes.len().next_multiple_of(size), 0xCC);
        let pool = self.bytes.len();
        let count = pool + size * self.pool.len();
        let mut counts = false;
        for Reference { at, end, to } in &self.references {
            let target = match to {
                Pooled::Constant(n) => pool + size * n,
                Pooled::Count => count,
            };
            counts |= matches!(to, Pooled::Count);
            self.bytes[*at..at + 4].copy_from_slice(&(target as i32 - *end as i32).to_le_bytes());
        }
        for bits in self.pool {
            (0..self.copies).for_each(|_| self.bytes.extend(bits.to_le_bytes()));
        }
        if counts {
            self.bytes.extend(COUNT);
        }
        Written { code: self.bytes, calls: self.calls }
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

    /// Calls what begins at a label.
    pub(super) fn call(&mut self, label: Label) {
        self.bytes.push(0xE8);
        self.target(label);
    }

    /// Calls the helper, by rax.
    pub(super) fn call_import(&mut self) {
        // mov rax, its address; call rax
        self.bytes.extend([0x48, 0xB8]);
        self.calls.push(self.bytes.len() as u32);
        self.bytes.extend([0; 8]);
        self.bytes.extend([0xFF, 0xD0]);
    }

    fn target(&mut self, label: Label) {
        self.jumps.push((self.bytes.len(), label));
        self.bytes.extend([0; 4]);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(super) fn immediate(&mut self, imm: i32) {
        self.bytes.extend(imm.to_le_bytes());
    }

    /// `opcode reg, rm` on 64 bits, between two registers.
    pub(super) fn gpr(&mut self, opcode: &[u8], reg: Gpr, rm: Gpr) {
        self.rex(reg, rm);
        self.bytes.extend(opcode);
        self.bytes.push(0xC0 | (reg.0 & 7) << 3 | rm.0 & 7);
    }

    /// `opcode reg, [base + displacement]` on 64 bits.
    pub(super) fn gpr_memory(&mut self, opcode: &[u8], reg: Gpr, base: Gpr, displacement: i32) {
        self.rex(reg, base);
        self.bytes.extend(opcode);
        self.operands(reg.0, Rm::At(base, displacement), Displacement::Short, None);
    }

    /// `prefetcht0 [memory]`
    pub(super) fn prefetch(&mut self, memory: Rm) {
        let (base, index) = memory.high_bits();
        self.raw(&[0x40 | index << 1 | base, 0x0F, 0x18]);
        self.operands(1, memory, Displacement::Short, None);
    }

    /// `add`, `and`, `sub`, `cmp` (0, 4, 5, 7) of a register and a number.
    pub(super) fn gpr_with(&mut self, register: Gpr, operation: u8, imm: i32) {
        self.gpr(&[0x81], Gpr(operation), register);
        self.immediate(imm);
    }

    /// A number of the frame to a register.
    pub(super) fn load_cell(&mut self, register: Gpr, cell: usize) {
        self.gpr_memory(&[0x8B], register, RSP, 8 * cell as i32);
    }

    /// A register to a number of the frame.
    pub(super) fn store_cell(&mut self, cell: usize, register: Gpr) {
        self.gpr_memory(&[0x89], register, RSP, 8 * cell as i32);
    }

    /// A register compared with a number of the frame.
    pub(super) fn compare_cell(&mut self, register: Gpr, cell: usize) {
        self.gpr_memory(&[0x3B], register, RSP, 8 * cell as i32);
    }

    /// A number of the frame compared with one that is known.
    pub(super) fn compare_cell_with(&mut self, cell: usize, imm: i32) {
        self.gpr_memory(&[0x81], Gpr(7), RSP, 8 * cell as i32);
        self.immediate(imm);
    }

    fn rex(&mut self, reg: Gpr, base: Gpr) {
        self.bytes.push(0x48 | (reg.0 >> 3) << 2 | base.0 >> 3);
    }

    /// The end of an instruction: its operands `reg` (three bits of it) and `rm`, and a number.
    pub(super) fn operands(&mut self, reg: u8, rm: Rm, how: Displacement, imm: Option<u8>) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::Register(r) => self.bytes.push(0xC0 | reg | r & 7),
            Rm::Const(bits) => {
                let next = self.pool.len();
                let n = *self.known.entry(bits).or_insert(next);
                if n == next {
                    self.pool.push(bits);
                }
                self.pooled(reg, Pooled::Constant(n), imm);
            }
            Rm::Count => self.pooled(reg, Pooled::Count, imm),
            Rm::At(base, displacement) => {
                let mode = Mode::of(base, displacement, how);
                self.bytes.push(mode as u8 | reg | base.0 & 7);
                if base.0 & 7 == RSP.0 {
                    self.bytes.push(0x24);
                }
                self.displacement(mode, displacement);
            }
            Rm::Indexed { base, index, scale, displacement } => {
                let mode = Mode::of(base, displacement, how);
                self.bytes.extend([mode as u8 | reg | 4, scale << 6 | (index.0 & 7) << 3 | base.0 & 7]);
                self.displacement(mode, displacement);
            }
        }
        self.bytes.extend(imm);
    }

    /// An operand in the pool, addressed from the end of the instruction on.
    fn pooled(&mut self, reg: u8, to: Pooled, imm: Option<u8>) {
        self.bytes.push(reg | 5);
        let at = self.bytes.len();
        self.references.push(Reference { at, end: at + 4 + usize::from(imm.is_some()), to });
        self.bytes.extend([0; 4]);
    }

    fn displacement(&mut self, mode: Mode, displacement: i32) {
        match mode {
            Mode::None => {}
            Mode::Byte => self.bytes.push(displacement as u8),
            Mode::Full => self.immediate(displacement),
        }
    }
}

/// How long displacements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Displacement {
    /// As short as they fit.
    Short,
    /// Of four bytes, always: short ones count in other units.
    Full,
}

/// How memory is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    None = 0x00,
    Byte = 0x40,
    Full = 0x80,
}

impl Mode {
    fn of(base: Gpr, displacement: i32, how: Displacement) -> Mode {
        match (how, i8::try_from(displacement)) {
            // The encoding of rbp and r13 without a displacement means something else.
            (_, Ok(0)) if base.0 & 7 != RBP.0 => Mode::None,
            (Displacement::Short, Ok(_)) => Mode::Byte,
            _ => Mode::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_on_general_registers_are_those_of_an_assembler() {
        let bytes = |write: &dyn Fn(&mut Assembler)| {
            let mut a = Assembler::new(1);
            write(&mut a);
            a.bytes
        };
        for (got, expected) in [
            // mov rax, [rsp]
            (bytes(&|a| a.load_cell(RAX, 0)), &[0x48, 0x8B, 0x04, 0x24][..]),
            // mov r9, [rsp + 0x80]
            (bytes(&|a| a.load_cell(Gpr(9), 16)), &[0x4C, 0x8B, 0x8C, 0x24, 0x80, 0, 0, 0]),
            // mov [rbp + 8], r12
            (bytes(&|a| a.gpr_memory(&[0x89], Gpr(12), RBP, 8)), &[0x4C, 0x89, 0x65, 0x08]),
            // mov [rbp], rax: no form without a displacement
            (bytes(&|a| a.gpr_memory(&[0x89], RAX, RBP, 0)), &[0x48, 0x89, 0x45, 0x00]),
            // imul rdx, [rdi + 0x20]
            (bytes(&|a| a.gpr_memory(&[0x0F, 0xAF], RDX, RDI, 0x20)), &[0x48, 0x0F, 0xAF, 0x57, 0x20]),
            // lea rdx, [rsi + 0x1000]
            (bytes(&|a| a.gpr_memory(&[0x8D], RDX, RSI, 0x1000)), &[0x48, 0x8D, 0x96, 0, 0x10, 0, 0]),
            // prefetcht0 [r8 + 4 * rsi + 0x800]
            (
                bytes(&|a| a.prefetch(Rm::Indexed { base: Gpr(8), index: RSI, scale: 2, displacement: 0x800 })),
                &[0x41, 0x0F, 0x18, 0x8C, 0xB0, 0, 8, 0, 0],
            ),
            // cmp rax, 5
            (bytes(&|a| a.gpr_with(RAX, 7, 5)), &[0x48, 0x81, 0xF8, 5, 0, 0, 0]),
        ] {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn jumps_lead_to_their_labels() {
        let mut a = Assembler::new(1);
        let (before, after) = (a.label(), a.label());
        a.place(before);
        a.jump_if(When::Less, after);
        a.jump(before);
        a.place(after);
        assert_eq!(a.finish().code, [0x0F, 0x8C, 5, 0, 0, 0, 0xE9, 0xF5, 0xFF, 0xFF, 0xFF, 0xCC]);
    }
}
