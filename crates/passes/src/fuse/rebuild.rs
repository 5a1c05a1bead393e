//! Writing the graph anew, with a `fusion` for each group.

use super::groups::Groups;
use crate::rewrite::map_regions;
use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashSet};
use smallvec::SmallVec;
use std::sync::Arc;
use tracelift_ir::ops::Fusion;
use tracelift_ir::{Builder, Graph, NodeIndex, Op, ParamRole, Value, ValueMap};
use tracelift_tensor::Result;

/// The graph with its groups as `fusion` nodes, in the order of the old graph as far as what they read allows.
pub(super) fn rebuild(graph: &Graph, groups: &Groups) -> Result<Graph> {
    let mut new = Rebuild {
        graph,
        groups,
        members: groups.members(),
        b: Builder::with_capacity(graph.name(), graph.len()),
        made: ValueMap::with_capacity(graph.len()),
        results: graph.results().iter().copied().collect(),
    };
    for (guard, origin) in graph.guards_with_origins() {
        new.b.at(origin.clone()).assume(guard.clone());
    }
    new.params();
    for (id, node) in graph.nodes() {
        if !groups.is_free(id) && !matches!(node.op, Op::Parameter(_)) {
            new.unit(id)?;
        }
    }
    let results =
        graph.results().iter().map(|v| new.unit(v.node).map(|()| new.made[*v])).collect::<Result<Vec<_>>>()?;
    new.b.finish_with_states(&results, graph.states().to_vec())
}

struct Rebuild<'g> {
    graph: &'g Graph,
    groups: &'g Groups,
    members: Vec<Vec<NodeIndex>>,
    b: Builder,
    made: ValueMap<Value>,
    results: FxHashSet<Value>,
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

    fn is_made(&self, id: NodeIndex) -> bool {
        match self.groups.of(id) {
            // Of a group only the values that others need are there; its last member always is.
            Some(group) => self.made.contains(self.members[group].last().expect("a group has a member").value()),
            None => self.made.contains(id.value()),
        }
    }

    /// Makes the node, or the group it is in, after everything that is read there.
    fn unit(&mut self, id: NodeIndex) -> Result {
        let mut pending = vec![id];
        while let Some(&top) = pending.last() {
            if !self.is_made(top) {
                let reads = match self.groups.of(top) {
                    Some(group) => body_inputs(self.graph, self.groups, &self.members[group]),
                    None => self.graph.node(top).operands.to_vec(),
                };
                let before = pending.len();
                pending.extend(reads.iter().map(|x| x.node).filter(|x| !self.is_made(*x)));
                if pending.len() > before {
                    continue;
                }
                match self.groups.of(top) {
                    Some(group) => self.fusion(group, &reads)?,
                    None => self.plain(top)?,
                }
            }
            pending.pop();
        }
        Ok(())
    }

    fn plain(&mut self, id: NodeIndex) -> Result {
        let node = self.graph.node(id);
        let operands: SmallVec<[Value; 3]> = node.operands.iter().map(|x| self.made[*x]).collect();
        // What loops and branches run is fused for itself; what is fused already stays.
        let fused = if matches!(node.op, Op::Fusion(_)) { None } else { map_regions(&node.op, &mut super::fuse)? };
        let made = match fused {
            Some(op) => self.b.push_as(op, node, &operands)?,
            None => self.b.push_copy(self.graph, id, &operands)?,
        };
        for (n, value) in made.into_iter().enumerate() {
            self.made.insert(id.result(n), value);
        }
        Ok(())
    }

    fn fusion(&mut self, group: usize, reads: &[Value]) -> Result {
        let members = self.members[group].clone();
        let copies = |id: &NodeIndex| self.graph.node(*id).operands.iter().any(|x| self.groups.is_free(x.node));
        if let [only] = members.as_slice()
            && !copies(only)
        {
            return self.plain(*only);
        }
        let mut body = Body::new(self);
        reads.iter().for_each(|x| body.input(*x));
        for &id in &members {
            body.push(id)?;
        }
        let last = *members.last().expect("a group has a member");
        let outputs: Vec<Value> = members
            .iter()
            .map(|id| id.value())
            .filter(|v| v.node == last || self.is_needed_outside(*v, group))
            .collect();
        let results: Vec<Value> = outputs.iter().map(|v| body.made[*v]).collect();
        let region = body.b.finish(&results)?;
        let operands: Vec<Value> = reads.iter().map(|x| self.made[*x]).collect();
        self.b.at(self.graph.node(last).origin.clone());
        let made = self.b.push_multi(Fusion { body: Arc::new(region) }, &operands)?;
        for (old, new) in outputs.into_iter().zip(made) {
            if let Some(name) = self.graph.name_of(old) {
                self.b.set_name(new, name.clone());
            }
            self.made.insert(old, new);
        }
        Ok(())
    }

    /// Whether a member is read by another group or node (perhaps through a copied node that is made outside, too), or is
    /// a result.
    fn is_needed_outside(&self, value: Value, group: usize) -> bool {
        let mut pending = vec![value];
        while let Some(top) = pending.pop() {
            if self.results.contains(&top) {
                return true;
            }
            for (user, _) in self.graph.users(top) {
                if self.groups.is_free(user) {
                    pending.push(user.value());
                } else if self.groups.of(user) != Some(group) {
                    return true;
                }
            }
        }
        false
    }
}

/// What the members of a group read from outside, in the order of first use; copied nodes are part of the body.
fn body_inputs(graph: &Graph, groups: &Groups, members: &[NodeIndex]) -> Vec<Value> {
    let mut inputs: IndexSet<Value, FxBuildHasher> = IndexSet::default();
    let group = groups.of(members[0]);
    for &member in members {
        let mut pending = vec![member];
        while let Some(id) = pending.pop() {
            for &operand in &graph.node(id).operands {
                if groups.is_free(operand.node) {
                    pending.push(operand.node);
                } else if groups.of(operand.node) != group {
                    inputs.insert(operand);
                }
            }
        }
    }
    inputs.into_iter().collect()
}

/// The region of one fusion.
struct Body<'g> {
    graph: &'g Graph,
    groups: &'g Groups,
    b: Builder,
    made: ValueMap<Value>,
}

impl<'g> Body<'g> {
    fn new(outer: &Rebuild<'g>) -> Self {
        Body { graph: outer.graph, groups: outer.groups, b: Builder::new("body"), made: ValueMap::new() }
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
                assert!(self.groups.is_free(operand.node), "what a body reads from outside is its parameter");
                pending.push(operand.node);
                waiting = true;
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
    }
}
