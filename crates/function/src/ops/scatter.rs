//! A tensor with some of its elements replaced: what assigning a part of a variable means.

use tracelift_ir::{Op, TensorType, ops};
use tracelift_tensor::{DType, Dim, Error, Result, Shape};

use super::{broadcast::expand, index::resolve};
use crate::{
    Slice, Tensor,
    dispatch::{apply, poison, refuse},
    ops::{broadcast::common_shape, range},
    scope, tensor,
};

/// The tensor with a part replaced by a value, which is broadcast to the part.
#[track_caller]
pub(crate) fn update(x: &Tensor, at: &Slice, value: &Tensor) -> Tensor {
    if let Some(poisoned) = poison(&[x, value]) {
        return poisoned;
    }
    if x.dtype() != value.dtype() {
        let message = format!("cannot put {} into a part of {}", value.ty(), x.ty());
        return refuse("update_slice", Error::type_(message).help("cast the value"), &[x, value]);
    }
    let resolved = match resolve(x, at) {
        Ok(resolved) if resolved.picked.is_none() => resolved,
        Ok(_) => {
            let error = Error::invalid("cannot assign positions that a tensor holds").help("use `scatter_nd_update`");
            return refuse("update_slice", error, &[x, value]);
        }
        Err(error) => return refuse("update_slice", error, &[x, value]),
    };
    let (ty, part) = (value.ty(), Shape::from(resolved.dims));
    match common_shape(&ty.shape, &part) {
        Ok(common) if common == part => {}
        _ => {
            let message = format!("cannot put {ty} into a part of shape {part}");
            return refuse("update_slice", Error::invalid(message), &[x, value]);
        }
    }
    let sizes: Shape = resolved.axes.iter().map(|axis| axis.size.clone()).collect();
    let value = expand(value, &ty, &part).reshape(sizes);
    let start = resolved.axes.iter().map(|axis| axis.start.clone()).collect();
    let step = resolved.axes.iter().map(|axis| axis.step).collect();
    apply(ops::UpdateSlice { start, step }, &[x, &value])
}

/// The tensor with whole rows replaced, in the order of their numbers.
#[track_caller]
pub(crate) fn scatter_rows(x: &Tensor, rows: &Tensor, values: &Tensor) -> Tensor {
    scatter_nd(x, &rows.expand_dims(-1), values)
}

/// The tensor with single items or blocks replaced: row `i` of `indices` says where `updates[i]` goes.
#[track_caller]
pub(crate) fn scatter_nd(x: &Tensor, indices: &Tensor, updates: &Tensor) -> Tensor {
    scatter("scatter_nd_update", ops::ScatterSet { axis: 0, batch: 0 }.into(), [x, indices, updates])
}

/// The tensor with updates added to single items or blocks: row `i` of `indices` says where `updates[i]` goes.
#[track_caller]
pub(crate) fn scatter_nd_add(x: &Tensor, indices: &Tensor, updates: &Tensor) -> Tensor {
    scatter("scatter_nd_add", ops::ScatterAdd { axis: 0, batch: 0 }.into(), [x, indices, updates])
}

/// The tensor with one row replaced.
#[track_caller]
pub(crate) fn set_row(x: &Tensor, row: &Tensor, value: &Tensor) -> Tensor {
    apply(ops::ScatterSet { axis: 0, batch: 0 }, &[x, &row.expand_dims(0), &value.expand_dims(0)])
}

/// An op on the blocks that indices name, numbered along one axis.
#[track_caller]
fn scatter(name: &str, op: Op, operands: [&Tensor; 3]) -> Tensor {
    let _here = scope::here();
    let [x, indices, updates] = operands;
    if let Some(poisoned) = poison(&operands) {
        return poisoned;
    }
    let ty = x.ty();
    let (sizes, number) = match numbered(x, indices, updates) {
        Ok(numbered) => numbered,
        Err(error) => return refuse(name, error, &operands),
    };
    let blocks = sizes.iter().product::<usize>();
    let flat: Shape = std::iter::once(Dim::from(blocks)).chain(ty.shape[sizes.len()..].iter().cloned()).collect();
    apply(op, &[&x.reshape(flat), &number, updates]).reshape(ty.shape)
}

/// The sizes of the axes that indices name, and the number of each named block among all of them.
#[track_caller]
fn numbered(x: &Tensor, indices: &Tensor, updates: &Tensor) -> Result<(Vec<usize>, Tensor)> {
    fit(x, indices, updates)?;
    let (ty, depth) = (x.ty(), indices.shape()[1].known_len().unwrap_or(0));
    let sizes: Option<Vec<usize>> = ty.shape.iter().take(depth).map(Dim::known_len).collect();
    let sizes = sizes
        .filter(|_| depth > 0)
        .ok_or_else(|| Error::invalid(format!("cannot find places in {ty}: indices name axes of known sizes")))?;
    if !indices.is_traced() {
        inside(&ty, &sizes, indices)?;
    }
    let mut number = tensor(0).cast(DType::I64);
    for (axis, size) in sizes.iter().enumerate() {
        let position = indices.slice((.., axis as i64)).cast(DType::I64);
        // A position outside of its axis, which another axis might hide, is refused by this gathering.
        let position = if sizes.len() > 1 { range(*size as i64).gather(&position).cast(DType::I64) } else { position };
        number = number * (*size as i64) + position;
    }
    Ok((sizes, number))
}

/// That known indices are positions of the axes that they name.
fn inside(ty: &TensorType, sizes: &[usize], indices: &Tensor) -> Result {
    let numbers = indices.to_array()?;
    for row in 0..numbers.shape()[0] {
        let place: Vec<i64> = (0..sizes.len()).map(|axis| numbers.get_i64(row * sizes.len() + axis)).collect();
        if !place.iter().zip(sizes).all(|(at, size)| usize::try_from(*at).is_ok_and(|at| at < *size)) {
            return Err(Error::invalid(format!("indices[{row}] = {place:?} does not index into {ty}")));
        }
    }
    Ok(())
}

/// That there is an update for each row of indices.
fn fit(x: &Tensor, indices: &Tensor, updates: &Tensor) -> Result {
    let (ty, index_ty, update_ty) = (x.ty(), indices.ty(), updates.ty());
    if !index_ty.dtype.is_int() || index_ty.shape.rank() != 2 {
        return Err(Error::invalid(format!("wants a matrix of integers as indices, got {index_ty}")));
    }
    if ty.dtype != update_ty.dtype {
        return Err(Error::type_(format!("cannot put {update_ty} into {ty}")).help("cast the updates"));
    }
    let depth = index_ty.shape[1].known_len().unwrap_or(0);
    let blocks: Option<Shape> = (depth <= ty.shape.rank())
        .then(|| std::iter::once(&index_ty.shape[0]).chain(&ty.shape[depth..]).cloned().collect());
    if blocks.as_ref() != Some(&update_ty.shape) {
        let message = format!("cannot put updates of {update_ty} at indices of {index_ty} into {ty}");
        return Err(
            Error::invalid(message).help("one update for each row of indices, of the shape of what the row names")
        );
    }
    Ok(())
}
