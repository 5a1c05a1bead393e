//! The gradient of a loop is a loop: from the last iteration to the first.
//!
//! The loop itself is made to keep, on stacks, what each iteration starts with and the gradient needs. The loop that goes
//! back takes it from the stacks, computes the body again, walks back over it, and carries the cotangents of the carried
//! values to the iteration before; those of captured values are summed up.

use crate::loop_activity::Activity;
use crate::loop_body::{Backward, Kept, copy_needed, region};
use crate::regions::Region;
use crate::replay;
use crate::reverse::zeros;
use crate::trip_count::trip_count;
use tracelift_ir::ops::{Gt, StackLen, StackPop, While};
use tracelift_ir::{Builder, Type, Value, ValueMap};
use tracelift_tensor::{Array, DType, Dim, Error, Result};

pub(crate) fn vjp(b: &mut Builder, of: &Region<'_>, op: &While) -> Result<Vec<Option<Value>>> {
    let mut all = vec![None; of.x.len()];
    let given: Vec<bool> = of.dy.iter().map(Option::is_some).collect();
    let activity = Activity::of(op, of.wanted, &given);
    if activity.is_empty() {
        return Ok(all);
    }
    if !op.sizes.is_empty() {
        return replay::vjp(b, of, op, &activity, &given);
    }
    let trips = trip_count(b, op, of.x);
    let backward = Backward::of(op, &activity, &given, trips.as_ref().and_then(Dim::known_len))?;
    let (count, stacks, kept) = keep(b, of, op, &backward, trips.clone())?;
    let results = go_back(b, of, op, &activity, Way { backward, trips, count, stacks, kept })?;
    for (n, dx) in activity.carried.iter().chain(&activity.captured).zip(results) {
        all[*n] = Some(dx);
    }
    Ok(all)
}

/// What the loop that goes back is made of.
struct Way {
    backward: Backward,
    trips: Option<Dim>,
    /// How many iterations there were.
    count: Value,
    /// What they have kept.
    stacks: Vec<Value>,
    /// The values of the body that are on the stacks.
    kept: Vec<Value>,
}

/// Makes the loop keep what is needed; answers the number of iterations, the stacks, and what of the body is on them.
fn keep(
    b: &mut Builder,
    of: &Region<'_>,
    op: &While,
    backward: &Backward,
    trips: Option<Dim>,
) -> Result<(Value, Vec<Value>, Vec<Value>)> {
    let mut kept: Vec<Value> = backward.kept.iter().map(|kept| kept.forward).collect();
    kept.dedup();
    if let (true, Some(count)) = (kept.is_empty(), trips.as_ref().and_then(Dim::known)) {
        return Ok((b.constant(Array::scalar(count)), vec![], kept));
    }
    let only_counted = kept.is_empty();
    if only_counted {
        // The height of any stack tells how many iterations there were.
        let params = &op.body.params()[..op.carried()];
        let tensors = params.iter().filter(|param| op.body.ty(**param).as_tensor().is_some());
        let least = tensors.min_by_key(|param| op.body.ty(**param).rank());
        kept.push(*least.ok_or_else(|| Error::invalid("has no gradient: it carries stacks alone").op("while"))?);
    }
    let mut stacks = b.keep_in_loop(of.at, &kept, trips)?;
    let counted = b.push_multi(StackLen, &[stacks[0]])?;
    stacks[0] = counted[0];
    if only_counted {
        (stacks, kept) = (vec![], vec![]);
    }
    Ok((counted[1], stacks, kept))
}

/// The loop that goes back; answers the cotangents of active carried and captured values.
fn go_back(b: &mut Builder, of: &Region<'_>, op: &While, activity: &Activity, way: Way) -> Result<Vec<Value>> {
    let Way { backward, trips, count, stacks, kept } = way;
    let captures = &of.x[op.carried()..];
    let mut carried = vec![count];
    carried.extend(&stacks);
    let first_cotangent = carried.len();
    for n in &activity.carried {
        carried.push(of.dy[*n].map_or_else(|| zeros(b, of.x[*n]), Ok)?);
    }
    // The cotangents of what the loop had kept before.
    let first_given = carried.len();
    carried.extend(of.dy[op.carried()..].iter().flatten());
    let first_sum = carried.len();
    for n in &activity.captured {
        carried.push(zeros(b, of.x[*n])?);
    }
    let operands: Vec<Value> = carried.iter().chain(captures).copied().collect();
    let types: Vec<Type> = operands.iter().map(|x| b.ty(*x).clone()).collect();
    let condition = region("condition", &types, |b, params| {
        let zero = b.number(DType::I64, 0.0);
        Ok(vec![b.push(Gt, &[params[0], zero])?])
    })?;
    let body = region(backward.graph.name(), &types, |b, params| {
        let graph = &backward.graph;
        let one = b.number(DType::I64, 1.0);
        let mut next = vec![b.sub(params[0], one)?];
        let mut made: ValueMap<Value> = ValueMap::new();
        for (stack, forward) in params[1..first_cotangent].iter().zip(&kept) {
            let popped = b.push_multi(StackPop, &[*stack])?;
            next.push(popped[0]);
            for Kept { backward, .. } in backward.kept.iter().filter(|kept| kept.forward == *forward) {
                made.insert(*backward, popped[1]);
            }
        }
        let mut given = graph.params()[backward.cotangents..].iter();
        let mut give = |value: Value, made: &mut ValueMap<Value>| {
            made.insert(*given.next().expect("the graph has a parameter for each cotangent"), value);
        };
        params[first_cotangent..first_given].iter().for_each(|dy| give(*dy, &mut made));
        let mut stacked = vec![];
        for stack in &params[first_given..first_sum] {
            let popped = b.push_multi(StackPop, &[*stack])?;
            stacked.push(popped[0]);
            give(popped[1], &mut made);
        }
        params[first_sum..carried.len()].iter().for_each(|sum| give(*sum, &mut made));
        for (param, capture) in graph.params()[op.carried()..].iter().zip(&params[carried.len()..]) {
            made.insert(*param, *capture);
        }
        let results = copy_needed(b, graph, &mut made)?;
        let (cotangents, sums) = results.split_at(activity.carried.len());
        next.extend(cotangents);
        next.extend(stacked);
        next.extend(sums);
        Ok(next)
    })?;
    let back = While { save: op.save, trips, ..While::new(condition, body) };
    let results = b.push_multi(back, &operands)?;
    let cotangents = first_cotangent..first_given;
    Ok(cotangents.chain(first_sum..carried.len()).map(|n| results[n]).collect())
}
