//! Products whose right operand is packed once, block by block, by all threads for all of them.
//!
//! Between the blocks all threads wait for each other: first every part of a block is packed, then it is used.
//! Tasks are numbered so that a thread mostly uses the columns that it has packed itself.

#![expect(unsafe_code, reason = "operands are addresses")]

use super::division::Blocks;
use super::limits::{COPIES_PER_NANO, STEPS_TO_PACK};
use super::scratch::Scratch;
use super::split::Pieces;
use super::task::{How, Operands, Task};
use super::{Element, MatMul, alone, first_fault, in_parallel};
use std::ops::Range;
use std::time::Duration;

/// Computes a product.
///
/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn run<T: Element>(spec: &MatMul, operands: Operands<'_, T>, how: &How, blocks: &Blocks) -> i32 {
    let mut scratch = Scratch::shared(blocks.columns * blocks.steps);
    let room = Room(scratch.address());
    for matrix in 0..spec.batch {
        for column in (0..spec.n).step_by(blocks.columns) {
            let columns = column..spec.n.min(column + blocks.columns);
            for step in (0..spec.k).step_by(blocks.steps) {
                let steps = step..spec.k.min(step + blocks.steps);
                let block = Block { spec, operands, how, matrix, columns: columns.clone(), steps, blocks };
                // SAFETY: handed on from the caller; the room is that of the largest block.
                let status = unsafe {
                    block.pack(&room);
                    block.multiply(&room)
                };
                if status != 0 {
                    return status;
                }
            }
        }
    }
    0
}

/// Where a block is packed.
struct Room<T>(*mut T);

// SAFETY: threads write disjoint parts of the room and read it only after all of them are written.
unsafe impl<T> Sync for Room<T> {}

/// A block of the right operand of one matrix, and what is multiplied by it.
struct Block<'a, T> {
    spec: &'a MatMul,
    operands: Operands<'a, T>,
    how: &'a How,
    matrix: usize,
    columns: Range<usize>,
    steps: Range<usize>,
    blocks: &'a Blocks,
}

impl<T: Element> Block<'_, T> {
    /// The columns of the tasks.
    fn shares(&self) -> usize {
        self.columns.len().div_ceil(self.blocks.task_columns)
    }

    /// A share of the columns, and where it is packed.
    fn share(&self, idx: usize, room: &Room<T>) -> (Range<usize>, *mut T) {
        let start = idx * self.blocks.task_columns;
        let end = self.columns.len().min(start + self.blocks.task_columns);
        // SAFETY: the room has all columns and steps of the block.
        let packed = unsafe { room.0.add(start * self.steps.len()) };
        (self.columns.start + start..self.columns.start + end, packed)
    }

    fn task(&self, rows: Range<usize>, columns: Range<usize>, packed: *mut T) -> Task<'_, T> {
        let is_last = self.steps.end == self.spec.k && self.columns.end == self.spec.n;
        let first = self.matrix * self.spec.m;
        Task {
            spec: self.spec,
            operands: self.operands,
            rows: first + rows.start..first + rows.end,
            columns,
            steps: self.steps.clone(),
            packed: Some(packed),
            copies_rows: self.blocks.copies_rows,
            epilogue: self.how.epilogue.as_ref().filter(|_| is_last),
        }
    }

    unsafe fn pack(&self, room: &Room<T>) {
        let path = self.how.path.or_best();
        let pieces = Pieces::of(self.steps.len(), STEPS_TO_PACK);
        let alone = Duration::from_nanos((self.columns.len() * self.steps.len() / COPIES_PER_NANO) as u64);
        in_parallel(self.how.threads, self.shares() * pieces.count, alone, &|idx| {
            let (columns, packed) = self.share(idx / pieces.count, room);
            let piece = pieces.get(idx % pieces.count);
            let steps = self.steps.start + piece.start..self.steps.start + piece.end;
            let task = self.task(0..self.spec.m, columns, packed);
            // SAFETY: handed on from the caller; the path is available, and each share and step has its own place.
            unsafe { T::pack(path, &task, steps, packed) };
        });
    }

    unsafe fn multiply(&self, room: &Room<T>) -> i32 {
        let path = self.how.path.or_best();
        let pieces = Pieces::of(self.spec.m, self.blocks.task_rows);
        let alone = alone::<T>(path, self.spec.m * self.columns.len() * self.steps.len());
        first_fault(self.how.threads, self.shares() * pieces.count, alone, &|idx| {
            let (columns, packed) = self.share(idx / pieces.count, room);
            let task = self.task(pieces.get(idx % pieces.count), columns, packed);
            // SAFETY: handed on from the caller; the path is available, the block is packed,
            // and rows and columns of different tasks are disjoint.
            unsafe { T::product(path, &task) }
        })
    }
}
