//! A kernel as CLIF: the state shared by everything that emits, and the frame of the function.

mod lanes;
mod op;
mod memory;
mod block;
mod vary;
mod par;
mod reduce;
mod tree;
mod reduce_lanes;
mod lane_memory;
mod lane_tree;
mod lane_by_lane;

pub(crate) use lanes::Lanes;

use crate::abi::{FAULT_DIVIDE_BY_ZERO, KernelAbi, STATUS_OK};
use crate::access::Accesses;
use crate::clif::{self, load_scalar};
use crate::options::CodegenOptions;
use crate::unit::Imports;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{Block as ClifBlock, BlockArg, InstBuilder, MemFlagsData, Type, Value};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilder;
use smallvec::SmallVec;
use tracelift_kernel::loops::{Access as Use, Kernel, LoopVar};
use tracelift_tensor::{Dim, Result};

/// The parameters of a native kernel: slots, begin, end.
pub(crate) const PARAMS: [Type; 3] = [I64, I64, I64];
/// The result of a native kernel: its status.
pub(crate) const RESULTS: [Type; 1] = [I32];

/// The iterations of one loop that are emitted at once.
#[derive(Clone, Copy, Debug)]
struct Wide {
    /// The loop's variable; its value is the first lane's.
    var: LoopVar,
    /// How many lanes registers hold.
    count: usize,
    /// How many of them, the first ones, are iterations that exist: only these are loaded and stored.
    valid: usize,
}

/// What is known while a kernel is being emitted.
pub(crate) struct Emitter<'k, 'f> {
    kernel: &'k Kernel,
    abi: &'k KernelAbi,
    options: &'k CodegenOptions,
    isa: &'k dyn TargetIsa,
    builder: FunctionBuilder<'f>,
    imports: Imports,
    accesses: Accesses<'k>,
    /// The address of the slots.
    slots: Value,
    params: Vec<Value>,
    extents: Vec<Value>,
    scratch: Vec<Value>,
    /// Which parameters nothing in the kernel writes, under whatever name.
    readonly: Vec<bool>,
    /// What each register holds at the moment.
    regs: Vec<Option<Lanes>>,
    /// The value of each loop variable that is in scope.
    vars: Vec<Option<Value>>,
    /// The loops around the current statement, outermost first.
    nest: Vec<LoopVar>,
    wide: Option<Wide>,
    /// Which registers differ between the lanes of the wide loop.
    varying: Option<Vec<bool>>,
    /// Where an operation that cannot go on jumps to, with its place.
    fault: Option<ClifBlock>,
    /// The part of a reduction that is asked for, if the reduction is the whole kernel.
    range: Option<(Value, Value)>,
    /// The element that the blocks of the reduction under way are counted from; none is the first.
    first: Option<Value>,
}

/// Emits a whole kernel.
pub(crate) fn emit_kernel(
    kernel: &Kernel,
    abi: &KernelAbi,
    options: &CodegenOptions,
    isa: &dyn TargetIsa,
    mut builder: FunctionBuilder<'_>,
) -> Result<Imports> {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let [slots, begin, end] = *builder.block_params(entry) else { unreachable!("kernels take three arguments") };
    let mut emitter = Emitter {
        kernel,
        abi,
        options,
        isa,
        builder,
        imports: Imports::default(),
        accesses: Accesses::new(kernel),
        slots,
        params: vec![],
        extents: vec![],
        scratch: vec![],
        readonly: readonly_params(kernel),
        regs: vec![None; kernel.registers.len()],
        vars: vec![None; kernel.loop_vars as usize],
        nest: vec![],
        wide: None,
        varying: None,
        fault: None,
        range: None,
        first: None,
    };
    emitter.load_arguments();
    match kernel.outer_par() {
        Some(outer) => emitter.par(outer, Some((begin, end)))?,
        None => {
            emitter.range = kernel.whole_reduce().map(|_| (begin, end));
            emitter.stmts(&kernel.body)?;
        }
    }
    emitter.finish();
    Ok(emitter.done())
}

/// A parameter is only read during the call if no parameter that is written may be the same memory. Callers hand out
/// the same memory twice only for an elementwise kernel in place, whose two parameters are equally large.
fn readonly_params(kernel: &Kernel) -> Vec<bool> {
    let size = |n: usize| {
        let param = &kernel.params[n];
        &param.shape.num_elements() * &Dim::from(param.dtype.size())
    };
    let written: Vec<Dim> =
        (0..kernel.params.len()).filter(|&n| kernel.params[n].access != Use::Read).map(size).collect();
    (0..kernel.params.len()).map(|n| kernel.params[n].access == Use::Read && !written.contains(&size(n))).collect()
}

impl<'f> Emitter<'_, 'f> {
    /// Addresses, sizes and rank-0 arguments, from their slots.
    fn load_arguments(&mut self) {
        let abi = self.abi;
        self.params = (0..abi.params).map(|n| self.load_slot(abi.param_slot(n))).collect();
        self.extents = (0..abi.extents.len()).map(|n| self.load_slot(abi.extent_slot(n))).collect();
        self.scratch = (0..abi.scratch.len()).map(|n| self.load_slot(abi.scratch_slot(n))).collect();
        for (n, scalar) in self.kernel.scalars.iter().enumerate() {
            let offset = slot_offset(abi.scalar_slot(n));
            let flags = self.slot_flags();
            let value = load_scalar(&mut self.builder, abi.scalars[n], flags, self.slots, offset);
            self.regs[scalar.reg.0 as usize] = Some(Lanes::Uniform(value));
        }
    }

    /// Flags for slots: what the caller has put there does not change during the call.
    fn slot_flags(&self) -> MemFlagsData {
        MemFlagsData::new().with_notrap().with_aligned().with_readonly().with_can_move()
    }

    fn load_slot(&mut self, slot: usize) -> Value {
        let flags = self.slot_flags();
        self.builder.ins().load(I64, flags, self.slots, slot_offset(slot))
    }

    /// Results, status and the exit for faults.
    fn finish(&mut self) {
        let plain = MemFlagsData::new().with_notrap().with_aligned();
        for (n, operand) in self.kernel.body.yields.iter().enumerate() {
            let value = self.uniform(operand);
            let value = clif::to_slot(&mut self.builder, value);
            let offset = slot_offset(self.abi.result_slot(n));
            self.builder.ins().store(plain, value, self.slots, offset);
        }
        let ok = self.builder.ins().iconst(I32, i64::from(STATUS_OK));
        self.builder.ins().return_(&[ok]);
        if let Some(fault) = self.fault {
            self.builder.switch_to_block(fault);
            self.builder.seal_block(fault);
            let position = self.builder.block_params(fault)[0];
            let offset = slot_offset(self.abi.fault_slot());
            self.builder.ins().store(plain, position, self.slots, offset);
            let status = self.builder.ins().iconst(I32, i64::from(FAULT_DIVIDE_BY_ZERO));
            self.builder.ins().return_(&[status]);
        }
    }

    fn done(self) -> Imports {
        self.builder.finalize(self.isa.frontend_config());
        self.imports
    }

    /// An i64 constant.
    fn int(&mut self, value: i64) -> Value {
        self.builder.ins().iconst(I64, value)
    }

    /// A size as a value.
    fn dim(&mut self, dim: &Dim) -> Value {
        match dim.known() {
            Some(known) => self.int(known),
            None => {
                let slot = self.abi.extents.iter().position(|known| known == dim);
                self.extents[slot.expect("the ABI lists every unknown size of its kernel")]
            }
        }
    }

    /// `value * factor`, cheaply for known factors.
    fn scaled(&mut self, value: Value, factor: &Dim) -> Value {
        match factor.known() {
            Some(1) => value,
            Some(known) if known > 0 && known.count_ones() == 1 => {
                self.builder.ins().ishl_imm_u(value, i64::from(known.trailing_zeros()))
            }
            Some(known) => self.builder.ins().imul_imm_s(value, known),
            None => {
                let factor = self.dim(factor);
                self.builder.ins().imul(value, factor)
            }
        }
    }

    /// A loop `for i in (start..end).step_by(step)`, tested at the bottom; answers what it carries at the end.
    ///
    /// `end - start` is a multiple of `step`, or `body` copes with what is left.
    fn counted(
        &mut self,
        start: Value,
        end: Value,
        step: i64,
        carried: &[Value],
        body: &mut dyn FnMut(&mut Self, Value, &[Value]) -> Result<SmallVec<[Value; 8]>>,
    ) -> Result<SmallVec<[Value; 8]>> {
        let (head, exit) = (self.builder.create_block(), self.builder.create_block());
        self.builder.append_block_param(head, I64);
        for value in carried {
            let ty = self.builder.func.dfg.value_type(*value);
            self.builder.append_block_param(head, ty);
            self.builder.append_block_param(exit, ty);
        }
        let enter = block_args([start].iter().chain(carried));
        let skip = block_args(carried);
        let any = self.builder.ins().icmp(IntCC::SignedLessThan, start, end);
        self.builder.ins().brif(any, head, &enter, exit, &skip);
        self.builder.switch_to_block(head);
        let params: SmallVec<[Value; 8]> = SmallVec::from_slice(self.builder.block_params(head));
        let next = body(self, params[0], &params[1..])?;
        let i = self.builder.ins().iadd_imm_s(params[0], step);
        let more = self.builder.ins().icmp(IntCC::SignedLessThan, i, end);
        let back = block_args([i].iter().chain(&next));
        let leave = block_args(&next);
        self.builder.ins().brif(more, head, &back, exit, &leave);
        self.builder.seal_block(head);
        self.builder.seal_block(exit);
        self.builder.switch_to_block(exit);
        Ok(SmallVec::from_slice(self.builder.block_params(exit)))
    }

    /// `if condition { then } else { otherwise }`; both answer values of the same types.
    fn branch(
        &mut self,
        condition: Value,
        types: &[Type],
        then: &mut dyn FnMut(&mut Self) -> Result<SmallVec<[Value; 8]>>,
        otherwise: &mut dyn FnMut(&mut Self) -> Result<SmallVec<[Value; 8]>>,
    ) -> Result<SmallVec<[Value; 8]>> {
        let [yes, no, join] = [(); 3].map(|()| self.builder.create_block());
        for ty in types {
            self.builder.append_block_param(join, *ty);
        }
        self.builder.ins().brif(condition, yes, &[], no, &[]);
        self.builder.seal_block(yes);
        self.builder.switch_to_block(yes);
        let values = then(self)?;
        self.builder.ins().jump(join, &block_args(&values));
        self.builder.seal_block(no);
        self.builder.switch_to_block(no);
        let values = otherwise(self)?;
        self.builder.ins().jump(join, &block_args(&values));
        self.builder.seal_block(join);
        self.builder.switch_to_block(join);
        Ok(SmallVec::from_slice(self.builder.block_params(join)))
    }

    /// The row-major position in the loops around the current statement, at one lane.
    fn position(&mut self, lane: usize) -> Value {
        let mut position = self.int(0);
        for var in self.nest.clone() {
            let extent = self.accesses.extent(var).clone();
            position = self.scaled(position, &extent);
            let value = self.var(var);
            position = self.builder.ins().iadd(position, value);
            if self.wide.is_some_and(|wide| wide.var == var) {
                position = self.builder.ins().iadd_imm_s(position, lane as i64);
            }
        }
        position
    }

    /// The value of a loop variable, at the first lane.
    fn var(&mut self, var: LoopVar) -> Value {
        self.vars[var.0 as usize].expect("loop variables are used inside their loops")
    }

    /// Jumps to the exit for faults if `bad` is not 0.
    fn fault_if(&mut self, bad: Value, lane: usize) {
        let position = self.position(lane);
        let fault = *self.fault.get_or_insert_with(|| {
            let block = self.builder.create_block();
            self.builder.append_block_param(block, I64);
            self.builder.set_cold_block(block);
            block
        });
        let rest = self.builder.create_block();
        self.builder.ins().brif(bad, fault, &[position.into()], rest, &[]);
        self.builder.seal_block(rest);
        self.builder.switch_to_block(rest);
    }
}

/// The byte offset of a slot.
fn slot_offset(slot: usize) -> i32 {
    i32::try_from(8 * slot).expect("a kernel has far fewer than 2^28 slots")
}

/// Arguments of a jump.
fn block_args<'v>(values: impl IntoIterator<Item = &'v Value>) -> SmallVec<[BlockArg; 8]> {
    values.into_iter().map(|value| BlockArg::Value(*value)).collect()
}
