//! What a product is computed on and how: addresses, path, threads, epilogue.

#![expect(unsafe_code, reason = "addresses cross threads, and the epilogue is native code")]

use super::{MatMul, Spread};
use crate::cpu::Path;
use std::ops::Range;

/// The addresses of a product's operands and of its result.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, T> {
    /// The left operand.
    pub a: *const T,
    /// The right operand.
    pub b: *const T,
    /// The result.
    pub c: *mut T,
    /// Where rows and steps of the left operand lie if they are not evenly spaced; of its strides only that of the batch
    /// counts then. For floats in [`Order::Chain`](super::Order::Chain).
    pub spread: Option<&'a Spread>,
}

// SAFETY: these are addresses; whoever reads or writes through them answers for it.
unsafe impl<T: Sync> Sync for Operands<'_, T> {}

/// How a product is to be computed. Nothing in here changes a bit of the result.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// The instructions to use; a path that the machine lacks falls back to the best it has.
    pub path: Path,
    /// The number of threads that may take part.
    pub threads: usize,
    /// What to do with rows of the result that have just been finished.
    pub epilogue: Option<Epilogue>,
}

impl Default for How {
    fn default() -> How {
        How { path: Path::best(), threads: 1, epilogue: None }
    }
}

/// A function called on each block of finished rows while they are still in the cache.
///
/// Every row of the result (numbered through all matrices of the batch) is reported exactly once.
/// One thread reports its blocks in ascending order; blocks of several threads come at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue {
    call: EpilogueFn,
    context: *const (),
}

/// Takes the context, the first row and the number of rows; returns 0 or the status to stop with.
#[cfg(target_arch = "x86_64")]
pub type EpilogueFn = unsafe extern "sysv64" fn(*const (), usize, usize) -> i32;
/// Takes the context, the first row and the number of rows; returns 0 or the status to stop with.
#[cfg(not(target_arch = "x86_64"))]
pub type EpilogueFn = unsafe extern "C" fn(*const (), usize, usize) -> i32;

impl Epilogue {
    /// An epilogue that calls `call` with `context`.
    ///
    /// # Safety
    ///
    /// While the product runs, `call(context, …)` must be sound for all rows of the result, on every thread,
    /// and must not touch rows that it was not given.
    pub unsafe fn new(call: EpilogueFn, context: *const ()) -> Epilogue {
        Epilogue { call, context }
    }

    fn run(&self, rows: Range<usize>) -> i32 {
        // SAFETY: promised by whoever made the epilogue; `rows` are finished rows of this thread's block.
        unsafe { (self.call)(self.context, rows.start, rows.len()) }
    }
}

// SAFETY: `Epilogue::new` demands that the function may be called from every thread.
unsafe impl Sync for Epilogue {}
// SAFETY: as above.
unsafe impl Send for Epilogue {}

/// A part of a product, as one thread computes it.
#[derive(Clone)]
pub struct Task<'a, T> {
    pub(super) spec: &'a MatMul,
    pub(super) operands: Operands<'a, T>,
    /// Rows of the result, numbered through all matrices of the batch.
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    /// Steps along `k`. Those before them are in the result already.
    pub(super) steps: Range<usize>,
    /// The right operand of these columns and steps if it has been packed; then all rows are of one matrix.
    pub(super) packed: Option<*const T>,
    /// Whether rows of the left operand that lie far apart are copied first, if there are many columns.
    pub(super) copies_rows: bool,
    /// What to do with finished rows, if this task finishes them.
    pub(super) epilogue: Option<&'a Epilogue>,
}

impl<'a, T> Task<'a, T> {
    /// Some rows, from the first step to the last.
    pub(super) fn of_rows(
        spec: &'a MatMul,
        operands: Operands<'a, T>,
        rows: Range<usize>,
        epilogue: Option<&'a Epilogue>,
    ) -> Task<'a, T> {
        Task { spec, operands, rows, columns: 0..spec.n, steps: 0..spec.k, packed: None, copies_rows: false, epilogue }
    }

    /// Reports finished rows and returns the status of the epilogue.
    pub(super) fn finish(&self, rows: Range<usize>) -> i32 {
        self.epilogue.map_or(0, |epilogue| epilogue.run(rows))
    }
}
