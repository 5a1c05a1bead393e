//! What native code asks of its host: library kernels, split launches, checks over buffers, copies, prints.
//!
//! No panic crosses native code: it is caught here and becomes a status.

#![expect(unsafe_code, reason = "helpers receive the addresses that native code works on")]

use super::plan::{Plan, Product};
use super::profile::Times;
use super::stacks::{Full, Limit, Stacks};
use crate::cpu::Path;
use crate::float_mode::FloatMode;
use crate::matmul::{self, Epilogue, How, Operands};
use crate::options::Options;
use crate::sort::argsort_rows;
use smallvec::SmallVec;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{ptr, slice};
use tracelift_codegen::driver::{Context, Fault, FaultCode, LaunchPlace, Layout, Series, Work};
use tracelift_codegen::{KernelFn, native_fn};
use tracelift_kernel::program::*;
use tracelift_tensor::{Array, DType};

/// A call under way, as helpers see it.
pub(super) struct Call<'a> {
    pub(super) program: &'a Program,
    pub(super) layout: &'a Layout,
    pub(super) plan: &'a Plan,
    pub(super) options: &'a Options,
    /// The entry point of each kernel.
    pub(super) entries: &'a [usize],
    /// The memory of stacks.
    pub(super) stacks: Mutex<&'a mut Stacks>,
    /// Where launches and library calls note how long they take, if they are asked to.
    pub(super) times: Option<&'a Times>,
    /// The panic of a user's closure, to be resumed after native code has returned.
    pub(super) panic: Mutex<Option<Box<dyn Any + Send>>>,
}

native_fn! {
    /// Runs a launch in tiles on the pool; its header slots say which.
    pub(super) fn split(args: *mut u64, _begin: i64, _end: i64) -> i32 {
        // SAFETY: the slots before those of a launch hold its context and its number.
        let (context, index) = unsafe { (*args.sub(LaunchPlace::HEADER) as *mut Context, *args.sub(1)) };
        // SAFETY: as above: they are the slots of that launch.
        guarded(context, |host| unsafe { host.call.split(index as usize, args) })
    }

    /// Runs a launch, split or not, and notes how long it takes.
    pub(super) fn timed_launch(args: *mut u64, begin: i64, end: i64) -> i32 {
        // SAFETY: the slots before those of a launch hold its context and its number; the context's `host` is the
        // `Call` that `Native::run` put there and keeps alive.
        let (call, index) = unsafe {
            (&*(*(*args.sub(LaunchPlace::HEADER) as *mut Context)).host.cast::<Call<'_>>(), *args.sub(1) as usize)
        };
        let began = Instant::now();
        let status = match call.plan.tiles[index] {
            // SAFETY: the slots are those of this launch.
            1 => unsafe { call.kernel(&call.layout.launches[index])(args, begin, end) },
            _ => split(args, begin, end),
        };
        if let Some(times) = call.times {
            times.launch(index, began.elapsed());
        }
        status
    }

    /// Takes a series of steps.
    pub(super) fn series(context: *mut Context, index: i64) -> i32 {
        // SAFETY: the context is that of a run, whose `host` is the `Call` that `Native::run` put there and keeps alive.
        let (call, launchers, args, helpers) = unsafe {
            (&*(*context).host.cast::<Call<'_>>(), (*context).launchers, (*context).args, (*context).helpers)
        };
        let Series { first, count } = Series::of_index(index);
        for work in &call.layout.work[first as usize..(first + count) as usize] {
            // SAFETY: there is a launcher for each launch, and its slots, which were all filled before the call, are
            // among those of the context. Helpers get the context as native code would hand it on.
            let status = unsafe {
                match *work {
                    Work::Launch(number) => {
                        let launch = std::mem::transmute::<*const u8, KernelFn>(*launchers.add(number));
                        launch(args.add(call.layout.launches[number].first_slot), 0, call.plan.extents[number])
                    }
                    Work::Library(number) => (helpers.library)(context, number as i64),
                    Work::Check(number) => (helpers.check)(context, number as i64),
                    Work::Copy(number) => (helpers.copy)(context, number as i64),
                }
            };
            if status != 0 {
                return status;
            }
        }
        0
    }

    /// Runs library call `index`, and notes how long it takes.
    pub(super) fn timed_library(context: *mut Context, index: i64) -> i32 {
        let began = Instant::now();
        guarded(context, |host| {
            let code = host.library(index as usize);
            if let Some(times) = host.call.times {
                times.library(index as usize, began.elapsed());
            }
            code
        })
    }

    /// Runs library call `index`.
    pub(super) fn library(context: *mut Context, index: i64) -> i32 {
        guarded(context, |host| host.library(index as usize))
    }

    /// Runs check `index`.
    pub(super) fn check(context: *mut Context, index: i64) -> i32 {
        guarded(context, |host| host.check(index as usize))
    }

    /// Runs copy `index`.
    pub(super) fn copy(context: *mut Context, index: i64) -> i32 {
        guarded(context, |host| host.copy(index as usize))
    }

    /// Runs what native code leaves to the host of stack step `index`.
    pub(super) fn stack(context: *mut Context, index: i64) -> i32 {
        guarded(context, |host| host.stack(index as usize))
    }

    /// Shows print `index`.
    pub(super) fn print(context: *mut Context, index: i64) -> i32 {
        guarded(context, |host| host.print(index as usize))
    }
}

/// The context and the call behind it.
struct Host<'a> {
    context: &'a mut Context,
    call: &'a Call<'a>,
}

fn guarded(context: *mut Context, service: impl FnOnce(&mut Host<'_>) -> FaultCode) -> i32 {
    let work = || {
        // SAFETY: native code hands over the context it was called with, which is not used by anybody else until the
        // helper returns; `host` is the `Call` that `Native::run` put there and keeps alive.
        let mut host = unsafe { Host { call: &*(*context).host.cast::<Call<'_>>(), context: &mut *context } };
        service(&mut host)
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(FaultCode::Internal) as i32
}

impl Host<'_> {
    fn library(&mut self, index: usize) -> FaultCode {
        let call = self.call;
        let library = &call.layout.libraries[index];
        let (spec, product) = match (&library.call.op, &call.plan.products[index]) {
            (LibraryOp::MatMul(spec), Some(product)) => (spec, product),
            (LibraryOp::ArgSort { descending }, _) => return self.sort(&library.call, *descending),
            (LibraryOp::MatMul(_), None) => return FaultCode::Internal,
        };
        let epilogue = library.epilogue.map(|launch| {
            let place = &call.layout.launches[launch];
            EpilogueCall { kernel: call.kernel(place), args: self.args(place.first_slot), place }
        });
        let mut how =
            How { path: call.options.path.unwrap_or_else(Path::best), threads: call.plan.threads, epilogue: None };
        if let Some(epilogue) = &epilogue {
            // Scratch rows are there once.
            if !epilogue.place.scratch_rows.is_empty() {
                how.threads = 1;
            }
            // SAFETY: an epilogue touches only the rows it is given, which the program's verifier has shown, and
            // `epilogue` outlives the product.
            how.epilogue = Some(unsafe { Epilogue::new(run_epilogue, ptr::from_ref(epilogue).cast()) });
        }
        let [a, b] = [library.call.operands[0], library.call.operands[1]];
        let addresses = [a, b, library.call.result].map(|id| self.address(id));
        // SAFETY: the plan's strides are those of the buffers, whose addresses are in the table.
        let status = unsafe { multiply(spec.dtype, product, addresses, &how) };
        let code = FaultCode::from_status(status);
        if code != FaultCode::None {
            self.context.fault = Fault { code: status, site: -1, position: -1, index: 0, bound: 0 };
        }
        code
    }

    fn sort(&mut self, library: &LibraryCall, descending: bool) -> FaultCode {
        let call = self.call;
        let x = library.operands[0];
        let n = call.plan.shapes[x.0 as usize].last().copied().unwrap_or(0);
        let places = self.address(library.result).cast::<i32>();
        let count = call.plan.bytes[library.result.0 as usize] / size_of::<i32>();
        // SAFETY: the result is a buffer of so many i32, aligned to 64, that nothing else refers to: the verifier has shown
        // that it does not share memory with the operand.
        let places = unsafe { slice::from_raw_parts_mut(places, count) };
        let threads = call.plan.threads;
        let sorted = match call.program.buffer(x).dtype {
            DType::F32 => argsort_rows(self.elements::<f32>(x), n, descending, places, threads),
            DType::F64 => argsort_rows(self.elements::<f64>(x), n, descending, places, threads),
            DType::I32 => argsort_rows(self.elements::<i32>(x), n, descending, places, threads),
            DType::I64 => argsort_rows(self.elements::<i64>(x), n, descending, places, threads),
            _ => argsort_rows(self.elements::<u8>(x), n, descending, places, threads),
        };
        if sorted.is_ok() { FaultCode::None } else { FaultCode::Internal }
    }

    fn check(&mut self, index: usize) -> FaultCode {
        let call = self.call;
        let (check, site) = &call.layout.checks[index];
        let found = match check {
            Check::Bounds { indices, extent } => {
                let bound = call.layout.value(extent, &call.plan.sizes);
                let bad = match call.program.buffer(*indices).dtype {
                    DType::I32 => out_of_bounds(self.elements::<i32>(*indices), bound),
                    _ => out_of_bounds(self.elements::<i64>(*indices), bound),
                };
                bad.map(|(position, index)| (FaultCode::OutOfBounds, position, index, bound))
            }
            Check::AssertAll { conditions, .. } => {
                let failed = self.elements::<u8>(*conditions).iter().position(|holds| *holds == 0);
                failed.map(|position| (FaultCode::Assertion, position, 0, 0))
            }
            Check::IndexBounds { .. } | Check::Assert { .. } => None,
        };
        let Some((code, position, index, bound)) = found else { return FaultCode::None };
        let site = site.0 as i32;
        self.context.fault = Fault { code: code as i32, site, position: position as i64, index, bound };
        code
    }

    fn copy(&mut self, index: usize) -> FaultCode {
        let (from, to) = self.call.layout.copies[index];
        let bytes = self.call.plan.bytes[from.0 as usize];
        let [from, to] = [from, to].map(|id| self.address(id));
        // A state that is changed in place is its own next value.
        if from != to {
            // SAFETY: both buffers have as many bytes, and two buffers in use do not overlap.
            unsafe { ptr::copy_nonoverlapping(from, to, bytes) };
        }
        FaultCode::None
    }

    fn stack(&mut self, index: usize) -> FaultCode {
        let call = self.call;
        let place = &call.layout.stack_steps[index];
        let (number, plan) = (place.stack, &call.plan.stacks[place.stack]);
        let limit = Limit { used: call.plan.peak_bytes, most: call.options.max_bytes };
        let mut stacks = call.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the context has a state for each stack, which only native code and this helper use, one at a time.
        let state = unsafe { &mut *self.context.stacks.add(number) };
        let moved = match place.step.op {
            StackOp::New => {
                *state = stacks.clear(number, plan, self.address(place.step.stack));
                Ok(())
            }
            StackOp::Len(_) => {
                state.len = stacks.len(number, plan, state) as i64;
                Ok(())
            }
            StackOp::Push(_) if state.top == state.end => stacks.grow(number, plan, state, limit),
            StackOp::PopBuffer(_) | StackOp::PopScalar(_) if state.top == state.begin => {
                stacks.back(number, plan, state, limit).map(|zeros| {
                    if zeros {
                        // SAFETY: every stack has room for one item.
                        unsafe { ptr::write_bytes(state.begin, 0, plan.stride) };
                    }
                })
            }
            _ => Ok(()),
        };
        if let Err(full) = moved {
            return self.full(full, place.step.site);
        }
        let bytes = call.plan.bytes[place.step.stack.0 as usize];
        match place.step.op {
            StackOp::Push(StackItem::Buffer(from)) => {
                // SAFETY: there is room for an item at the top, which has as many bytes as the buffer.
                unsafe { ptr::copy_nonoverlapping(self.address(from), state.top, bytes) };
                state.top = state.top.wrapping_add(plan.stride);
            }
            StackOp::PopBuffer(to) => {
                state.top = state.top.wrapping_sub(plan.stride);
                // SAFETY: there is an item at the top now, which has as many bytes as the buffer.
                unsafe { ptr::copy_nonoverlapping(state.top, self.address(to), bytes) };
            }
            _ => {}
        }
        FaultCode::None
    }

    fn full(&mut self, full: Full, site: Option<SiteId>) -> FaultCode {
        let site = site.map_or(-1, |site| site.0 as i32);
        let (code, index, bound) = match full {
            Full::Capacity(capacity) => (FaultCode::OutOfBounds, capacity, capacity),
            Full::Memory { wanted, limit } => (FaultCode::OutOfMemory, wanted, limit.unwrap_or(0)),
        };
        let (index, bound) = (index as i64, bound as i64);
        self.context.fault = Fault { code: code as i32, site, position: -1, index, bound };
        code
    }

    fn print(&mut self, index: usize) -> FaultCode {
        // Formatting is general code, which expects subnormals to be kept.
        let _mode = FloatMode::Keep.enter();
        let place = &self.call.layout.prints[index];
        let shown = place.values.iter().enumerate().map(|(slot, value)| match value {
            PrintArg::Buffer(id) => self.array(*id),
            PrintArg::Scalar(value) => {
                let dtype = self.call.program.dtype(value);
                // SAFETY: native code has written a slot per value.
                scalar_array(dtype, unsafe { *self.args(place.first_slot + slot) })
            }
        });
        let shown: Vec<Array> = shown.collect();
        let print = &self.call.options.print;
        match catch_unwind(AssertUnwindSafe(|| print.show(&place.message, &shown))) {
            Ok(()) => FaultCode::None,
            Err(panic) => {
                *self.call.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                FaultCode::Internal
            }
        }
    }

    /// The address of an argument slot.
    fn args(&self, slot: usize) -> *mut u64 {
        // SAFETY: the context has as many slots as the layout says, and `slot` is one of them.
        unsafe { self.context.args.add(slot) }
    }

    fn address(&self, id: BufferId) -> *mut u8 {
        // SAFETY: the table has an entry per buffer.
        unsafe { *self.context.table.add(self.call.program.owner(id).0 as usize) }
    }

    fn elements<T: bytemuck::Pod>(&self, id: BufferId) -> &[T] {
        let bytes = self.call.plan.bytes[id.0 as usize];
        // SAFETY: the buffer has as many bytes, is aligned to 64 and holds elements of this type.
        unsafe { slice::from_raw_parts(self.address(id).cast(), bytes / size_of::<T>()) }
    }

    fn array(&self, id: BufferId) -> Array {
        let shape = &self.call.plan.shapes[id.0 as usize];
        let mut array = Array::zeros(self.call.program.buffer(id).dtype, shape).expect("a copy of a buffer fits");
        array.bytes_mut().copy_from_slice(self.elements(id));
        array
    }
}

impl Call<'_> {
    pub(super) fn kernel(&self, place: &LaunchPlace) -> KernelFn {
        // SAFETY: entries are addresses of kernels, whose code the executable keeps.
        unsafe { std::mem::transmute::<usize, KernelFn>(self.entries[place.kernel.0 as usize]) }
    }
}

/// The rank-0 array with these bits.
pub(super) fn scalar_array(dtype: DType, bits: u64) -> Array {
    let mut array = Array::zeros(dtype, [0usize; 0]).expect("a few bytes can be had");
    set_scalar(&mut array, bits);
    array
}

/// Sets the one element of a rank-0 array.
pub(super) fn set_scalar(array: &mut Array, bits: u64) {
    let bytes = array.bytes_mut();
    bytes.copy_from_slice(&bits.to_le_bytes()[..bytes.len()]);
}

/// The first index that is not in `0..bound`, with its position.
fn out_of_bounds<T: Copy + Into<i64>>(indices: &[T], bound: i64) -> Option<(usize, i64)> {
    let inside = |index: T| (0..bound).contains(&index.into());
    // The pass without a way out is the one that is vectorised.
    if indices.iter().fold(true, |all, index| all & inside(*index)) {
        return None;
    }
    let position = indices.iter().position(|index| !inside(*index))?;
    Some((position, indices[position].into()))
}

/// A product of buffers.
///
/// # Safety
/// As [`matmul::run`], for the addresses of both operands and of the result.
unsafe fn multiply(dtype: DType, product: &Product, [a, b, c]: [*mut u8; 3], how: &How) -> i32 {
    macro_rules! run {
        ($type:ty) => {{
            let spread = product.spread.as_ref();
            let operands = Operands { a: a.cast_const().cast(), b: b.cast_const().cast(), c: c.cast(), spread };
            // SAFETY: promised by the caller.
            unsafe { matmul::run::<$type>(&product.spec, operands, how) }
        }};
    }
    match dtype {
        DType::F32 => run!(f32),
        DType::F64 => run!(f64),
        DType::I32 => run!(i32),
        DType::I64 => run!(i64),
        DType::U8 => run!(u8),
        other => unreachable!("the verifier admits no product of {other}"),
    }
}

/// The kernel over the finished rows of a product.
struct EpilogueCall<'a> {
    kernel: KernelFn,
    args: *mut u64,
    place: &'a LaunchPlace,
}

native_fn! {
    /// Runs an epilogue on some rows; every thread has argument slots of its own, since a kernel writes to them.
    fn run_epilogue(context: *const (), first: usize, rows: usize) -> i32 {
        // SAFETY: the context is the `EpilogueCall` that `Host::library` keeps alive during the product, and its
        // slots are as many as its layout says.
        unsafe {
            let call = &*context.cast::<EpilogueCall<'_>>();
            let mut own: SmallVec<[u64; 64]> = SmallVec::from_slice(slice::from_raw_parts(call.args, call.place.abi.num_slots()));
            (call.kernel)(own.as_mut_ptr(), first as i64, (first + rows) as i64)
        }
    }
}
