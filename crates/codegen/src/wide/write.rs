//! A list as machine code: the frame, loops and addresses; what stands in the loops is written by `operations`.

use super::encode::*;
use super::ir::*;

/// The pointers of streams, those first that are not the caller's.
pub(super) const POINTERS: [Gpr; 11] =
    [Gpr(8), Gpr(9), Gpr(10), Gpr(11), RCX, RBX, RBP, Gpr(12), Gpr(13), Gpr(14), Gpr(15)];
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

/// The state of writing one kernel.
pub(super) struct Writer<'l> {
    pub(super) a: Assembler,
    l: &'l Listing,
    pub(super) registers: &'l [u8],
    /// Whether only the lanes of the tail's masks exist.
    pub(super) tail: bool,
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
    pub(super) fn address(&mut self, address: &Address, to: Gpr, spare: Gpr) {
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
}

/// How many elements a loop runs over, where that is known.
fn known(range: &Range) -> Option<i64> {
    let Range::Whole(factors) = range else { return None };
    factors.iter().try_fold(1i64, |n, size| match size {
        Size::Known(known) => n.checked_mul(*known).filter(|n| i32::try_from(*n).is_ok()),
        Size::Slot(..) => None,
    })
}
