//! Ranges, sizes and addresses as machine code.

use super::assembler::*;
use super::ir::*;
use super::write::Writer;

impl Writer<'_> {
    /// The range of a loop to rsi and rdx. A given one is there already, before anything else has been written.
    pub(super) fn range(&mut self, range: &Range) {
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
            Range::Part(begin, end) => {
                // mov esi, begin; mov edx, end
                self.a.raw(&[0xBE]);
                self.a.immediate(*begin as i32);
                self.a.raw(&[0xBA]);
                self.a.immediate(*end as i32);
            }
            Range::Block(blocks) => self.block_range(*blocks),
            Range::Rest(counter) => {
                self.a.load_cell(RSI, *counter);
                self.a.load_cell(RDX, counter + 1);
            }
            Range::Next { from, after, count } => {
                self.a.load_cell(RSI, *from);
                if let Some(after) = after {
                    self.a.load_cell(RDX, *after);
                    self.multiply(RDX, &Size::Known(*count as i64));
                    self.a.gpr(&[0x01], RDX, RSI);
                }
                // lea rdx, [rsi + count]
                self.a.gpr_memory(&[0x8D], RDX, RSI, *count as i32);
            }
            Range::Tile(Tile(begin)) => {
                self.a.load_cell(RSI, *begin);
                self.a.load_cell(RDX, begin + 1);
            }
        }
    }

    pub(super) fn multiply(&mut self, register: Gpr, size: &Size) {
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
        match address.root {
            Root::Slot(slot) => self.a.gpr_memory(&[0x8B], to, RDI, 8 * slot as i32),
            Root::Frame(slot, Tile(begin)) => {
                self.a.load_cell(spare, begin);
                self.multiply(spare, &Size::Known(bytes));
                // lea to, [the vector]; sub to, spare
                self.a.gpr_memory(&[0x8D], to, RSP, self.slot(slot));
                self.a.gpr(&[0x29], spare, to);
            }
        }
        for (cell, step) in &address.terms {
            self.a.load_cell(spare, *cell);
            self.scale(spare, step, bytes);
            self.a.gpr(&[0x01], spare, to);
        }
        match &address.offset {
            Size::Known(0) => {}
            Size::Known(known) => self.a.gpr_with(to, 0, (known * bytes) as i32),
            size => {
                // mov spare, 1
                self.a.gpr(&[0xC7], Gpr(0), spare);
                self.a.immediate(1);
                self.scale(spare, size, bytes);
                self.a.gpr(&[0x01], spare, to);
            }
        }
    }

    /// A sum of numbers of the frame to rax.
    pub(super) fn number(&mut self, terms: &[(usize, Size)], offset: &Size) {
        // mov eax, 1
        self.a.raw(&[0xB8, 1, 0, 0, 0]);
        self.multiply(RAX, offset);
        for (cell, factor) in terms {
            self.a.load_cell(RCX, *cell);
            self.multiply(RCX, factor);
            self.a.gpr(&[0x01], RCX, RAX);
        }
    }

    /// A register times a number of elements, in bytes.
    pub(super) fn scale(&mut self, register: Gpr, size: &Size, bytes: i64) {
        if let Size::Known(known) = size {
            self.multiply(register, &Size::Known(known * bytes));
        } else {
            self.multiply(register, size);
            self.multiply(register, &Size::Known(bytes));
        }
    }
}
