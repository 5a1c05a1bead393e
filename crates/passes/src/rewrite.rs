//! What every graph pass shares: writing a graph anew, node by node.

use smallvec::SmallVec;
use std::slice;
use std::sync::Arc;
use tracelift_ir::ops::{Cond, Fusion, While};
use tracelift_ir::{Builder, Graph, NodeIndex, Op, Value, ValueMap};
use tracelift_tensor::{Dim, Result, Sym};

/// A new graph with the parameters of an old one, and where the old values went.
pub(crate) struct Rewrite<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) b: Builder,
    made: ValueMap<Value>,
}

impl<'g> Rewrite<'g> {
    pub(crate) fn new(graph: &'g Graph) -> Self {
        let mut b = Builder::with_capacity(graph.name(), graph.len());
        // First, so that they stay as they were said.
        for (guard, origin) in graph.guards_with_origins() {
            b.at(origin.clone()).assume(guard.clone());
        }
        let mut made = ValueMap::with_capacity(graph.len());
        for (value, role) in graph.params().iter().zip(graph.roles()) {
            let name = graph.name_of(*value).cloned().unwrap_or_default();
            b.at(graph.node(*value).origin.clone());
            made.insert(*value, b.param(name, graph.ty(*value).clone(), *role));
        }
        Rewrite { graph, b, made }
    }

    /// Where an old value is in the new graph; it must have been made.
    pub(crate) fn value(&self, old: Value) -> Value {
        self.made[old]
    }

    /// Says where an old value is.
    pub(crate) fn set(&mut self, old: Value, new: Value) {
        self.made.insert(old, new);
    }

    /// The new operands of an old node.
    pub(crate) fn operands(&self, id: NodeIndex) -> SmallVec<[Value; 3]> {
        self.graph.node(id).operands.iter().map(|x| self.made[*x]).collect()
    }

    /// The same node on the new operands, with regions put through `region`.
    pub(crate) fn keep(&mut self, id: NodeIndex, region: &mut dyn FnMut(&Graph) -> Result<Graph>) -> Result {
        let node = self.graph.node(id);
        let operands = self.operands(id);
        let made = match map_regions(&node.op, region)? {
            None => self.b.push_copy(self.graph, id, &operands)?,
            Some(op) => self.b.push_as(op, node, &operands)?,
        };
        for (n, value) in made.into_iter().enumerate() {
            self.made.insert(id.result(n), value);
        }
        Ok(())
    }

    /// The new graph, with the old one's results and states.
    pub(crate) fn finish(self) -> Result<Graph> {
        let results: Vec<Value> = self.graph.results().iter().map(|v| self.made[*v]).collect();
        self.b.finish_with_states(&results, self.graph.states().to_vec())
    }
}

/// The op with other regions; `None` if it has none of its own (a callee belongs to others, too).
pub(crate) fn map_regions(op: &Op, region: &mut dyn FnMut(&Graph) -> Result<Graph>) -> Result<Option<Op>> {
    let mut map = |graph: &Arc<Graph>| region(graph).map(Arc::new);
    Ok(Some(match op {
        Op::While(op) => While { condition: map(&op.condition)?, body: map(&op.body)?, ..op.clone() }.into(),
        Op::Cond(op) => Cond { then: map(&op.then)?, otherwise: map(&op.otherwise)?, ..op.clone() }.into(),
        Op::Fusion(op) => Fusion { body: map(&op.body)? }.into(),
        _ => return Ok(None),
    }))
}

/// The nodes that results or effects depend on.
pub(crate) fn live(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.len()];
    let has_effect = |op: &Op, id: NodeIndex| {
        let dtype = graph.node(id).operands.first().and_then(|x| graph.ty(*x).as_tensor()).map(|t| t.dtype);
        !op.laws(dtype.unwrap_or(tracelift_tensor::DType::F32)).pure
    };
    let mut pending: Vec<NodeIndex> = graph.results().iter().map(|v| v.node).collect();
    pending.extend(graph.nodes().filter(|(id, node)| has_effect(&node.op, *id)).map(|(id, _)| id));
    let finders = finders(graph);
    let guards = graph.guards().flat_map(|guard| [&guard.lhs, &guard.rhs]);
    let in_guards: Vec<Sym> = if finders.is_empty() { vec![] } else { guards.flat_map(Dim::syms).collect() };
    pending.extend(finders.iter().filter(|(sym, _)| in_guards.contains(sym)).map(|(_, id)| *id));
    while let Some(id) = pending.pop() {
        if !std::mem::replace(&mut live[id.index()], true) {
            let node = graph.node(id);
            pending.extend(node.operands.iter().map(|x| x.node));
            pending.extend(finders.iter().filter(|(sym, _)| node.uses_size(slice::from_ref(sym))).map(|(_, id)| *id));
        }
    }
    live
}

/// The sizes that nodes find while they run, with these nodes: what speaks of such a size depends on its node.
fn finders(graph: &Graph) -> Vec<(Sym, NodeIndex)> {
    graph.nodes().flat_map(|(id, node)| node.op.found_sizes().into_iter().map(move |sym| (sym, id))).collect()
}

/// The graph without the nodes that nothing depends on.
pub(crate) fn sweep(graph: &Graph) -> Result<Graph> {
    let live = live(graph);
    let mut new = Rewrite::new(graph);
    for (id, node) in graph.nodes() {
        if live[id.index()] && !matches!(node.op, Op::Parameter(_)) {
            new.keep(id, &mut |region| Ok(region.clone()))?;
        }
    }
    new.finish()
}
