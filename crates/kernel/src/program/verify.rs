//! The verifier of programs: what each step needs is there, and nothing is written that must not be.
//!
//! Here is the walk along the steps, with what is known at each of them; whether a step fits its kernel and its
//! operands is asked in `verify_steps`.

use super::data::*;
use super::verify_head::verify_head;
use crate::loops::Access;
use crate::mistake::{Mistake, refuse};
use tracelift_tensor::{DType, Result};

impl Program {
    /// All errors as one, if there are any.
    pub fn check(&self) -> Result {
        refuse(&self.verify())
    }

    /// Everything that is wrong with the program and its kernels; nothing, if it is correct.
    ///
    /// Proved are: registers are set once, before they are read; buffers are written before they are read; what is the
    /// caller's (inputs, states, constants) is never written; the next value of a state is written after the last read
    /// of the state and after the last step that may fail; steps fit their kernels and operands.
    pub fn verify(&self) -> Vec<Mistake> {
        let mut mistakes: Vec<Mistake> = self.kernels.iter().flat_map(|kernel| kernel.verify()).collect();
        let mut verifier = Verifier {
            program: self,
            mistakes: vec![],
            path: vec![],
            set: vec![false; self.registers.len()],
            written_views: written_views(self),
            now: Flow {
                visible: vec![false; self.registers.len()],
                holds: (0..self.buffers.len())
                    .map(|n| self.buffers[n].role.is_given().then_some(BufferId(n as u32)))
                    .collect(),
                next_written: vec![false; self.states.len()],
                committed: false,
            },
            loops: 0,
        };
        verify_head(&mut verifier);
        // Steps are looked at only if what they name can be looked up.
        if mistakes.is_empty() && verifier.mistakes.is_empty() {
            verifier.steps(&self.steps);
            verifier.leave();
        }
        mistakes.extend(verifier.mistakes);
        mistakes
    }
}

impl Role {
    /// Whether it has a value when the program starts, and is read only.
    pub fn is_given(&self) -> bool {
        matches!(self, Role::Input(_) | Role::State(_) | Role::Constant(_))
    }
}

/// What is known between two steps.
#[derive(Clone)]
pub(super) struct Flow {
    /// Registers that may be read.
    pub(super) visible: Vec<bool>,
    /// Whose value the memory of a buffer (not of a view) holds, if any's.
    pub(super) holds: Vec<Option<BufferId>>,
    /// States whose next value has been written, perhaps where the state lies.
    pub(super) next_written: Vec<bool>,
    /// Whether any has.
    pub(super) committed: bool,
}

pub(super) struct Verifier<'p> {
    pub(super) program: &'p Program,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) path: Vec<usize>,
    /// Registers that have been set anywhere.
    set: Vec<bool>,
    /// Views that steps write: their value takes the place of another one. All other views show what they are views of.
    written_views: Vec<bool>,
    pub(super) now: Flow,
    /// How many loops are open.
    loops: u32,
}

impl<'p> Verifier<'p> {
    pub(super) fn report(&mut self, step: &Step, message: impl Into<String>) {
        let text = self.program.step_text(step);
        let of = self.program.name.clone();
        self.mistakes.push(Mistake { of, path: self.path.clone(), text, message: message.into() });
    }

    pub(super) fn report_whole(&mut self, message: impl Into<String>) {
        let of = self.program.name.clone();
        self.mistakes.push(Mistake { of, path: vec![], text: String::new(), message: message.into() });
    }

    fn steps(&mut self, steps: &'p [Step]) {
        for (n, step) in steps.iter().enumerate() {
            self.path.push(n);
            if self.names_exist(step) {
                self.step(step);
            } else {
                // Its text cannot be written without what it names.
                let message = format!("it names a buffer, kernel, register or site that does not exist: {step:?}");
                let (of, path) = (self.program.name.clone(), self.path.clone());
                self.mistakes.push(Mistake { of, path, text: String::new(), message });
            }
            self.path.pop();
        }
    }

    fn step(&mut self, step: &'p Step) {
        if self.now.committed && self.may_fault(step) {
            self.report(step, "this may fail after the next value of a state has been written");
        }
        match step {
            Step::If { condition, then, otherwise, results } => {
                self.read_scalar(step, condition, Some(DType::Bool));
                let before = self.now.clone();
                let first = self.block(step, 0, then, results);
                let after_first = std::mem::replace(&mut self.now, before);
                let second = self.block(step, 1, otherwise, results);
                self.join(after_first);
                for (n, register) in results.iter().enumerate() {
                    let dtype = first.get(n).or(second.get(n)).copied();
                    self.define(step, *register, dtype);
                }
            }
            Step::Loop(inner) => self.a_loop(step, inner),
            _ => self.plain_step(step),
        }
    }

    /// A block that yields values for `results`; answers the types of its yields.
    fn block(&mut self, step: &Step, number: usize, block: &'p StepBlock, results: &[RegisterId]) -> Vec<DType> {
        let types = self.open_block(step, number, block);
        if types.len() != results.len() {
            let arm = if number == 0 { "first" } else { "second" };
            let message = format!("its {arm} block yields {} values, not {}", types.len(), results.len());
            self.report(step, message);
        }
        for (dtype, register) in types.iter().zip(results) {
            let wanted = self.program.registers[register.0 as usize];
            if *dtype != wanted {
                self.report(step, format!("a block yields {dtype} for `%{}`, which is {wanted}", register.0));
            }
        }
        types
    }

    /// Registers that are set inside are not seen outside.
    fn open_block(&mut self, step: &Step, number: usize, block: &'p StepBlock) -> Vec<DType> {
        let visible = self.now.visible.clone();
        self.path.push(number);
        self.steps(&block.steps);
        self.path.pop();
        let types = block.yields.iter().map(|value| self.read_scalar(step, value, None)).collect();
        self.now.visible = visible;
        types
    }

    /// After an `if`: what both arms have written is written, what either has committed is committed.
    fn join(&mut self, other: Flow) {
        for (holds, other) in self.now.holds.iter_mut().zip(other.holds) {
            *holds = holds.filter(|holds| Some(*holds) == other);
        }
        for (next, other) in self.now.next_written.iter_mut().zip(other.next_written) {
            *next |= other;
        }
        self.now.committed |= other.committed;
    }

    fn a_loop(&mut self, step: &Step, inner: &'p LoopStep) {
        let firsts: Vec<DType> = inner.carried.iter().map(|(_, first)| self.read_scalar(step, first, None)).collect();
        let outside = self.now.visible.clone();
        for ((register, _), dtype) in inner.carried.iter().zip(&firsts) {
            self.define(step, *register, Some(*dtype));
        }
        self.loops += 1;
        let condition = self.open_block(step, 0, &inner.condition);
        if condition != [DType::Bool] {
            self.report(step, "its first block yields one bool: whether to go on");
        }
        // The body may never run: what it writes need not be there afterwards.
        let before = self.now.holds.clone();
        let carried: Vec<RegisterId> = inner.carried.iter().map(|(register, _)| *register).collect();
        self.block(step, 1, &inner.body, &carried);
        for (before, after) in before.iter().zip(self.now.holds.clone()) {
            if let Some(id) = before.filter(|before| Some(*before) != after) {
                let name = self.program.buffer_text(id);
                self.report(step, format!("an iteration leaves `{name}` without its value for the next one"));
            }
        }
        self.now.holds = before;
        self.loops -= 1;
        self.now.visible = outside;
        if inner.results.len() != inner.carried.len() {
            let message = format!("it sets {} registers and carries {}", inner.results.len(), inner.carried.len());
            self.report(step, message);
        }
        for (register, dtype) in inner.results.iter().zip(firsts) {
            self.define(step, *register, Some(dtype));
        }
    }

    fn may_fault(&self, step: &Step) -> bool {
        match step {
            // A loop may be stopped.
            Step::Check { .. } | Step::Loop(_) => true,
            Step::Scalar { op, args, .. } => args.first().is_some_and(|arg| op.can_fault(self.program.dtype(arg))),
            Step::Launch(launch) => self.program.kernel(launch.kernel).can_fault(),
            Step::Stack(stack) => stack.can_fault(),
            Step::Library(call) => {
                call.epilogue.as_ref().is_some_and(|epilogue| self.program.kernel(epilogue.kernel).can_fault())
            }
            _ => false,
        }
    }

    /// The value of a buffer is used.
    pub(super) fn read(&mut self, step: &Step, id: BufferId) {
        let owner = self.program.owner(id);
        let name = self.program.buffer_text(id);
        if matches!(self.program.buffer(owner).role, Role::Stack(_)) {
            return self.report(step, format!("`{name}` is a stack and only popped"));
        }
        match self.now.holds[owner.0 as usize] {
            None => self.report(step, format!("`{name}` is read before it is written")),
            Some(holder) if holder != self.shown_by(id) => {
                let holder = self.program.buffer_text(holder);
                self.report(step, format!("`{name}` is read after `{holder}` has taken its place"));
            }
            Some(_) => {}
        }
        if let Role::State(n) = self.program.buffer(owner).role
            && self.now.next_written.get(n as usize) == Some(&true)
        {
            self.report(step, format!("`{name}` is read after the next value of its state has been written"));
        }
    }

    /// A buffer gets a value.
    pub(super) fn write(&mut self, step: &Step, id: BufferId) {
        let owner = self.program.owner(id);
        let name = self.program.buffer_text(id);
        match self.program.buffer(owner).role {
            Role::Input(_) => self.report(step, format!("`{name}` is an input and cannot be written")),
            Role::State(_) => self.report(step, format!("`{name}` is the state on entry and cannot be written")),
            Role::Constant(_) => self.report(step, format!("`{name}` is a constant and cannot be written")),
            Role::NextState(n) => {
                if self.loops > 0 {
                    let message =
                        format!("`{name}`, the next value of a state, is written in a loop, which may be stopped");
                    self.report(step, message);
                }
                if let Some(written) = self.now.next_written.get_mut(n as usize) {
                    *written = true;
                }
                self.now.committed = true;
            }
            Role::Stack(_) => self.report(step, format!("`{name}` is a stack and only pushed to")),
            Role::Output(_) | Role::Arena | Role::View(_) => {}
        }
        self.now.holds[owner.0 as usize] = Some(self.shown_by(id));
    }

    /// The buffer whose value `id` shows: itself, unless it is a view that nothing writes.
    fn shown_by(&self, mut id: BufferId) -> BufferId {
        while let Role::View(of) = self.program.buffer(id).role
            && !self.written_views[id.0 as usize]
        {
            id = of;
        }
        id
    }

    /// The type of a rank-0 value that is read here.
    pub(super) fn read_scalar(&mut self, step: &Step, arg: &ScalarArg, wanted: Option<DType>) -> DType {
        let dtype = self.program.dtype(arg);
        if let ScalarArg::Register(register) = arg
            && !self.now.visible[register.0 as usize]
        {
            let set = self.set[register.0 as usize];
            let why = if set { "set only inside a block that has ended" } else { "not set before this" };
            self.report(step, format!("the register `%{}` is {why}", register.0));
        }
        if let Some(wanted) = wanted.filter(|wanted| *wanted != dtype) {
            self.report(step, format!("expected a rank-0 {wanted}, found {dtype}"));
        }
        dtype
    }

    pub(super) fn define(&mut self, step: &Step, register: RegisterId, dtype: Option<DType>) {
        let n = register.0 as usize;
        if self.set[n] {
            self.report(step, format!("the register `%{n}` is set twice"));
        }
        let declared = self.program.registers[n];
        if let Some(dtype) = dtype.filter(|dtype| *dtype != declared) {
            self.report(step, format!("the register `%{n}` is {declared}, its value is {dtype}"));
        }
        (self.set[n], self.now.visible[n]) = (true, true);
    }

    /// What holds at the end.
    fn leave(&mut self) {
        let program = self.program;
        for n in (0..self.set.len()).filter(|n| !self.set[*n]).collect::<Vec<_>>() {
            self.report_whole(format!("the register `%{n}` is never set"));
        }
        for (n, place) in program.results.iter().enumerate() {
            match place {
                ResultPlace::Scalar(ScalarArg::Register(register)) if !self.now.visible[register.0 as usize] => {
                    self.report_whole(format!("result {n} is the register `%{}`, which is not set", register.0));
                }
                ResultPlace::Scalar(_) => {}
                ResultPlace::Buffer(id) => self.leave_with(n, *id),
            }
        }
        for (n, buffer) in program.buffers.iter().enumerate() {
            let missing = matches!(buffer.role, Role::Output(_) | Role::NextState(_)) && self.now.holds[n].is_none();
            if missing {
                let name = program.buffer_text(BufferId(n as u32));
                self.report_whole(format!("`{name}` is not written on every way through the program"));
            }
        }
    }

    fn leave_with(&mut self, n: usize, id: BufferId) {
        let (owner, name) = (self.program.owner(id), self.program.buffer_text(id));
        match self.program.buffer(owner).role {
            Role::Output(_) | Role::Input(_) => {}
            Role::State(state) => {
                if self.now.next_written.get(state as usize) == Some(&true) {
                    self.report_whole(format!("result {n} is `{name}`, whose next value may have overwritten it"));
                }
            }
            _ => self.report_whole(format!("result {n} is `{name}`, which is no output, input or state")),
        }
    }
}

/// Which buffers are views that a kernel, product, copy or the like writes.
fn written_views(program: &Program) -> Vec<bool> {
    let mut written = vec![false; program.buffers.len()];
    program.for_each_step(&mut |step| {
        let mut write = |id: BufferId| {
            if let Some(written) = written.get_mut(id.0 as usize) {
                *written = matches!(program.buffers[id.0 as usize].role, Role::View(_));
            }
        };
        let mut call = |kernel: KernelId, buffers: &[BufferId]| {
            let params = program.kernels.get(kernel.0 as usize).map_or(&[][..], |kernel| &kernel.params);
            let written = buffers.iter().zip(params).filter(|(_, param)| param.access != Access::Read);
            written.for_each(|(id, _)| write(*id));
        };
        match step {
            Step::Launch(launch) => call(launch.kernel, &launch.buffers),
            Step::Library(library) => {
                if let Some(epilogue) = &library.epilogue {
                    call(epilogue.kernel, &epilogue.buffers);
                }
                write(library.result);
            }
            Step::Write { to, .. } | Step::Copy { to, .. } | Step::Commit { to, .. } => write(*to),
            _ => {}
        }
    });
    written
}
