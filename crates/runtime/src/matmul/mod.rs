//! Matrix products in the defined order, as library kernels.
//!
//! Every element of the result is one chain `acc = fma(a_k, b_k, acc)` with `k` ascending from 0.0
//! ([`Order::Chain`]). A product whose right side is *known* to have one column would be one chain that waits for
//! itself, so by its type it uses 16 virtual lanes along `k` instead ([`Order::Lanes`]).
//! Blocking keeps partial sums in the result and tiles never split `k`:
//! all paths, block sizes and numbers of threads give equal bits.

#![expect(unsafe_code, reason = "compiled programs hand over addresses, not slices")]

mod chain;
mod element;
mod integer;
mod lane_order;
mod lanes;
mod pack;
mod scratch;
mod spec;
mod split;
mod task;
mod tile;

pub use element::Element;
pub use spec::{MatMul, Order, Strides};
pub use task::{Epilogue, EpilogueFn, How, Operands};

use crate::pool;
use std::sync::Mutex;
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
    spec.check(a.len(), b.len(), c.len());
    let operands = Operands { a: a.as_ptr(), b: b.as_ptr(), c: c.as_mut_ptr() };
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
pub unsafe fn run<T: Element>(spec: &MatMul, operands: Operands<T>, how: &How) -> i32 {
    let rows = spec.rows();
    let tile_rows = spec.rows_per_tile(how.threads);
    if tile_rows < rows {
        // SAFETY: handed on from the caller.
        return unsafe { run_tiles(spec, operands, how, tile_rows) };
    }
    let task = Task { spec, operands, rows: 0..rows, epilogue: how.epilogue.as_ref() };
    // SAFETY: handed on from the caller; the path is available.
    unsafe { T::product(how.path.or_best(), &task) }
}

/// Computes a product on several threads, some rows at a time.
///
/// # Safety
///
/// As for [`run`].
unsafe fn run_tiles<T: Element>(spec: &MatMul, operands: Operands<T>, how: &How, tile_rows: usize) -> i32 {
    let path = how.path.or_best();
    let rows = spec.rows();
    let fault: Mutex<Option<(usize, i32)>> = Mutex::new(None);
    let outcome = pool::run(how.threads, rows.div_ceil(tile_rows), &|tile| {
        let rows = tile * tile_rows..rows.min((tile + 1) * tile_rows);
        let task = Task { spec, operands, rows, epilogue: how.epilogue.as_ref() };
        // SAFETY: handed on from the caller; the path is available, and rows of different tiles are disjoint.
        let status = unsafe { T::product(path, &task) };
        if status != 0 {
            let mut fault = fault.lock().expect("nothing panics under this lock");
            if fault.is_none_or(|(lowest, _)| tile < lowest) {
                *fault = Some((tile, status));
            }
        }
    });
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    fault.into_inner().expect("nothing panics under this lock").map_or(0, |(_, status)| status)
}
