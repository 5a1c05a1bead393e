//! Writing the graph anew, with a `fusion` for each group.

use super::groups::Groups;
use smallvec::SmallVec;
use std::sync::Arc;
use tracelift_ir::ops::Fusion;
use tracelift_ir::{Builder, Graph, NodeIndex, Op, ParamRole, Value, ValueMap};
use tracelift_tensor::Result;

/// The graph with its groups as `fusion` nodes, each where its last member was.
///
/// That is a valid place: nothing outside a group uses other members than the last (apart from the graph's results),
/// and what a member uses stands before it.
pub(super) fn rebuild(graph: &Graph, groups: &Groups) -> Result<Graph> {
    let mut members: Vec<Vec<NodeIndex>> = vec![vec![]; groups.count];
    for (id, _) in graph.nodes() {
        if let Some(group) = groups.of(id) {
            members[group].push(id);
        }
    }
    let roots = groups.roots();
    let mut new = Rebuild { graph, groups, b: Builder::new(graph.name()), made: ValueMap::with_capacity(graph.len()) };
    new.params();
    for (id, node) in graph.nodes() {
        match groups.of(id) {
            Some(group) if roots[group] == id => new.fusion(&members[group])?,
            Some(_) => {}
            None if groups.is_free(id) || matches!(node.op, Op::Parameter(_)) => {}
            None => new.plain(id)?,
        }
    }
    let results = graph.results().iter().map(|v| new.outer(*v)).collect::<Result<Vec<_>>>()?;
    for (guard, _) in graph.guards_with_origins() {
        new.b.assume(guard.clone());
    }
    new.b.finish_with_states(&results, graph.states().to_vec())
}

struct Rebuild<'g> {
    graph: &'g Graph,
    groups: &'g Groups,
    b: Builder,
    made: ValueMap<Value>,
}

impl Rebuild<'_> {
    fn params(&mut self) {
        for (value, role) in self.graph.params().iter().zip(self.graph.roles()) {
            let name = self.graph.name_of(*value).cloned().unwrap_or_default();
            self.b.at(self.graph.node(*value).origin.clone());
            let new = self.b.param(name, self.graph.ty(*value).clone(), *role);
            self.made.insert(*value, new);
        }
    }

    /// The value in the new graph; a node that is copied into groups is made here only if something needs it.
    fn outer(&mut self, value: Value) -> Result<Value> {
        let mut pending = vec![value];
        while let Some(&top) = pending.last() {
            if !self.made.contains(top) {
                let node = self.graph.node(top);
                let missing: Vec<Value> = node.operands.iter().copied().filter(|x| !self.made.contains(*x)).collect();
                if !missing.is_empty() {
                    pending.extend(missing);
                    continue;
                }
                self.push(top.node)?;
            }
            pending.pop();
        }
        Ok(self.made[value])
    }

    fn push(&mut self, id: NodeIndex) -> Result {
        let node = self.graph.node(id);
        let operands: SmallVec<[Value; 3]> = node.operands.iter().map(|x| self.made[*x]).collect();
        for (n, value) in self.b.push_like(node, &operands)?.into_iter().enumerate() {
            self.made.insert(id.result(n), value);
        }
        Ok(())
    }

    fn plain(&mut self, id: NodeIndex) -> Result {
        for operand in &self.graph.node(id).operands {
            self.outer(*operand)?;
        }
        self.push(id)
    }

    fn fusion(&mut self, members: &[NodeIndex]) -> Result {
        let copies = |id: &NodeIndex| self.graph.node(*id).operands.iter().any(|x| self.groups.is_free(x.node));
        if let [only] = members
            && !copies(only)
        {
            return self.plain(*only);
        }
        let mut body = Body::new(self);
        for &id in members {
            body.push(id)?;
        }
        let root = members.last().expect("a group has a member");
        let outputs: Vec<Value> = members
            .iter()
            .map(|id| id.value())
            .filter(|v| v.node == *root || self.graph.results().contains(v) || body.is_needed_outside(*v))
            .collect();
        let results: Vec<Value> = outputs.iter().map(|v| body.made[*v]).collect();
        let inputs = body.inputs;
        let region = body.b.finish(&results)?;
        let operands = inputs.into_iter().map(|x| self.outer(x)).collect::<Result<Vec<_>>>()?;
        self.b.at(self.graph.node(*root).origin.clone());
        let made = self.b.push_multi(Fusion { body: Arc::new(region) }, &operands)?;
        for (old, new) in outputs.into_iter().zip(made) {
            if let Some(name) = self.graph.name_of(old) {
                self.b.set_name(new, name.clone());
            }
            self.made.insert(old, new);
        }
        Ok(())
    }
}

/// The region of one fusion.
struct Body<'g> {
    graph: &'g Graph,
    groups: &'g Groups,
    b: Builder,
    made: ValueMap<Value>,
    inputs: Vec<Value>,
}

impl<'g> Body<'g> {
    fn new(outer: &Rebuild<'g>) -> Self {
        Body { graph: outer.graph, groups: outer.groups, b: Builder::new("body"), made: ValueMap::new(), inputs: vec![] }
    }

    fn push(&mut self, id: NodeIndex) -> Result {
        let mut pending = vec![id];
        while let Some(&top) = pending.last() {
            let node = self.graph.node(top);
            let mut waiting = false;
            for operand in &node.operands {
                if self.made.contains(*operand) {
                    continue;
                }
                if self.groups.is_free(operand.node) {
                    pending.push(operand.node);
                    waiting = true;
                } else {
                    self.input(*operand);
                }
            }
            if waiting {
                continue;
            }
            if !self.made.contains(top.value()) {
                let operands: SmallVec<[Value; 3]> = node.operands.iter().map(|x| self.made[*x]).collect();
                let made = self.b.push_like(node, &operands)?;
                self.made.insert(top.value(), made[0]);
            }
            pending.pop();
        }
        Ok(())
    }

    fn input(&mut self, value: Value) {
        let name = self.graph.name_of(value).cloned().unwrap_or_default();
        let param = self.b.param(name, self.graph.ty(value).clone(), ParamRole::Input);
        self.made.insert(value, param);
        self.inputs.push(value);
    }

    /// Whether a copied node that is made outside, too, reads this member.
    fn is_needed_outside(&self, value: Value) -> bool {
        let mut pending = vec![value];
        while let Some(top) = pending.pop() {
            for (user, _) in self.graph.users(top) {
                if self.groups.is_free(user) {
                    let next = user.value();
                    if self.graph.results().contains(&next) {
                        return true;
                    }
                    pending.push(next);
                }
            }
        }
        false
    }
}
