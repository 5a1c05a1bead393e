//! The matrix product as it is defined: one chain of fused multiply-adds per element, k ascending from 0.0.

use super::data::MatMulSpec;
use crate::meaning::{Flushed, Multiply, Subnormals, dot_chain, dot_lanes};
use crate::memory::Memory;
use std::ops::Range;
use tracelift_tensor::{Binding, Dim, Error, Result};

/// A product of one call.
pub(super) struct Product<'p> {
    pub(super) spec: &'p MatMulSpec,
    pub(super) sizes: &'p Binding,
    pub(super) rule: Subnormals,
}

impl Product<'_> {
    /// Computes some rows (of `batch * m`).
    pub(super) fn rows(&self, a: &Memory, b: &Memory, result: &mut Memory, rows: Range<i64>) -> Result {
        let Product { spec, sizes, rule } = *self;
        let m = spec.m.eval(sizes)?;
        let (k, n) = (spec.k.eval(sizes)?, spec.n.eval(sizes)?);
        let strides = |strides: &[Dim; 3]| -> Result<[i64; 3]> {
            Ok([strides[0].eval(sizes)?, strides[1].eval(sizes)?, strides[2].eval(sizes)?])
        };
        let (a_strides, b_strides) = (strides(&spec.a)?, strides(&spec.b)?);
        let axes = |axes: &[(Dim, Dim)]| -> Result<Vec<(i64, i64)>> {
            axes.iter().map(|(size, stride)| Ok((size.eval(sizes)?, stride.eval(sizes)?))).collect()
        };
        let (a_rows, a_steps) = match &spec.spread {
            Some(spread) => (axes(&spread.rows)?, axes(&spread.steps)?),
            None => (vec![(m, a_strides[1])], vec![(k, a_strides[2])]),
        };
        for row in rows {
            let (batch, i) = (row / m, row % m);
            for j in 0..n {
                let index = |p: i64| {
                    let a = batch * a_strides[0] + place(&a_rows, i) + place(&a_steps, p);
                    let b = batch * b_strides[0] + p * b_strides[1] + j * b_strides[2];
                    (a as usize, b as usize)
                };
                let (to, products) = ((row * n + j) as usize, (0..k).map(index));
                macro_rules! element {
                    ($a:ident, $b:ident, $c:ident) => {
                        $c[to] = dot(products.map(|(x, y)| ($a[x], $b[y])), spec.vector)
                    };
                }
                macro_rules! flushed_element {
                    ($a:ident, $b:ident, $c:ident) => {
                        $c[to] = dot(products.map(|(x, y)| (Flushed($a[x]), Flushed($b[y]))), spec.vector).0
                    };
                }
                match (rule, a, b, &mut *result) {
                    (Subnormals::Flush, Memory::F32(a), Memory::F32(b), Memory::F32(c)) => flushed_element!(a, b, c),
                    (Subnormals::Flush, Memory::F64(a), Memory::F64(b), Memory::F64(c)) => flushed_element!(a, b, c),
                    (_, Memory::F32(a), Memory::F32(b), Memory::F32(c)) => element!(a, b, c),
                    (_, Memory::F64(a), Memory::F64(b), Memory::F64(c)) => element!(a, b, c),
                    (_, Memory::I32(a), Memory::I32(b), Memory::I32(c)) => element!(a, b, c),
                    (_, Memory::I64(a), Memory::I64(b), Memory::I64(c)) => element!(a, b, c),
                    (_, Memory::U8(a), Memory::U8(b), Memory::U8(c)) => element!(a, b, c),
                    _ => return Err(Error::internal(format!("there is no product of {}", spec.dtype))),
                }
            }
        }
        Ok(())
    }
}

/// Where the element of that row-major number lies along some axes.
fn place(axes: &[(i64, i64)], mut number: i64) -> i64 {
    let mut place = 0;
    for (size, stride) in axes.iter().rev() {
        place += number % size * stride;
        number /= size;
    }
    place
}

/// An element of the product.
fn dot<T: Multiply>(pairs: impl Iterator<Item = (T, T)>, one_column: bool) -> T {
    if one_column { dot_lanes(pairs) } else { dot_chain(pairs) }
}
