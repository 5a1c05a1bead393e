//! Calls replaced by what they call.

use crate::rewrite::Rewrite;
use tracelift_ir::ops::Call;
use tracelift_ir::{Graph, Op, Value};
use tracelift_tensor::Result;

/// Puts the nodes of callees in the places of calls, until there are no calls left.
///
/// A call of a function that finds sizes while it runs stays: its sizes are its own, two copies of them would be one, and
/// such a graph is evaluated op by op anyway.
pub fn inline(graph: &Graph) -> Result<Graph> {
    let mut current = once(graph)?;
    while has_calls(&current) {
        current = once(&current)?;
    }
    Ok(current)
}

fn has_calls(graph: &Graph) -> bool {
    // Nesting is bounded by the builder, so this may recurse.
    graph.nodes().any(|(_, node)| match &node.op {
        Op::Call(call) => goes(call),
        op => op.regions().into_iter().any(|region| has_calls(region)),
    })
}

/// Whether a call is replaced.
fn goes(call: &Call) -> bool {
    !call.callee.finds_sizes()
}

fn once(graph: &Graph) -> Result<Graph> {
    let mut new = Rewrite::new(graph);
    for (id, node) in graph.nodes() {
        match &node.op {
            Op::Parameter(_) => {}
            Op::Call(call) if goes(call) => {
                let results = expand(&mut new, call, id.value())?;
                for (n, value) in results.into_iter().enumerate() {
                    new.set(id.result(n), value);
                }
            }
            _ => new.keep(id, &mut once)?,
        }
    }
    new.finish()
}

fn expand(new: &mut Rewrite<'_>, call: &Call, at: Value) -> Result<Vec<Value>> {
    let callee = &call.callee;
    let arguments = new.operands(at.node);
    let types: Vec<_> = arguments.iter().map(|x| new.b.ty(*x).clone()).collect();
    let sizes = call.sizes(&types);
    let made = new.b.splice_with(callee, &arguments, |op| op.with_sizes(&sizes))?;
    Ok(callee.results().iter().map(|v| made[*v]).collect())
}
