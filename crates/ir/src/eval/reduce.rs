//! Reductions in the order that `kernel::meaning` defines.

use super::gather::{for_each_index, row_major};
use crate::ops::Axes;
use tracelift_kernel::meaning::{Best, ReduceKind, ReduceOrder, fold};
use tracelift_tensor::{Array, DType, Error, Raw, Result};

/// Elements that can be reduced.
trait Reducible: Raw + PartialOrd {
    fn add(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    fn one() -> Self;
    /// Whether it wins against every number: a NaN.
    fn is_nan(self) -> bool;
}

macro_rules! reducible {
    ($($float:ty)*; $($int:ty)*) => {
        $(impl Reducible for $float {
            fn add(self, other: Self) -> Self { self + other }
            fn multiply(self, other: Self) -> Self { self * other }
            fn one() -> Self { 1.0 }
            fn is_nan(self) -> bool { self.is_nan() }
        })*
        $(impl Reducible for $int {
            fn add(self, other: Self) -> Self { self.wrapping_add(other) }
            fn multiply(self, other: Self) -> Self { self.wrapping_mul(other) }
            fn one() -> Self { 1 }
            fn is_nan(self) -> bool { false }
        })*
    };
}
reducible!(f32 f64; i32 i64 u8);

/// The reduction of `x` over `axes`, which are ascending.
pub(crate) fn reduce_array(kind: ReduceKind, order: ReduceOrder, axes: &Axes, keep: bool, x: &Array) -> Result<Array> {
    let dtype = kind.result_type(x.dtype()).map_err(Error::type_)?;
    let reduced = |axis: &usize| axes.contains(axis);
    let kept_axes: Vec<usize> = (0..x.rank()).filter(|axis| !reduced(axis)).collect();
    let size = |axis| if reduced(&axis) { keep.then_some(1) } else { Some(x.shape()[axis]) };
    let dims: Vec<usize> = (0..x.rank()).filter_map(size).collect();
    let mut y = Array::zeros(dtype, &dims)?;
    if y.is_empty() {
        return Ok(y);
    }
    let (kept, inner) = (offsets(x, &kept_axes), offsets(x, axes));
    if inner.is_empty() && !kind.has_identity() {
        return Err(Error::invalid("has no value over no elements"));
    }
    match x.dtype() {
        DType::F32 => reduce::<f32>(kind, order, x, &mut y, &kept, &inner),
        DType::F64 => reduce::<f64>(kind, order, x, &mut y, &kept, &inner),
        DType::I32 => reduce::<i32>(kind, order, x, &mut y, &kept, &inner),
        DType::I64 => reduce::<i64>(kind, order, x, &mut y, &kept, &inner),
        _ => reduce::<u8>(kind, order, x, &mut y, &kept, &inner),
    }
    Ok(y)
}

fn reduce<T: Reducible>(
    kind: ReduceKind,
    order: ReduceOrder,
    x: &Array,
    y: &mut Array,
    kept: &[usize],
    inner: &[usize],
) {
    let x = x.as_slice::<T>();
    if matches!(kind, ReduceKind::ArgMax | ReduceKind::ArgMin) {
        let y = y.as_mut_slice::<i64>();
        for (out, start) in y.iter_mut().zip(kept) {
            *out = arg(kind == ReduceKind::ArgMax, inner.iter().map(|i| x[start + i]));
        }
        return;
    }
    let (combine, empty): (fn(T, T) -> T, T) = match kind {
        ReduceKind::Sum => (T::add, T::zeroed()),
        ReduceKind::Prod => (T::multiply, T::one()),
        ReduceKind::Max | ReduceKind::Any => (|a, b| if wins(b, a, true) { b } else { a }, T::zeroed()),
        _ => (|a, b| if wins(b, a, false) { b } else { a }, T::one()),
    };
    for (out, start) in y.as_mut_slice::<T>().iter_mut().zip(kept) {
        *out = fold(order, inner.iter().map(|i| x[start + i]), combine).unwrap_or(empty);
    }
}

/// Whether `a` replaces `b` as the largest (or smallest): it is beyond it, or the first NaN.
fn wins<T: Reducible>(a: T, b: T, largest: bool) -> bool {
    let beyond = if largest { a > b } else { a < b };
    beyond || (a.is_nan() && !b.is_nan())
}

fn arg<T: Reducible>(largest: bool, items: impl Iterator<Item = T>) -> i64 {
    let mut best = Best::default();
    items.for_each(|item| best.push(item, T::is_nan, |a, b| if largest { a > b } else { a < b }));
    best.position().unwrap_or(0)
}

/// How far each index of some axes lies from the start, in row-major order of those axes.
pub(super) fn offsets(x: &Array, axes: &[usize]) -> Vec<usize> {
    let strides = row_major(x.shape());
    let dims: Vec<usize> = axes.iter().map(|axis| x.shape()[*axis]).collect();
    let mut offsets = Vec::new();
    for_each_index(&dims, |_, index| {
        offsets.push(index.iter().zip(axes).map(|(i, axis)| i * strides[*axis]).sum());
    });
    offsets
}
