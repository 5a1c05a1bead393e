//! Stacks in a driver: rank-0 items are pushed and popped in place, everything else is the host's.

use super::abi::{Context, Helpers, StackState};
use super::emit::{Emitter, host_memory};
use super::steps::next;
use crate::clif::{load_scalar, store_scalar};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::*;
use std::mem::offset_of;
use tracelift_kernel::program::*;

impl Emitter<'_, '_> {
    pub(super) fn stack(&mut self, step: &StackStep) {
        let number = next(&mut self.counts.stack);
        let dtype = self.program.buffer(step.stack).dtype;
        match &step.op {
            StackOp::New | StackOp::Push(StackItem::Buffer(_)) | StackOp::PopBuffer(_) => self.ask_host(number),
            StackOp::Len(register) => {
                self.ask_host(number);
                let state = self.state(number);
                let len = self.pointer(state, offset_of!(StackState, len));
                self.set(*register, len);
            }
            StackOp::Push(StackItem::Scalar(value)) => {
                let state = self.state(number);
                let top = self.pointer(state, offset_of!(StackState, top));
                let end = self.pointer(state, offset_of!(StackState, end));
                let top = self.unless_at(top, end, state, number);
                let value = self.scalar(value);
                store_scalar(&mut self.builder, dtype, host_memory(), value, top, 0);
                let top = self.builder.ins().iadd_imm_s(top, dtype.size() as i64);
                self.set_top(state, top);
            }
            StackOp::PopScalar(register) => {
                let state = self.state(number);
                let top = self.pointer(state, offset_of!(StackState, top));
                let begin = self.pointer(state, offset_of!(StackState, begin));
                let top = self.unless_at(top, begin, state, number);
                let top = self.builder.ins().iadd_imm_s(top, -(dtype.size() as i64));
                let value = load_scalar(&mut self.builder, dtype, host_memory(), top, 0);
                self.set_top(state, top);
                self.set(*register, value);
            }
        }
    }

    /// The top, after the host has been asked to move it away from a limit that it has reached.
    fn unless_at(&mut self, top: Value, limit: Value, state: Value, number: usize) -> Value {
        let [ask, go_on] = [(); 2].map(|()| self.builder.create_block());
        self.builder.append_block_param(go_on, types::I64);
        self.builder.set_cold_block(ask);
        let reached = self.compare(IntCC::Equal, top, limit);
        self.builder.ins().brif(reached, ask, &[], go_on, &[top.into()]);
        self.builder.switch_to_block(ask);
        self.ask_host(number);
        let moved = self.pointer(state, offset_of!(StackState, top));
        self.builder.ins().jump(go_on, &[moved.into()]);
        self.builder.switch_to_block(go_on);
        self.builder.block_params(go_on)[0]
    }

    fn ask_host(&mut self, number: usize) {
        self.helper(offset_of!(Helpers, stack), number);
    }

    /// The address of a stack's state.
    fn state(&mut self, number: usize) -> Value {
        let stacks = self.field(offset_of!(Context, stacks));
        let stack = self.layout.stack_steps[number].stack;
        self.builder.ins().iadd_imm_s(stacks, (stack * size_of::<StackState>()) as i64)
    }

    fn pointer(&mut self, state: Value, offset: usize) -> Value {
        self.builder.ins().load(types::I64, host_memory(), state, offset as i32)
    }

    fn set_top(&mut self, state: Value, top: Value) {
        self.builder.ins().store(host_memory(), top, state, offset_of!(StackState, top) as i32);
    }
}
