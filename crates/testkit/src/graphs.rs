//! Copying graphs, whole or in parts.

use crate::random::Case;
use rustc_hash::FxHashSet;
use tracelift_ir::{Builder, Graph, NodeIndex, Op, ParamRole, StatePair, Type, Value, ValueMap, evaluate};
use tracelift_tensor::{Dim, Error, Result, Sym};

/// The function that answers the sum of the elements of the first result.
pub fn summed(graph: &Graph) -> Result<Graph> {
    let mut b = Builder::new(graph.name());
    let params: Vec<Value> = graph.param_types().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
    let made = b.splice(graph, &params)?;
    let first = graph.results().first().map(|v| made[*v]).ok_or_else(|| Error::invalid("has no result"))?;
    let axes: Vec<usize> = (0..b.ty(first).rank()).collect();
    let sum = if axes.is_empty() { first } else { b.sum(first, &axes, false)? };
    b.finish(&[sum])
}

/// A change that makes a case smaller.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Without one of its results.
    Result(usize),
    /// Without its effects.
    Effects,
    /// With what a node answers as further arguments.
    Given(NodeIndex),
    /// With an operand in the place of a node's first result.
    Operand(NodeIndex, usize),
}

/// The case after a change, without what is not needed any more; `None` if the change makes no sense here.
pub fn cut(case: &Case, cut: Cut) -> Option<Case> {
    let graph = &case.graph;
    let kept: Vec<usize> =
        (0..graph.results().len()).filter(|n| !matches!(cut, Cut::Result(gone) if gone == *n)).collect();
    let effects = !matches!(cut, Cut::Effects);
    let given = match cut {
        Cut::Given(id) => Some((id, values_of(case, id)?)),
        _ => None,
    };
    let stands_for = |value: Value| match cut {
        Cut::Operand(id, n) if value == id.value() => graph.node(id).operands[n],
        _ => value,
    };
    let is_cut = |id: NodeIndex| given.as_ref().is_some_and(|(cut, _)| *cut == id);
    let live = live(graph, &kept, effects, &|id| is_cut(id), &stands_for);
    let needed = used_sizes(graph, &live);
    let mut b = Builder::new(graph.name());
    let (mut made, mut arguments) = (ValueMap::with_capacity(graph.len()), vec![]);
    let states: Vec<&StatePair> = graph.states().iter().filter(|pair| kept.contains(&pair.result)).collect();
    let (mut new_params, mut read) = (vec![None; graph.params().len()], FxHashSet::default());
    for (n, (param, argument)) in graph.params().iter().zip(&case.arguments).enumerate() {
        let reads: Vec<Sym> = graph.ty(*param).shape().iter().filter_map(Dim::as_sym).collect();
        let is_read = reads.iter().any(|sym| needed.contains(sym) && !read.contains(sym));
        let is_state = states.iter().any(|pair| pair.param == n);
        if live[param.node.index()] || is_read || is_state {
            read.extend(reads);
            let role = if is_state { ParamRole::State } else { ParamRole::Input };
            new_params[n] = Some(arguments.len());
            made.insert(*param, b.param("", graph.ty(*param).clone(), role));
            arguments.push(argument.clone());
        }
    }
    for (id, node) in graph.nodes() {
        if !live[id.index()] || matches!(node.op, Op::Parameter(_)) {
            continue;
        }
        if let Some((_, values)) = given.as_ref().filter(|(cut, _)| *cut == id) {
            for (n, value) in values.iter().enumerate() {
                made.insert(id.result(n), b.param("", node.types[n].clone(), ParamRole::Input));
                arguments.push(value.clone());
            }
            continue;
        }
        let operands: Vec<Value> =
            node.operands.iter().map(|x| made.get(stands_for(*x)).copied()).collect::<Option<_>>()?;
        for (n, value) in b.push_like(node, &operands).ok()?.into_iter().enumerate() {
            made.insert(id.result(n), value);
        }
    }
    let results: Vec<Value> =
        kept.iter().map(|n| made.get(stands_for(graph.results()[*n])).copied()).collect::<Option<_>>()?;
    let pair = |pair: &&StatePair| {
        let result = kept.iter().position(|n| *n == pair.result)?;
        Some(StatePair { param: new_params[pair.param]?, result })
    };
    let states = states.iter().map(pair).collect::<Option<_>>()?;
    let graph = b.finish_with_states(&results, states).ok()?;
    Some(Case { graph, arguments })
}

/// What the reference computes at a node.
fn values_of(case: &Case, id: NodeIndex) -> Option<Vec<tracelift_tensor::Array>> {
    let node = case.graph.node(id);
    if matches!(node.op, Op::Parameter(_)) || !node.types.iter().all(|ty| matches!(ty, Type::Tensor(_))) {
        return None;
    }
    let mut b = Builder::new("part");
    let params: Vec<Value> = case.graph.param_types().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
    let mut made: ValueMap<Value> = ValueMap::with_capacity(case.graph.len());
    for (old, new) in case.graph.params().iter().zip(&params) {
        made.insert(*old, *new);
    }
    for (at, node) in case.graph.nodes().take(id.index() + 1) {
        if matches!(node.op, Op::Parameter(_) | Op::Print(_)) || node.operands.iter().any(|x| !made.contains(*x)) {
            continue;
        }
        let operands: Vec<Value> = node.operands.iter().map(|x| made[*x]).collect();
        for (n, value) in b.push_like(node, &operands).ok()?.into_iter().enumerate() {
            made.insert(at.result(n), value);
        }
    }
    let results: Vec<Value> = (0..node.types.len()).map(|n| made.get(id.result(n)).copied()).collect::<Option<_>>()?;
    evaluate(&b.finish(&results).ok()?, &case.arguments).ok()
}

fn live(
    graph: &Graph,
    kept: &[usize],
    effects: bool,
    is_cut: &dyn Fn(NodeIndex) -> bool,
    stands_for: &dyn Fn(Value) -> Value,
) -> Vec<bool> {
    let mut live = vec![false; graph.len()];
    let mut pending: Vec<NodeIndex> = kept.iter().map(|n| stands_for(graph.results()[*n]).node).collect();
    if effects {
        pending.extend(graph.nodes().filter(|(_, node)| matches!(node.op, Op::Print(_))).map(|(id, _)| id));
    }
    while let Some(id) = pending.pop() {
        if !std::mem::replace(&mut live[id.index()], true) && !is_cut(id) {
            pending.extend(graph.node(id).operands.iter().map(|x| stands_for(*x).node));
        }
    }
    live
}

fn used_sizes(graph: &Graph, live: &[bool]) -> FxHashSet<Sym> {
    let nodes = graph.nodes().filter(|(id, _)| live[id.index()]);
    let tensors = nodes.flat_map(|(_, node)| node.types.iter().filter_map(|ty| ty.as_tensor()));
    tensors.flat_map(|tensor| tensor.shape.syms()).collect()
}
