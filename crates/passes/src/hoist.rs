//! What every iteration of a loop computes anew from the same values, computed once before it.

use crate::rewrite::{Rewrite, sweep};
use crate::schedule::{is_only_read_by_products, lowering};
use std::sync::Arc;
use tracelift_ir::ops::While;
use tracelift_ir::{Builder, Graph, Lowering, NodeIndex, Op, ParamRole, Type, Value, ValueMap};
use tracelift_tensor::{Result, Sym};

/// Moves nodes out of the regions of loops, from the innermost outwards.
///
/// A node is moved if it depends on nothing that changes, sizes included, has no effect and cannot fail: the loop may not
/// run at all. What costs nothing (literals, other indices, views) is moved only for the sake of others, and stays where it is needed.
pub fn hoist(graph: &Graph) -> Result<Graph> {
    if graph.depth() == 0 {
        return Ok(graph.clone());
    }
    let mut new = Rewrite::new(graph);
    for (id, node) in graph.nodes() {
        match &node.op {
            Op::Parameter(_) => {}
            Op::While(op) => repeat(&mut new, id, op)?,
            _ => new.keep(id, &mut hoist)?,
        }
    }
    new.finish()
}

fn repeat(new: &mut Rewrite<'_>, id: NodeIndex, op: &While) -> Result {
    let (condition, body) = (hoist(&op.condition)?, hoist(&op.body)?);
    let stays: Vec<bool> =
        (0..body.params().len()).map(|n| n >= op.carried() || body.results()[n] == body.params()[n]).collect();
    let moved = [invariant(&condition, &stays, &op.sizes), invariant(&body, &stays, &op.sizes)];
    let mut operands = new.operands(id).to_vec();
    let origin = new.graph.node(id).origin.clone();
    let mut outside: Vec<Vec<(Value, Value)>> = vec![];
    for (region, moved) in [&condition, &body].into_iter().zip(&moved) {
        outside.push(before(&mut new.b, region, &operands, moved)?);
    }
    let more: Vec<Type> = outside.iter().flatten().map(|(_, value)| new.b.ty(*value).clone()).collect();
    operands.extend(outside.iter().flatten().map(|(_, value)| *value));
    let first = outside[0].len();
    let condition = Arc::new(without(&condition, &more, 0, &outside[0])?);
    let body = Arc::new(without(&body, &more, first, &outside[1])?);
    let mut node = new.graph.node(id).clone();
    node.op = While { condition, body, ..op.clone() }.into();
    new.b.at(origin);
    for (n, value) in new.b.push_like(&node, &operands)?.into_iter().enumerate() {
        new.set(id.result(n), value);
    }
    Ok(())
}

/// Which nodes of a region have the same results in every iteration, and may be computed even if there is none.
fn invariant(region: &Graph, stays: &[bool], sizes: &[Sym]) -> Vec<bool> {
    let mut invariant = vec![false; region.len()];
    let inside = [sizes, &region.found_sizes()].concat();
    for (param, stays) in region.params().iter().zip(stays) {
        invariant[param.node.index()] = *stays;
    }
    for (id, node) in region.nodes() {
        if !matches!(node.op, Op::Parameter(_)) {
            let same = node.operands.iter().all(|x| invariant[x.node.index()]);
            let known = inside.is_empty() || !node.uses_size(&inside);
            invariant[id.index()] = same && known && cost(region, id) != Cost::Stays;
        }
    }
    invariant
}

#[derive(PartialEq)]
enum Cost {
    /// Takes part in another node's work for nothing.
    Free,
    /// Worth being done once.
    Work,
    /// Fails, has effects, or owns regions.
    Stays,
}

fn cost(region: &Graph, id: NodeIndex) -> Cost {
    let node = region.node(id);
    if node.types.iter().any(|ty| ty.as_tensor().is_none()) || !node.op.regions().is_empty() {
        return Cost::Stays;
    }
    match lowering(region, id) {
        Lowering::Lane(op) if op.can_fault(region.ty(node.operands[0]).dtype()) => Cost::Stays,
        Lowering::Kernel(kernel) if !kernel.checks.is_empty() || kernel.kernel.can_fault() => Cost::Stays,
        Lowering::Lane(_) | Lowering::Kernel(_) | Lowering::Reduce(_) | Lowering::Library(_) => Cost::Work,
        // A product in each iteration would pack what it reads transposed; a copy is made once.
        Lowering::Index(_) if matches!(node.op, Op::Transpose(_)) && is_only_read_by_products(region, id) => Cost::Work,
        Lowering::Const | Lowering::Iota { .. } | Lowering::Index(_) | Lowering::View | Lowering::Dim(_) => Cost::Free,
        _ => Cost::Stays,
    }
}

/// Computes before the loop what others in the region need of its moved nodes; answers the values of the region with
/// those that take their places.
fn before(b: &mut Builder, region: &Graph, operands: &[Value], moved: &[bool]) -> Result<Vec<(Value, Value)>> {
    let is_moved = |value: &Value| moved[value.node.index()];
    let mut wanted: ValueMap<()> = ValueMap::new();
    let users = region.nodes().filter(|(id, _)| !moved[id.index()]).flat_map(|(_, node)| node.operands.iter());
    // A free node that stays beside the moved ones needs their results, too.
    let stays_free = |id: &NodeIndex| moved[id.index()] && cost(region, *id) == Cost::Free;
    let beside = region.nodes().filter(|(id, _)| stays_free(id)).flat_map(|(_, node)| node.operands.iter());
    for value in users.chain(region.results()).chain(beside) {
        let works = !matches!(region.node(*value).op, Op::Parameter(_)) && cost(region, value.node) == Cost::Work;
        if is_moved(value) && works {
            wanted.insert(*value, ());
        }
    }
    let mut made: ValueMap<Value> = ValueMap::new();
    for (param, operand) in region.params().iter().zip(operands) {
        made.insert(*param, *operand);
    }
    let mut needed = vec![false; region.len()];
    let mut pending: Vec<NodeIndex> =
        region.nodes().map(|(id, _)| id).filter(|id| wanted.contains(id.value())).collect();
    while let Some(id) = pending.pop() {
        if !std::mem::replace(&mut needed[id.index()], true) {
            pending.extend(region.node(id).operands.iter().map(|x| x.node));
        }
    }
    let mut outside = vec![];
    for (id, node) in region.nodes().filter(|(id, node)| needed[id.index()] && !matches!(node.op, Op::Parameter(_))) {
        let operands: Vec<Value> = node.operands.iter().map(|x| made[*x]).collect();
        for (n, value) in b.push_like(node, &operands)?.into_iter().enumerate() {
            made.insert(id.result(n), value);
            if wanted.contains(id.result(n)) {
                outside.push((id.result(n), value));
            }
        }
    }
    Ok(outside)
}

/// The region with further parameters of these types; those from `first` on take the places of moved values.
fn without(region: &Graph, more: &[Type], first: usize, moved: &[(Value, Value)]) -> Result<Graph> {
    let mut new = Rewrite::new(region);
    let params: Vec<Value> = more.iter().map(|ty| new.b.param("", ty.clone(), ParamRole::Input)).collect();
    let mut is_moved = vec![false; region.len()];
    for (n, (value, _)) in moved.iter().enumerate() {
        new.set(*value, params[first + n]);
        is_moved[value.node.index()] = true;
    }
    for (id, node) in region.nodes() {
        if !matches!(node.op, Op::Parameter(_)) && !is_moved[id.index()] {
            new.keep(id, &mut |region| Ok(region.clone()))?;
        }
    }
    sweep(&new.finish()?)
}
