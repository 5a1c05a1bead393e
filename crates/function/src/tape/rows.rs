//! Many walks back at once: the gradients for each row of cotangents.

use tracelift_autodiff::{BatchValue, batch_nodes};
use tracelift_ir::{Builder, Graph, NodeIndex, ParamRole, Value, ValueMap, ops};
use tracelift_tensor::{Dim, Result, Shape};

use super::walk::{Seen, pull};

/// Appends, for each row of `cotangents` (of the target's type under a first axis of `size`), the gradients of the target;
/// a source's are stacked along a new first axis, `None` where no path leads.
///
/// There is one walk back, whose nodes are then put over the batch of rows; if an op cannot be, the rows are walked one
/// after the other.
pub(super) fn pull_rows(
    b: &mut Builder,
    seen: &Seen,
    target: Value,
    cotangents: Value,
    size: usize,
    sources: &[Vec<Value>],
) -> Result<Vec<Option<Value>>> {
    // What the rows are put in the place of.
    let hole = b.zeros_like(target)?;
    // The walk is a draft: what it leaves behind would use the stacks of loops that are meant for the rows.
    let mut draft = b.clone();
    let found = pull(&mut draft, seen, &[(target, hole)], sources)?;
    let wanted: Vec<Value> = found.iter().flatten().copied().collect();
    let (graph, outside) = cut(&draft, hole, &wanted)?;
    let rows = BatchValue { value: cotangents, batched: true };
    let single = outside.into_iter().map(|value| BatchValue { value, batched: false });
    let arguments: Vec<BatchValue> = std::iter::once(rows).chain(single).collect();
    let Ok(results) = batch_nodes(b, &graph, &arguments, &Dim::from(size)) else {
        return one_by_one(b, seen, target, cotangents, size, sources);
    };
    let mut results = results.into_iter();
    let mut rows = Vec::with_capacity(found.len());
    for value in found {
        let Some(_) = value else {
            rows.push(None);
            continue;
        };
        let result = results.next().expect("there is a result for every gradient");
        rows.push(Some(if result.batched { result.value } else { repeated(b, result.value, size)? }));
    }
    Ok(rows)
}

/// The nodes after `hole` that some values need, as a graph of the hole and of all else that they use.
fn cut(b: &Builder, hole: Value, wanted: &[Value]) -> Result<(Graph, Vec<Value>)> {
    let first = hole.node.0 + 1;
    let end = u32::try_from(b.len()).expect("a graph has less than 2^32 nodes");
    let mut needed: ValueMap<()> = ValueMap::with_capacity(b.len());
    wanted.iter().for_each(|value| {
        needed.insert(value.node.value(), ());
    });
    for n in (first..end).rev().filter(|n| *n >= first) {
        if needed.contains(NodeIndex(n).value()) {
            for operand in &b.node(NodeIndex(n)).operands {
                needed.insert(operand.node.value(), ());
            }
        }
    }
    let mut new = Builder::new("row");
    let mut made: ValueMap<Value> = ValueMap::with_capacity(b.len());
    made.insert(hole, new.param("", b.ty(hole).clone(), ParamRole::Input));
    let mut outside = Vec::new();
    let mut lift = |new: &mut Builder, made: &mut ValueMap<Value>, value: Value| match made.get(value) {
        Some(known) => *known,
        None => {
            let param = new.param("", b.ty(value).clone(), ParamRole::Input);
            made.insert(value, param);
            outside.push(value);
            param
        }
    };
    for n in (first..end).filter(|n| needed.contains(NodeIndex(*n).value())) {
        let node = b.node(NodeIndex(n));
        let operands: Vec<Value> = node.operands.iter().map(|x| lift(&mut new, &mut made, *x)).collect();
        for (result, value) in new.push_like(node, &operands)?.into_iter().enumerate() {
            made.insert(NodeIndex(n).result(result), value);
        }
    }
    let results: Vec<Value> = wanted.iter().map(|value| lift(&mut new, &mut made, *value)).collect();
    Ok((new.finish(&results)?, outside))
}

fn one_by_one(
    b: &mut Builder,
    seen: &Seen,
    target: Value,
    cotangents: Value,
    size: usize,
    sources: &[Vec<Value>],
) -> Result<Vec<Option<Value>>> {
    let shape = b.ty(target).shape().clone();
    let mut stacks: Vec<Vec<Value>> = vec![Vec::new(); sources.len()];
    for row in 0..size {
        let all = b.ty(cotangents).shape().clone();
        let mut axes: Vec<ops::SliceAxis> = all.iter().map(|dim| ops::SliceAxis::all(dim.clone())).collect();
        axes[0] = ops::SliceAxis { start: Dim::from(row), size: Dim::from(1usize), step: 1 };
        let part = b.push(ops::Slice { axes: axes.into() }, &[cotangents])?;
        let dy = b.reshape(part, shape.clone())?;
        for (stack, found) in stacks.iter_mut().zip(pull(b, seen, &[(target, dy)], sources)?) {
            if let Some(found) = found {
                let shape: Shape =
                    std::iter::once(Dim::from(1usize)).chain(b.ty(found).shape().iter().cloned()).collect();
                stack.push(b.reshape(found, shape)?);
            }
        }
    }
    let joined = stacks.into_iter().map(|rows| match rows.is_empty() {
        true => Ok(None),
        false => b.push(ops::Concat { axis: 0 }, &rows).map(Some),
    });
    joined.collect()
}

/// The same value for each row.
fn repeated(b: &mut Builder, value: Value, size: usize) -> Result<Value> {
    let inner = b.ty(value).shape().clone();
    let axes: Vec<usize> = (1..=inner.rank()).collect();
    let shape: Shape = std::iter::once(Dim::from(size)).chain(inner.iter().cloned()).collect();
    b.broadcast(value, shape, &axes)
}
