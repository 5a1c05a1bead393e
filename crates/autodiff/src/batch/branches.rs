//! Branches over a batch: one branch for all elements, or both, and each element chooses.

use super::guarded::{can_fail, stand_in, when_any};
use super::{BatchValue, batch_nodes, batched_region, choose, spread};
use crate::changing_shapes::not_for_a_batch;
use std::sync::Arc;
use tracelift_ir::ops::Cond;
use tracelift_ir::{Builder, Graph, Type, Value};
use tracelift_tensor::{Dim, Error, Result};

pub(super) fn cond(b: &mut Builder, cond: &Cond, x: &[BatchValue], size: &Dim) -> Result<Vec<BatchValue>> {
    if !cond.sizes.is_empty() {
        return Err(not_for_a_batch("cond", b.origin()));
    }
    let (condition, captured) = (x[0], &x[1..]);
    if !condition.batched {
        return one_branch(b, cond, condition.value, captured, size);
    }
    let otherwise = b.not(condition.value)?;
    let a = branch(b, &cond.then, condition.value, captured, size)?;
    let z = branch(b, &cond.otherwise, otherwise, captured, size)?;
    let chosen = a.into_iter().zip(z).map(|(a, z)| {
        if !matches!(b.ty(a.value), Type::Tensor(_)) {
            return Err(Error::invalid("has effects under a condition that differs between the elements of a batch")
                .op("cond")
                .at(b.origin().clone()));
        }
        let (a, z) = (spread(b, a, size)?, spread(b, z, size)?);
        Ok(BatchValue { value: choose(b, condition.value, a.value, z.value)?, batched: true })
    });
    chosen.collect()
}

/// All elements take the same branch.
fn one_branch(
    b: &mut Builder,
    cond: &Cond,
    condition: Value,
    captured: &[BatchValue],
    size: &Dim,
) -> Result<Vec<BatchValue>> {
    let batched: Vec<bool> = captured.iter().map(|x| x.batched).collect();
    let keep = |_: usize, batched: bool| batched;
    let (_, a) = batched_region(&cond.then, &batched, size, &keep)?;
    let (_, z) = batched_region(&cond.otherwise, &batched, size, &keep)?;
    // A result that is batched in one branch is so in both.
    let wanted = |n: usize, _: bool| a[n] || z[n];
    let (then, held) = batched_region(&cond.then, &batched, size, &wanted)?;
    let (otherwise, _) = batched_region(&cond.otherwise, &batched, size, &wanted)?;
    let operands: Vec<Value> = std::iter::once(condition).chain(captured.iter().map(|x| x.value)).collect();
    let results = b.push_multi(Cond::new(then, otherwise), &operands)?;
    Ok(results.into_iter().zip(held).map(|(value, batched)| BatchValue { value, batched }).collect())
}

/// What one branch gives, for all elements; only those where `mask` is true count.
fn branch(
    b: &mut Builder,
    region: &Arc<Graph>,
    mask: Value,
    captured: &[BatchValue],
    size: &Dim,
) -> Result<Vec<BatchValue>> {
    if !can_fail(region, size) {
        return batch_nodes(b, region, captured, size);
    }
    // What may fail is run only if an element takes the branch, and other elements use that element's values.
    let batched: Vec<bool> = captured.iter().map(|x| x.batched).collect();
    let (region, held) = batched_region(region, &batched, size, &|_, _| true)?;
    let safe = captured.iter().map(|x| if x.batched { stand_in(b, mask, x.value) } else { Ok(x.value) });
    let safe = safe.collect::<Result<Vec<Value>>>()?;
    let results = when_any(b, mask, region, &safe)?;
    Ok(results.into_iter().zip(held).map(|(value, batched)| BatchValue { value, batched }).collect())
}
