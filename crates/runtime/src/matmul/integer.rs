//! Products of integers, wrapping around: plain loops.

#![expect(unsafe_code, reason = "operands are addresses")]

use super::task::Task;

/// Computes the rows of a task.
///
/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn product<T: Copy + Default>(
    task: &Task<'_, T>,
    multiply: impl Fn(T, T) -> T,
    add: impl Fn(T, T) -> T,
) -> i32 {
    let spec = task.spec;
    for row in task.rows.clone() {
        let (matrix, i) = (row / spec.m, row % spec.m);
        // SAFETY: the caller vouches for all elements that the strides reach; i < m, j < n, step < k.
        unsafe {
            let a = task.operands.a.offset(matrix as isize * spec.a.batch + i as isize * spec.a.row);
            let b = task.operands.b.offset(matrix as isize * spec.b.batch);
            let c = task.operands.c.add(matrix * spec.c_batch + i * spec.c_row);
            for j in task.columns.clone() {
                *c.add(j) = T::default();
            }
            for step in 0..spec.k as isize {
                let left = *a.offset(step * spec.a.col);
                for j in task.columns.clone() {
                    let right = *b.offset(step * spec.b.row + j as isize * spec.b.col);
                    *c.add(j) = add(*c.add(j), multiply(left, right));
                }
            }
        }
    }
    task.finish(task.rows.clone())
}
