//! Launches cut into tiles that the pool's threads run: ranges of a `par` loop, or runs of blocks of a reduction.

#![expect(unsafe_code, reason = "kernels are native code, and get the addresses that a launch's slots hold")]

use super::cost::{MOST_PARTIAL_RESULTS, run_length};
use super::helpers::Call;
use crate::pool;
use smallvec::SmallVec;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tracelift_codegen::driver::FaultCode;
use tracelift_kernel::lane::Scalar;
use tracelift_kernel::loops::{LoopKind, Stmt};
use tracelift_kernel::meaning::{ReduceKind, Subnormals};
use tracelift_tensor::DType;

impl Call<'_> {
    /// Runs launch `index` in tiles.
    ///
    /// # Safety
    /// `args` must be the argument slots of that launch, filled, and nobody else's until this returns.
    pub(super) unsafe fn split(&self, index: usize, args: *mut u64) -> FaultCode {
        let call = self;
        let (place, tiles) = (&call.layout.launches[index], call.plan.tiles[index]);
        // SAFETY: the caller passes as many slots as the launch's layout says.
        let slots = unsafe { slice::from_raw_parts_mut(args, place.abi.num_slots()) };
        let kernel = call.kernel(place);
        // What is cut is a `par` loop or a reduction that is all there is: see `tiles`.
        let reduction = match call.program.kernel(place.kernel).body.stmts.as_slice() {
            [Stmt::Loop(whole)] if matches!(whole.kind, LoopKind::Reduce { .. }) => Some(whole),
            _ => None,
        };
        let fault: Mutex<Option<(usize, i32, u64)>> = Mutex::new(None);
        let extent = call.plan.extents[index];
        let run = reduction.map(|_| run_length(extent, tiles));
        let partial: [AtomicU64; MOST_PARTIAL_RESULTS] = [const { AtomicU64::new(0) }; MOST_PARTIAL_RESULTS];
        let ran = pool::run(call.plan.threads, tiles, call.plan.alone[index], &|tile| {
            let mut own: SmallVec<[u64; 64]> = SmallVec::from_slice(slots);
            for (n, row) in place.scratch_rows.clone().enumerate() {
                own[place.abi.scratch_slot(n)] += (call.plan.scratch_strides[row] * tile) as u64;
            }
            let border = |tile: usize| match run {
                Some(run) => extent.min(run.saturating_mul(tile as i64)),
                None => (extent as i128 * tile as i128 / tiles as i128) as i64,
            };
            // SAFETY: the slots are those of the launch with a scratch row of this tile's own; iterations of the
            // outermost loop are independent, and runs of blocks of a reduction are, so that ranges may run at the same
            // time.
            let status = unsafe { kernel(own.as_mut_ptr(), border(tile), border(tile + 1)) };
            for (n, result) in partial.chunks(tiles).take(place.abi.results.len()).enumerate() {
                result[tile].store(own[place.abi.result_slot(n)], Ordering::Relaxed);
            }
            if status != 0 {
                let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
                if fault.is_none_or(|(lowest, _, _)| tile < lowest) {
                    *fault = Some((tile, status, own[place.abi.fault_slot()]));
                }
            }
        });
        if ran.is_err() {
            return FaultCode::Internal;
        }
        if let Some(LoopKind::Reduce { kinds, .. }) = reduction.map(|whole| &whole.kind) {
            let rule = if call.options.flush_subnormals { Subnormals::Flush } else { Subnormals::Keep };
            for (n, (kind, partial)) in kinds.iter().zip(partial.chunks(tiles)).enumerate() {
                let dtype = place.abi.results[n];
                slots[place.abi.result_slot(n)] = joined(rule, *kind, dtype, &partial[..tiles]);
            }
        }
        match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, status, position)) => {
                slots[place.abi.fault_slot()] = position;
                FaultCode::from_status(status)
            }
            None => FaultCode::None,
        }
    }
}

/// The results of runs of blocks joined by the tree over their numbers: neighbours, level by level, an odd one passing
/// through.
fn joined(rule: Subnormals, kind: ReduceKind, dtype: DType, runs: &[AtomicU64]) -> u64 {
    let mut values: SmallVec<[Scalar; MOST_PARTIAL_RESULTS]> =
        runs.iter().map(|bits| Scalar::from_bits(dtype, bits.load(Ordering::Relaxed))).collect();
    while values.len() > 1 {
        let half = values.len().div_ceil(2);
        for n in 0..half {
            values[n] = match values.get(2 * n + 1) {
                Some(right) => rule
                    .eval(kind.join_op(), &[values[2 * n], *right])
                    .expect("no operation that joins results can fail"),
                None => values[2 * n],
            };
        }
        values.truncate(half);
    }
    values[0].bits()
}
