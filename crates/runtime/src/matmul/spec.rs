//! What is multiplied: sizes, strides and the order of the sums.

use super::{Axis, Spread};

/// A batch of matrix products, `c[t] = a[t] · b[t]`, with all strides counted in elements.
///
/// Transposed, broadcast and reversed operands are ones with other strides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMul {
    /// Number of products.
    pub batch: usize,
    /// Rows of the left operand and of the result.
    pub m: usize,
    /// Columns of the left operand, rows of the right one.
    pub k: usize,
    /// Columns of the right operand and of the result.
    pub n: usize,
    /// Strides of the left operand, `m × k`.
    pub a: Strides,
    /// Strides of the right operand, `k × n`.
    pub b: Strides,
    /// From one row of the result to the next; its columns are adjacent.
    pub c_row: usize,
    /// From one matrix of the result to the next.
    pub c_batch: usize,
    /// The order of the sums over `k`.
    pub order: Order,
}

/// Distances between neighbouring elements of an operand, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    /// From one row to the next.
    pub row: isize,
    /// From one column to the next.
    pub col: isize,
    /// From one matrix of the batch to the next.
    pub batch: isize,
}

/// The order in which the products of an element of the result are summed. It is a matter of types, never of run-time sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// One chain of fused multiply-adds, `k` ascending from 0.0.
    Chain,
    /// For a right operand known to have one column: lane `l` of 16 chains takes `k ≡ l (mod 16)`;
    /// the lanes are added by the fixed tree 8-4-2-1.
    Lanes,
}

impl MatMul {
    /// One product of contiguous row-major matrices, in chain order.
    pub fn row_major(m: usize, k: usize, n: usize) -> MatMul {
        MatMul {
            batch: 1,
            m,
            k,
            n,
            a: Strides::row_major(m, k),
            b: Strides::row_major(k, n),
            c_row: n,
            c_batch: m * n,
            order: Order::Chain,
        }
    }

    /// The same product with the left operand stored as `k × m`.
    pub fn with_a_transposed(self) -> MatMul {
        MatMul { a: Strides::row_major(self.k, self.m).transposed(), ..self }
    }

    /// The same product with the right operand stored as `n × k`.
    pub fn with_b_transposed(self) -> MatMul {
        MatMul { b: Strides::row_major(self.n, self.k).transposed(), ..self }
    }

    /// The product repeated over a batch of contiguous operands.
    pub fn with_batch(self, batch: usize) -> MatMul {
        MatMul { batch, ..self }
    }

    /// The same product with its sums in another order.
    pub fn with_order(self, order: Order) -> MatMul {
        MatMul { order, ..self }
    }

    /// Rows of the whole result.
    pub fn rows(&self) -> usize {
        self.batch * self.m
    }

    /// The multiply-adds of the whole result; that of an element without steps counts as one.
    pub(super) fn multiply_adds(&self) -> usize {
        self.rows().saturating_mul(self.k.saturating_mul(self.n).max(1))
    }

    /// Panics unless operands of these lengths hold all that the strides reach and the result does not overlap itself.
    pub(super) fn check(&self, spread: Option<&Spread>, a: usize, b: usize, c: usize) {
        assert!(self.order == Order::Chain || self.n == 1, "lane order is for one column, this is {self:?}");
        let left = match spread {
            Some(spread) => self.fits_spread(spread, a),
            None => self.a.fit([self.batch, self.m, self.k], a),
        };
        assert!(left, "left operand of {a} elements is too short for {self:?}, {spread:?}");
        assert!(self.b.fit([self.batch, self.k, self.n], b), "right operand of {b} elements is too short for {self:?}");
        let step = |stride: usize| isize::try_from(stride).ok();
        let fits = || {
            let strides = Strides { row: step(self.c_row)?, col: 1, batch: step(self.c_batch)? };
            Some(strides.fit([self.batch, self.m, self.n], c))
        };
        assert_eq!(fits(), Some(true), "result of {c} elements is too short for {self:?}");
        let used = self.m.saturating_sub(1).checked_mul(self.c_row).and_then(|rows| rows.checked_add(self.n));
        let distinct = [self.batch, self.m, self.n].contains(&0)
            || (self.m <= 1 || self.c_row >= self.n)
                && (self.batch <= 1 || used.is_some_and(|used| self.c_batch >= used));
        assert!(distinct, "rows of the result overlap in {self:?}");
    }
}

impl MatMul {
    /// Whether a spread has this product's rows and steps, and they lie in `len` elements.
    fn fits_spread(&self, spread: &Spread, len: usize) -> bool {
        let counts = [Axis::count(&spread.rows), Axis::count(&spread.steps)];
        if counts != [self.m, self.k] || self.order != Order::Chain {
            return false;
        }
        if [self.batch, self.m, self.k].contains(&0) {
            return true;
        }
        let batch = Axis { size: self.batch, stride: self.a.batch };
        let axes: Vec<Axis> = std::iter::once(batch).chain(spread.rows.iter().chain(&spread.steps).copied()).collect();
        Axis::reach(&axes).is_some_and(|(lowest, highest)| lowest == 0 && highest.unsigned_abs() < len)
    }
}

impl Strides {
    /// Strides of contiguous row-major `rows × cols` matrices.
    pub fn row_major(rows: usize, cols: usize) -> Strides {
        Strides { row: cols as isize, col: 1, batch: (rows * cols) as isize }
    }

    /// Strides of the transposed matrices in the same memory.
    pub fn transposed(self) -> Strides {
        Strides { row: self.col, col: self.row, batch: self.batch }
    }

    /// Whether `[batch, rows, cols]` matrices of these strides lie in `len` elements.
    fn fit(&self, extents: [usize; 3], len: usize) -> bool {
        if extents.contains(&0) {
            return true;
        }
        let (mut lowest, mut highest) = (0_isize, 0_isize);
        for (extent, stride) in extents.into_iter().zip([self.batch, self.row, self.col]) {
            let Some(reach) = isize::try_from(extent - 1).ok().and_then(|steps| steps.checked_mul(stride)) else {
                return false;
            };
            lowest = lowest.saturating_add(reach.min(0));
            highest = highest.saturating_add(reach.max(0));
        }
        lowest == 0 && highest.unsigned_abs() < len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_that_leave_the_operand_do_not_fit() {
        let matrix = Strides::row_major(3, 4);
        assert!(matrix.fit([1, 3, 4], 12));
        assert!(!matrix.fit([1, 3, 4], 11));
        assert!(!matrix.fit([2, 3, 4], 23));
        assert!(!matrix.fit([usize::MAX, 3, 4], 23));
        assert!(matrix.fit([0, 3, 4], 0));
        assert!(!Strides { row: -1, ..matrix }.fit([1, 2, 4], 12));
        assert!(Strides { row: 0, col: 0, batch: 0 }.fit([5, 5, 5], 1));
    }
}
