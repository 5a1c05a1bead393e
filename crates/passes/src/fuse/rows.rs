//! Rows: the values that a group's reductions leave, and what is computed of them before the inner loop.

use tracelift_ir::{Graph, NodeIndex, Op};
use tracelift_tensor::{Dim, Shape};

/// Whether axes are the last ones.
pub(super) fn is_suffix(axes: &[usize], rank: usize) -> bool {
    axes.iter().rev().enumerate().all(|(n, axis)| *axis == rank - 1 - n)
}

/// The last axes of a domain that a shape lacks or has ones for, if these make it a shape of rows: some axes, but not all.
pub(crate) fn missing_axes(shape: &Shape, domain: &Shape) -> Option<Vec<usize>> {
    let rank = domain.rank();
    (1..rank).map(|count| (rank - count..rank).collect::<Vec<usize>>()).find(|axes| is_row(shape, domain, axes))
}

/// Whether rows are long enough for a value of each to be computed beside them: alone such values fill whole vectors.
pub(super) fn pay(domain: &Shape, axes: &[usize]) -> bool {
    const SHORT: i64 = 8;
    let length = axes.iter().fold(Dim::ONE, |length, axis| &length * &domain[*axis]);
    length.known().is_none_or(|length| length >= SHORT)
}

/// Whether a shape is that of the reduced values: without the axes, or with ones in their places.
pub(crate) fn is_row(shape: &Shape, domain: &Shape, axes: &[usize]) -> bool {
    *shape != *domain && places(shape, domain, axes).is_some()
}

/// Whether all who read the value of a row want it at the row where the group's loops are, not at another one: all users
/// are in the group, and only a broadcast can lead elsewhere.
pub(super) fn is_read_in_place(graph: &Graph, id: NodeIndex, domain: &Shape, axes: &[usize]) -> bool {
    let mut pending = vec![id.value()];
    while let Some(value) = pending.pop() {
        for (user, _) in graph.users(value) {
            let Op::Broadcast(broadcast) = &graph.node(user).op else { continue };
            let from = places(graph.ty(value).shape(), domain, axes);
            let to = places(&broadcast.shape, domain, axes);
            let (Some(from), Some(to)) = (from, to) else { return false };
            let stays = |(axis, dim): (usize, &Dim)| dim.is_one() || from[axis] == to[broadcast.axes[axis]];
            if !graph.ty(value).shape().iter().enumerate().all(stays) {
                return false;
            }
            pending.push(user.value());
        }
    }
    true
}

/// For each axis of an element or a row of the domain: which axis of the domain it runs along.
fn places(shape: &Shape, domain: &Shape, axes: &[usize]) -> Option<Vec<usize>> {
    let kept: Vec<usize> = (0..domain.rank()).filter(|axis| !axes.contains(axis)).collect();
    let along = |axis: usize| if axes.contains(&axis) { shape[axis].is_one() } else { shape[axis] == domain[axis] };
    if *shape == *domain || (shape.rank() == domain.rank() && (0..domain.rank()).all(along)) {
        return Some((0..domain.rank()).collect());
    }
    let dropped = shape.rank() == kept.len() && shape.iter().zip(&kept).all(|(dim, axis)| *dim == domain[*axis]);
    dropped.then_some(kept)
}
