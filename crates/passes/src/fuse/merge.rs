//! Groups joined with groups that they read from, or beside which they read the same: one loop, several results.

use super::groups::{Domain, Groups, MAX_BODY, Uses};
use super::rows::{is_read_in_place, is_suffix, missing_axes, pay};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::cmp::Ordering;
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
/// The *level* of a unit (a group, or a node outside of all groups) is the length of the longest path that leads to it, so
/// no path can lead from one unit to another of the same level. A group may go into the groups of level `n` from which it
/// reads, which become one with it, if all else that it reads has a level below `n`: then no path can lead from one to
/// the other through a third, and the level of the joined group stays `n`. Groups of one level may be joined, and a group
/// that nobody reads with any of a higher level.
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
            // Only the last member of a group as it was found is read outside.
            Some(group) if merge.members[group].last() == Some(&id) => merge.group(group),
            Some(_) => {}
            None => merge.level_of_node[id.index()] = merge.level_after(&merge.inputs(&[id])),
        }
    }
    let target: Vec<usize> = (0..count).map(|group| merge.root(group)).collect();
    groups.rename(&target);
}

struct Merge<'g> {
    graph: &'g Graph,
    uses: &'g Uses,
    groups: &'g mut Groups,
    /// The group that each group went into.
    target: Vec<usize>,
    /// The nodes of each group: in order as it was found, then those of the groups that went into it.
    members: Vec<Vec<NodeIndex>>,
    domains: Vec<Domain>,
    level_of_group: Vec<u32>,
    level_of_node: Vec<u32>,
    /// The groups that read a value, so far.
    readers: FxHashMap<NodeIndex, Vec<usize>>,
}

/// A group that looks for others to be one with.
struct Candidate {
    domain: Domain,
    members: Vec<NodeIndex>,
    inputs: Vec<NodeIndex>,
    level: u32,
}

/// Groups that a candidate goes into.
struct Joined {
    others: SmallVec<[usize; 2]>,
    domain: Domain,
    level: u32,
}

impl Merge<'_> {
    /// Finds groups for a group to go into, or its level.
    fn group(&mut self, group: usize) {
        let members = std::mem::take(&mut self.members[group]);
        let inputs = self.inputs(&members);
        let level = self.level_after(&inputs);
        let ours = Candidate { domain: self.domains[group].clone(), members, inputs, level };
        let joined = self.with_producers(&ours).or_else(|| self.with_sibling(&ours));
        let Joined { others, domain, level } =
            joined.unwrap_or_else(|| Joined { others: [group].into_iter().collect(), domain: ours.domain, level });
        let into = others[0];
        for other in others[1..].iter().copied().chain([group]).filter(|other| *other != into) {
            let moved = std::mem::take(&mut self.members[other]);
            self.members[into].extend(moved);
            self.target[other] = into;
        }
        self.members[into].extend(ours.members);
        self.domains[into] = domain;
        self.level_of_group[into] = level;
        for x in ours.inputs {
            let readers = self.readers.entry(x).or_default();
            if readers.last() != Some(&into) {
                readers.push(into);
            }
        }
    }

    /// The groups that a group may go into because it reads from there.
    fn with_producers(&self, ours: &Candidate) -> Option<Joined> {
        let made_by = |x: &NodeIndex| self.group_of(*x);
        let level = ours.inputs.iter().filter_map(made_by).map(|g| self.level_of_group[g]).max()?;
        let mut others: SmallVec<[usize; 2]> = SmallVec::new();
        for x in &ours.inputs {
            match self.group_of(*x).filter(|group| self.level_of_group[*group] == level) {
                Some(group) if !others.contains(&group) => others.push(group),
                Some(_) => {}
                None if self.level_of(*x) < level => {}
                None => return None,
            }
        }
        self.union(&others, ours).map(|domain| Joined { others, domain, level })
    }

    /// A group that reads some of the same, and the same products.
    fn with_sibling(&self, ours: &Candidate) -> Option<Joined> {
        let shared = ours.inputs.iter().filter(|x| self.shape(**x) == Some(&ours.domain.shape));
        let mut others = shared
            .filter_map(|x| self.readers.get(x))
            .flat_map(|readers| readers.iter().rev().take(MAX_READERS).map(|group| self.root(*group)));
        others.find_map(|other| {
            let theirs = self.level_of_group[other];
            let apart = match theirs.cmp(&ours.level) {
                Ordering::Less => self.is_read_by_nobody(&self.members[other]),
                Ordering::Equal => true,
                Ordering::Greater => self.is_read_by_nobody(&ours.members),
            };
            if !apart || self.products(&ours.inputs) != self.products(&self.inputs(&self.members[other])) {
                return None;
            }
            let domain = self.union(&[other], ours)?;
            Some(Joined { others: [other].into_iter().collect(), domain, level: theirs.max(ours.level) })
        })
    }

    /// Whether all that the members of a group make are results of the graph.
    fn is_read_by_nobody(&self, members: &[NodeIndex]) -> bool {
        let group = self.group_of(members[0]);
        members.iter().all(|id| self.uses.of_node(*id).iter().all(|user| self.group_of(*user) == group))
    }

    /// Over what the loops of some groups run if they are one.
    fn union(&self, others: &[usize], ours: &Candidate) -> Option<Domain> {
        let both = |domain: Domain, other: &usize| domain.union(&self.domains[*other]);
        let domain = others.iter().try_fold(ours.domain.clone(), both)?;
        let most = if domain.order.is_some() { MAX_ROW_BODY } else { MAX_BODY };
        if domain.size > most {
            return None;
        }
        let theirs = others.iter().flat_map(|other| &self.members[*other]);
        let members: Vec<NodeIndex> = theirs.chain(&ours.members).copied().collect();
        if self.buffers(others, ours, &members) > MAX_BUFFERS {
            return None;
        }
        if domain.is_of_everything() {
            let alike = others.iter().all(|other| self.domains[*other].order == ours.domain.order);
            let fits = !self.waits(others, ours, &domain.shape)
                && (alike || self.pass_alike(others, ours, &members, &domain.shape));
            return fits.then_some(domain);
        }
        if let Some(axes) = &domain.inner {
            let mut row_values = members.iter().filter(|id| self.shape(**id) != Some(&domain.shape));
            let in_place = |id: &NodeIndex| is_read_in_place(self.graph, *id, &domain.shape, axes);
            if !row_values.all(in_place) {
                return None;
            }
        }
        Some(domain)
    }

    /// The matrix products among some nodes.
    fn products(&self, inputs: &[NodeIndex]) -> Vec<NodeIndex> {
        let is_product = |x: &&NodeIndex| matches!(self.graph.node(**x).op, Op::DotGeneral(_));
        inputs.iter().filter(is_product).copied().collect()
    }

    /// Whether a group reads what reductions of others leave.
    fn waits(&self, others: &[usize], ours: &Candidate, shape: &Shape) -> bool {
        ours.inputs
            .iter()
            .any(|x| self.group_of(*x).is_some_and(|group| others.contains(&group)) && self.shape(*x) != Some(shape))
    }

    /// Whether one pass over everything makes elements and reductions of a group of both, of which none waits for another:
    /// all is read at its own index. What reads a product rather runs over its rows while they are hot.
    fn pass_alike(&self, others: &[usize], ours: &Candidate, members: &[NodeIndex], shape: &Shape) -> bool {
        let is_alike = |id: &NodeIndex| self.shape(*id).is_some_and(|other| other.rank() == 0 || other == shape);
        let theirs = others.iter().flat_map(|other| self.inputs(&self.members[*other]));
        let inputs: Vec<NodeIndex> = theirs.chain(ours.inputs.iter().copied()).collect();
        members.iter().chain(&inputs).all(is_alike)
            && self.products(&inputs).is_empty()
            && (shape.rank() == 1 || !self.counts(members))
    }

    /// Whether an index is among what some members are made of.
    fn counts(&self, members: &[NodeIndex]) -> bool {
        let mut pending: Vec<NodeIndex> = members.to_vec();
        while let Some(id) = pending.pop() {
            if matches!(self.graph.node(id).op, Op::Iota(_)) {
                return true;
            }
            let operands = self.graph.node(id).operands.iter().map(|x| x.node);
            pending.extend(operands.filter(|x| self.groups.is_free(*x)));
        }
        false
    }

    /// How many buffers some groups read and write if they are one with these members.
    fn buffers(&self, others: &[usize], ours: &Candidate, members: &[NodeIndex]) -> usize {
        let is_buffer = |id: &NodeIndex| self.shape(*id).is_some_and(|shape| shape.rank() > 0);
        let inside = |id: &NodeIndex| {
            self.group_of(*id).is_some_and(|group| others.contains(&group)) || ours.members.binary_search(id).is_ok()
        };
        let mut read: Vec<NodeIndex> = others.iter().flat_map(|other| self.inputs(&self.members[*other])).collect();
        read.extend(&ours.inputs);
        read.retain(|id| is_buffer(id) && !inside(id));
        read.sort_unstable();
        read.dedup();
        let is_written = |id: &&NodeIndex| {
            is_buffer(id) && (self.uses.is_result(**id) || !self.uses.of_node(**id).iter().all(inside))
        };
        read.len() + members.iter().filter(is_written).count()
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
        self.groups.of(id).map(|group| self.root(group))
    }

    /// The group that a group is part of by now.
    fn root(&self, mut group: usize) -> usize {
        while self.target[group] != group {
            group = self.target[group];
        }
        group
    }

    /// The shape of a node's value; none if it is no tensor.
    fn shape(&self, id: NodeIndex) -> Option<&Shape> {
        self.graph.ty(id.value()).as_tensor().map(|ty| &ty.shape)
    }
}

impl Domain {
    /// Whether the group reduces all axes.
    fn is_of_everything(&self) -> bool {
        self.order.is_some() && self.inner.as_ref().is_some_and(|axes| axes.len() == self.shape.rank())
    }

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
            // Reductions one after another go together, but with nothing else.
            (a, b) if a.is_none() || b.is_none() => {
                let order = a.or(b);
                let along_rows = order != Some(ReduceOrder::Chain) && is_suffix(&axes, outer.shape.rank());
                along_rows.then_some(order)?
            }
            _ => return None,
        };
        Some(Domain { shape: outer.shape.clone(), inner: Some(axes), order, size, moves })
    }
}
