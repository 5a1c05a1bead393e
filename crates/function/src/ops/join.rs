//! Several tensors made one.

use tracelift_ir::ops;
use tracelift_tensor::{Error, Result};

use crate::{
    Tensor,
    dispatch::{apply, poison, refuse},
    scope, tensor,
};

/// Tensors joined along an axis.
///
/// ```
/// use tracelift_function::{concat, tensor};
///
/// let (a, b) = (tensor([[1, 2]]), tensor([[3, 4]]));
/// assert_eq!(concat(&[&a, &b], -1).to_vec::<i32>()?, [1, 2, 3, 4]);
/// assert_eq!(concat(&[&a, &b], 0).shape(), [2, 2]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn concat(parts: &[&Tensor], axis: i32) -> Tensor {
    if let Some(poisoned) = poison(parts) {
        return poisoned;
    }
    let checked = same_dtype(parts).and_then(|first| first.shape().axis(axis.into()));
    match checked {
        Ok(axis) => apply(ops::Concat { axis }, parts),
        Err(error) => refuse("concat", error, parts),
    }
}

/// Tensors of one shape joined along a new axis; -1 puts it last.
#[track_caller]
#[must_use]
pub fn stack(parts: &[&Tensor], axis: i32) -> Tensor {
    if let Some(poisoned) = poison(parts) {
        return poisoned;
    }
    if let Err(error) = same_dtype(parts) {
        return refuse("stack", error, parts);
    }
    let _here = scope::here();
    let rows: Vec<Tensor> = parts.iter().map(|part| part.expand_dims(axis)).collect();
    if let Some(poisoned) = poison(&rows.iter().collect::<Vec<_>>()) {
        return poisoned;
    }
    concat(&rows.iter().collect::<Vec<_>>(), axis)
}

/// The sum of a list of tensors of one shape, from left to right.
#[track_caller]
#[must_use]
pub fn add_n(terms: &[Tensor]) -> Tensor {
    let _here = scope::here();
    let mut terms = terms.iter();
    let Some(first) = terms.next() else {
        return refuse("add_n", Error::value("needs at least one tensor"), &[&tensor(0.0)]);
    };
    terms.fold(first.clone(), |sum, term| sum + term)
}

fn same_dtype<'a>(parts: &[&'a Tensor]) -> Result<&'a Tensor> {
    let first = *parts.first().ok_or_else(|| Error::value("needs at least one tensor"))?;
    match parts.iter().find(|part| part.dtype() != first.dtype()) {
        Some(other) => {
            Err(Error::invalid(format!("joins tensors of one dtype, got {} and {}", first.ty(), other.ty())))
        }
        None => Ok(first),
    }
}
