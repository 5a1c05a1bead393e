//! A list as machine code: the frame and the loops; what stands in the loops is written by `operations`.

use super::allocate::{Allocation, Home};
use super::assembler::*;
use super::encode::{Opcode, Rm};
use super::far::{self, Cold};
use super::ir::*;
use super::non_temporal::{self, Held};
use tracelift_tensor::DType;

/// The pointers of streams, those first that are not the caller's.
pub(super) const POINTERS: [Gpr; 11] =
    [Gpr(8), Gpr(9), Gpr(10), Gpr(11), RCX, RBX, RBP, Gpr(12), Gpr(13), Gpr(14), Gpr(15)];
/// How many of them are not the caller's.
const FREE_POINTERS: usize = 5;
/// Where the frame begins: at lines of memory.
const ALIGN: i32 = 64;
/// Pages of the stack are touched in order, so that it grows.
const PAGE: i32 = 4096;

/// The code of a list; `None` if a loop walks through more streams than there are registers for.
pub(super) fn write(l: &Listing, homes: &Allocation) -> Option<Written> {
    let streams = l.items.iter().map(|item| match item {
        Item::Turns(turns) if turns.nested.is_none() => leaders(&turns.streams).count(),
        Item::Chain { walks, .. } => walks.len(),
        _ => 0,
    });
    let saved = POINTERS.get(..streams.max().unwrap_or(0))?.get(FREE_POINTERS..).unwrap_or(&[]);
    // Above the numbers is the caller's stack pointer, then the number of elements in a tail, and above that are vectors.
    let slots = (8 * l.cells as i32 + 16 + ALIGN - 1) & -ALIGN;
    let tail_masks = l.slots + homes.slots;
    let masks = l.items.iter().map(|item| match item {
        Item::Turns(turns) if turns.tail && l.wide.masks().is_none() => turns.vectors,
        _ => 0,
    });
    let far_slots = tail_masks + masks.max().unwrap_or(0);
    let frame = slots + l.wide.bytes() * (far_slots + far::vectors(l)) as i32;
    let [second, scratch] = [0, 1].map(|n| l.wide.vectors().end + n);
    let copies = if l.wide.broadcasts() { 1 } else { l.wide.lanes() };
    let mut writer = Writer {
        a: Assembler::new(copies),
        l,
        homes,
        set: l.wide.instructions(),
        scratch,
        second,
        slots,
        tail_masks,
        far_slots,
        cold: vec![],
        tail: false,
        around: non_temporal::loops(l, homes),
        non_temporal: &[],
        held: vec![],
        context: Context::Once,
    };
    for register in saved {
        writer.push(*register);
    }
    writer.enter(frame);
    writer.items(&l.items);
    writer.fence();
    writer.a.gpr_memory(&[0x8B], RSP, RSP, 8 * l.cells as i32);
    for register in saved.iter().rev() {
        writer.pop(*register);
    }
    // xor eax, eax; vzeroupper: what runs next may be code of older instructions. ret.
    writer.a.raw(&[0x31, 0xC0, 0xC5, 0xF8, 0x77, 0xC3]);
    writer.cold_places();
    Some(writer.a.finish())
}

/// The state of writing one kernel.
pub(super) struct Writer<'l> {
    pub(super) a: Assembler,
    pub(super) l: &'l Listing,
    pub(super) homes: &'l Allocation,
    pub(super) set: &'static dyn Instructions,
    /// A vector register for what an instruction does not take from memory.
    pub(super) scratch: u8,
    /// The same where two are needed.
    pub(super) second: u8,
    /// Where vectors begin in the frame.
    pub(super) slots: i32,
    /// The first of the vectors in the frame that say which lanes of a tail exist, if no registers do.
    pub(super) tail_masks: usize,
    /// The first of the vectors in the frame that calls for far lanes need.
    pub(super) far_slots: usize,
    /// Places that are written behind the kernel.
    pub(super) cold: Vec<Cold>,
    /// Whether only the lanes of the tail's masks exist.
    pub(super) tail: bool,
    /// The loops that have a form which writes around the caches.
    pub(super) around: Vec<(&'l Turns, Held)>,
    /// The streams that are written around the caches at the moment.
    pub(super) non_temporal: &'l [usize],
    /// The constants that registers hold at the moment.
    pub(super) held: Held,
    /// What streams are at the moment.
    pub(super) context: Context<'l>,
}

/// How the streams of a loop are walked through.
#[derive(Clone, Copy)]
pub(super) enum Context<'l> {
    /// There are none.
    Once,
    /// By pointers and rsi, the number of the element.
    Straight(&'l [Address]),
    /// By addresses computed for each access; the number of the element is in the frame.
    Nested(&'l [Address], usize),
    /// By pointers that move.
    Chain(&'l [Walk]),
}

/// An instruction that is the same in both forms, but for the size of its vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub opcode: Opcode,
    /// The register in the middle of the encoding, or the number that extends the opcode.
    pub reg: u8,
    /// The further source (or destination of shifts); 0 where there is none.
    pub other: u8,
    /// The last operand, and whether it is 32 bits in memory for all lanes.
    pub rm: (Rm, bool),
    /// Whether vectors have 128 bits, in both forms.
    pub short: bool,
    pub imm: Option<u8>,
}

/// What an instruction set does in its own way. It may use both scratch registers, and general ones where it says so.
pub(super) trait Instructions: Sync {
    fn plain(&self, w: &mut Writer<'_>, plain: &Plain);

    /// An operation on masks, or another one that differs.
    fn op(&self, w: &mut Writer<'_>, dst: u8, code: Code, args: &[Arg]);

    /// The lower half of a general register in every lane.
    fn broadcast(&self, w: &mut Writer<'_>, dst: u8, from: Gpr);

    /// A mask of the lanes that are truth values other than 0.
    fn mask_of(&self, w: &mut Writer<'_>, dst: u8, from: u8);

    /// The first lane of a mask to the lowest bit of eax.
    fn first_of_mask(&self, w: &mut Writer<'_>, value: Arg);

    /// Asks whether any lane of `x` that exists is far or NaN: the zero flag is clear if so.
    fn any_far(&self, w: &mut Writer<'_>, x: u8, part: usize);

    /// Neighbours in memory, numbers of 32 bits or bytes that become such; only those that exist are read.
    fn load(&self, w: &mut Writer<'_>, dst: u8, bytes: bool, memory: Rm, part: usize);

    fn store(&self, w: &mut Writer<'_>, value: Arg, dtype: DType, memory: Rm, part: usize);

    /// Sets a vector in those lanes of the tail that exist.
    fn assign_some(&self, w: &mut Writer<'_>, to: Rm, value: u8, part: usize);

    /// Prepares the masks of a tail of so many vectors, of which edx elements exist. May change rax.
    fn tail(&self, w: &mut Writer<'_>, vectors: usize);
}

impl<'l> Writer<'l> {
    pub(super) fn push(&mut self, register: Gpr) {
        self.a.raw(&[0x40 | register.0 >> 3, 0x50 | register.0 & 7]);
    }

    pub(super) fn pop(&mut self, register: Gpr) {
        self.a.raw(&[0x40 | register.0 >> 3, 0x58 | register.0 & 7]);
    }

    /// Makes the frame, aligned for vectors.
    fn enter(&mut self, frame: i32) {
        self.a.gpr(&[0x89], RSP, RAX);
        for page in 1..=frame / PAGE {
            self.a.gpr_memory(&[0x85], RAX, RSP, -page * PAGE);
        }
        self.a.gpr_with(RSP, 5, frame);
        self.a.gpr_with(RSP, 4, -ALIGN);
        self.a.store_cell(self.l.cells, RAX);
    }

    /// Writes entries, whose loops are whole.
    pub(super) fn items(&mut self, items: &'l [Item]) {
        let mut at = 0;
        while let Some(item) = items.get(at) {
            if !item.opens() {
                at += self.entry(&items[at..]);
                continue;
            }
            let end = matching_end(items, at);
            let inside = &items[at + 1..end];
            match item {
                Item::Begin { counter, range, step } => self.counted(*counter, range, *step, inside),
                Item::Tiles { tile, width, range } => self.tiles(*tile, *width, range, inside),
                Item::BeginWide(range) => self.wide(range, inside),
                Item::Chain { walks, range } => self.chain(walks, range, inside),
                Item::Blocks(blocks, run) => self.blocks(*blocks, *run, inside),
                Item::Carry(blocks, run) => self.carry(*blocks, *run, inside),
                Item::Join(blocks) => self.join(*blocks, inside),
                item => unreachable!("{item:?} stands in a vector loop"),
            }
            at = end + 1;
        }
    }

    /// Writes the first entry, or more than one if they are one instruction; answers how many.
    fn entry(&mut self, items: &[Item]) -> usize {
        if let [Item::Op { dst, code, args }, Item::Assign { dst: to, value: Arg::Value(value), .. }, ..] = items
            && value == dst
            && !self.tail
            && self.homes.is_read_once(*dst)
            && let Home::Register(register) = self.homes.of(*to)
        {
            self.op(register, *code, args);
            return 2;
        }
        self.item(&items[0]);
        1
    }

    /// A loop of one turn after the other, while so much is left.
    fn counted(&mut self, counter: usize, range: &Range, step: usize, inside: &'l [Item]) {
        self.range(range);
        self.a.store_cell(counter, RSI);
        self.a.store_cell(counter + 1, RDX);
        let (again, leave) = (self.a.label(), self.a.label());
        self.a.place(again);
        self.a.load_cell(RAX, counter);
        if step > 1 {
            self.a.gpr_with(RAX, 0, step as i32 - 1);
        }
        self.a.compare_cell(RAX, counter + 1);
        self.a.jump_if(When::NotLess, leave);
        self.items(inside);
        self.advance(counter, step);
        self.a.jump(again);
        self.a.place(leave);
    }

    /// Adds to a number of the frame.
    pub(super) fn advance(&mut self, cell: usize, by: usize) {
        self.a.gpr_memory(&[0x81], Gpr(0), RSP, 8 * cell as i32);
        self.a.immediate(by as i32);
    }

    /// A vector loop.
    fn wide(&mut self, range: &Range, inside: &'l [Item]) {
        let done = self.a.label();
        let mut left = known(range).map(|n| 0..n);
        match left {
            // Nothing to do at all.
            Some(std::ops::Range { start: 0, end: 0 }) => return,
            // xor esi, esi
            Some(_) => self.a.raw(&[0x31, 0xF6]),
            None => {
                self.range(range);
                self.a.gpr(&[0x39], RDX, RSI);
                self.a.jump_if(When::NotLess, done);
            }
        }
        let mut at = 0;
        while let Some(item) = inside.get(at) {
            let Item::Turns(turns) = item else {
                self.item(item);
                at += 1;
                continue;
            };
            let end = matching_end(inside, at);
            let body = &inside[at + 1..end];
            match (&mut left, turns.nested) {
                (left, Some(cells)) => self.nested_turns(turns, cells, body, left, done),
                (Some(left), None) => self.known_turns(turns, body, left),
                (None, None) => self.turns(turns, body, done),
            }
            at = end + 1;
        }
        self.a.place(done);
    }

    /// rax: where the whole turns from rsi to rdx end.
    fn end_of_turns(&mut self, step: i32) {
        self.a.gpr(&[0x89], RDX, RAX);
        self.a.gpr(&[0x29], RSI, RAX);
        self.a.gpr_with(RAX, 4, -step);
        self.a.gpr(&[0x01], RSI, RAX);
    }

    /// The body of a turn whose lanes all exist.
    fn turn(&mut self, context: Context<'l>, body: &'l [Item]) {
        let outside = std::mem::replace(&mut self.context, context);
        self.items(body);
        self.context = outside;
    }

    /// The turns of a vector loop from rsi to rdx.
    fn turns(&mut self, turns: &'l Turns, body: &'l [Item], done: Label) {
        self.pointers(&turns.streams);
        let step = (self.l.wide.lanes() * turns.vectors) as i32;
        let rest = self.a.label();
        self.in_both_forms(turns, &mut |w| {
            let again = w.a.label();
            w.end_of_turns(step);
            w.a.gpr(&[0x39], RAX, RSI);
            w.a.jump_if(When::NotLess, rest);
            w.a.place(again);
            w.turn(Context::Straight(&turns.streams), body);
            w.a.gpr_with(RSI, 0, step);
            w.a.gpr(&[0x39], RAX, RSI);
            w.a.jump_if(When::Less, again);
        });
        self.a.place(rest);
        if turns.tail {
            self.a.gpr(&[0x29], RSI, RDX);
            self.a.jump_if(When::NotGreater, done);
            self.tail_turn(turns, Context::Straight(&turns.streams), body);
        }
    }

    fn pointers(&mut self, streams: &[Address]) {
        for (stream, pointer) in leaders(streams).zip(POINTERS) {
            self.address(stream, pointer, RAX);
        }
    }

    /// The turns of a vector loop over a known number of elements, from rsi on; leaves what no turn has done.
    fn known_turns(&mut self, turns: &'l Turns, body: &'l [Item], left: &mut std::ops::Range<i64>) {
        self.pointers(&turns.streams);
        let step = (self.l.wide.lanes() * turns.vectors) as i64;
        let (whole, rest) = ((left.end - left.start) / step * step, (left.end - left.start) % step);
        if whole > 0 {
            let stop = left.start + whole;
            self.in_both_forms(turns, &mut |w| {
                let again = w.a.label();
                w.a.place(again);
                w.turn(Context::Straight(&turns.streams), body);
                w.a.gpr_with(RSI, 0, step as i32);
                if whole > step {
                    w.a.gpr_with(RSI, 7, stop as i32);
                    w.a.jump_if(When::Less, again);
                }
            });
            left.start = stop;
        }
        if turns.tail && rest > 0 {
            // mov edx, the rest
            self.a.raw(&[0xBA]);
            self.a.immediate(rest as i32);
            self.tail_turn(turns, Context::Straight(&turns.streams), body);
        }
    }

    /// The turns of a vector loop that has loops inside: where it is stands in the frame.
    fn nested_turns(
        &mut self,
        turns: &'l Turns,
        at: usize,
        body: &'l [Item],
        left: &mut Option<std::ops::Range<i64>>,
        done: Label,
    ) {
        let step = (self.l.wide.lanes() * turns.vectors) as i32;
        let context = Context::Nested(&turns.streams, at);
        let (stop, end) = (at + 1, at + 2);
        if let Some(left) = left {
            // mov edx, the end
            self.a.raw(&[0xBA]);
            self.a.immediate(left.end as i32);
        }
        let (again, rest) = (self.a.label(), self.a.label());
        self.end_of_turns(step);
        self.a.store_cell(at, RSI);
        self.a.store_cell(stop, RAX);
        self.a.store_cell(end, RDX);
        self.a.gpr(&[0x39], RAX, RSI);
        self.a.jump_if(When::NotLess, rest);
        let any = left.as_ref().is_none_or(|left| left.end - left.start >= step.into());
        if any {
            self.a.place(again);
            self.turn(context, body);
            self.a.load_cell(RSI, at);
            self.a.gpr_with(RSI, 0, step);
            self.a.store_cell(at, RSI);
            self.a.compare_cell(RSI, stop);
            self.a.jump_if(When::Less, again);
        }
        self.a.place(rest);
        self.a.load_cell(RSI, at);
        self.a.load_cell(RDX, end);
        let some_left = left.as_ref().is_none_or(|left| (left.end - left.start) % i64::from(step) > 0);
        if let Some(left) = left {
            left.start += (left.end - left.start) / i64::from(step) * i64::from(step);
        }
        if turns.tail && some_left {
            self.a.gpr(&[0x29], RSI, RDX);
            self.a.jump_if(When::NotGreater, done);
            self.tail_turn(turns, context, body);
        }
    }

    /// The last turn, of the edx elements that are left.
    fn tail_turn(&mut self, turns: &Turns, context: Context<'l>, body: &'l [Item]) {
        self.set.tail(self, turns.vectors);
        self.tail = true;
        self.turn(context, body);
        self.tail = false;
    }
}

/// Where the loop that an entry opens ends.
fn matching_end(items: &[Item], at: usize) -> usize {
    let mut open = 0;
    let end = items[at..].iter().position(|item| {
        open += usize::from(item.opens());
        open -= usize::from(*item == Item::End);
        open == 0
    });
    at + end.expect("loops are nested")
}

/// How many elements a loop runs over, where that is known.
pub(super) fn known(range: &Range) -> Option<i64> {
    let Range::Whole(factors) = range else { return None };
    factors.iter().try_fold(1i64, |n, size| match size {
        Size::Known(known) => n.checked_mul(*known).filter(|n| i32::try_from(*n).is_ok()),
        Size::Slot(..) => None,
    })
}
