//! The program interpreter: step after step on memory of its own, which nobody sees until all has gone well.

use super::data::*;
use super::product::Product;
use super::stacks::{StackItem, StackOp, StackStep, Stacks};
use crate::fault::Fault;
use crate::lane::Scalar;
use crate::loops::bind::BoundKernel;
use crate::meaning::{SortRoom, Subnormals, argsort};
use crate::memory::Memory;
use std::ops::Range;
use tracelift_tensor::{Array, Binding, Error, Result, count_elements};

/// How many rows of a product are finished before its epilogue runs over them.
const EPILOGUE_ROWS: i64 = 8;

/// How a run goes: what it shows, whether it goes on, by which rule it computes.
pub trait Watch {
    /// Shows what a `print` step prints.
    fn print(&mut self, message: &str, values: &[Array]);
    /// Asked before every iteration of a loop; `true` ends the run with an error.
    fn stopped(&mut self) -> bool;
    /// Asked once, at the start: whether arithmetic knows subnormal numbers.
    fn subnormals(&self) -> Subnormals;
}

/// Shows nothing, never stops, keeps subnormals.
struct Blind;

impl Watch for Blind {
    fn print(&mut self, _: &str, _: &[Array]) {}
    fn stopped(&mut self) -> bool {
        false
    }
    fn subnormals(&self) -> Subnormals {
        Subnormals::Keep
    }
}

impl Program {
    /// Runs the program: results in order. The states that it writes are replaced, unless the run fails.
    ///
    /// ```
    /// use tracelift_kernel::text::{Module, Source};
    /// use tracelift_tensor::Array;
    /// let text = "program @count {
    ///     state \"counter\" written
    ///     buffer $old : i32[] state 0
    ///     buffer $new : i32[] next 0
    ///     %n = read $old
    ///     %m = scalar add %n, 1
    ///     write $new, %m
    ///     result %n
    /// }";
    /// let module = Module::parse(Source::new("count.tl", text)).unwrap();
    /// let mut states = [Array::scalar(7i32)];
    /// let results = module.programs[0].interpret(&[], &mut states)?;
    /// assert_eq!((results[0].item::<i32>()?, states[0].item::<i32>()?), (7, 8));
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn interpret(&self, inputs: &[Array], states: &mut [Array]) -> Result<Vec<Array>> {
        self.interpret_watched(inputs, states, &mut Blind)
    }

    /// As [`interpret`](Self::interpret), with somebody who sees what is printed and may stop the run.
    pub fn interpret_watched(
        &self,
        inputs: &[Array],
        states: &mut [Array],
        watch: &mut dyn Watch,
    ) -> Result<Vec<Array>> {
        self.check()?;
        let sizes = self.bind(inputs, states)?;
        let mut machine = Machine::new(self, sizes, inputs, states, watch)?;
        machine.steps(&self.steps)?;
        let results: Result<Vec<Array>> = self.results.iter().map(|place| machine.result(place)).collect();
        let results = results?;
        let mut next = vec![];
        for (n, buffer) in self.buffers.iter().enumerate() {
            if let Role::NextState(state) = buffer.role {
                next.push((state, machine.array(BufferId(n as u32))?));
            }
        }
        // The commit point: nothing after this can fail.
        for (state, array) in next {
            states[state as usize] = array;
        }
        Ok(results)
    }

    /// The sizes of a call; an error if an argument has another type or shape, or a guard does not hold.
    pub fn bind(&self, inputs: &[Array], states: &[Array]) -> Result<Binding> {
        let mut sizes = Binding::new();
        for unknown in &self.unknowns {
            let from = if unknown.state { states } else { inputs };
            let array = from.get(unknown.index as usize);
            let Some(n) = array.and_then(|array| array.shape().get(unknown.axis as usize)) else {
                let what = if unknown.state { "state" } else { "input" };
                let place = format!("axis {} of {what} {}", unknown.axis, unknown.index);
                return Err(self.refuse(format!("there is no {place}, which says what `{}` is", unknown.sym)));
            };
            sizes.bind(&unknown.sym, *n as i64);
        }
        for buffer in &self.buffers {
            let (what, n, given) = match buffer.role {
                Role::Input(n) => ("input", n, inputs.get(n as usize)),
                Role::State(n) => ("state", n, states.get(n as usize)),
                _ => continue,
            };
            let wanted = buffer.shape.eval(&sizes)?;
            let Some(array) = given else {
                return Err(self.refuse(format!("{what} {n} is missing")));
            };
            if array.dtype() != buffer.dtype || array.shape() != wanted.as_slice() {
                let wanted = format!("{}{}", buffer.dtype, buffer.shape);
                let place = if sizes.is_empty() { String::new() } else { format!(" with {sizes}") };
                let message = format!("{what} {n} is {wanted}{place}, not {}", array.type_text());
                return Err(self.refuse(message));
            }
        }
        for guard in &self.guards {
            if !guard.holds(&sizes)? {
                return Err(self.refuse(format!("it was made for sizes with {guard}, not for {sizes}")));
            }
        }
        Ok(sizes)
    }

    fn refuse(&self, message: String) -> Error {
        Error::invalid(message).op(&self.name)
    }
}

struct Machine<'p, 'w> {
    program: &'p Program,
    rule: Subnormals,
    sizes: Binding,
    /// The memory of each buffer that is no view; swapped by `swap`.
    memories: Vec<Memory>,
    registers: Vec<Scalar>,
    stacks: Stacks,
    kernels: Vec<Option<BoundKernel<'p>>>,
    watch: &'w mut dyn Watch,
}

impl<'p, 'w> Machine<'p, 'w> {
    fn new(
        program: &'p Program,
        sizes: Binding,
        inputs: &[Array],
        states: &[Array],
        watch: &'w mut dyn Watch,
    ) -> Result<Self> {
        let mut memories = vec![];
        for buffer in &program.buffers {
            let length = || count_elements(&buffer.shape.eval(&sizes)?);
            memories.push(match &buffer.role {
                Role::Input(n) => Memory::of(&inputs[*n as usize])?,
                Role::State(n) => Memory::of(&states[*n as usize])?,
                Role::Constant(array) => Memory::of(array)?,
                Role::View(_) | Role::Stack(_) => Memory::zeros(buffer.dtype, 0)?,
                // What is read before it is written shall show.
                Role::Output(_) | Role::NextState(_) | Role::Arena => Memory::poison(buffer.dtype, length()?)?,
            });
        }
        let registers = program.registers.iter().map(|dtype| Scalar::from_bits(*dtype, 0)).collect();
        let kernels = program.kernels.iter().map(|_| None).collect();
        let stacks = Stacks::new(program, &sizes)?;
        Ok(Machine { program, rule: watch.subnormals(), sizes, memories, registers, stacks, kernels, watch })
    }

    fn steps(&mut self, steps: &'p [Step]) -> Result {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &'p Step) -> Result {
        match step {
            Step::Launch(launch) => {
                let scalars: Vec<Scalar> = launch.scalars.iter().map(|arg| self.scalar(arg)).collect();
                let results = self.launch(launch.kernel, &launch.buffers, &scalars, launch.site, None)?;
                self.set_all(&launch.results, results);
            }
            Step::Library(call) => self.library(call)?,
            Step::Scalar { dst, op, args, site } => {
                let args: Vec<Scalar> = args.iter().map(|arg| self.scalar(arg)).collect();
                let value = self.rule.eval(*op, &args).map_err(|fault| self.error(fault.into(), *site))?;
                self.set(*dst, value);
            }
            Step::Dim { dst, dim } => {
                let size = dim.eval(&self.sizes)?;
                self.set(*dst, Scalar::I64(size));
            }
            Step::Read { dst, from } => {
                let value = self.memory(*from).get(0);
                self.set(*dst, value);
            }
            Step::Write { to, value } => {
                let value = self.scalar(value);
                self.memory_mut(*to).set(0, value);
            }
            Step::Check { check, site } => {
                if let Some(fault) = self.fault(check)? {
                    return Err(self.error(fault, Some(*site)));
                }
            }
            Step::Copy { from, to } | Step::Commit { to, from } => {
                let value = self.memory(*from).clone();
                *self.memory_mut(*to) = value;
            }
            Step::Swap { a, b } => {
                let (a, b) = (self.program.owner(*a), self.program.owner(*b));
                self.memories.swap(a.0 as usize, b.0 as usize);
            }
            Step::If { condition, then, otherwise, results } => {
                let block = if self.holds(condition) { then } else { otherwise };
                self.steps(&block.steps)?;
                let values = self.yields(block);
                self.set_all(results, values);
            }
            Step::Loop(inner) => self.a_loop(inner)?,
            Step::Stack(stack) => self.stack(stack)?,
            Step::Print { message, values } => {
                let values: Result<Vec<Array>> = values
                    .iter()
                    .map(|value| match value {
                        PrintArg::Buffer(buffer) => self.array(*buffer),
                        PrintArg::Scalar(value) => rank_0(self.scalar(value)),
                    })
                    .collect();
                self.watch.print(message, &values?);
            }
        }
        Ok(())
    }

    fn stack(&mut self, step: &StackStep) -> Result {
        let id = step.stack;
        match step.op {
            StackOp::New => self.stacks.clear(id),
            StackOp::Push(item) => {
                let item = match item {
                    StackItem::Buffer(buffer) => self.memory(buffer).clone(),
                    StackItem::Scalar(value) => {
                        let value = self.scalar(&value);
                        Memory::from_scalars(value.dtype(), &[value])?
                    }
                };
                self.stacks.push(id, item).map_err(|fault| self.error(fault, step.site))?;
            }
            StackOp::PopBuffer(to) => {
                let (dtype, len) = (self.memory(to).dtype(), self.memory(to).len());
                *self.memory_mut(to) = self.stacks.pop(id).map_or_else(|| Memory::zeros(dtype, len), Ok)?;
            }
            StackOp::PopScalar(register) => {
                let zero = || Scalar::from_bits(self.program.buffer(id).dtype, 0);
                let value = self.stacks.pop(id).map_or_else(zero, |item| item.get(0));
                self.set(register, value);
            }
            StackOp::Len(register) => self.set(register, Scalar::I64(self.stacks.len(id))),
        }
        Ok(())
    }

    fn launch(
        &mut self,
        id: KernelId,
        buffers: &[BufferId],
        scalars: &[Scalar],
        site: Option<SiteId>,
        rows: Option<Range<i64>>,
    ) -> Result<Vec<Scalar>> {
        if self.kernels[id.0 as usize].is_none() {
            let kernel = &self.program.kernels[id.0 as usize];
            self.kernels[id.0 as usize] = Some(BoundKernel::new(kernel, &self.sizes)?);
        }
        let slots: Vec<usize> = buffers.iter().map(|id| self.program.owner(*id).0 as usize).collect();
        let kernel = self.kernels[id.0 as usize].as_ref().expect("it was bound above");
        let outcome = kernel.run(self.rule, &mut self.memories, &slots, scalars, rows)?;
        outcome.map_err(|fault| self.error(fault, site))
    }

    /// Blocks of rows, each followed by the epilogue over it.
    fn library(&mut self, call: &LibraryCall) -> Result {
        let spec = match &call.op {
            LibraryOp::MatMul(spec) => spec,
            LibraryOp::ArgSort { descending } => return self.sort(call, *descending),
        };
        let rows = (&spec.batch * &spec.m).eval(&self.sizes)?;
        let owner = |id: BufferId| self.program.owner(id).0 as usize;
        let (a, b, c) = (owner(call.operands[0]), owner(call.operands[1]), owner(call.result));
        let scalars = call.epilogue.iter().flat_map(|epilogue| &epilogue.scalars);
        let scalars: Vec<Scalar> = scalars.map(|arg| self.scalar(arg)).collect();
        let mut first = 0;
        while first < rows {
            let block = first..rows.min(first + EPILOGUE_ROWS);
            let mut result = std::mem::replace(&mut self.memories[c], Memory::F32(vec![]));
            let product = Product { spec, sizes: &self.sizes, rule: self.rule };
            let done = product.rows(&self.memories[a], &self.memories[b], &mut result, block.clone());
            self.memories[c] = result;
            done?;
            if let Some(epilogue) = &call.epilogue {
                self.launch(epilogue.kernel, &epilogue.buffers, &scalars, None, Some(block.clone()))?;
            }
            first = block.end;
        }
        Ok(())
    }

    fn sort(&mut self, call: &LibraryCall, descending: bool) -> Result {
        let shape = self.program.buffer(call.operands[0]).shape.eval(&self.sizes)?;
        let n = shape.last().copied().unwrap_or(0).max(1);
        let mut places = vec![0; shape.iter().product()];
        let mut room = SortRoom::default();
        macro_rules! sort {
            ($x:expr) => {
                for (row, places) in $x.chunks_exact(n).zip(places.chunks_exact_mut(n)) {
                    argsort(row, descending, &mut room, places);
                }
            };
        }
        match self.memory(call.operands[0]) {
            Memory::F32(x) => sort!(x),
            Memory::F64(x) => sort!(x),
            Memory::I32(x) => sort!(x),
            Memory::I64(x) => sort!(x),
            Memory::U8(x) => sort!(x),
            Memory::Bool(x) => sort!(x.iter().map(|x| u8::from(*x)).collect::<Vec<u8>>()),
        }
        *self.memory_mut(call.result) = Memory::I32(places);
        Ok(())
    }

    fn a_loop(&mut self, inner: &'p LoopStep) -> Result {
        let first: Vec<Scalar> = inner.carried.iter().map(|(_, first)| self.scalar(first)).collect();
        let carried: Vec<RegisterId> = inner.carried.iter().map(|(register, _)| *register).collect();
        self.set_all(&carried, first);
        loop {
            if self.watch.stopped() {
                return Err(Error::cancelled(format!("`{}` was stopped", self.program.name)));
            }
            self.steps(&inner.condition.steps)?;
            if !self.holds(&inner.condition.yields[0]) {
                break;
            }
            self.steps(&inner.body.steps)?;
            let next = self.yields(&inner.body);
            self.set_all(&carried, next);
        }
        let last: Vec<Scalar> = carried.iter().map(|register| self.registers[register.0 as usize]).collect();
        self.set_all(&inner.results, last);
        Ok(())
    }

    fn fault(&self, check: &Check) -> Result<Option<Fault>> {
        let outside = |position, index, bound: i64| {
            let inside = (0..bound).contains(&index);
            (!inside).then_some(Fault::OutOfBounds { position, index, bound })
        };
        Ok(match check {
            Check::Bounds { indices, extent } => {
                let (memory, bound) = (self.memory(*indices), extent.eval(&self.sizes)?);
                (0..memory.len()).find_map(|n| outside(Some(n), whole(memory.get(n)), bound))
            }
            Check::IndexBounds { index, extent } => outside(None, whole(self.scalar(index)), extent.eval(&self.sizes)?),
            Check::Assert { condition, message } => {
                (!self.holds(condition)).then(|| Fault::Assertion { message: message.clone() })
            }
            Check::AssertAll { conditions, message } => {
                let memory = self.memory(*conditions);
                let all = (0..memory.len()).all(|n| memory.get(n) == Scalar::Bool(true));
                (!all).then(|| Fault::Assertion { message: message.clone() })
            }
        })
    }

    fn error(&self, fault: Fault, site: Option<SiteId>) -> Error {
        fault.error(site.and_then(|site| self.program.sites.get(site.0 as usize)))
    }

    fn memory(&self, id: BufferId) -> &Memory {
        &self.memories[self.program.owner(id).0 as usize]
    }

    fn memory_mut(&mut self, id: BufferId) -> &mut Memory {
        &mut self.memories[self.program.owner(id).0 as usize]
    }

    fn array(&self, id: BufferId) -> Result<Array> {
        self.memory(id).to_array(&self.program.buffer(id).shape.eval(&self.sizes)?)
    }

    fn result(&self, place: &ResultPlace) -> Result<Array> {
        match place {
            ResultPlace::Buffer(buffer) => self.array(*buffer),
            ResultPlace::Scalar(value) => rank_0(self.scalar(value)),
        }
    }

    fn scalar(&self, arg: &ScalarArg) -> Scalar {
        match arg {
            ScalarArg::Register(register) => self.registers[register.0 as usize],
            ScalarArg::Const(value) => *value,
        }
    }

    fn holds(&self, arg: &ScalarArg) -> bool {
        self.scalar(arg) == Scalar::Bool(true)
    }

    fn yields(&self, block: &StepBlock) -> Vec<Scalar> {
        block.yields.iter().map(|value| self.scalar(value)).collect()
    }

    fn set(&mut self, register: RegisterId, value: Scalar) {
        self.registers[register.0 as usize] = value;
    }

    fn set_all(&mut self, registers: &[RegisterId], values: Vec<Scalar>) {
        for (register, value) in registers.iter().zip(values) {
            self.set(*register, value);
        }
    }
}

fn rank_0(value: Scalar) -> Result<Array> {
    Memory::from_scalars(value.dtype(), &[value])?.to_array(&[])
}

/// An index; the verifier knows that it is i32 or i64.
fn whole(value: Scalar) -> i64 {
    match value {
        Scalar::I32(n) => n.into(),
        Scalar::I64(n) => n,
        other => unreachable!("{other} is no index"),
    }
}
