//! Calls over a batch: the callee does the whole batch in one call.

use super::{BatchValue, batched_graph};
use crate::changing_shapes::{finder, not_for_a_batch};
use std::sync::Arc;
use tracelift_ir::ops::Call;
use tracelift_ir::{Builder, Graph, Value};
use tracelift_tensor::{Dim, Result};

pub(super) fn call(b: &mut Builder, call: &Call, x: &[BatchValue], size: &Dim) -> Result<Vec<BatchValue>> {
    let batched: Vec<bool> = x.iter().map(|x| x.batched).collect();
    if !call.found.is_empty() {
        let (op, origin) = finder(&call.callee).map_or(("call", b.origin()), |(node, op)| (op.name(), &node.origin));
        return Err(not_for_a_batch(op, origin));
    }
    // The callee's unknown sizes are its own, so that of the batch is one more of them.
    let inner = if size.known().is_some() { size.clone() } else { fresh_size(&call.callee) };
    let name = format!("{}.batch", call.callee.name());
    let (callee, held) = batched_graph(&call.callee, &name, &batched, &inner, &|_, batched| batched)?;
    let gradient = match &call.gradient {
        Some(gradient) => Some(Arc::new(given_gradient(gradient, &batched, &held, size)?)),
        None => None,
    };
    let operands: Vec<Value> = x.iter().map(|x| x.value).collect();
    let results = b.push_multi(Call { gradient, ..Call::new(Arc::new(callee)) }, &operands)?;
    Ok(results.into_iter().zip(held).map(|(value, batched)| BatchValue { value, batched }).collect())
}

/// The gradient that a call was given, over the batch: what flows back to an operand that is the same for all elements is
/// the sum over them.
fn given_gradient(gradient: &Graph, operands: &[bool], results: &[bool], size: &Dim) -> Result<Graph> {
    let batched = [operands, results, results].concat();
    let inner = if size.known().is_some() { size.clone() } else { fresh_size(gradient) };
    let (single, _) = batched_graph(gradient, gradient.name(), &batched, &inner, &|_, _| true)?;
    let single = Arc::new(single);
    let mut b = Builder::new(format!("{}.batch", gradient.name()));
    let params = single.params().iter().zip(single.roles());
    let params: Vec<Value> = params.map(|(param, role)| b.param("", single.ty(*param).clone(), *role)).collect();
    let given = b.push_multi(Call::new(single), &params)?;
    let is_float = |n: &usize| gradient.ty(gradient.params()[*n]).is_float();
    let floats = (0..operands.len()).filter(is_float);
    let summed = floats.zip(given).map(|(n, dx)| if operands[n] { Ok(dx) } else { b.sum(dx, &[0], false) });
    let summed = summed.collect::<Result<Vec<Value>>>()?;
    b.finish(&summed)
}

/// An unknown that the graph does not use.
fn fresh_size(graph: &Graph) -> Dim {
    let unknowns = graph.unknowns().into_iter().map(|(sym, ..)| sym);
    let used: Vec<String> = unknowns.chain(graph.found_sizes()).map(|sym| sym.to_string()).collect();
    let names = std::iter::once("V".to_owned()).chain((1..).map(|n| format!("V{n}")));
    let name = names.into_iter().find(|name| !used.contains(name)).expect("there are more names than unknowns");
    Dim::sym(&name)
}
