//! Products with one column in lane order: 16 virtual lanes along `k`, combined by a fixed tree.

#![expect(unsafe_code, reason = "operands are addresses")]

use super::lanes::{Float, Lanes};
use super::task::Task;
use std::ops::Range;

/// Chains per element of the result.
const LANES: usize = 16;
/// The narrowest vector has four lanes.
const MOST_VECTORS: usize = 4;
/// Rows computed together, so that their chains overlap in time.
const ROWS: usize = 8;

/// Computes the rows of a task.
///
/// # Safety
///
/// As for [`super::run`]; the machine must have the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn product<L: Lanes>(task: &Task<'_, L::Float>) -> i32 {
    let spec = task.spec;
    let mut row = task.rows.start;
    while row < task.rows.end {
        let (matrix, i) = (row / spec.m, row % spec.m);
        let end = task.rows.end.min(row + spec.m - i);
        // SAFETY: the caller vouches for all elements that the strides reach, and row `i` lies in matrix `matrix`.
        unsafe {
            let column = Column {
                k: spec.k,
                a: task.operands.a.offset(matrix as isize * spec.a.batch + i as isize * spec.a.row),
                a_row: spec.a.row,
                a_col: spec.a.col,
                b: task.operands.b.offset(matrix as isize * spec.b.batch),
                b_row: spec.b.row,
                c: task.operands.c.add(matrix * spec.c_batch + i * spec.c_row),
                c_row: spec.c_row,
            };
            if spec.a.col == 1 && spec.b.row == 1 {
                column.along_rows::<L>(end - row);
            } else if spec.a.row == 1 {
                column.across_rows::<L>(end - row);
            } else {
                column.by_elements(0..end - row);
            }
        }
        row = end;
    }
    task.finish(task.rows.clone())
}

/// Some elements of one matrix times one vector.
struct Column<T> {
    k: usize,
    a: *const T,
    a_row: isize,
    a_col: isize,
    b: *const T,
    b_row: isize,
    c: *mut T,
    c_row: usize,
}

impl<T: Float> Column<T> {
    /// For operands whose steps along `k` are adjacent.
    #[inline(always)]
    unsafe fn along_rows<L: Lanes<Float = T>>(&self, rows: usize) {
        let mut row = 0;
        // SAFETY: handed on from the caller, for rows in turn.
        unsafe {
            while row + ROWS <= rows {
                self.some_rows::<L, ROWS>(row);
                row += ROWS;
            }
            while row < rows {
                self.some_rows::<L, 1>(row);
                row += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn some_rows<L: Lanes<Float = T>, const COUNT: usize>(&self, first: usize) {
        let vectors = LANES / L::WIDTH;
        // SAFETY: step + lane < k wherever operands are read, and the caller vouches for COUNT rows from `first`.
        unsafe {
            let a = self.a.offset(first as isize * self.a_row);
            let mut acc = [[L::zero(); MOST_VECTORS]; COUNT];
            let mut step = 0;
            while step + LANES <= self.k {
                for vector in 0..vectors {
                    let at = step + vector * L::WIDTH;
                    let right = L::load(self.b.add(at));
                    for (row, acc) in acc.iter_mut().enumerate() {
                        let left = L::load(a.offset(row as isize * self.a_row).add(at));
                        acc[vector] = left.mul_add(right, acc[vector]);
                    }
                }
                step += LANES;
            }
            for vector in 0..vectors {
                let at = step + vector * L::WIDTH;
                if at >= self.k {
                    break;
                }
                // Lanes past the end keep their sums: adding 0 * 0 would turn -0.0 into +0.0.
                let tail = L::tail(L::WIDTH.min(self.k - at));
                let right = L::load_tail(self.b.add(at), tail);
                for (row, acc) in acc.iter_mut().enumerate() {
                    let left = L::load_tail(a.offset(row as isize * self.a_row).add(at), tail);
                    acc[vector] = left.mul_add(right, acc[vector]).blend(acc[vector], tail);
                }
            }
            for (row, acc) in acc.iter_mut().enumerate() {
                let mut half = vectors / 2;
                while half > 0 {
                    for vector in 0..half {
                        acc[vector] = acc[vector].add(acc[vector + half]);
                    }
                    half /= 2;
                }
                self.c.add((first + row) * self.c_row).write(acc[0].fold());
            }
        }
    }

    /// For a left operand whose rows are adjacent: one vector holds one virtual lane of several rows.
    #[inline(always)]
    unsafe fn across_rows<L: Lanes<Float = T>>(&self, rows: usize) {
        let mut row = 0;
        while row < rows {
            let count = L::WIDTH.min(rows - row);
            // SAFETY: row + count <= rows and step < k.
            unsafe {
                let tail = L::tail(count);
                let mut acc = [L::zero(); LANES];
                for first in (0..self.k).step_by(LANES) {
                    for (lane, acc) in acc.iter_mut().enumerate() {
                        let step = first + lane;
                        if step < self.k {
                            let left = L::load_tail(self.a.offset(step as isize * self.a_col).add(row), tail);
                            let right = L::splat(*self.b.offset(step as isize * self.b_row));
                            *acc = left.mul_add(right, *acc);
                        }
                    }
                }
                let mut half = LANES / 2;
                while half > 0 {
                    for lane in 0..half {
                        acc[lane] = acc[lane].add(acc[lane + half]);
                    }
                    half /= 2;
                }
                if self.c_row == 1 {
                    acc[0].store_tail(self.c.add(row), tail);
                } else {
                    let mut sums = [T::default(); LANES];
                    acc[0].store(sums.as_mut_ptr());
                    for (idx, sum) in sums.into_iter().enumerate().take(count) {
                        self.c.add((row + idx) * self.c_row).write(sum);
                    }
                }
            }
            row += count;
        }
    }

    /// For operands of any strides.
    #[inline(always)]
    unsafe fn by_elements(&self, rows: Range<usize>) {
        for row in rows {
            let mut lanes = [T::default(); LANES];
            for step in 0..self.k as isize {
                // SAFETY: the caller vouches for these rows; step < k.
                unsafe {
                    let left = *self.a.offset(row as isize * self.a_row + step * self.a_col);
                    let right = *self.b.offset(step * self.b_row);
                    let lane = &mut lanes[step as usize % LANES];
                    *lane = left.mul_add(right, *lane);
                }
            }
            // SAFETY: as above.
            unsafe { self.c.add(row * self.c_row).write(combine(lanes)) };
        }
    }
}

/// The fixed tree: lane `l` takes lane `l + 8`, then `l + 4`, `l + 2`, `l + 1`.
#[inline(always)]
fn combine<T: Float>(mut lanes: [T; LANES]) -> T {
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] = lanes[lane] + lanes[lane + half];
        }
    }
    lanes[0]
}
