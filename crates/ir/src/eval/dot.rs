//! Products of matrices in the defined order.

use super::reduce::offsets;
use crate::ops::DotGeneral;
use pulp::Arch;
use tracelift_kernel::meaning::{Multiply, dot_chain, dot_lanes};
use tracelift_tensor::{Array, DType, Raw, Result};

/// The product, of shape `dims`.
pub(crate) fn dot_general(op: &DotGeneral, x: &Array, y: &Array, dims: &[usize]) -> Result<Array> {
    let mut z = Array::zeros(x.dtype(), dims)?;
    if z.is_empty() {
        return Ok(z);
    }
    match x.dtype() {
        DType::F32 => product::<f32>(op, x, y, &mut z),
        DType::F64 => product::<f64>(op, x, y, &mut z),
        DType::I32 => product::<i32>(op, x, y, &mut z),
        DType::I64 => product::<i64>(op, x, y, &mut z),
        _ => product::<u8>(op, x, y, &mut z),
    }
    Ok(z)
}

fn product<T: Multiply + Raw>(op: &DotGeneral, x: &Array, y: &Array, z: &mut Array) {
    let (x_free, y_free) = op.free_axes(x.rank(), y.rank());
    let columns: usize = y_free.iter().map(|axis| y.shape()[*axis]).product();
    let (x_batch, y_batch) = (offsets(x, &op.lhs_batch), offsets(y, &op.rhs_batch));
    let (x_row, y_column) = (offsets(x, &x_free), offsets(y, &y_free));
    let (x_k, y_k) = (offsets(x, &op.lhs_contract), offsets(y, &op.rhs_contract));
    let (x, y) = (x.as_slice::<T>(), y.as_slice::<T>());
    let mut out = z.as_mut_slice::<T>().iter_mut();
    let rows = x_batch.iter().zip(&y_batch).flat_map(|(x, y)| x_row.iter().map(move |row| (x + row, *y)));
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (x_row, y_batch) in rows {
                for y_column in &y_column {
                    let pair = |(i, j): (&usize, &usize)| (x[x_row + i], y[y_batch + y_column + j]);
                    let pairs = x_k.iter().zip(&y_k).map(pair);
                    let item = out.next().expect("the result has an element for each row and column");
                    *item = if columns == 1 { dot_lanes(pairs) } else { dot_chain(pairs) };
                }
            }
        },
    );
}
