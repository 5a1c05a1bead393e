//! Calls replaced by what they call.

use crate::rewrite::Rewrite;
use tracelift_ir::ops::Call;
use tracelift_ir::{Attr, Attrs, Builder, Graph, Op, Type, Value};
use tracelift_tensor::{Dim, Result, Sym};

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
    let made = new.b.splice_with(callee, &arguments, |op| substitute(op, &sizes))?;
    Ok(callee.results().iter().map(|v| made[*v]).collect())
}

/// The op with the callee's unknown sizes in terms of the caller's; what a callee calls has unknowns of its own.
pub(crate) fn substitute(op: &Op, sizes: &[(Sym, Dim)]) -> Result<Op> {
    if sizes.is_empty() || matches!(op, Op::Call(_)) {
        return Ok(op.clone());
    }
    let mut attrs = Attrs::new();
    for (name, value) in op.attributes().iter() {
        let value = match value {
            Attr::Dim(dim) => Attr::Dim(dim.substitute(sizes)),
            Attr::List(dims) => Attr::List(dims.iter().map(|dim| dim.substitute(sizes)).collect()),
            Attr::Region(region) => Attr::Region(std::sync::Arc::new(substitute_graph(region, sizes)?)),
            other => other.clone(),
        };
        attrs = attrs.with(name.to_string(), value);
    }
    Op::from_attributes(op.name(), &attrs)
}

fn substitute_graph(graph: &Graph, sizes: &[(Sym, Dim)]) -> Result<Graph> {
    let mut b = Builder::new(graph.name());
    let mut params = vec![];
    for (param, role) in graph.params().iter().zip(graph.roles()) {
        let ty = match graph.ty(*param) {
            Type::Tensor(t) => Type::tensor(t.dtype, t.shape.substitute(sizes)),
            other => other.clone(),
        };
        let name = graph.name_of(*param).cloned().unwrap_or_default();
        params.push(b.param(name, ty, *role));
    }
    let made = b.splice_with(graph, &params, |op| substitute(op, sizes))?;
    let results: Vec<Value> = graph.results().iter().map(|v| made[*v]).collect();
    b.finish(&results)
}
