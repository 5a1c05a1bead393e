//! The matrix product as it is defined: one chain of fused multiply-adds per element, k ascending from 0.0.

use super::data::MatMulSpec;
use crate::memory::Memory;
use std::ops::Range;
use tracelift_tensor::{Binding, Dim, Error, Result};

/// Lanes along k of a product with one column.
const LANES: usize = 16;

/// Computes some rows (of `batch * m`) of a product.
pub(super) fn multiply_rows(
    spec: &MatMulSpec,
    sizes: &Binding,
    (a, b): (&Memory, &Memory),
    result: &mut Memory,
    rows: Range<i64>,
) -> Result {
    let m = spec.m.eval(sizes)?;
    let (k, n) = (spec.k.eval(sizes)?, spec.n.eval(sizes)?);
    let strides = |strides: &[Dim; 3]| -> Result<[i64; 3]> {
        Ok([strides[0].eval(sizes)?, strides[1].eval(sizes)?, strides[2].eval(sizes)?])
    };
    let (a_strides, b_strides) = (strides(&spec.a)?, strides(&spec.b)?);
    for row in rows {
        let (batch, i) = (row / m, row % m);
        for j in 0..n {
            let index = |p: i64| {
                let a = batch * a_strides[0] + i * a_strides[1] + p * a_strides[2];
                let b = batch * b_strides[0] + p * b_strides[1] + j * b_strides[2];
                (a as usize, b as usize)
            };
            let (to, products) = ((row * n + j) as usize, (0..k).map(index));
            match (a, b, &mut *result) {
                (Memory::F32(a), Memory::F32(b), Memory::F32(c)) => {
                    c[to] = dot(products.map(|(x, y)| (a[x], b[y])), spec.vector, f32::mul_add)
                }
                (Memory::F64(a), Memory::F64(b), Memory::F64(c)) => {
                    c[to] = dot(products.map(|(x, y)| (a[x], b[y])), spec.vector, f64::mul_add)
                }
                (Memory::I32(a), Memory::I32(b), Memory::I32(c)) => {
                    c[to] = products.fold(0i32, |sum, (x, y)| sum.wrapping_add(a[x].wrapping_mul(b[y])))
                }
                (Memory::I64(a), Memory::I64(b), Memory::I64(c)) => {
                    c[to] = products.fold(0i64, |sum, (x, y)| sum.wrapping_add(a[x].wrapping_mul(b[y])))
                }
                (Memory::U8(a), Memory::U8(b), Memory::U8(c)) => {
                    c[to] = products.fold(0u8, |sum, (x, y)| sum.wrapping_add(a[x].wrapping_mul(b[y])))
                }
                _ => return Err(Error::internal(format!("there is no product of {}", spec.dtype))),
            }
        }
    }
    Ok(())
}

/// One chain, or with `lanes` one chain for each k modulo 16 and the tree 8-4-2-1 over them.
fn dot<T: Copy + Default + std::ops::Add<Output = T>>(
    pairs: impl Iterator<Item = (T, T)>,
    lanes: bool,
    fma: impl Fn(T, T, T) -> T,
) -> T {
    if !lanes {
        return pairs.fold(T::default(), |sum, (x, y)| fma(x, y, sum));
    }
    let mut sums = [T::default(); LANES];
    for (k, (x, y)) in pairs.enumerate() {
        sums[k % LANES] = fma(x, y, sums[k % LANES]);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] = sums[lane] + sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}
