//! Groups joined with groups that they read from, or beside which they read the same: one loop, several results.

use super::groups::{Domain, Groups, MAX_BODY, Uses};
use super::rows::{is_read_in_place, is_suffix, missing_axes, pay};
use rustc_hash::FxHashMap;
use tracelift_ir::{Graph, NodeIndex, Op};
use tracelift_kernel::meaning::ReduceOrder;
use tracelift_tensor::Shape;

/// A body that is computed anew in several loops over a row counts several times.
const MAX_ROW_BODY: usize = MAX_BODY / 2;
/// The most buffers of a joined group: as many addresses as a loop keeps in registers.
const MAX_BUFFERS: usize = 11;
/// How many groups that read a value are looked at for one more that does.
const MAX_READERS: usize = 8;

/// Joins groups with groups that they read from, and groups that read the same.
///
/// The *level* of a unit (a group, or a node outside of all groups) is the length of the longest path that leads to it.
/// A group may go into a group of level `n` from which it reads if all else that it reads has a level below `n`: then no
/// path can lead from one to the other through a third, and the level of the joined group stays `n`. Two groups of one
/// level may always be joined.
pub(super) fn merge(graph: &Graph, uses: &Uses, groups: &mut Groups, domains: Vec<Domain>) {
    let members = groups.members();
    let count = domains.len();
    let mut merge = Merge {
        graph,
        uses,
        target: (0..count).collect(),
        level_of_group: vec![0; count],
        level_of_node: vec![0; graph.len()],
        readers: FxHashMap::default(),
        members,
        domains,
        groups,
    };
    for (id, _) in graph.nodes() {
        match merge.groups.of(id) {
            Some(group) if merge.members[group].last() == Some(&id) => merge.group(group),
            Some(_) => {}
            None => merge.level_of_node[id.index()] = merge.level_after(&merge.inputs(&[id])),
        }
    }
    let target = merge.target;
    groups.rename(&target);
}

struct Merge<'g> {
    graph: &'g Graph,
    uses: &'g Uses,
    groups: &'g mut Groups,
    /// The group that each group went into.
    target: Vec<usize>,
    /// The nodes of each group as it was found; of one that others went into, those of all.
    members: Vec<Vec<NodeIndex>>,
    domains: Vec<Domain>,
    level_of_group: Vec<u32>,
    level_of_node: Vec<u32>,
    /// The last groups that read a value.
    readers: FxHashMap<NodeIndex, Vec<usize>>,
}

impl Merge<'_> {
    /// Finds a group for a group to go into, or its level.
    fn group(&mut self, group: usize) {
        let members = std::mem::take(&mut self.members[group]);
        let inputs = self.inputs(&members);
        let level = self.level_after(&inputs);
        let joined = self.producer(group, &members, &inputs).or_else(|| self.sibling(group, &members, &inputs, level));
        let group = match joined {
            Some((other, domain)) => {
                self.target[group] = other;
                self.domains[other] = domain;
                self.members[other].extend(members);
                other
            }
            None => {
                self.level_of_group[group] = level;
                self.members[group] = members;
                group
            }
        };
        for x in inputs {
            let readers = self.readers.entry(x).or_default();
            if readers.last() != Some(&group) {
                readers.push(group);
            }
        }
    }

    /// The group that this one may go into because it reads from there.
    fn producer(&self, group: usize, members: &[NodeIndex], inputs: &[NodeIndex]) -> Option<(usize, Domain)> {
        let made_by = |x: &NodeIndex| self.group_of(*x);
        let other = inputs.iter().filter_map(made_by).max_by_key(|g| self.level_of_group[*g])?;
        let level = self.level_of_group[other];
        let no_way_around = inputs.iter().all(|x| self.group_of(*x) == Some(other) || self.level_of(*x) < level);
        if !no_way_around {
            return None;
        }
        self.union(other, group, members, inputs).map(|domain| (other, domain))
    }

    /// A group of the same level that reads some of the same, and the same products.
    fn sibling(
        &self,
        group: usize,
        members: &[NodeIndex],
        inputs: &[NodeIndex],
        level: u32,
    ) -> Option<(usize, Domain)> {
        let products = |inputs: &[NodeIndex]| -> Vec<NodeIndex> {
            let is_product = |x: &&NodeIndex| matches!(self.graph.node(**x).op, Op::DotGeneral(_));
            inputs.iter().filter(is_product).copied().collect()
        };
        let shared = inputs.iter().filter(|x| self.shape(**x) == Some(&self.domains[group].shape));
        let mut others = shared.filter_map(|x| self.readers.get(x)).flat_map(|readers| {
            let readers = readers.iter().rev().take(MAX_READERS);
            readers.copied().filter(|other| self.level_of_group[*other] == level)
        });
        others.find_map(|other| {
            if products(inputs) != products(&self.inputs(&self.members[other])) {
                return None;
            }
            self.union(other, group, members, inputs).map(|domain| (other, domain))
        })
    }

    /// Over what the loops of two groups run if they are one: `group` with these members and inputs, and `other`.
    fn union(&self, other: usize, group: usize, members: &[NodeIndex], inputs: &[NodeIndex]) -> Option<Domain> {
        let domain = self.domains[other].union(&self.domains[group])?;
        let most = if domain.order.is_some() { MAX_ROW_BODY } else { MAX_BODY };
        if domain.size > most || self.buffers(other, members, inputs) > MAX_BUFFERS {
            return None;
        }
        if let Some(axes) = &domain.inner {
            let all = self.members[other].iter().chain(members);
            let mut row_values = all.filter(|id| self.shape(**id) != Some(&domain.shape));
            let in_place = |id: &NodeIndex| is_read_in_place(self.graph, *id, &domain.shape, axes);
            if !row_values.all(in_place) {
                return None;
            }
        }
        Some(domain)
    }

    /// How many buffers a group that takes these members reads and writes.
    fn buffers(&self, other: usize, members: &[NodeIndex], inputs: &[NodeIndex]) -> usize {
        let is_buffer = |id: &NodeIndex| self.shape(*id).is_some_and(|shape| shape.rank() > 0);
        let mut read = self.inputs(&self.members[other]);
        read.extend(inputs.iter().filter(|x| self.group_of(**x) != Some(other)));
        read.sort_unstable();
        read.dedup();
        let inside = |id: &NodeIndex| self.group_of(*id) == Some(other) || members.binary_search(id).is_ok();
        let written = |id: &&NodeIndex| {
            is_buffer(id) && (self.uses.is_result(**id) || !self.uses.of_node(**id).iter().all(inside))
        };
        let written = self.members[other].iter().chain(members).filter(written).count();
        read.iter().filter(|x| is_buffer(x)).count() + written
    }

    /// The nodes outside a group that its members read, seen through the nodes that are copied.
    fn inputs(&self, members: &[NodeIndex]) -> Vec<NodeIndex> {
        let ours = self.group_of(members[0]);
        let mut inputs = vec![];
        let mut pending: Vec<NodeIndex> = members.to_vec();
        while let Some(id) = pending.pop() {
            for operand in &self.graph.node(id).operands {
                let x = operand.node;
                if self.groups.is_free(x) {
                    pending.push(x);
                } else if ours.is_none() || self.group_of(x) != ours {
                    inputs.push(x);
                }
            }
        }
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }

    /// One more than the highest level among some nodes.
    fn level_after(&self, inputs: &[NodeIndex]) -> u32 {
        inputs.iter().map(|x| self.level_of(*x) + 1).max().unwrap_or(0)
    }

    fn level_of(&self, id: NodeIndex) -> u32 {
        self.group_of(id).map_or(self.level_of_node[id.index()], |group| self.level_of_group[group])
    }

    /// The group that a node is in by now.
    fn group_of(&self, id: NodeIndex) -> Option<usize> {
        self.groups.of(id).map(|group| self.target[group])
    }

    /// The shape of a node's value; none if it is no tensor.
    fn shape(&self, id: NodeIndex) -> Option<&Shape> {
        self.graph.ty(id.value()).as_tensor().map(|ty| &ty.shape)
    }
}

impl Domain {
    /// What the loops run over if the nodes of two groups are in one, provided that the values of rows are read where they
    /// are.
    fn union(&self, other: &Domain) -> Option<Domain> {
        let size = self.size + other.size;
        let moves = self.moves || other.moves;
        if self.inner.is_none() && other.inner.is_none() && self.shape == other.shape {
            return Some(Domain { size, moves, ..self.clone() });
        }
        if moves {
            return None;
        }
        let (outer, inside) =
            if missing_axes(&self.shape, &other.shape).is_some() { (other, self) } else { (self, other) };
        let axes = if outer.shape == inside.shape {
            let axes = outer.inner.as_ref().or(inside.inner.as_ref())?;
            (inside.inner.as_ref().is_none_or(|inner| inner == axes)).then_some(axes.clone())?
        } else {
            // A group of nothing but values of rows.
            if inside.inner.is_some() {
                return None;
            }
            let axes = missing_axes(&inside.shape, &outer.shape)?;
            let fits = match &outer.inner {
                Some(inner) => *inner == axes,
                None => pay(&outer.shape, &axes),
            };
            fits.then_some(axes)?
        };
        let order = match (outer.order, inside.order) {
            (Some(a), Some(b)) if a == b => Some(a),
            // Reductions one after another, or of everything, go together, but with nothing else.
            (a, b) if a.is_none() || b.is_none() => {
                let order = a.or(b);
                let rank = outer.shape.rank();
                let along_rows = order != Some(ReduceOrder::Chain) && axes.len() < rank && is_suffix(&axes, rank);
                along_rows.then_some(order)?
            }
            _ => return None,
        };
        Some(Domain { shape: outer.shape.clone(), inner: Some(axes), order, size, moves })
    }
}
