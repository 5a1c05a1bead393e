//! NumPy's broadcasting: operands are brought to one shape before a binary op, by an op of its own.

use tracelift_ir::{TensorType, ops};
use tracelift_tensor::{Dim, Error, Result, Shape};

use crate::{
    Tensor,
    dispatch::{apply, refuse},
    scope,
};

/// The shape that two shapes are broadcast to; unknown sizes that must be equal are left to the op that needs it.
pub(crate) fn common_shape(a: &Shape, b: &Shape) -> Result<Shape> {
    let rank = a.rank().max(b.rank());
    // Axes are matched from the last one.
    let at = |shape: &Shape, axis: usize| (axis + shape.rank()).checked_sub(rank).map(|axis| shape[axis].clone());
    let mut dims = Vec::with_capacity(rank);
    for axis in 0..rank {
        dims.push(match (at(a, axis), at(b, axis)) {
            (Some(x), Some(y)) => {
                common_dim(x, y).ok_or_else(|| Error::invalid(format!("incompatible shapes: {a} and {b}")))?
            }
            (Some(x), None) | (None, Some(x)) => x,
            (None, None) => unreachable!("the rank is that of the longer shape"),
        });
    }
    Ok(Shape::from(dims))
}

fn common_dim(x: Dim, y: Dim) -> Option<Dim> {
    match (x.known(), y.known()) {
        _ if x == y => Some(x),
        (Some(1), _) => Some(y),
        (_, Some(1)) => Some(x),
        (Some(_), Some(_)) => None,
        (None, Some(_)) => Some(y),
        (Some(_), None) | (None, None) => Some(x),
    }
}

/// Both operands in their common shape.
#[track_caller]
pub(crate) fn broadcast_pair(op: &str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor), Tensor> {
    let _here = scope::here();
    let (x, y) = (a.ty(), b.ty());
    if x.shape == y.shape {
        return Ok((a.snapshot(), b.snapshot()));
    }
    let shape = common_shape(&x.shape, &y.shape).map_err(|error| {
        let message = format!("cannot combine {x} with {y}: {}", explain(&x.shape, &y.shape));
        refuse(op, Error::new(error.kind, message), &[a, b])
    })?;
    Ok((expand(a, &x, &shape), expand(b, &y, &shape)))
}

/// The axis at which shapes do not fit.
fn explain(a: &Shape, b: &Shape) -> String {
    let pairs = a.iter().rev().zip(b.iter().rev()).enumerate();
    let mut bad = pairs.filter(|(_, (x, y))| common_dim((*x).clone(), (*y).clone()).is_none());
    match bad.next_back() {
        Some((from_end, (x, y))) => {
            format!("sizes {x} and {y} at axis {} are neither equal nor 1", -(from_end as i64) - 1)
        }
        None => "their shapes are incompatible".to_owned(),
    }
}

/// The tensor in a shape that its own was broadcast to.
#[track_caller]
pub(crate) fn expand(tensor: &Tensor, from: &TensorType, to: &Shape) -> Tensor {
    let missing = to.rank() - from.shape.rank();
    let stretched = from.shape.iter().zip(&to[missing..]).any(|(own, target)| own.is_one() && !target.is_one());
    if missing == 0 && !stretched {
        // Sizes that are not the same for sure are compared by the op that takes both.
        return tensor.snapshot();
    }
    let axes: Vec<usize> = (missing..to.rank()).collect();
    apply(ops::Broadcast { shape: to.clone(), axes: axes.as_slice().into() }, &[tensor])
}

impl Tensor {
    /// The same values repeated along new axes in front and axes of size one.
    ///
    /// ```
    /// use tracelift_function::tensor;
    ///
    /// assert_eq!(tensor([1, 2]).broadcast_to([2, 2]).to_vec::<i32>()?, [1, 2, 1, 2]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Tensor {
        let (from, to) = (self.ty(), shape.into());
        match common_shape(&from.shape, &to) {
            Ok(common) if common.rank() == to.rank() && fits(&from.shape, &to) => expand(self, &from, &to),
            _ => {
                let error = Error::invalid(format!("cannot bring {from} to the shape {to}"));
                refuse("broadcast", error, &[self])
            }
        }
    }
}

/// Whether no axis of the target would have to grow.
fn fits(from: &Shape, to: &Shape) -> bool {
    from.iter()
        .rev()
        .zip(to.iter().rev())
        .all(|(own, target)| !target.is_one() || own.is_one() || own.known().is_none())
}
