//! Calls over a batch: the callee does the whole batch in one call.

use super::{BatchValue, batched_graph};
use std::sync::Arc;
use tracelift_ir::ops::Call;
use tracelift_ir::{Builder, Graph, Value};
use tracelift_tensor::{Dim, Error, Result};

pub(super) fn call(b: &mut Builder, call: &Call, x: &[BatchValue], size: &Dim) -> Result<Vec<BatchValue>> {
    if call.gradient.is_some() {
        let message = "cannot be run over a batch: it has a gradient of its own, which is for one element";
        return Err(Error::invalid(message).op("call").help("take the gradient first, and batch that"));
    }
    let batched: Vec<bool> = x.iter().map(|x| x.batched).collect();
    // The callee's unknown sizes are its own, so that of the batch is one more of them.
    let inner = if size.known().is_some() { size.clone() } else { fresh_size(&call.callee) };
    let name = format!("{}.batch", call.callee.name());
    let (callee, held) = batched_graph(&call.callee, &name, &batched, &inner, &|_, batched| batched)?;
    let operands: Vec<Value> = x.iter().map(|x| x.value).collect();
    let results = b.push_multi(Call::new(Arc::new(callee)), &operands)?;
    Ok(results.into_iter().zip(held).map(|(value, batched)| BatchValue { value, batched }).collect())
}

/// An unknown that the graph does not use.
fn fresh_size(graph: &Graph) -> Dim {
    let used: Vec<String> = graph.unknowns().iter().map(|(sym, ..)| sym.to_string()).collect();
    let names = std::iter::once("V".to_owned()).chain((1..).map(|n| format!("V{n}")));
    let name = names.into_iter().find(|name| !used.contains(name)).expect("there are more names than unknowns");
    Dim::sym(&name)
}
