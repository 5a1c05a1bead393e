//! A list as machine code.

use super::encode::*;
use super::ir::*;
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
/// The pointers of streams, those first that are not the caller's.
const POINTERS: [Gpr; 11] = [Gpr(8), Gpr(9), Gpr(10), Gpr(11), RCX, RBX, RBP, Gpr(12), Gpr(13), Gpr(14), Gpr(15)];
/// How many of them are not the caller's.
const FREE_POINTERS: usize = 5;

/// The code of a list; `None` if a loop walks through more streams than there are registers.
pub(super) fn write(l: &Listing, registers: &[u8]) -> Option<Vec<u8>> {
    let streams = l.items.iter().map(|item| if let Item::BeginWide(wide) = item { wide.streams.len() } else { 0 });
    let saved = POINTERS.get(..streams.max().unwrap_or(0))?.get(FREE_POINTERS..).unwrap_or(&[]);
    let mut writer = Writer { a: Assembler::default(), l, registers, tail: false };
    let frame = 16 * l.counters as i32;
    for register in saved {
        writer.push(*register);
    }
    writer.a.gpr_with(RSP, 5, frame);
    writer.items();
    writer.a.gpr_with(RSP, 0, frame);
    for register in saved.iter().rev() {
        writer.pop(*register);
    }
    // xor eax, eax; vzeroupper: what runs next may be code of older instructions. ret.
    writer.a.raw(&[0x31, 0xC0, 0xC5, 0xF8, 0x77, 0xC3]);
    Some(writer.a.finish())
}

struct Writer<'l> {
    a: Assembler,
    l: &'l Listing,
    registers: &'l [u8],
    /// Whether only the lanes of the tail's masks exist.
    tail: bool,
}

impl Assembler {
    /// `add`, `and`, `sub`, `cmp` (0, 4, 5, 7) of a register and a number.
    fn gpr_with(&mut self, register: Gpr, operation: u8, imm: i32) {
        self.gpr(&[0x81], Gpr(operation), register);
        self.immediate(imm);
    }
}

impl Writer<'_> {
    fn push(&mut self, register: Gpr) {
        self.a.raw(&[0x40 | register.0 >> 3, 0x50 | register.0 & 7]);
    }

    fn pop(&mut self, register: Gpr) {
        self.a.raw(&[0x40 | register.0 >> 3, 0x58 | register.0 & 7]);
    }

    fn items(&mut self) {
        // The loops around: where they begin again and where they leave to.
        let mut open: Vec<(Label, Label)> = vec![];
        let mut at = 0;
        let l = self.l;
        while let Some(item) = l.items.get(at) {
            match item {
                Item::Begin { counter, range } => {
                    self.range(range);
                    self.a.gpr_memory(&[0x89], RSI, RSP, 16 * *counter as i32);
                    self.a.gpr_memory(&[0x89], RDX, RSP, 16 * *counter as i32 + 8);
                    let (again, leave) = (self.a.label(), self.a.label());
                    self.a.place(again);
                    self.a.gpr_memory(&[0x8B], RAX, RSP, 16 * *counter as i32);
                    self.a.gpr_memory(&[0x3B], RAX, RSP, 16 * *counter as i32 + 8);
                    self.a.jump_if(When::NotLess, leave);
                    open.push((again, leave));
                }
                Item::End { counter } => {
                    let (again, leave) = open.pop().expect("loops are nested");
                    self.a.gpr_memory(&[0xFF], Gpr(0), RSP, 16 * *counter as i32);
                    self.a.jump(again);
                    self.a.place(leave);
                }
                Item::BeginWide(wide) => {
                    at = self.wide(wide, at);
                    continue;
                }
                item => self.item(item, &[]),
            }
            at += 1;
        }
    }

    /// A vector loop that begins at an entry; answers the entry after its end.
    fn wide(&mut self, wide: &Wide, begin: usize) -> usize {
        let l = self.l;
        let find = |from: usize, what: Item| {
            from + l.items[from..].iter().position(|item| *item == what).expect("wide loops have a head and an end")
        };
        let (head, end) = (find(begin, Item::Head), find(begin, Item::EndWide));
        let done = self.a.label();
        match known(&wide.range) {
            // Nothing to do at all.
            Some(0) => return end + 1,
            // xor esi, esi
            Some(_) => self.a.raw(&[0x31, 0xF6]),
            None => {
                self.range(&wide.range);
                self.a.gpr(&[0x39], RDX, RSI);
                self.a.jump_if(When::NotLess, done);
            }
        }
        l.items[begin + 1..head].iter().for_each(|item| self.item(item, &[]));
        for (stream, pointer) in wide.streams.iter().zip(POINTERS) {
            self.address(stream, pointer, RAX);
        }
        let body = &l.items[head + 1..end];
        match known(&wide.range) {
            Some(n) => self.known_turns(wide, body, n),
            None => self.turns(wide, body, done),
        }
        self.a.place(done);
        end + 1
    }

    /// The turns of a wide loop from rsi to rdx.
    fn turns(&mut self, wide: &Wide, body: &[Item], done: Label) {
        let step = 16 * wide.vectors as i32;
        let (again, rest) = (self.a.label(), self.a.label());
        // rax: where the whole turns end.
        self.a.gpr(&[0x89], RDX, RAX);
        self.a.gpr(&[0x29], RSI, RAX);
        self.a.gpr_with(RAX, 4, -step);
        self.a.gpr(&[0x01], RSI, RAX);
        self.a.gpr(&[0x39], RAX, RSI);
        self.a.jump_if(When::NotLess, rest);
        self.a.place(again);
        body.iter().for_each(|item| self.item(item, &wide.streams));
        self.a.gpr_with(RSI, 0, step);
        self.a.gpr(&[0x39], RAX, RSI);
        self.a.jump_if(When::Less, again);
        self.a.place(rest);
        self.a.gpr(&[0x29], RSI, RDX);
        self.a.jump_if(When::NotGreater, done);
        // mov eax, -1; bzhi eax, eax, edx: as many low bits as elements are left.
        self.a.raw(&[0xB8, 0xFF, 0xFF, 0xFF, 0xFF, 0xC4, 0xE2, 0x68, 0xF5, 0xC0]);
        self.tail_turn(wide, body);
    }

    /// The turns of a wide loop over a known number of elements, from rsi = 0.
    fn known_turns(&mut self, wide: &Wide, body: &[Item], n: i64) {
        let step = 16 * wide.vectors as i64;
        let (whole, left) = (n / step * step, n % step);
        if whole > 0 {
            let again = self.a.label();
            self.a.place(again);
            body.iter().for_each(|item| self.item(item, &wide.streams));
            self.a.gpr_with(RSI, 0, step as i32);
            if whole > step {
                self.a.gpr_with(RSI, 7, whole as i32);
                self.a.jump_if(When::Less, again);
            }
        }
        if left > 0 {
            // mov eax, the mask
            self.a.raw(&[0xB8]);
            self.a.immediate((1i32 << left).wrapping_sub(1));
            self.tail_turn(wide, body);
        }
    }

    /// The last turn, of the lanes whose bits are set in eax.
    fn tail_turn(&mut self, wide: &Wide, body: &[Item]) {
        // kmovw k7, eax
        self.a.raw(&[0xC5, 0xF8, 0x92, 0xF8]);
        if wide.vectors > 1 {
            // shr eax, 16; kmovw k6, eax
            self.a.raw(&[0xC1, 0xE8, 16, 0xC5, 0xF8, 0x92, 0xF0]);
        }
        self.tail = true;
        body.iter().for_each(|item| self.item(item, &wide.streams));
        self.tail = false;
    }

    /// The range of a loop to rsi and rdx. A given one is there already, before anything else has been written.
    fn range(&mut self, range: &Range) {
        match range {
            Range::Given(factors) => {
                for size in factors {
                    self.multiply(RSI, size);
                    self.multiply(RDX, size);
                }
            }
            Range::Whole(factors) => {
                self.a.raw(&[0x31, 0xF6, 0xBA, 1, 0, 0, 0]);
                for size in factors {
                    self.multiply(RDX, size);
                }
            }
        }
    }

    fn multiply(&mut self, register: Gpr, size: &Size) {
        match size {
            Size::Known(1) => {}
            Size::Known(known) => {
                self.a.gpr(&[0x69], register, register);
                self.a.immediate(*known as i32);
            }
            Size::Slot(slot, _) => self.a.gpr_memory(&[0x0F, 0xAF], register, RDI, 8 * *slot as i32),
        }
    }

    /// The address of an element.
    fn address(&mut self, address: &Address, to: Gpr, spare: Gpr) {
        let bytes = address.dtype.size() as i64;
        self.a.gpr_memory(&[0x8B], to, RDI, 8 * address.slot as i32);
        for (counter, step) in &address.terms {
            self.a.gpr_memory(&[0x8B], spare, RSP, 16 * *counter as i32);
            if let Size::Known(known) = step {
                self.multiply(spare, &Size::Known(known * bytes));
            } else {
                self.multiply(spare, step);
                self.multiply(spare, &Size::Known(bytes));
            }
            self.a.gpr(&[0x01], spare, to);
        }
        match &address.offset {
            Size::Known(0) => {}
            Size::Known(known) => self.a.gpr_with(to, 0, (known * bytes) as i32),
            size => {
                // mov spare, 1
                self.a.gpr(&[0xC7], Gpr(0), spare);
                self.a.immediate(1);
                self.multiply(spare, size);
                self.multiply(spare, &Size::Known(bytes));
                self.a.gpr(&[0x01], spare, to);
            }
        }
    }

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

    fn item(&mut self, item: &Item, streams: &[Address]) {
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

const BROADCAST: Opcode = opcode(2, 1, 0x18);
const WIDEN_BYTES: Opcode = opcode(2, 1, 0x31);
const TEST: Opcode = opcode(2, 1, 0x27);
const SHIFT: Opcode = opcode(1, 1, 0x72);
const BLEND: Opcode = opcode(2, 1, 0x65);
const FMA_213: Opcode = opcode(2, 1, 0xA8);
const FMA_231: Opcode = opcode(2, 1, 0xB8);

/// How many elements a loop runs over, where that is known.
fn known(range: &Range) -> Option<i64> {
    let Range::Whole(factors) = range else { return None };
    factors.iter().try_fold(1i64, |n, size| match size {
        Size::Known(known) => n.checked_mul(*known).filter(|n| i32::try_from(*n).is_ok()),
        Size::Slot(..) => None,
    })
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
