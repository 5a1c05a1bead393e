//! A program that can be called.

#![expect(unsafe_code, reason = "the one call of native code, on the addresses put together here")]

use super::fault::outcome;
use super::lease::{Lease, Leases};
use super::lifetimes::{Lifetime, lifetimes};
use super::native::{Native, Run};
use super::plan::{CallError, Key, Plan, PlanTable};
use super::profile::Times;
use super::roles::Roles;
use super::states::Held;
use crate::cpu::Path;
use crate::options::{Engine, Options};
use crate::variable::Variable;
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use tracelift_codegen::driver::Layout;
use tracelift_codegen::{CodegenOptions, Wide};
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
    pub(super) program: Arc<Program>,
    pub(super) name: Arc<str>,
    options: Options,
    pub(super) roles: Roles,
    layout: Layout,
    machine: Machine,
    lifetimes: Vec<Option<Lifetime>>,
    /// Whether calls move buffers about, so that each needs its tables anew.
    moves: bool,
    plans: PlanTable,
    leases: Leases,
}

/// Who gets the results of a call.
struct Taker<'a> {
    give: &'a mut dyn FnMut(Array),
    /// Whether small ones stay with the lease, too.
    keeps: bool,
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
        self.find_plan(key, self.options.thread_count())
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

    /// [`Executable::call`] that hands over one result after the other, in their order, once all are made.
    ///
    /// The call works in the memory of `lease` if there is one, which must be from this executable's
    /// [`lease`](Self::lease). The memory of small results is used again by the next call, if by then nobody holds them.
    pub fn call_each(
        &self,
        inputs: &[&Array],
        states: &[Variable],
        lease: Option<&mut Lease>,
        give: &mut dyn FnMut(Array),
    ) -> Result<(), CallError> {
        let taker = &mut Taker { give, keeps: true };
        match lease {
            Some(lease) if lease.owner() == self.leases.owner() => self.call_leased(inputs, states, lease, None, taker),
            Some(_) => {
                let message = format!("`{}` was called with the lease of another executable", self.name);
                Err(Error::internal(message).into())
            }
            None => {
                let mut lease = self.leases.take(&self.program, &self.layout);
                self.call_leased(inputs, states, &mut lease, None, taker)
            }
        }
    }

    /// Memory for calls, for those who make one after the other.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use tracelift_kernel::text::{Module, Source};
    /// # use tracelift_runtime::{Executable, Options};
    /// # use tracelift_tensor::Array;
    /// let text = "program @double { buffer $x : f32[] input 0 %x = read $x %y = scalar add %x, %x result %y }";
    /// let module = Module::parse(Source::new("double.tl", text)).expect("the text is a program");
    /// let double = Executable::compile(Arc::new(module.programs[0].clone()), Options::default())?;
    /// let (mut lease, mut sum) = (double.lease(), 0.0);
    /// for n in 1..=3 {
    ///     let n = Array::scalar(n as f32);
    ///     double.call_each(&[&n], &[], Some(&mut lease), &mut |y| sum += y.get_f64(0))?;
    /// }
    /// assert_eq!(sum, 12.0);
    /// # Ok::<(), tracelift_runtime::CallError>(())
    /// ```
    pub fn lease(&self) -> Lease {
        self.leases.make(&self.program, &self.layout)
    }

    pub(super) fn call_timed(
        &self,
        inputs: &[&Array],
        states: &[Variable],
        outputs: &mut Vec<Array>,
        times: Option<&Times>,
    ) -> Result<(), CallError> {
        let mut lease = self.leases.take(&self.program, &self.layout);
        let mut given = outputs.drain(..);
        lease.made.iter_mut().for_each(|made| *made = given.next());
        drop(given);
        let mut taker = Taker { give: &mut |result| outputs.push(result), keeps: false };
        let done = self.call_leased(inputs, states, &mut lease, times, &mut taker);
        // What was given goes back after a failure; the interpreter leaves it, too.
        let left = lease.made.iter_mut().filter_map(Option::take);
        if done.is_err() {
            outputs.extend(left)
        } else {
            left.for_each(drop)
        }
        done
    }

    fn call_leased(
        &self,
        inputs: &[&Array],
        states: &[Variable],
        lease: &mut Lease,
        times: Option<&Times>,
        taker: &mut Taker<'_>,
    ) -> Result<(), CallError> {
        self.check_count(inputs)?;
        if states.is_empty() && self.program.states.is_empty() {
            return self.call_held(inputs, &mut Held::nothing(), lease, times, taker);
        }
        // The call's own arrays, so that the lease stays free for the tables.
        let (mut order, mut values) = (std::mem::take(&mut lease.order), std::mem::take(&mut lease.values));
        let done = Held::acquire(&self.name, states, &self.program.states, &mut order, &mut values)
            .map_err(CallError::Failed)
            .and_then(|mut held| self.call_held(inputs, &mut held, lease, times, taker));
        (lease.order, lease.values) = (order, values);
        done
    }

    fn call_held(
        &self,
        inputs: &[&Array],
        held: &mut Held<'_>,
        lease: &mut Lease,
        times: Option<&Times>,
        taker: &mut Taker<'_>,
    ) -> Result<(), CallError> {
        let threads = self.options.thread_count();
        // Taken out, so that the lease can be written while the plan is read.
        let (plan, settled) = match lease.planned.take() {
            Some(plan) if plan.threads == threads && self.has_sizes(&plan.key, inputs, held.values)? => {
                let settled = lease.recall_arena(&plan)? && !self.moves;
                (plan, settled)
            }
            _ => (self.find_plan(self.key(inputs, held.values)?, threads)?, false),
        };
        self.check_arguments(inputs, held.values, &plan)?;
        let native = match &self.machine {
            Machine::Native(native) => native,
            Machine::Interpreter => return Ok(self.interpret(inputs, held, taker)?),
        };
        if !settled {
            lease.settle(&plan, &self.layout, native)?;
        }
        let (program, layout, options) = (&*self.program, &self.layout, &self.options);
        let run = Run { native, program, layout, plan: &plan, options, times };
        let done = self.run(&run, inputs, held, lease, taker);
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
        taker: &mut Taker<'_>,
    ) -> Result<(), CallError> {
        self.place_inputs(inputs, lease);
        self.place_states(held.values, lease)?;
        self.place_outputs(run.plan, lease)?;
        lease.refresh();
        // SAFETY: arguments have the shapes of the plan, so their bytes are as many as it says; outputs, next values and
        // the arena are this call's alone; inputs stay borrowed, and held variables keep their arrays.
        let (status, fault) = unsafe { run.start(lease) };
        if status != 0 && taker.keeps {
            // Nobody takes them.
            lease.made.fill(None);
        }
        outcome(&self.program, &fault, status)?;
        self.finish(inputs, held, run.plan, lease)?;
        for (made, source) in lease.made.iter_mut().zip(&self.roles.results) {
            let again = |made: &&mut Array| taker.keeps && source.is_own() && made.num_bytes() <= KEPT_BYTES;
            let kept = made.as_mut().filter(again).map(|made| made.clone());
            (taker.give)(kept.or_else(|| made.take()).expect("every result has been made"));
        }
        Ok(())
    }

    /// Runs the program step by step.
    fn interpret(&self, inputs: &[&Array], held: &mut Held<'_>, taker: &mut Taker<'_>) -> Result {
        let inputs: Vec<Array> = inputs.iter().map(|&input| input.clone()).collect();
        let mut states: Vec<Array> = held.values.iter().flatten().cloned().collect();
        let results = self.program.interpret_watched(&inputs, &mut states, &mut &self.options)?;
        results.into_iter().for_each(&mut *taker.give);
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

    #[cold]
    fn find_plan(&self, key: Key, threads: usize) -> Result<Arc<Plan>, CallError> {
        let (program, layout, lifetimes) = (&*self.program, &self.layout, &self.lifetimes);
        let make = || Plan::new(program, layout, lifetimes, key.clone(), threads, self.options.max_bytes);
        self.plans.find(&key, threads, make)
    }

    fn check_count(&self, inputs: &[&Array]) -> Result {
        let wanted = self.roles.inputs.len();
        if inputs.len() < wanted {
            return Err(Error::value(format!("`{}` takes {wanted} arguments, not {}", self.name, inputs.len())));
        }
        Ok(())
    }
}

impl fmt::Debug for Executable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = if self.is_native() { "native" } else { "interpreted" };
        write!(f, "Executable(@{}, {machine})", self.name)
    }
}

/// What options mean for the code: the plain path is plain code, too, and no path has wider vectors than its own.
fn codegen(options: &Options) -> CodegenOptions {
    let (vectorize, wide) = match options.path.unwrap_or(Path::Avx512) {
        Path::Scalar => (false, None),
        Path::Avx2 => (true, Some(Wide::Avx2)),
        Path::Avx512 => (true, Some(Wide::Avx512)),
    };
    let (threads, cache_dir) = (options.thread_count(), options.cache_dir.clone());
    CodegenOptions { vectorize, wide, threads, cache_dir, ..CodegenOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_kept_to_a_path() {
        let form = |path| {
            let CodegenOptions { vectorize, wide, .. } = codegen(&Options { path, ..Options::default() });
            (vectorize, wide)
        };
        assert_eq!(form(None), (true, Some(Wide::Avx512)));
        assert_eq!(form(Some(Path::Avx512)), form(None));
        assert_eq!(form(Some(Path::Avx2)), (true, Some(Wide::Avx2)));
        assert_eq!(form(Some(Path::Scalar)), (false, None));
    }

    #[test]
    fn executables_and_variables_cross_threads() {
        fn crosses<T: Send + Sync>() {}
        crosses::<Executable>();
        crosses::<Variable>();
        crosses::<Options>();
    }
}
