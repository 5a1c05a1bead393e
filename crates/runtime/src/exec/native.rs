//! Running a driver: the context it reads, the floating-point mode, the jump.

#![expect(unsafe_code, reason = "native code is called here, on addresses that the caller vouches for")]

use super::helpers::{self, Call};
use super::lease::Lease;
use super::plan::Plan;
use super::profile::Times;
use crate::options::Options;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::ptr;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use tracelift_codegen::driver::{
    Context, DriverFn, Fault, Helpers, LaunchPlace, Layout, NativeDriver, StackState, compile_program,
};
use tracelift_codegen::{CodegenOptions, KernelFn, NativeKernel};
use tracelift_kernel::program::Program;
use tracelift_tensor::Result;

/// A program's machine code.
pub(super) struct Native {
    driver: NativeDriver,
    /// Their code is what the entries point into.
    kernels: Vec<NativeKernel>,
    /// The entry point of each kernel.
    entries: Vec<usize>,
}

/// Never stops anything.
static RUN: AtomicBool = AtomicBool::new(false);

impl Native {
    /// Compiles a program, numbered by `layout`, and its kernels.
    pub(super) fn compile(program: &Program, layout: &Layout, options: &CodegenOptions) -> Result<Native> {
        let (driver, kernels) = compile_program(program, layout, options)?;
        let entries = kernels.iter().map(|kernel| kernel.address()).collect();
        Ok(Native { driver, kernels, entries })
    }

    /// How many bytes of machine code it runs, those that other programs run, too, included.
    pub(super) fn code_bytes(&self) -> usize {
        let distinct: FxHashMap<usize, usize> =
            self.kernels.iter().map(|kernel| (kernel.address(), kernel.num_bytes())).collect();
        self.driver.num_bytes() + distinct.values().sum::<usize>()
    }

    /// What each launch calls: its kernel, or the way to split it where the plan says so.
    pub(super) fn launchers(&self, layout: &Layout, plan: &Plan) -> impl Iterator<Item = usize> {
        layout.launches.iter().zip(&plan.tiles).map(|(launch, tiles)| match tiles {
            1 => self.entries[launch.kernel.0 as usize],
            _ => helpers::split as KernelFn as usize,
        })
    }
}

/// One run of native code, apart from the memory that its lease has.
pub(super) struct Run<'a> {
    pub(super) native: &'a Native,
    pub(super) program: &'a Program,
    pub(super) layout: &'a Layout,
    pub(super) plan: &'a Plan,
    pub(super) options: &'a Options,
    /// Where the times of kernels are noted, if somebody wants them.
    pub(super) times: Option<&'a Times>,
}

impl Run<'_> {
    /// Runs the program on the addresses in the lease's table; answers status and fault.
    ///
    /// # Safety
    /// Every entry of the table must be the address of as many bytes as the plan gives the buffer or scratch row:
    /// readable, and writable unless its role is input, state or constant; buffers that the program writes must not
    /// overlap others in use.
    ///
    /// # Panics
    /// With the panic of a user's closure, after native code has returned.
    pub(super) unsafe fn start(&self, lease: &mut Lease) -> (i32, Fault) {
        let Run { native, program, layout, plan, options, times } = *self;
        let stacks = &mut lease.stacks;
        let at = |n: usize| lease.table[layout.stacks[n].0 as usize] as *mut u8;
        // Made where it stays: moving the list costs as much as a small kernel.
        let mut states: SmallVec<[StackState; 4]> = SmallVec::new();
        for (n, stack) in plan.stacks.iter().enumerate() {
            states.push(stacks.clear(n, stack, at(n)));
        }
        let (stacks, panic) = (Mutex::new(stacks), Mutex::new(None));
        let call = Call { program, layout, plan, options, entries: &native.entries, stacks, times, panic };
        let timed: Vec<usize> =
            times.map_or_else(Vec::new, |_| vec![helpers::timed_launch as KernelFn as usize; layout.launches.len()]);
        let launchers = if times.is_some() { &timed } else { &lease.launchers };
        let mut context = Context {
            table: lease.table.as_mut_ptr().cast(),
            sizes: plan.sizes.as_ptr(),
            args: lease.args.as_mut_ptr(),
            launchers: launchers.as_ptr().cast(),
            results: lease.results.as_mut_ptr(),
            stacks: states.as_mut_ptr(),
            stop: options.stop.as_ref().map_or(&RUN, |stop| stop.flag()).as_ptr().cast(),
            helpers: if times.is_some() { Helpers { library: helpers::timed_library, ..HELPERS } } else { HELPERS },
            fault: Fault { site: -1, position: -1, ..Fault::default() },
            host: ptr::from_ref(&call).cast_mut().cast(),
        };
        // A launch that is split finds its way back to the context through its argument slots.
        for &launch in &plan.split {
            lease.args[layout.launches[launch].first_slot - LaunchPlace::HEADER] = (&raw mut context) as u64;
        }
        // So does one that is timed.
        if times.is_some() {
            for launch in &layout.launches {
                lease.args[launch.first_slot - LaunchPlace::HEADER] = (&raw mut context) as u64;
            }
        }
        let mode = options.float_mode().enter();
        // SAFETY: the address is that of a driver made for this program and layout, whose code `native` keeps; the
        // context is complete, and the caller vouches for the memory behind its table.
        let status = unsafe {
            let driver = std::mem::transmute::<*const u8, DriverFn>(native.driver.address());
            clear_upper_halves();
            driver(&raw mut context)
        };
        drop(mode);
        if let Some(panic) = call.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            std::panic::resume_unwind(panic);
        }
        (status, context.fault)
    }
}

const HELPERS: Helpers = Helpers {
    series: helpers::series,
    library: helpers::library,
    check: helpers::check,
    copy: helpers::copy,
    print: helpers::print,
    stack: helpers::stack,
};

/// Moves of generated code are legacy SSE, which are hundreds of times slower while upper vector halves are in use.
#[inline(always)]
fn clear_upper_halves() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: no code is generated for a machine without AVX; all vector registers count as overwritten.
    unsafe {
        std::arch::asm!("vzeroupper", clobber_abi("sysv64"), options(nomem, nostack, preserves_flags));
    }
}
