//! One name for unknown sizes that guards say are equal.

use tracelift_ir::{Builder, Graph, Type, Value};
use tracelift_kernel::guard::GuardOp;
use tracelift_tensor::{Dim, Result, Shape, Sym};

/// Writes sizes that a guard makes equal as one of them: the rows of inputs and of their targets, say, which without it
/// are different loops to fusion.
///
/// Parameters and results keep their types; the guards stay, and are checked at each call.
pub fn sizes(graph: &Graph) -> Result<Graph> {
    let names = equal_names(graph);
    if names.is_empty() || graph.finds_sizes() {
        return Ok(graph.clone());
    }
    let mut b = Builder::with_capacity(graph.name(), graph.len());
    let mut arguments = vec![];
    for (param, role) in graph.params().iter().zip(graph.roles()) {
        b.at(graph.node(*param).origin.clone());
        let name = graph.name_of(*param).cloned().unwrap_or_default();
        arguments.push(b.param(name, graph.ty(*param).clone(), *role));
    }
    let params = arguments.clone();
    for (guard, origin) in graph.guards_with_origins() {
        b.at(origin.clone()).assume(guard.clone());
    }
    for (argument, param) in arguments.iter_mut().zip(graph.params()) {
        if let Type::Tensor(ty) = graph.ty(*param) {
            b.at(graph.node(*param).origin.clone());
            *argument = shaped(&mut b, *argument, ty.shape.substitute(&names))?;
        }
    }
    let made = b.splice_with(graph, &arguments, |op| op.with_sizes(&names))?;
    let mut results = vec![];
    for result in graph.results() {
        let param = graph.params().iter().position(|param| param == result);
        let value = param.map_or(made[*result], |n| params[n]);
        results.push(match graph.ty(*result) {
            Type::Tensor(ty) => shaped(&mut b, value, ty.shape.clone())?,
            _ => value,
        });
    }
    b.finish_with_states(&results, graph.states().to_vec())
}

fn shaped(b: &mut Builder, value: Value, shape: Shape) -> Result<Value> {
    if *b.ty(value).shape() == shape { Ok(value) } else { b.reshape(value, shape) }
}

/// What each name becomes, where it is not the first of its equals: in the order of the parameters.
fn equal_names(graph: &Graph) -> Vec<(Sym, Dim)> {
    let known: Vec<Dim> = graph.unknowns().iter().map(|(name, ..)| Dim::from(name)).collect();
    let place = |dim: &Dim| known.iter().position(|name| name == dim);
    // For each name the first one that it is known to equal.
    let mut first: Vec<usize> = (0..known.len()).collect();
    for guard in graph.guards().filter(|guard| guard.op == GuardOp::Eq) {
        if let (Some(a), Some(b)) = (place(&guard.lhs), place(&guard.rhs)) {
            let (low, high) = (first[a].min(first[b]), first[a].max(first[b]));
            first.iter_mut().filter(|name| **name == high).for_each(|name| *name = low);
        }
    }
    let names = graph.unknowns();
    let renamed = first.iter().enumerate().filter(|(name, first)| name != *first);
    renamed.map(|(name, first)| (names[name].0.clone(), known[*first].clone())).collect()
}
