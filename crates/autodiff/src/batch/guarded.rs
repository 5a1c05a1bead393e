//! Work that may fail, over a batch of which not all elements ask for it.
//!
//! A loop `while y != 0 { (x, y) = (y, x % y) }` ends for each element at its own time, and must not divide by the zeros of
//! those that have ended. Elements that do not take part are given the values of one that does.

use super::{any_node, choose, params_like};
use std::sync::Arc;
use tracelift_ir::ops::{Broadcast, Cond, Gather, Reduce};
use tracelift_ir::{Builder, Graph, Lowering, NodeIndex, Op, Type, Value};
use tracelift_kernel::meaning::ReduceKind;
use tracelift_tensor::{DType, Dim, Result};

/// Whether a graph holds an op that refuses some operands: an integer division, an index, an assertion. None does so for a
/// batch of no elements.
pub(super) fn can_fail(graph: &Graph, size: &Dim) -> bool {
    !size.is_zero()
        && any_node(graph, &|graph: &Graph, index: NodeIndex| {
            let node = graph.node(index);
            match &node.op {
                Op::Gather(_) | Op::ScatterAdd(_) | Op::ScatterSet(_) | Op::Assert(_) => true,
                op => {
                    let dtype = node.operands.first().and_then(|x| graph.ty(*x).as_tensor()).map(|x| x.dtype);
                    match (op.regions().is_empty(), dtype) {
                        (true, Some(dtype)) if node.operands.len() == 2 => {
                            let types: Vec<Type> = node.operands.iter().map(|x| graph.ty(*x).clone()).collect();
                            matches!(op.lowering(&types, &node.types), Lowering::Lane(lane) if lane.can_fault(dtype))
                        }
                        _ => false,
                    }
                }
            }
        })
}

/// `x` with the items of elements outside of the mask replaced by that of the first element in it.
pub(super) fn stand_in(b: &mut Builder, mask: Value, x: Value) -> Result<Value> {
    let ty = b.ty(x).clone();
    let Type::Tensor(tensor) = &ty else { return Ok(x) };
    let flags = b.cast(mask, DType::I32)?;
    let first = b.push(Reduce::new(ReduceKind::ArgMax, &[0], false, 1), &[flags])?;
    let item = b.push(Gather { axis: 0, batch: 0 }, &[x, first])?;
    let axes = (1..tensor.shape.rank()).collect();
    let items = b.push(Broadcast { shape: tensor.shape.clone(), axes }, &[item])?;
    choose(b, mask, x, items)
}

/// Runs a region if the mask is true anywhere; if not, its results are zeros.
pub(super) fn when_any(b: &mut Builder, mask: Value, region: Arc<Graph>, x: &[Value]) -> Result<Vec<Value>> {
    let any = b.reduce(ReduceKind::Any, mask, &[0], false)?;
    let mut idle = Builder::new("idle");
    params_like(&mut idle, region.param_types().cloned());
    let mut zeros = vec![];
    for ty in region.result_types() {
        let number = idle.number(ty.dtype(), 0.0);
        zeros.push(idle.broadcast(number, ty.shape().clone(), &[])?);
    }
    let otherwise = Arc::new(idle.finish(&zeros)?);
    let operands: Vec<Value> = std::iter::once(any).chain(x.iter().copied()).collect();
    Ok(b.push_multi(Cond::new(region, otherwise), &operands)?.to_vec())
}
