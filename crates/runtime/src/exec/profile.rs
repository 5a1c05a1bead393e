//! Where the time of a call goes: each launch and library call timed on its own.
//!
//! Calls that are not profiled pay nothing for it: a profiled one runs the same code with other entries in its tables.

use super::cost::operations;
use super::executable::Executable;
use super::plan::{CallError, Plan, Product};
use crate::variable::Variable;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tracelift_codegen::driver::{LaunchPlace, Layout};
use tracelift_kernel::program::{BufferId, LibraryOp, Program};
use tracelift_tensor::{Array, Binding, Error};

/// Times noted during calls.
pub(super) struct Times {
    launches: Vec<Counter>,
    libraries: Vec<Counter>,
}

#[derive(Default)]
struct Counter {
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Counter {
    fn add(&self, time: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl Times {
    fn new(layout: &Layout) -> Times {
        let counters = |n: usize| (0..n).map(|_| Counter::default()).collect();
        Times { launches: counters(layout.launches.len()), libraries: counters(layout.libraries.len()) }
    }

    pub(super) fn launch(&self, index: usize, time: Duration) {
        self.launches[index].add(time);
    }

    pub(super) fn library(&self, index: usize, time: Duration) {
        self.libraries[index].add(time);
    }
}

/// What calls spent where.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// How many calls were timed.
    pub calls: usize,
    /// How long one call took, in seconds.
    pub seconds: f64,
    /// The launches in the order of the program, then its library calls.
    pub rows: Vec<ProfileRow>,
}

/// One launch or library call of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRow {
    /// The kernel, or the library call with its buffers.
    pub name: String,
    /// How often it runs in a call.
    pub runs: f64,
    /// How long all runs of a call took, in seconds.
    pub seconds: f64,
    /// The bytes of what one run reads and writes, each buffer counted once.
    pub bytes: usize,
    /// The floating-point operations of one run: two for each step of a product; in kernels one for each addition,
    /// multiplication, comparison and the like, 4 for a division or root, 16 for a transcendental function.
    pub flops: u64,
}

impl Executable {
    /// Runs native code some times and says where the time went. The calls are real: variables change.
    pub fn profile(&self, inputs: &[&Array], states: &[Variable], calls: usize) -> Result<Profile, CallError> {
        if !self.is_native() {
            let error = Error::invalid("runs in the interpreter, which has no profile").op(&self.program().name);
            return Err(error.help("take the engine `fused` or `unfused`").into());
        }
        let times = Times::new(self.layout());
        let (mut outputs, calls) = (Vec::new(), calls.max(1));
        // The first call makes the plan and touches the memory.
        self.call_timed(inputs, states, &mut outputs, None)?;
        let began = Instant::now();
        for _ in 0..calls {
            self.call_timed(inputs, states, &mut outputs, Some(&times))?;
        }
        let seconds = began.elapsed().as_secs_f64() / calls as f64;
        let values = states.iter().map(Variable::value).collect::<Result<Vec<Array>, Error>>()?;
        let plan = self.plan_for(inputs, &values)?;
        Ok(Profile { calls, seconds, rows: rows(self.program(), self.layout(), &plan, &times, calls) })
    }
}

fn rows(program: &Program, layout: &Layout, plan: &Plan, times: &Times, calls: usize) -> Vec<ProfileRow> {
    let unknowns = program.unknowns.iter().map(|unknown| unknown.sym.clone());
    let sizes: Binding = unknowns.zip(plan.key.iter().copied()).collect();
    let of_launch = |launch: &LaunchPlace| operations(program.kernel(launch.kernel), &sizes);
    let row = |name: String, counter: &Counter, flops: u64, buffers: &mut dyn Iterator<Item = BufferId>| {
        let mut seen: Vec<BufferId> = buffers.collect();
        seen.sort_unstable();
        seen.dedup();
        ProfileRow {
            name,
            runs: counter.count.load(Ordering::Relaxed) as f64 / calls as f64,
            seconds: counter.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9 / calls as f64,
            bytes: seen.iter().map(|id| plan.bytes[id.0 as usize]).sum(),
            flops,
        }
    };
    let buffer = |id: &BufferId| format!("${}", program.buffer(*id).name);
    let epilogues: Vec<usize> = layout.libraries.iter().filter_map(|library| library.epilogue).collect();
    let launches = layout.launches.iter().enumerate().filter(|(n, _)| !epilogues.contains(n));
    let launches = launches.map(|(n, launch)| {
        let name = format!("@{}", program.kernel(launch.kernel).name);
        row(name, &times.launches[n], of_launch(launch), &mut launch.buffers.iter().copied())
    });
    let libraries = layout.libraries.iter().zip(&times.libraries).zip(&plan.products);
    let libraries = libraries.map(|((library, counter), product)| {
        let call = &library.call;
        let what = match &call.op {
            LibraryOp::MatMul(_) => "matmul",
            LibraryOp::ArgSort { .. } => "argsort",
        };
        let operands: Vec<String> = call.operands.iter().map(buffer).collect();
        let epilogue = library.epilogue.map(|launch| &layout.launches[launch]);
        let with = epilogue.map_or_else(String::new, |launch| format!(" with @{}", program.kernel(launch.kernel).name));
        let name = format!("{what} {} -> {}{with}", operands.join(", "), buffer(&call.result));
        let fused = epilogue.into_iter().flat_map(|launch| launch.buffers.iter().copied());
        let product =
            product.as_ref().map_or(0, |Product { spec, .. }| 2 * (spec.batch * spec.m * spec.k * spec.n) as u64);
        let flops = product.saturating_add(epilogue.map_or(0, of_launch));
        row(name, counter, flops, &mut call.operands.iter().copied().chain([call.result]).chain(fused))
    });
    launches.chain(libraries).collect()
}
