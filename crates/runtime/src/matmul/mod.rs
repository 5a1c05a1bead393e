//! Matrix products in the defined order, as library kernels.
//!
//! Every element of the result is one chain `acc = fma(a_k, b_k, acc)` with `k` ascending from 0.0
//! ([`Order::Chain`]). A product whose right side is *known* to have one column would be one chain that waits for
//! itself, so by its type it uses 16 virtual lanes along `k` instead ([`Order::Lanes`]).
//! Blocking keeps partial sums in the result and tiles never split `k`:
//! all paths, block sizes and numbers of threads give equal bits.

#![expect(unsafe_code, reason = "compiled programs hand over addresses, not slices")]

mod chain;
mod division;
mod element;
mod integer;
mod lane_order;
mod lanes;
mod limits;
mod pack;
mod scratch;
mod shape;
mod shared;
mod spec;
mod split;
mod spread;
mod task;
mod tile;

pub use element::Element;
pub use spec::{MatMul, Order, Strides};
pub use spread::{Axis, Spread};
pub use task::{Epilogue, EpilogueFn, How, Operands};

use crate::cpu::Path;
use crate::pool;
use division::Division;
use limits::MULTIPLY_ADDS_PER_NANO;
use std::sync::Mutex;
use std::time::Duration;
use task::Task;

/// Writes the product of `a` and `b` to `c`, on the calling thread.
///
/// # Panics
///
/// If a slice is too short for its strides, or if rows of the result overlap.
///
/// ```
/// use tracelift_runtime::matmul::{MatMul, matmul};
/// let a = [1.0_f32, 2.0, 3.0, 4.0];
/// let b = [1.0_f32, 0.0, 0.0, 2.0];
/// let mut c = [0.0; 4];
/// matmul(&MatMul::row_major(2, 2, 2), &a, &b, &mut c);
/// assert_eq!(c, [1.0, 4.0, 3.0, 8.0]);
/// ```
pub fn matmul<T: Element>(spec: &MatMul, a: &[T], b: &[T], c: &mut [T]) {
    matmul_with(spec, a, b, c, &How::default());
}

/// [`matmul`] by a given path, on several threads, with an epilogue. Returns the status of the epilogue.
///
/// # Panics
///
/// If a slice is too short for its strides, or if rows of the result overlap.
pub fn matmul_with<T: Element>(spec: &MatMul, a: &[T], b: &[T], c: &mut [T], how: &How) -> i32 {
    matmul_spread(spec, None, a, b, c, how)
}

/// [`matmul_with`] of a left operand that may be spread.
///
/// # Panics
///
/// As there, or if the spread has other numbers of rows and steps.
pub fn matmul_spread<T: Element>(
    spec: &MatMul,
    spread: Option<&Spread>,
    a: &[T],
    b: &[T],
    c: &mut [T],
    how: &How,
) -> i32 {
    spec.check(spread, a.len(), b.len(), c.len());
    let operands = Operands { a: a.as_ptr(), b: b.as_ptr(), c: c.as_mut_ptr(), spread };
    // SAFETY: the check has shown that every address lies in its slice and that no two elements of `c` coincide;
    // `c` is borrowed mutably, so it overlaps neither `a` nor `b`.
    unsafe { run(spec, operands, how) }
}

/// Computes a product in place of its result and returns 0, or the first status other than 0 of its epilogue
/// (with several threads that of the lowest rows; the rows after it may then be missing).
///
/// # Safety
///
/// Every address that the strides of `spec` reach must be valid for reads (`a`, `b`) or writes (`c`),
/// elements of `c` must be distinct, and `c` must overlap neither `a` nor `b`.
pub unsafe fn run<T: Element>(spec: &MatMul, operands: Operands<'_, T>, how: &How) -> i32 {
    let path = how.path.or_best();
    match Division::of::<T>(spec, how) {
        Division::Rows(rows) => {
            let run = |idx| {
                let task = Task::of_rows(spec, operands, rows.of(idx), how.epilogue.as_ref());
                // SAFETY: handed on from the caller; the path is available, and rows of different tasks are disjoint.
                unsafe { T::product(path, &task) }
            };
            match rows.tasks {
                1 => run(0),
                tasks => first_fault(how.threads, tasks, alone::<T>(path, spec.multiply_adds()), &run),
            }
        }
        Division::Columns(most) => {
            let pieces = spec.n.div_ceil(most);
            let alone = alone::<T>(path, spec.multiply_adds());
            in_parallel(how.threads, spec.batch * pieces, alone, &|idx| {
                let (matrix, first) = (idx / pieces, idx % pieces * most);
                let rows = matrix * spec.m..(matrix + 1) * spec.m;
                let task =
                    Task { columns: first..spec.n.min(first + most), ..Task::of_rows(spec, operands, rows, None) };
                // SAFETY: as above, for the columns of different tasks.
                unsafe { T::product(path, &task) };
            });
            0
        }
        // SAFETY: handed on from the caller.
        Division::Shared(blocks) => unsafe { shared::run(spec, operands, how, &blocks) },
    }
}

/// About how long one thread takes for so many multiply-adds.
fn alone<T: Element>(path: Path, multiply_adds: usize) -> Duration {
    let per_nano = if T::PACKS && path != Path::Scalar { MULTIPLY_ADDS_PER_NANO } else { MULTIPLY_ADDS_PER_NANO / 8 };
    Duration::from_nanos((multiply_adds / per_nano) as u64)
}

/// Runs tasks on several threads and returns the status other than 0 of the lowest task that has one.
fn first_fault(threads: usize, tasks: usize, alone: Duration, task: &(dyn Fn(usize) -> i32 + Sync)) -> i32 {
    let fault: Mutex<Option<(usize, i32)>> = Mutex::new(None);
    in_parallel(threads, tasks, alone, &|idx| {
        let status = task(idx);
        if status != 0 {
            let mut fault = fault.lock().expect("nothing panics under this lock");
            if fault.is_none_or(|(lowest, _)| idx < lowest) {
                *fault = Some((idx, status));
            }
        }
    });
    fault.into_inner().expect("nothing panics under this lock").map_or(0, |(_, status)| status)
}

/// Runs tasks, for which one thread takes about so long, on several; a panic goes on in the caller.
fn in_parallel(threads: usize, tasks: usize, alone: Duration, task: &(dyn Fn(usize) + Sync)) {
    if let Err(panic) = pool::run(threads, tasks, alone, task) {
        std::panic::resume_unwind(panic);
    }
}
