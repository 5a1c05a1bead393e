//! The steps of a driver that are no control flow: launches, scalar work, memory, checks, calls of the host.

use super::abi::{Context, FaultCode, Helpers};
use super::emit::{Emitter, Report, host_memory};
use super::layout::{Series, Work};
use crate::clif::{constant, load_scalar, routine, scalar_op, scalar_type, store_scalar};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::*;
use std::mem::offset_of;
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::program::*;
use tracelift_tensor::{DType, Result};

impl Emitter<'_, '_> {
    /// Writes one step.
    pub(super) fn step(&mut self, step: &Step) -> Result {
        match step {
            Step::Launch(launch) => self.launch(launch),
            Step::Library(call) => self.library(call),
            Step::Scalar { dst, op, args, site } => self.lane(*dst, *op, args, *site)?,
            Step::Dim { dst, dim } => {
                let value = self.size(dim);
                self.set(*dst, value);
            }
            Step::Read { dst, from } => {
                let address = self.address(*from);
                let dtype = self.program.buffer(*from).dtype;
                let value = load_scalar(&mut self.builder, dtype, host_memory(), address, 0);
                self.set(*dst, value);
            }
            Step::Write { to, value } => {
                let value = self.scalar(value);
                let address = self.address(*to);
                let dtype = self.program.buffer(*to).dtype;
                store_scalar(&mut self.builder, dtype, host_memory(), value, address, 0);
            }
            Step::Check { check, site } => self.check(check, *site),
            Step::Copy { .. } | Step::Commit { .. } => {
                next(&mut self.counts.work);
                let number = next(&mut self.counts.copy);
                self.helper(offset_of!(Helpers, copy), number);
            }
            Step::Swap { a, b } => self.swap(*a, *b),
            Step::Stack(stack) => self.stack(stack),
            Step::Print { values, .. } => self.print(values),
            Step::If { .. } | Step::Loop(_) => unreachable!("control flow is written by frames"),
        }
        Ok(())
    }

    fn launch(&mut self, launch: &Launch) {
        next(&mut self.counts.work);
        let number = next(&mut self.counts.launch);
        self.fill_slots(number, &launch.buffers, &launch.scalars);
        let place = &self.layout.launches[number];
        let extent = match &place.outer {
            Some(extent) => self.size(extent),
            None => self.builder.ins().iconst(types::I64, 0),
        };
        let entry = self.builder.ins().load(types::I64, host_memory(), self.launchers, 8 * number as i32);
        let slots = self.builder.ins().iadd_imm_s(self.args, 8 * place.first_slot as i64);
        let begin = self.builder.ins().iconst(types::I64, 0);
        let call = self.builder.ins().call_indirect(self.kernel, entry, &[slots, begin, extent]);
        let status = self.builder.inst_results(call)[0];
        if self.program.kernel(launch.kernel).can_fault() {
            let position = self.slot_offset(place.first_slot + place.abi.fault_slot());
            let position = self.builder.ins().load(types::I64, host_memory(), self.args, position);
            let code = FaultCode::DivideByZero;
            self.fault_if(
                status,
                Report { code, site: launch.site, position: Some(position), index: None, bound: None },
            );
        }
        for (result, register) in launch.results.iter().enumerate() {
            let slot = self.slot_offset(place.first_slot + place.abi.result_slot(result));
            let dtype = self.program.registers[register.0 as usize];
            let value = load_scalar(&mut self.builder, dtype, host_memory(), self.args, slot);
            self.set(*register, value);
        }
    }

    /// How many of the next steps could be taken by the host: those that need nothing that is only known during the call,
    /// and answer nothing to native code.
    pub(super) fn plain_steps(&self, steps: &[Step]) -> usize {
        let is_swapped = |buffer: &BufferId| self.layout.swapped[self.program.owner(*buffer).0 as usize];
        let is_filled =
            |buffers: &[BufferId], scalars: &[ScalarArg]| scalars.is_empty() && !buffers.iter().any(is_swapped);
        let is_work = |step: &&Step| match step {
            Step::Launch(launch) => {
                is_filled(&launch.buffers, &launch.scalars)
                    && launch.results.is_empty()
                    && !self.program.kernel(launch.kernel).can_fault()
            }
            Step::Library(call) => call.epilogue.as_ref().is_none_or(|e| is_filled(&e.buffers, &e.scalars)),
            Step::Check { check, .. } => matches!(check, Check::Bounds { .. } | Check::AssertAll { .. }),
            Step::Copy { .. } | Step::Commit { .. } => true,
            _ => false,
        };
        steps.iter().take_while(is_work).count()
    }

    /// Leaves the next steps, which are plain, to the host.
    pub(super) fn series(&mut self, count: usize) {
        let first = self.counts.work;
        for work in &self.layout.work[first..first + count] {
            match work {
                Work::Launch(_) => self.counts.launch += 1,
                Work::Library(number) => {
                    self.counts.library += 1;
                    self.counts.launch += usize::from(self.layout.libraries[*number].epilogue.is_some());
                }
                Work::Check(_) => self.counts.check += 1,
                Work::Copy(_) => self.counts.copy += 1,
            }
        }
        self.counts.work += count;
        let series = Series { first: first as u32, count: count as u32 };
        self.call_helper(offset_of!(Helpers, series), series.index());
    }

    fn library(&mut self, call: &LibraryCall) {
        next(&mut self.counts.work);
        let number = next(&mut self.counts.library);
        if let Some(epilogue) = &call.epilogue {
            let launch = next(&mut self.counts.launch);
            self.fill_slots(launch, &epilogue.buffers, &epilogue.scalars);
        }
        self.helper(offset_of!(Helpers, library), number);
    }

    /// Writes those argument slots of a launch that the host cannot fill before the call: rank-0 values, and the
    /// addresses of buffers that change places.
    fn fill_slots(&mut self, number: usize, buffers: &[BufferId], scalars: &[ScalarArg]) {
        let place = &self.layout.launches[number];
        for (param, buffer) in buffers.iter().enumerate() {
            if self.layout.swapped[self.program.owner(*buffer).0 as usize] {
                let address = self.address(*buffer);
                let slot = self.slot_offset(place.first_slot + place.abi.param_slot(param));
                self.builder.ins().store(host_memory(), address, self.args, slot);
            }
        }
        for (number, value) in scalars.iter().enumerate() {
            self.store_scalar_slot(place.first_slot + place.abi.scalar_slot(number), value);
        }
    }

    fn store_scalar_slot(&mut self, slot: usize, value: &ScalarArg) {
        let dtype = self.program.dtype(value);
        let value = self.scalar(value);
        let offset = self.slot_offset(slot);
        store_scalar(&mut self.builder, dtype, host_memory(), value, self.args, offset);
    }

    fn slot_offset(&self, slot: usize) -> i32 {
        8 * slot as i32
    }

    fn lane(&mut self, dst: RegisterId, op: LaneOp, args: &[ScalarArg], site: Option<SiteId>) -> Result {
        let dtypes: Vec<DType> = args.iter().map(|arg| self.program.dtype(arg)).collect();
        let values: Vec<Value> = args.iter().map(|arg| self.scalar(arg)).collect();
        if op.can_fault(dtypes[0]) {
            let zero = constant(&mut self.builder, scalar_type(dtypes[1]), 0);
            let bad = self.compare(IntCC::Equal, values[1], zero);
            let code = FaultCode::DivideByZero;
            self.fault_if(bad, Report { code, site, position: None, index: None, bound: None });
        }
        let value = match routine::for_op(op, dtypes[0]) {
            Some(routine) => {
                let types = vec![scalar_type(dtypes[0]); dtypes.len()];
                let function = self.imports.func(&mut self.builder, self.conv, routine, &types, &types[..1]);
                let call = self.builder.ins().call(function, &values);
                self.builder.inst_results(call)[0]
            }
            None => scalar_op(&mut self.builder, &mut self.imports, self.conv, op, &dtypes, &values)?,
        };
        self.set(dst, value);
        Ok(())
    }

    fn check(&mut self, check: &Check, site: SiteId) {
        match check {
            Check::IndexBounds { index, extent } => {
                let value = self.scalar(index);
                let value = match self.builder.func.dfg.value_type(value) {
                    types::I64 => value,
                    _ => self.builder.ins().sextend(types::I64, value),
                };
                let bound = self.size(extent);
                // A negative index is a large unsigned one.
                let bad = self.compare(IntCC::UnsignedGreaterThanOrEqual, value, bound);
                let code = FaultCode::OutOfBounds;
                self.fault_if(
                    bad,
                    Report { code, site: Some(site), position: None, index: Some(value), bound: Some(bound) },
                );
            }
            Check::Assert { condition, .. } => {
                let holds = self.scalar(condition);
                let bad = self.builder.ins().icmp_imm_u(IntCC::Equal, holds, 0);
                let code = FaultCode::Assertion;
                self.fault_if(bad, Report { code, site: Some(site), position: None, index: None, bound: None });
            }
            Check::Bounds { .. } | Check::AssertAll { .. } => {
                next(&mut self.counts.work);
                let number = next(&mut self.counts.check);
                self.helper(offset_of!(Helpers, check), number);
            }
        }
    }

    fn swap(&mut self, a: BufferId, b: BufferId) {
        let [a, b] = [a, b].map(|id| self.program.owner(id));
        let (at_a, at_b) = (self.address(a), self.address(b));
        self.builder.ins().store(host_memory(), at_b, self.table, 8 * a.0 as i32);
        self.builder.ins().store(host_memory(), at_a, self.table, 8 * b.0 as i32);
    }

    fn print(&mut self, values: &[PrintArg]) {
        let number = next(&mut self.counts.print);
        for (n, value) in values.iter().enumerate() {
            if let PrintArg::Scalar(value) = value {
                self.store_scalar_slot(self.layout.prints[number].first_slot + n, value);
            }
        }
        self.helper(offset_of!(Helpers, print), number);
    }

    /// Calls a service of the host and leaves the driver if it reports a fault.
    pub(super) fn helper(&mut self, which: usize, number: usize) {
        self.call_helper(which, number as i64);
    }

    fn call_helper(&mut self, which: usize, index: i64) {
        let entry = self.field(offset_of!(Context, helpers) + which);
        let index = self.builder.ins().iconst(types::I64, index);
        let call = self.builder.ins().call_indirect(self.helper, entry, &[self.context, index]);
        let status = self.builder.inst_results(call)[0];
        self.leave_if(status);
    }

    /// The address of a buffer, which swaps may have changed; views have their owner's.
    fn address(&mut self, buffer: BufferId) -> Value {
        let owner = self.program.owner(buffer);
        self.builder.ins().load(types::I64, host_memory(), self.table, 8 * owner.0 as i32)
    }
}

pub(super) fn next(count: &mut usize) -> usize {
    *count += 1;
    *count - 1
}
