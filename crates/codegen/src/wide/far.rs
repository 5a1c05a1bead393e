//! Sines, cosines and tangents far out: vectors have no form there, so a helper computes those lanes.
//!
//! Behind the form that holds near zero stands a test of the lanes that exist. If one of them is far, its code goes to a
//! cold place, notes where argument and result are, and calls a routine at the end of the kernel. That saves what the
//! helper may change, lets it set the far lanes of the result in memory, and restores everything, the result included.

#![expect(unsafe_code, reason = "native code passes addresses of vectors in its frame")]

use super::allocate::Home;
use super::assembler::*;
use super::encode::*;
use super::ir::*;
use super::write::Writer;
use crate::unit::Import;
use tracelift_kernel::lane::{LaneOp, Scalar, eval_scalar};
use tracelift_kernel::meaning::{Scalar32, TRIG_BOUND, is_near};

/// The operations, by the number in a [`Far`].
const OPS: [LaneOp; 3] = [LaneOp::Sin, LaneOp::Cos, LaneOp::Tan];

/// The registers that a call may change and code in loops may use; an odd number of them keeps the stack aligned.
const SAVED: [Gpr; 9] = [RAX, RCX, RDX, RSI, RDI, Gpr(8), Gpr(9), Gpr(10), Gpr(11)];
/// How far the frame is from the stack pointer in the routine: what it saved, and where it returns to.
const ABOVE: i32 = 8 * (SAVED.len() as i32 + 1);

/// Which operation's far lanes to compute, and which vector of the turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Far {
    op: u8,
    pub part: u8,
}

impl Far {
    pub(super) fn new(op: LaneOp, part: usize) -> Option<Far> {
        let op = OPS.iter().position(|known| *known == op)?;
        Some(Far { op: op as u8, part: part as u8 })
    }
}

/// The bound of what is near, as instructions compare with it.
pub(super) const BOUND: Arg = Arg::Const((TRIG_BOUND as f32).to_bits());
/// All bits but the sign.
pub(super) const MAGNITUDE: Arg = Arg::Const(u32::MAX >> 1);
/// The comparison that is true for what is greater, and for NaN.
pub(super) const NOT_LESS_OR_EQUAL: u8 = 6;

/// A cold place: where it begins and goes back to, and what it passes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cold {
    begin: Label,
    back: Label,
    far: Far,
    x: Arg,
    y: Arg,
}

/// How many vectors of the frame all this takes: the registers, and one for masks and what is passed on.
pub(super) fn vectors(l: &Listing) -> usize {
    let is_far = |item: &Item| matches!(item, Item::Op { code: Code::Far(_), .. });
    if l.items.iter().any(is_far) { l.wide.vectors().len() + 1 } else { 0 }
}

impl Writer<'_> {
    /// `y`, which holds near zero, with its far lanes set.
    pub(super) fn far(&mut self, dst: u8, far: Far, x: Arg, y: Arg) {
        let (begin, back) = (self.a.label(), self.a.label());
        let register = self.in_register(x, self.scratch);
        self.set.any_far(self, register, far.part.into());
        self.a.jump_if(When::NotZero, begin);
        self.a.place(back);
        self.copy(dst, y);
        self.cold.push(Cold { begin, back, far, x, y });
    }

    /// The cold places and the routine that they call, behind the kernel.
    pub(super) fn cold_places(&mut self) {
        if self.cold.is_empty() {
            return;
        }
        let routine = self.a.label();
        for Cold { begin, back, far, x, y } in std::mem::take(&mut self.cold) {
            self.a.place(begin);
            let passed = [far.op.into(), self.saved_at(x), self.saved_at(y)];
            for (n, number) in passed.into_iter().enumerate() {
                // mov qword [rsp + …], number: no register is free.
                self.a.gpr_memory(&[0xC7], Gpr(0), RSP, self.passed(n));
                self.a.immediate(number);
            }
            self.a.call(routine);
            self.a.jump(back);
        }
        self.a.place(routine);
        self.routine();
    }

    fn routine(&mut self) {
        for register in SAVED {
            self.push(register);
        }
        self.move_registers(true);
        self.a.gpr_memory(&[0x8B], RDI, RSP, ABOVE + self.passed(0));
        for (n, register) in [(1, RSI), (2, RDX)] {
            self.a.gpr_memory(&[0x8B], register, RSP, ABOVE + self.passed(n));
            self.a.gpr(&[0x01], RSP, register);
        }
        // mov ecx, the lanes; vzeroupper: the helper may be code of older instructions.
        self.a.raw(&[0xB9]);
        self.a.immediate(self.l.wide.lanes() as i32);
        self.a.raw(&[0xC5, 0xF8, 0x77]);
        self.a.call_import();
        self.move_registers(false);
        for register in SAVED.iter().rev() {
            self.pop(*register);
        }
        // ret
        self.a.raw(&[0xC3]);
    }

    /// All registers that values may have to the frame, or back.
    fn move_registers(&mut self, out: bool) {
        for register in self.l.wide.vectors() {
            let rm = Rm::At(RSP, ABOVE + self.slot(self.far_slots + usize::from(register)));
            self.vector(if out { STORE } else { LOAD }, register, 0, (rm, false), None);
        }
        // The masks of tails, too.
        for mask in self.l.wide.masks().map_or(0..0, |masks| masks.start..8) {
            let rm = Rm::At(RSP, ABOVE + self.passed(3) + 2 * i32::from(mask));
            let opcode = opcode(1, 0, if out { 0x91 } else { 0x90 });
            self.a.vex(&Vex { opcode, reg: mask, other: 0, rm, length: Length::L128, imm: None });
        }
    }

    /// Where the n-th number that is passed on is in the frame; behind them are the masks.
    fn passed(&self, n: usize) -> i32 {
        self.slot(self.far_slots + self.l.wide.vectors().len()) + 8 * n as i32
    }

    /// Where the routine finds a value, from its stack pointer on.
    fn saved_at(&self, arg: Arg) -> i32 {
        let Arg::Value(id) = arg else { unreachable!("what may be far is computed or loaded") };
        ABOVE
            + match self.homes.of(id) {
                Home::Register(register) => self.slot(self.far_slots + usize::from(register)),
                Home::Slot(slot) => self.slot(self.l.slots + slot),
            }
    }
}

/// The helper, for imports.
pub(crate) fn import() -> Import {
    Import { name: "tracelift_far_lanes", address: far_lanes as *const () as usize }
}

/// Sets those of the results `y` of an operation whose arguments `x` are far.
///
/// # Safety
///
/// Both are addresses of so many lanes, of different vectors.
#[cfg(target_arch = "x86_64")]
unsafe extern "sysv64" fn far_lanes(op: u64, x: *const f32, y: *mut f32, lanes: u64) {
    // SAFETY: passed on.
    unsafe { set_far_lanes(op, x, y, lanes) }
}

/// Nothing calls it: other machines have no wide code.
#[cfg(not(target_arch = "x86_64"))]
unsafe extern "C" fn far_lanes(op: u64, x: *const f32, y: *mut f32, lanes: u64) {
    // SAFETY: passed on.
    unsafe { set_far_lanes(op, x, y, lanes) }
}

unsafe fn set_far_lanes(op: u64, x: *const f32, y: *mut f32, lanes: u64) {
    // SAFETY: the caller says so.
    let (x, y) =
        unsafe { (std::slice::from_raw_parts(x, lanes as usize), std::slice::from_raw_parts_mut(y, lanes as usize)) };
    // A panic must not run into native code. There is none: these operations have no faults.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for (x, y) in x.iter().zip(y).filter(|(x, _)| !is_near(&mut Scalar32, **x)) {
            if let Ok(Scalar::F32(value)) = eval_scalar(OPS[op as usize], &[Scalar::F32(*x)]) {
                *y = value;
            }
        }
    }));
}
