//! Loops and branches as nodes of the active trace, from their traced bodies.

use std::sync::Arc;

use tracelift_ir::{Op, Value, ops};
use tracelift_tensor::{Error, Origin, Result, Sym};

use crate::{
    Tensor,
    custom_gradient::closed,
    recompute,
    trace::{self, Region, Source, disagreement, shared_sources},
    variable::VariableData,
};

/// A loop over values; condition and body are given them, and the body gives as many of the same types, but for the sizes
/// that are the loop's.
pub(crate) fn push_while(
    initial: &[Tensor],
    condition: Region,
    body: Region,
    sizes: Vec<Sym>,
    origin: &Origin,
) -> Result<Vec<Tensor>> {
    if let Some(variable) = condition.assigned().first() {
        let message = format!("has a condition that assigns `{}`", variable.name());
        return Err(disagreement("while_loop", message, origin).help("assign it in the body"));
    }
    let assigned = body.assigned();
    let sources = all_sources(&[&condition, &body], &assigned);
    let condition = condition.into_graph(&sources, &[])?;
    let body = body.into_graph(&sources, &assigned)?;
    let op = ops::While { save: recompute::save(), sizes, ..ops::While::new(condition, body) };
    push(op.into(), initial, &sources, &assigned, origin)
}

/// A branch whose two bodies give values of the same types, but for sizes that are found while the graph runs.
pub(crate) fn push_cond(condition: &Tensor, then: Region, otherwise: Region, origin: &Origin) -> Result<Vec<Tensor>> {
    let mut assigned = then.assigned();
    for variable in otherwise.assigned() {
        if !assigned.iter().any(|known| known.id() == variable.id()) {
            assigned.push(variable);
        }
    }
    let sources = all_sources(&[&then, &otherwise], &assigned);
    let mut op = ops::Cond::new(then.into_graph(&sources, &assigned)?, otherwise.into_graph(&sources, &assigned)?);
    op.sizes =
        trace::with_active(|stack| (0..op.open_sizes()).map(|_| stack.fresh_size()).collect()).unwrap_or_default();
    push(op.into(), std::slice::from_ref(condition), &sources, &assigned, origin)
}

/// A call of a body, which keeps its nodes from the trace around it until calls are inlined.
pub(crate) fn push_call(body: Region, origin: &Origin) -> Result<Vec<Tensor>> {
    let assigned = body.assigned();
    let sources = all_sources(&[&body], &assigned);
    let callee = closed(body.into_graph(&sources, &assigned)?)?;
    let call = trace::with_active(|stack| stack.call_of(callee));
    let call = call.ok_or_else(|| Error::internal("a call is built outside of any trace"))?;
    push(call.into(), &[], &sources, &assigned, origin)
}

/// What the bodies are given besides their state: the variables they assign, then all else from outside.
fn all_sources(regions: &[&Region], assigned: &[Arc<VariableData>]) -> Vec<Source> {
    let carried = assigned.iter().cloned().map(Source::Variable);
    carried.chain(shared_sources(regions, assigned)).collect()
}

/// The loop or branch as a node of the active trace; gives its results, and makes those of variables their values.
fn push(
    op: Op,
    first: &[Tensor],
    sources: &[Source],
    assigned: &[Arc<VariableData>],
    origin: &Origin,
) -> Result<Vec<Tensor>> {
    trace::with_active(|stack| {
        let mut operands = first.iter().map(|tensor| stack.lift(tensor, origin)).collect::<Result<Vec<Value>>>()?;
        operands.extend(stack.lift_sources(sources, origin)?);
        let values = stack.top_frame().builder.at(origin.clone()).push_multi(op, &operands)?;
        let (results, states) = values.split_at(values.len() - assigned.len());
        for (variable, value) in assigned.iter().zip(states) {
            stack.assign(variable, *value);
        }
        let frame = stack.top_frame();
        Ok(results.iter().map(|value| frame.tensor(*value)).collect())
    })
    .unwrap_or_else(|| Err(Error::internal("a loop or branch is built outside of any trace")))
}
