//! Groups that read what another group makes, joined with it: one loop, several results.

use super::groups::{Domain, Groups, MAX_BODY};
use tracelift_ir::{Graph, NodeIndex};

/// Joins elementwise groups with elementwise groups that they read from.
///
/// The *level* of a unit (a group, or a node outside of all groups) is the length of the longest path that leads to it.
/// A group may go into a group of level `n` from which it reads if all else that it reads has a level below `n`: then no
/// path can lead from one to the other through a third, and the level of the joined group stays `n`.
pub(super) fn consumers(graph: &Graph, groups: &mut Groups, domains: &mut [Domain]) {
    let members = groups.members();
    let mut target: Vec<usize> = (0..domains.len()).collect();
    let mut levels = Levels { group: vec![0; domains.len()], node: vec![0; graph.len()] };
    for (id, _) in graph.nodes() {
        let Some(group) = groups.of(id) else {
            levels.node[id.index()] = levels.after(graph, groups, &target, &[id]);
            continue;
        };
        if members[group].last() != Some(&id) {
            continue;
        }
        let inputs = inputs(graph, groups, &members[group], group);
        let candidate = inputs.iter().filter_map(|x| groups.of(*x)).map(|g| target[g]).max_by_key(|g| levels.group[*g]);
        let joined = candidate.filter(|&other| {
            let fits = domains[group].reduced.is_none()
                && domains[other].reduced.is_none()
                && domains[group].shape == domains[other].shape
                && domains[group].size + domains[other].size <= MAX_BODY;
            fits && inputs.iter().all(|x| {
                groups.of(*x).is_some_and(|g| target[g] == other)
                    || levels.of(groups, &target, *x) < levels.group[other]
            })
        });
        match joined {
            Some(other) => {
                target[group] = other;
                domains[other].size += domains[group].size;
            }
            None => levels.group[group] = levels.after(graph, groups, &target, &members[group]),
        }
    }
    groups.rename(&target);
}

/// The nodes outside a group that its members read, seen through the nodes that are copied.
fn inputs(graph: &Graph, groups: &Groups, members: &[NodeIndex], group: usize) -> Vec<NodeIndex> {
    let mut inputs = vec![];
    let mut pending: Vec<NodeIndex> = members.to_vec();
    while let Some(id) = pending.pop() {
        for operand in &graph.node(id).operands {
            let x = operand.node;
            if groups.is_free(x) {
                pending.push(x);
            } else if groups.of(x) != Some(group) {
                inputs.push(x);
            }
        }
    }
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}

struct Levels {
    group: Vec<u32>,
    node: Vec<u32>,
}

impl Levels {
    fn of(&self, groups: &Groups, target: &[usize], id: NodeIndex) -> u32 {
        groups.of(id).map_or(self.node[id.index()], |group| self.group[target[group]])
    }

    /// One more than the highest level that some nodes read from outside of their group.
    fn after(&self, graph: &Graph, groups: &Groups, target: &[usize], ids: &[NodeIndex]) -> u32 {
        let group = groups.of(ids[0]).unwrap_or(usize::MAX);
        let read = inputs(graph, groups, ids, group);
        read.iter().map(|x| self.of(groups, target, *x) + 1).max().unwrap_or(0)
    }
}
