//! The control flow of a driver: steps in order, loops, branches, faults.
//!
//! Blocks of steps are walked with a stack of frames, so a deep nest costs no machine stack.
//! Registers are variables of the function builder, which finds the SSA form.

use super::abi::{Context, Fault, FaultCode};
use super::layout::{Layout, Series, Size};
use crate::clif::{constant, scalar_type};
use crate::unit::{Imports, signature};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::Offset32;
use cranelift_codegen::ir::*;
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::{FunctionBuilder, Variable};
use std::mem::offset_of;
use tracelift_kernel::program::*;
use tracelift_tensor::{Dim, Result};

/// Writes the body of a driver into `builder`, whose function has the signature of
/// [`DriverFn`](super::abi::DriverFn).
pub(super) fn emit_driver(
    program: &Program,
    layout: &Layout,
    builder: FunctionBuilder<'_>,
    isa: &dyn TargetIsa,
) -> Result<Imports> {
    let mut emitter = Emitter::new(program, layout, builder, isa);
    emitter.run()?;
    Ok(emitter.finish(isa))
}

/// The state of writing one driver.
pub(super) struct Emitter<'p, 'f> {
    pub(super) program: &'p Program,
    pub(super) layout: &'p Layout,
    pub(super) builder: FunctionBuilder<'f>,
    pub(super) context: Value,
    pub(super) table: Value,
    pub(super) launchers: Value,
    /// The argument slots of all launches.
    pub(super) args: Value,
    /// The signature of kernels.
    pub(super) kernel: SigRef,
    /// The signature of helpers.
    pub(super) helper: SigRef,
    pub(super) counts: Counts,
    /// What it calls by name: definitions of scalar operations.
    pub(super) imports: Imports,
    pub(super) conv: CallConv,
    sizes: Value,
    stop: Value,
    registers: Vec<Variable>,
    /// Takes the status and returns it.
    exit: Block,
    /// How many iterations a tight loop still makes before it asks whether to stop.
    budget: Variable,
}

/// How many steps of each kind have been written; the next one's number.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) work: usize,
    pub(super) launch: usize,
    pub(super) library: usize,
    pub(super) check: usize,
    pub(super) copy: usize,
    pub(super) print: usize,
    pub(super) stack: usize,
}

/// Steps being written, and what follows them.
struct Frame<'p> {
    steps: std::slice::Iter<'p, Step>,
    after: After<'p>,
}

enum After<'p> {
    Return,
    Condition { step: &'p LoopStep, header: Block },
    Body { step: &'p LoopStep, header: Block, done: Block },
    Then { yields: &'p [ScalarArg], otherwise: &'p StepBlock, results: &'p [RegisterId], other: Block, join: Block },
    Otherwise { yields: &'p [ScalarArg], results: &'p [RegisterId], join: Block },
}

/// What a fault reports besides its code.
pub(super) struct Report {
    pub(super) code: FaultCode,
    pub(super) site: Option<SiteId>,
    pub(super) position: Option<Value>,
    pub(super) index: Option<Value>,
    pub(super) bound: Option<Value>,
}

/// Memory that is the host's: always there, and aligned.
pub(super) fn host_memory() -> MemFlagsData {
    MemFlagsData::trusted()
}

/// Host memory that does not change during a call.
fn host_constant() -> MemFlagsData {
    host_memory().with_readonly().with_can_move()
}

/// How many iterations of a tight loop stand in a row.
const IN_A_ROW: usize = 8;

/// How often a tight loop goes back before it asks whether to stop: some microseconds.
const BUDGET: i64 = 512;

/// A loop with more steps than this gains nothing from standing in a row.
const MAX_TIGHT: usize = 12;

/// Whether a loop is nothing but a few scalar operations.
fn is_tight(step: &LoopStep) -> bool {
    let (condition, body) = (&step.condition.steps, &step.body.steps);
    let scalar = |step: &Step| matches!(step, Step::Scalar { .. } | Step::Dim { .. });
    condition.len() + body.len() <= MAX_TIGHT && condition.iter().chain(body).all(scalar)
}

impl<'p, 'f> Emitter<'p, 'f> {
    fn new(program: &'p Program, layout: &'p Layout, mut builder: FunctionBuilder<'f>, isa: &dyn TargetIsa) -> Self {
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        let exit = builder.create_block();
        builder.append_block_param(exit, types::I32);
        let context = builder.block_params(entry)[0];
        let mut field =
            |offset: usize| builder.ins().load(types::I64, host_constant(), context, Offset32::new(offset as i32));
        let table = field(offset_of!(Context, table));
        let sizes = field(offset_of!(Context, sizes));
        let args = field(offset_of!(Context, args));
        let launchers = field(offset_of!(Context, launchers));
        let stop = field(offset_of!(Context, stop));
        let kernel = signature(isa, &[types::I64; 3], &[types::I32]);
        let helper = signature(isa, &[types::I64; 2], &[types::I32]);
        let conv = kernel.call_conv;
        let [kernel, helper] = [kernel, helper].map(|signature| builder.import_signature(signature));
        let registers = program.registers.iter().map(|dtype| builder.declare_var(scalar_type(*dtype))).collect();
        let budget = builder.declare_var(types::I32);
        Emitter {
            program,
            layout,
            builder,
            context,
            table,
            launchers,
            args,
            kernel,
            helper,
            counts: Counts::default(),
            imports: Imports::default(),
            conv,
            sizes,
            stop,
            registers,
            exit,
            budget,
        }
    }

    fn run(&mut self) -> Result {
        let mut frames = vec![Frame { steps: self.program.steps.iter(), after: After::Return }];
        while let Some(frame) = frames.last_mut() {
            let plain = self.plain_steps(frame.steps.as_slice());
            if plain >= Series::FEWEST {
                self.series(plain);
                frame.steps.nth(plain - 1);
                continue;
            }
            match frame.steps.next() {
                Some(Step::If { condition, then, otherwise, results }) => {
                    frames.push(self.open_if(condition, then, otherwise, results));
                }
                Some(Step::Loop(step)) if is_tight(step) => self.tight_loop(step)?,
                Some(Step::Loop(step)) => frames.push(self.open_loop(step)),
                Some(step) => self.step(step)?,
                None => {
                    let after = frames.pop().expect("the loop looks at a frame").after;
                    frames.extend(self.close(after));
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, isa: &dyn TargetIsa) -> Imports {
        self.builder.switch_to_block(self.exit);
        let status = self.builder.block_params(self.exit)[0];
        self.builder.ins().return_(&[status]);
        self.builder.seal_all_blocks();
        self.builder.finalize(isa.frontend_config());
        self.imports
    }

    fn open_if(
        &mut self,
        condition: &ScalarArg,
        then: &'p StepBlock,
        otherwise: &'p StepBlock,
        results: &'p [RegisterId],
    ) -> Frame<'p> {
        let condition = self.scalar(condition);
        let [first, other, join] = [(); 3].map(|()| self.builder.create_block());
        self.builder.ins().brif(condition, first, &[], other, &[]);
        self.builder.switch_to_block(first);
        Frame { steps: then.steps.iter(), after: After::Then { yields: &then.yields, otherwise, results, other, join } }
    }

    /// A loop of scalar operations alone: several iterations stand in a row, and whether to stop is asked from time to
    /// time. There is one condition an iteration, and the branch back once for several.
    fn tight_loop(&mut self, step: &'p LoopStep) -> Result {
        self.begin(step);
        let [poll, header, done, stop] = [(); 4].map(|()| self.builder.create_block());
        self.builder.set_cold_block(stop);
        self.builder.ins().jump(poll, &[]);
        self.builder.switch_to_block(poll);
        let budget = self.builder.ins().iconst(types::I32, BUDGET);
        self.builder.def_var(self.budget, budget);
        let stopped = self.builder.ins().atomic_load(types::I8, host_memory(), self.stop);
        self.builder.ins().brif(stopped, stop, &[], header, &[]);
        self.builder.switch_to_block(header);
        for _ in 0..IN_A_ROW {
            for inner in &step.condition.steps {
                self.step(inner)?;
            }
            let go_on = self.scalar(&step.condition.yields[0]);
            let body = self.builder.create_block();
            self.builder.ins().brif(go_on, body, &[], done, &[]);
            self.builder.switch_to_block(body);
            for inner in &step.body.steps {
                self.step(inner)?;
            }
            self.hand_on(step);
        }
        let budget = self.builder.use_var(self.budget);
        let budget = self.builder.ins().iadd_imm_s(budget, -1);
        self.builder.def_var(self.budget, budget);
        self.builder.ins().brif(budget, header, &[], poll, &[]);
        self.builder.switch_to_block(stop);
        self.fault(Report { code: FaultCode::Cancelled, site: None, position: None, index: None, bound: None });
        self.builder.switch_to_block(done);
        self.end(step);
        Ok(())
    }

    fn open_loop(&mut self, step: &'p LoopStep) -> Frame<'p> {
        self.begin(step);
        let header = self.builder.create_block();
        self.builder.ins().jump(header, &[]);
        self.builder.switch_to_block(header);
        Frame { steps: step.condition.steps.iter(), after: After::Condition { step, header } }
    }

    /// Gives the carried registers their first values.
    fn begin(&mut self, step: &LoopStep) {
        let first: Vec<Value> = step.carried.iter().map(|(_, value)| self.scalar(value)).collect();
        for ((register, _), value) in step.carried.iter().zip(first) {
            self.set(*register, value);
        }
    }

    /// Gives the carried registers their next values.
    fn hand_on(&mut self, step: &LoopStep) {
        let next: Vec<Value> = step.body.yields.iter().map(|value| self.scalar(value)).collect();
        for ((register, _), value) in step.carried.iter().zip(next) {
            self.set(*register, value);
        }
    }

    /// Sets the results of a loop that has ended.
    fn end(&mut self, step: &LoopStep) {
        for ((register, _), result) in step.carried.iter().zip(&step.results) {
            let last = self.register(*register);
            self.set(*result, last);
        }
    }

    fn close(&mut self, after: After<'p>) -> Option<Frame<'p>> {
        match after {
            After::Return => {
                self.write_results();
                let status = self.builder.ins().iconst(types::I32, 0);
                self.builder.ins().jump(self.exit, &[status.into()]);
                None
            }
            After::Condition { step, header } => {
                let go_on = self.scalar(&step.condition.yields[0]);
                let [body, done] = [(); 2].map(|()| self.builder.create_block());
                self.builder.ins().brif(go_on, body, &[], done, &[]);
                self.builder.switch_to_block(body);
                Some(Frame { steps: step.body.steps.iter(), after: After::Body { step, header, done } })
            }
            After::Body { step, header, done } => {
                self.hand_on(step);
                let stopped = self.builder.ins().atomic_load(types::I8, host_memory(), self.stop);
                let report =
                    Report { code: FaultCode::Cancelled, site: None, position: None, index: None, bound: None };
                self.fault_if(stopped, report);
                self.builder.ins().jump(header, &[]);
                self.builder.switch_to_block(done);
                self.end(step);
                None
            }
            After::Then { yields, otherwise, results, other, join } => {
                self.join(yields, results, join);
                self.builder.switch_to_block(other);
                let after = After::Otherwise { yields: &otherwise.yields, results, join };
                Some(Frame { steps: otherwise.steps.iter(), after })
            }
            After::Otherwise { yields, results, join } => {
                self.join(yields, results, join);
                self.builder.switch_to_block(join);
                None
            }
        }
    }

    fn join(&mut self, yields: &[ScalarArg], results: &[RegisterId], join: Block) {
        for (result, value) in results.iter().zip(yields) {
            let value = self.scalar(value);
            self.set(*result, value);
        }
        self.builder.ins().jump(join, &[]);
    }

    fn write_results(&mut self) {
        let results = self.field(offset_of!(Context, results));
        for (number, result) in self.program.results.iter().enumerate() {
            if let ResultPlace::Scalar(value) = result {
                let value = self.scalar(value);
                self.builder.ins().store(host_memory(), value, results, 8 * number as i32);
            }
        }
    }

    /// A pointer field of the context.
    pub(super) fn field(&mut self, offset: usize) -> Value {
        self.builder.ins().load(types::I64, host_constant(), self.context, offset as i32)
    }

    /// The value of a register.
    pub(super) fn register(&mut self, register: RegisterId) -> Value {
        self.builder.use_var(self.registers[register.0 as usize])
    }

    /// Sets a register.
    pub(super) fn set(&mut self, register: RegisterId, value: Value) {
        self.builder.def_var(self.registers[register.0 as usize], value);
    }

    /// The value of a rank-0 operand.
    pub(super) fn scalar(&mut self, value: &ScalarArg) -> Value {
        match value {
            ScalarArg::Register(register) => self.register(*register),
            ScalarArg::Const(value) => constant(&mut self.builder, scalar_type(value.dtype()), value.bits()),
        }
    }

    /// The value of a size, an i64.
    pub(super) fn size(&mut self, dim: &Dim) -> Value {
        match self.layout.size(dim) {
            Size::Known(known) => self.builder.ins().iconst(types::I64, known),
            Size::Slot(slot) => self.builder.ins().load(types::I64, host_constant(), self.sizes, 8 * slot as i32),
        }
    }

    /// Leaves the driver with a fault if `condition` is not 0.
    pub(super) fn fault_if(&mut self, condition: Value, report: Report) {
        let [bad, good] = [(); 2].map(|()| self.builder.create_block());
        self.builder.set_cold_block(bad);
        self.builder.ins().brif(condition, bad, &[], good, &[]);
        self.builder.switch_to_block(bad);
        self.fault(report);
        self.builder.switch_to_block(good);
    }

    /// Leaves the driver with a fault.
    fn fault(&mut self, report: Report) {
        let site = report.site.map_or(-1, |site| i64::from(site.0));
        let site = self.builder.ins().iconst(types::I32, site);
        let code = self.builder.ins().iconst(types::I32, report.code as i64);
        self.store_fault(offset_of!(Fault, code), Some(code));
        self.store_fault(offset_of!(Fault, site), Some(site));
        self.store_fault(offset_of!(Fault, position), report.position);
        self.store_fault(offset_of!(Fault, index), report.index);
        self.store_fault(offset_of!(Fault, bound), report.bound);
        self.builder.ins().jump(self.exit, &[code.into()]);
    }

    /// Leaves the driver with a helper's status if it is not 0; the helper has described the fault.
    pub(super) fn leave_if(&mut self, status: Value) {
        let good = self.builder.create_block();
        self.builder.ins().brif(status, self.exit, &[status.into()], good, &[]);
        self.builder.switch_to_block(good);
    }

    fn store_fault(&mut self, offset: usize, value: Option<Value>) {
        if let Some(value) = value {
            let offset = offset_of!(Context, fault) + offset;
            self.builder.ins().store(host_memory(), value, self.context, offset as i32);
        }
    }

    /// `a >= b` as unsigned numbers, or any other comparison of two i64.
    pub(super) fn compare(&mut self, cc: IntCC, a: Value, b: Value) -> Value {
        self.builder.ins().icmp(cc, a, b)
    }
}
