//! A program that can be called.

#![expect(unsafe_code, reason = "the one call of native code, on the addresses put together here")]

use super::fault::outcome;
use super::helpers::set_scalar;
use super::lease::{Lease, Leases};
use super::lifetimes::{Lifetime, lifetimes};
use super::native::{Native, Run};
use super::plan::{CallError, Key, Plan, PlanTable};
use super::profile::Times;
use super::roles::{Roles, Source};
use super::states::Held;
use crate::cpu::Path;
use crate::options::{Engine, Options};
use crate::variable::Variable;
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use tracelift_codegen::CodegenOptions;
use tracelift_codegen::driver::Layout;
use tracelift_kernel::program::*;
use tracelift_tensor::{Array, Error, Result};

/// A program that can be called, from any thread and from several at once.
///
/// ```
/// use std::sync::Arc;
/// use tracelift_kernel::text::{Module, Source};
/// use tracelift_runtime::{Executable, Options, Variable};
/// use tracelift_tensor::Array;
///
/// let text = "program @count {
///     state \"counter\" written
///     buffer $old : i32[] state 0
///     buffer $new : i32[] next 0
///     %n = read $old
///     %m = scalar add %n, 1
///     write $new, %m
///     result %n
/// }";
/// let module = Module::parse(Source::new("count.tl", text)).expect("the text is a program");
/// let count = Executable::compile(Arc::new(module.programs[0].clone()), Options::default())?;
/// let counter = Variable::new("counter", Array::scalar(7i32));
/// let results = count.call(&[], std::slice::from_ref(&counter))?;
/// assert_eq!((results[0].item::<i32>()?, counter.value()?.item::<i32>()?), (7, 8));
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub struct Executable {
    program: Arc<Program>,
    name: Arc<str>,
    options: Options,
    roles: Roles,
    layout: Layout,
    machine: Machine,
    lifetimes: Vec<Option<Lifetime>>,
    /// Whether calls move buffers about, so that each needs its tables anew.
    moves: bool,
    plans: PlanTable,
    leases: Leases,
}

/// What runs the steps.
enum Machine {
    Native(Native),
    Interpreter,
}

/// Results up to this size are used again when their holder drops them: making one costs more than a small kernel.
const KEPT_BYTES: usize = 64;

impl Executable {
    /// Verifies and compiles a program.
    ///
    /// Where no native code can be made, it is interpreted, and a `tracing` note says why.
    pub fn compile(program: Arc<Program>, options: Options) -> Result<Executable> {
        program.check()?;
        let roles = Roles::of(&program)?;
        let layout = Layout::of(&program);
        let machine = match options.engine {
            Engine::Reference | Engine::Interpreter => Machine::Interpreter,
            Engine::Unfused | Engine::Fused => match Native::compile(&program, &layout, &codegen(&options)) {
                Ok(native) => Machine::Native(native),
                Err(error) => {
                    tracing::warn!(program = %program.name, %error, "runs in the interpreter: no native code");
                    Machine::Interpreter
                }
            },
        };
        let lifetimes = lifetimes(&program, &layout);
        Ok(Executable {
            name: program.name.as_str().into(),
            options,
            roles,
            moves: layout.swapped.contains(&true),
            layout,
            machine,
            lifetimes,
            plans: PlanTable::default(),
            leases: Leases::default(),
            program,
        })
    }

    /// The program it runs.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// How it was made.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether it runs as native code, rather than by the interpreter.
    pub fn is_native(&self) -> bool {
        matches!(self.machine, Machine::Native(_))
    }

    /// Sizes, places and peak memory for arguments of these sizes.
    pub fn plan_for(&self, inputs: &[&Array], states: &[Array]) -> Result<Arc<Plan>, CallError> {
        self.check_count(inputs)?;
        let states: Vec<Option<Array>> = states.iter().cloned().map(Some).collect();
        let key = self.key(inputs, &states)?;
        self.plans.find(&key, || self.make_plan(key.clone()))
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many bytes of machine code it has.
    pub fn code_bytes(&self) -> usize {
        match &self.machine {
            Machine::Native(native) => native.code_bytes(),
            Machine::Interpreter => 0,
        }
    }

    /// Runs the program: results for inputs, with the variables of its states read and changed.
    ///
    /// A call that fails leaves every variable as it was.
    pub fn call(&self, inputs: &[Array], states: &[Variable]) -> Result<Vec<Array>, CallError> {
        let mut outputs = Vec::new();
        self.call_into(inputs, states, &mut outputs)?;
        Ok(outputs)
    }

    /// [`Executable::call`] that writes into given arrays: what fits and is not shared is written in place, the rest
    /// is replaced. After a failed call the outputs hold anything.
    ///
    /// Calls after the first allocate nothing if the outputs of the one before are given.
    pub fn call_into(&self, inputs: &[Array], states: &[Variable], outputs: &mut Vec<Array>) -> Result<(), CallError> {
        let inputs: SmallVec<[&Array; 8]> = inputs.iter().collect();
        self.call_by_reference(&inputs, states, outputs)
    }

    /// [`Executable::call_into`] with inputs that need not stand side by side.
    pub fn call_by_reference(
        &self,
        inputs: &[&Array],
        states: &[Variable],
        outputs: &mut Vec<Array>,
    ) -> Result<(), CallError> {
        self.call_timed(inputs, states, outputs, None)
    }

    pub(super) fn call_timed(
        &self,
        inputs: &[&Array],
        states: &[Variable],
        outputs: &mut Vec<Array>,
        times: Option<&Times>,
    ) -> Result<(), CallError> {
        self.check_count(inputs)?;
        let mut lease = self.leases.take(&self.program, &self.layout);
        let lease = &mut *lease;
        if states.is_empty() && self.program.states.is_empty() {
            let mut nothing = Vec::new();
            return self.call_held(inputs, &mut Held::nothing(&mut nothing), lease, outputs, times);
        }
        // The call's own arrays, so that the lease stays free for the tables.
        let (mut order, mut values) = (std::mem::take(&mut lease.order), std::mem::take(&mut lease.values));
        let done = Held::acquire(&self.name, states, &self.program.states, &mut order, &mut values)
            .map_err(CallError::Failed)
            .and_then(|mut held| self.call_held(inputs, &mut held, lease, outputs, times));
        (lease.order, lease.values) = (order, values);
        done
    }

    fn call_held(
        &self,
        inputs: &[&Array],
        held: &mut Held<'_>,
        lease: &mut Lease,
        outputs: &mut Vec<Array>,
        times: Option<&Times>,
    ) -> Result<(), CallError> {
        // Taken out, so that the lease can be written while the plan is read.
        let (plan, settled) = match lease.planned.take() {
            Some(plan) if self.has_sizes(&plan.key, inputs, held.values)? => {
                let settled = lease.recall_arena(&plan)? && !self.moves;
                (plan, settled)
            }
            _ => {
                let key = self.key(inputs, held.values)?;
                (self.plans.find(&key, || self.make_plan(key.clone()))?, false)
            }
        };
        self.check_arguments(inputs, held.values, &plan)?;
        let native = match &self.machine {
            Machine::Native(native) => native,
            Machine::Interpreter => return Ok(self.interpret(inputs, held, outputs)?),
        };
        if !settled {
            lease.settle(&plan, &self.layout, native)?;
        }
        let (program, layout, options) = (&*self.program, &self.layout, &self.options);
        let run = Run { native, program, layout, plan: &plan, options, times };
        let done = self.run(&run, inputs, held, lease, outputs);
        lease.planned = Some(plan);
        lease.part_with_arena();
        done
    }

    /// Runs native code with everything in its place.
    fn run(
        &self,
        run: &Run<'_>,
        inputs: &[&Array],
        held: &mut Held<'_>,
        lease: &mut Lease,
        outputs: &mut Vec<Array>,
    ) -> Result<(), CallError> {
        let given = outputs.len();
        self.place_inputs(inputs, lease);
        self.place_states(held.values, lease)?;
        self.place_outputs(run.plan, lease, outputs)?;
        lease.refresh();
        // SAFETY: arguments have the shapes of the plan, so their bytes are as many as it says; outputs, next values and
        // the arena are this call's alone; inputs stay borrowed, and held variables keep their arrays.
        let (status, fault) = unsafe { run.start(lease) };
        outcome(&self.program, &fault, status)?;
        self.finish(inputs, held, run.plan, lease, outputs)?;
        let made = outputs.iter().zip(&mut lease.kept).zip(&self.roles.results).skip(given);
        for ((output, kept), source) in made {
            let own = matches!(source, Source::Scalar | Source::Output(_));
            *kept = (own && output.num_bytes() <= KEPT_BYTES).then(|| output.clone());
        }
        Ok(())
    }

    /// Runs the program step by step.
    fn interpret(&self, inputs: &[&Array], held: &mut Held<'_>, outputs: &mut Vec<Array>) -> Result {
        let inputs: Vec<Array> = inputs.iter().map(|&input| input.clone()).collect();
        let mut states: Vec<Array> = held.values.iter().flatten().cloned().collect();
        *outputs = self.program.interpret_watched(&inputs, &mut states, &mut &self.options)?;
        for (n, state) in states.into_iter().enumerate() {
            if self.program.states[n].written {
                held.commit(n, state);
            }
        }
        Ok(())
    }

    /// The sizes of these arguments.
    fn key(&self, inputs: &[&Array], states: &[Option<Array>]) -> Result<Key> {
        self.program.unknowns.iter().map(|unknown| self.size(unknown, inputs, states)).collect()
    }

    /// Whether the sizes of these arguments are those of a key.
    fn has_sizes(&self, key: &[i64], inputs: &[&Array], states: &[Option<Array>]) -> Result<bool> {
        for (unknown, size) in self.program.unknowns.iter().zip(key) {
            if self.size(unknown, inputs, states)? != *size {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn size(&self, unknown: &Unknown, inputs: &[&Array], states: &[Option<Array>]) -> Result<i64> {
        let array = match unknown.state {
            true => states.get(unknown.index as usize).and_then(Option::as_ref),
            false => inputs.get(unknown.index as usize).copied(),
        };
        let size = array.and_then(|array| array.shape().get(unknown.axis as usize)).ok_or_else(|| {
            let what = if unknown.state { "state" } else { "argument" };
            Error::invalid(format!(
                "`{}` reads the size {} from axis {} of {what} {}, which has no such axis",
                self.name, unknown.sym, unknown.axis, unknown.index
            ))
        })?;
        Ok(*size as i64)
    }

    fn make_plan(&self, key: Key) -> Result<Plan, CallError> {
        Plan::new(&self.program, &self.layout, &self.lifetimes, key, &self.options)
    }

    fn check_count(&self, inputs: &[&Array]) -> Result {
        let wanted = self.roles.inputs.len();
        if inputs.len() < wanted {
            return Err(Error::value(format!("`{}` takes {wanted} arguments, not {}", self.name, inputs.len())));
        }
        Ok(())
    }

    /// Types and shapes must be those of the plan: native code trusts them.
    fn check_arguments(&self, inputs: &[&Array], states: &[Option<Array>], plan: &Plan) -> Result {
        let states = states.iter().map(Option::as_ref);
        let arguments = inputs.iter().map(|&input| Some(input)).zip(&self.roles.inputs).map(|pair| ("argument", pair));
        let states = states.zip(&self.roles.states).map(|pair| ("state", pair));
        for (n, (what, (array, buffer))) in arguments.chain(states).enumerate() {
            let (Some(array), Some(id)) = (array, buffer) else { continue };
            let buffer = self.program.buffer(*id);
            let shape = &plan.shapes[id.0 as usize];
            if array.dtype() != buffer.dtype || !same_sizes(array.shape(), shape) {
                let n = if what == "state" { n - inputs.len().min(self.roles.inputs.len()) } else { n };
                return Err(Error::invalid(format!(
                    "{what} {n} of `{}` is {}, but was compiled as {}{}",
                    self.name,
                    array.type_text(),
                    buffer.dtype,
                    buffer.shape
                )));
            }
        }
        Ok(())
    }

    fn place_inputs(&self, inputs: &[&Array], lease: &mut Lease) {
        for (input, id) in inputs.iter().zip(&self.roles.inputs) {
            if let Some(id) = id {
                lease.table[id.0 as usize] = input.bytes().as_ptr() as usize;
            }
        }
    }

    /// A state that nobody else holds is changed in place; the next value of any other gets memory of its own.
    fn place_states(&self, values: &mut [Option<Array>], lease: &mut Lease) -> Result {
        for (n, value) in values.iter_mut().enumerate() {
            let value = value.as_mut().expect("a held variable has its value");
            let written = self.program.states[n].written;
            let (before, after) = if written && value.is_unique() {
                lease.nexts[n] = None;
                let address = value.bytes_mut().as_mut_ptr() as usize;
                (address, address)
            } else if written {
                let mut next = lease.next_value(n, value)?;
                let addresses = (value.bytes().as_ptr() as usize, next.bytes_mut().as_mut_ptr() as usize);
                lease.nexts[n] = Some(next);
                addresses
            } else {
                (value.bytes().as_ptr() as usize, 0)
            };
            if let Some(id) = self.roles.states[n] {
                lease.table[id.0 as usize] = before;
            }
            if let Some(id) = self.roles.nexts[n] {
                lease.table[id.0 as usize] = after;
            }
        }
        Ok(())
    }

    fn place_outputs(&self, plan: &Plan, lease: &mut Lease, outputs: &mut Vec<Array>) -> Result {
        outputs.truncate(self.roles.results.len());
        for (n, (source, place)) in self.roles.results.iter().zip(&self.program.results).enumerate() {
            let (dtype, shape) = match place {
                ResultPlace::Buffer(id) => (self.program.buffer(*id).dtype, plan.shapes[id.0 as usize].as_slice()),
                ResultPlace::Scalar(value) => (self.program.dtype(value), [].as_slice()),
            };
            let fits = |array: &Array| array.is_unique() && array.dtype() == dtype && same_sizes(array.shape(), shape);
            let fresh = matches!(source, Source::Scalar | Source::Output(_));
            let kept = &mut lease.kept[n];
            if outputs.len() > n {
                // The caller may have given just this one.
                *kept = None;
            } else if kept.as_ref().is_some_and(fits) {
                outputs.extend(kept.take());
                if let Source::Output(owner) = source {
                    lease.table[owner.0 as usize] = outputs[n].bytes_mut().as_mut_ptr() as usize;
                }
                continue;
            }
            if outputs.len() <= n {
                // What is handed through is put in its place when the call has succeeded.
                outputs.push(if fresh { Array::for_overwrite(dtype, shape)? } else { Array::zeros(dtype, [0])? });
            } else if fresh && !fits(&outputs[n]) {
                outputs[n] = Array::for_overwrite(dtype, shape)?;
            }
            if let Source::Output(owner) = source {
                lease.table[owner.0 as usize] = outputs[n].bytes_mut().as_mut_ptr() as usize;
            }
        }
        Ok(())
    }

    /// Stores the new values of the states and completes the results.
    fn finish(
        &self,
        inputs: &[&Array],
        held: &mut Held<'_>,
        plan: &Plan,
        lease: &mut Lease,
        outputs: &mut [Array],
    ) -> Result {
        for (n, source) in self.roles.results.iter().enumerate() {
            let handed = match source {
                Source::Output(_) => continue,
                Source::Scalar => {
                    set_scalar(&mut outputs[n], lease.results[n]);
                    continue;
                }
                Source::Same(earlier) => outputs[*earlier].clone(),
                Source::Input(n) => inputs[*n].clone(),
                Source::State(n) => held.values[*n].clone().expect("a held variable has its value"),
            };
            if let ResultPlace::Buffer(id) = self.program.results[n] {
                outputs[n] = handed.reshape(&plan.shapes[id.0 as usize])?;
            }
        }
        for n in 0..lease.nexts.len() {
            if let Some(next) = lease.nexts[n].take() {
                lease.spares[n] = held.values[n].take();
                held.commit(n, next);
            }
        }
        Ok(())
    }
}

/// Whether shapes are equal. (Comparing slices asks `memcmp`, which is slow on the address of an empty one.)
fn same_sizes(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

impl fmt::Debug for Executable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = if self.is_native() { "native" } else { "interpreted" };
        write!(f, "Executable(@{}, {machine})", self.name)
    }
}

/// What options mean for the code: the plain path is plain code, too, and only the widest one has the widest vectors.
fn codegen(options: &Options) -> CodegenOptions {
    let vectorize = options.path != Some(Path::Scalar);
    let wide = options.path.is_none_or(|path| path == Path::Avx512);
    let (threads, cache_dir) = (options.thread_count(), options.cache_dir.clone());
    CodegenOptions { vectorize, wide, threads, cache_dir, ..CodegenOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_and_variables_cross_threads() {
        fn crosses<T: Send + Sync>() {}
        crosses::<Executable>();
        crosses::<Variable>();
        crosses::<Options>();
    }
}
