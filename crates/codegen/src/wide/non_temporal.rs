//! Stores around the caches.
//!
//! A store brings the line it changes into the cache, only to write it back later: three lines move for one that is read
//! and one that is written. Where a kernel goes through more than the last cache holds, nothing of what it writes will be
//! there when it is wanted, and non-temporal stores move two. They want whole aligned vectors, so loops that have such
//! come in two forms, of which the addresses at hand choose; and they are no part of the usual order of stores, so the
//! kernel ends with a fence.
//!
//! Where two results go around the caches, what is read must not lie a little before both of them modulo 4096: it then
//! seems to have just been written, and the processor (seen on Zen 3) sends out lines that are not full, which takes up
//! to twenty times as long. Such addresses have the usual form, too.

use super::allocate::{Allocation, Span, for_each_arg};
use super::assembler::*;
use super::ir::*;
use super::write::{POINTERS, Writer};
use crate::abi::KernelAbi;
use tracelift_kernel::loops::{Access, Kernel, Param};
use tracelift_tensor::DType;

/// What has fewer bytes is written as usual: beside the rest it is nothing, and may be wanted at once.
const LARGE: u64 = 1 << 20;

/// What is read so many bytes or less before two results, modulo 4096, is too near. Measured on Zen 3: 64 bytes took 20
/// times as long as 0, 256 bytes 4 times, 384 about as long as the usual form, 512 less.
const TOO_NEAR: i32 = 512;

/// The buffers of a kernel that it writes around the caches, if it goes through at least `from` bytes in arrays of known
/// sizes: the large ones that it only writes.
pub(super) fn roots(kernel: &Kernel, abi: &KernelAbi, from: u64) -> Vec<Root> {
    let bytes = |param: &Param| {
        let elements = param.shape.iter().try_fold(1u64, |n, dim| n.checked_mul(u64::try_from(dim.known()?).ok()?))?;
        elements.checked_mul(param.dtype.size() as u64)
    };
    let all = kernel.params.iter().filter_map(bytes).fold(0u64, u64::saturating_add);
    let is_one = |param: &Param| {
        let has_form = matches!(param.dtype, DType::F32 | DType::I32) && param.access == Access::Write;
        all >= from && has_form && bytes(param).is_some_and(|bytes| bytes >= LARGE)
    };
    let found = kernel.params.iter().enumerate().filter(|(_, param)| is_one(param));
    found.map(|(n, _)| Root::Slot(abi.param_slot(n))).collect()
}

/// Constants that registers hold in the turns of a loop.
pub(super) type Held = Vec<(u32, u8)>;

/// The loops that have both forms, each with the registers of its constants.
///
/// Stores around the caches take long, and what is loaded meanwhile waits for those it might have to do with: constants
/// of a dozen steps make a loop slower than it was. So only loops have such that need no constant from memory. What
/// computes more has less to gain.
pub(super) fn loops<'l>(l: &'l Listing, homes: &Allocation) -> Vec<(&'l Turns, Held)> {
    let held = |span: &Span| {
        let Item::Turns(turns) = &l.items[span.0] else { return None };
        if turns.non_temporal.is_empty() {
            return None;
        }
        let idle = homes.idle(l, span)?;
        let mut constants = vec![];
        for item in &l.items[span.0..span.1] {
            if matches!(item, Item::Op { code: Code::Far(_), .. }) {
                return None;
            }
            for_each_arg(item, &mut |arg| match arg {
                Arg::Const(bits) if !constants.contains(&bits) => constants.push(bits),
                _ => {}
            });
        }
        (constants.len() <= idle.len()).then(|| (turns, constants.into_iter().zip(idle).collect()))
    };
    super::allocate::loops(l).iter().filter_map(held).collect()
}

impl<'l> Writer<'l> {
    /// Writes the whole turns from rsi on by `repeat`: in two forms, if some streams may be written around the caches.
    pub(super) fn in_both_forms(&mut self, turns: &'l Turns, repeat: &mut dyn FnMut(&mut Writer<'l>)) {
        let Some((_, held)) = self.around.iter().find(|(other, _)| std::ptr::eq(*other, turns)) else {
            return repeat(self);
        };
        let held = held.clone();
        let (usual, done) = (self.a.label(), self.a.label());
        for stream in &turns.non_temporal {
            let (number, bytes) = pointer(&turns.streams, *stream);
            let base = POINTERS[number];
            // lea rax, [base + 4 * rsi + bytes]; test al, the bytes of a vector but one
            self.a.raw(&[0x48 | base.0 >> 3, 0x8D, 0x84, 0xB0 | base.0 & 7]);
            self.a.immediate(bytes);
            self.a.raw(&[0xA8, (self.l.wide.bytes() - 1) as u8]);
            self.a.jump_if(When::NotZero, usual);
        }
        if turns.non_temporal.len() > 1 {
            let is_read = |stream: &usize| !turns.non_temporal.contains(stream);
            for stream in (0..turns.streams.len()).filter(is_read) {
                self.unless_too_near(turns, stream, usual);
            }
        }
        for (bits, register) in &held {
            self.copy(*register, Arg::Const(*bits));
        }
        (self.non_temporal, self.held) = (&turns.non_temporal, held);
        repeat(self);
        (self.non_temporal, self.held) = (&[], vec![]);
        self.a.jump(done);
        self.a.place(usual);
        repeat(self);
        self.a.place(done);
    }

    /// Goes to the usual form if two results lie too near to what a stream reads.
    fn unless_too_near(&mut self, turns: &Turns, read: usize, usual: Label) {
        // Others do not stay at one distance from the results.
        if turns.streams[read].dtype.size() != turns.streams[turns.non_temporal[0]].dtype.size() {
            return;
        }
        let (number, before) = pointer(&turns.streams, read);
        let base = POINTERS[number];
        self.push(RDX);
        // xor edx, edx
        self.a.raw(&[0x31, 0xD2]);
        for stream in &turns.non_temporal {
            let (number, bytes) = pointer(&turns.streams, *stream);
            // lea rax, [result + bytes - before - 1]; sub rax, base
            self.a.gpr_memory(&[0x8D], RAX, POINTERS[number], bytes.wrapping_sub(before).wrapping_sub(1));
            self.a.gpr(&[0x29], base, RAX);
            self.a.gpr_with(RAX, 4, 4095);
            self.a.gpr_with(RAX, 7, TOO_NEAR);
            // adc edx, 0: one more, if it was less
            self.a.raw(&[0x83, 0xD2, 0]);
        }
        self.a.gpr_with(RDX, 7, 2);
        self.pop(RDX);
        self.a.jump_if(When::NotCarry, usual);
    }

    /// Makes what was written around the caches visible before anything that is written later, if there is such.
    pub(super) fn fence(&mut self) {
        if !self.around.is_empty() {
            // sfence
            self.a.raw(&[0x0F, 0xAE, 0xF8]);
        }
    }
}
