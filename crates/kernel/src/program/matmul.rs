//! The usual matrix product: what a text need not spell out.

use super::data::MatMulSpec;
use tracelift_tensor::{DType, Dim, Shape};

impl MatMulSpec {
    /// The product of dense operands: `[m, k] × [k, n]`, or `[b, m, k] × [b, k, n]`.
    ///
    /// The sum over k runs in lanes if the right side is known to have one column.
    pub fn dense(dtype: DType, a: &Shape, b: &Shape) -> Option<MatMulSpec> {
        let (batch, m, k, n) = match (a.dims(), b.dims()) {
            ([m, k], [_, n]) => (Dim::ONE, m, k, n),
            ([batch, m, k], [_, _, n]) => (batch.clone(), m, k, n),
            _ => return None,
        };
        Some(MatMulSpec {
            dtype,
            a: [m * k, k.clone(), Dim::ONE],
            b: [k * n, n.clone(), Dim::ONE],
            vector: n.is_one(),
            spread: None,
            batch,
            m: m.clone(),
            k: k.clone(),
            n: n.clone(),
        })
    }

    /// What a text of a product starts from: the dense product, or no elements where the operands' ranks are others.
    pub(crate) fn written(dtype: DType, a: &Shape, b: &Shape) -> MatMulSpec {
        MatMulSpec::dense(dtype, a, b).unwrap_or_else(|| MatMulSpec {
            dtype,
            batch: Dim::ONE,
            m: Dim::ZERO,
            k: Dim::ZERO,
            n: Dim::ZERO,
            a: [Dim::ZERO, Dim::ZERO, Dim::ZERO],
            b: [Dim::ZERO, Dim::ZERO, Dim::ZERO],
            vector: false,
            spread: None,
        })
    }

    /// The sizes with their names.
    pub(crate) fn sizes(&self) -> [(&'static str, &Dim); 4] {
        [("batch", &self.batch), ("m", &self.m), ("k", &self.k), ("n", &self.n)]
    }
}
