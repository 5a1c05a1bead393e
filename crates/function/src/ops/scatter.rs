//! A tensor with some of its elements replaced: what assigning a part of a variable means.

use tracelift_ir::ops;
use tracelift_tensor::{Array, DType, Dim, Error, Result, Shape};

use super::{broadcast::expand, index::resolve};
use crate::{
    Slice, Tensor,
    dispatch::{apply, poison, refuse},
    ops::{broadcast::common_shape, range},
    scope, tensor, trace,
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
    let _here = scope::here();
    let operands = [x, indices, updates];
    if let Some(poisoned) = poison(&operands) {
        return poisoned;
    }
    let places = match places(x, indices, updates) {
        Ok(places) => places,
        Err(error) => return refuse("scatter_nd_update", error, &operands),
    };
    if !trace::is_active() {
        let written = x.to_array().and_then(|array| write_blocks(array, &places, &updates.to_array()?));
        return written.map_or_else(|error| refuse("scatter_nd_update", error, &operands), Tensor::eager);
    }
    let (shape, rank) = (x.shape(), x.rank());
    let depth = places.first().map_or(0, Vec::len);
    places.iter().enumerate().fold(x.snapshot(), |x, (row, place)| {
        let mut start = vec![Dim::from(0usize); rank];
        for (at, index) in start.iter_mut().zip(place) {
            *at = Dim::from(*index);
        }
        let block = (0..rank).map(|axis| if axis < depth { Dim::from(1usize) } else { shape[axis].clone() });
        let value = updates.slice(row).reshape(block.collect::<Shape>());
        apply(ops::UpdateSlice { start, step: vec![1; rank] }, &[&x, &value])
    })
}

/// The tensor with updates added to single items or blocks: row `i` of `indices` says where `updates[i]` goes.
#[track_caller]
pub(crate) fn scatter_nd_add(x: &Tensor, indices: &Tensor, updates: &Tensor) -> Tensor {
    let _here = scope::here();
    let operands = [x, indices, updates];
    if let Some(poisoned) = poison(&operands) {
        return poisoned;
    }
    let checked = match indices.is_traced() {
        true => fit(x, indices, updates).map(|_| ()),
        false => places(x, indices, updates).map(|_| ()),
    };
    let (ty, depth) = (x.ty(), indices.shape().get(1).and_then(Dim::known_len).unwrap_or(0));
    let known: Option<Vec<usize>> = ty.shape.iter().take(depth).map(Dim::known_len).collect();
    let sizes = checked.and_then(|()| {
        known
            .filter(|_| depth > 0)
            .ok_or_else(|| Error::invalid(format!("cannot find places in {ty}: the indices name axes of unknown size")))
    });
    let sizes = match sizes {
        Ok(sizes) => sizes,
        Err(error) => return refuse("scatter_nd_add", error, &operands),
    };
    // The number of the block among all of them; a position outside of its axis is refused by the gathering.
    let mut number = tensor(0).cast(DType::I64);
    for (axis, size) in sizes.iter().enumerate() {
        let position = range(*size as i64).gather(&indices.slice((.., axis as i64)).cast(DType::I64)).cast(DType::I64);
        number = number * (*size as i64) + position;
    }
    let blocks = sizes.iter().product::<usize>();
    let flat: Shape = std::iter::once(Dim::from(blocks)).chain(ty.shape[depth..].iter().cloned()).collect();
    apply(ops::ScatterAdd { axis: 0, batch: 0 }, &[&x.reshape(flat), &number, updates]).reshape(ty.shape)
}

/// Where each update goes: checked positions on the leading axes.
fn places(x: &Tensor, indices: &Tensor, updates: &Tensor) -> Result<Vec<Vec<usize>>> {
    if indices.is_traced() {
        let message = "needs indices whose values are known while tracing";
        return Err(
            Error::invalid(message).help("pass them as a constant, or make the update outside of the traced function")
        );
    }
    fit(x, indices, updates)?;
    let (ty, index_ty) = (x.ty(), indices.ty());
    let depth = index_ty.shape[1].known_len().unwrap_or(0);
    let numbers = indices.cast(DType::I64).to_vec::<i64>()?;
    let rows = numbers.chunks(depth.max(1)).take(index_ty.shape[0].known_len().unwrap_or(0)).enumerate();
    rows.map(|(row, place)| {
        let at = place.iter().zip(ty.shape.iter()).map(|(&index, dim)| {
            let inside = dim.known().is_none_or(|n| (0..n).contains(&index));
            usize::try_from(index).ok().filter(|_| inside)
        });
        at.collect::<Option<Vec<usize>>>()
            .ok_or_else(|| Error::invalid(format!("indices[{row}] = {place:?} does not index into {ty}")))
    })
    .collect()
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

fn write_blocks(mut array: Array, places: &[Vec<usize>], updates: &Array) -> Result<Array> {
    let Some(depth) = places.first().map(Vec::len) else { return Ok(array) };
    let dims: Vec<usize> = array.shape().to_vec();
    let block = dims[depth..].iter().product::<usize>() * array.dtype().size();
    for (place, update) in places.iter().zip(updates.bytes().chunks(block.max(1))) {
        let number = place.iter().zip(&dims).fold(0, |number, (at, size)| number * size + at);
        array.bytes_mut()[number * block..][..block].copy_from_slice(update);
    }
    Ok(array)
}
