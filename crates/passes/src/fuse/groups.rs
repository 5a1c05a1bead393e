//! Which nodes go together.

use super::merge;
use super::rows::{self, is_row, is_suffix};
use crate::schedule::lowering;
use tracelift_ir::{Graph, Lowering, NodeIndex, Op};
use tracelift_kernel::meaning::ReduceOrder;
use tracelift_tensor::Shape;

/// Bodies above this size are split: register allocation grows faster than the body.
pub(super) const MAX_BODY: usize = 300;

/// The group of each node, if it has one. Nodes that are copied into every group have none.
pub(super) struct Groups {
    of: Vec<Option<usize>>,
    count: usize,
    free: Vec<bool>,
}

impl Groups {
    /// The nodes of each group, in program order; a group that went into another has none.
    pub(super) fn members(&self) -> Vec<Vec<NodeIndex>> {
        let mut members = vec![vec![]; self.count];
        for (index, group) in self.of.iter().enumerate() {
            if let Some(group) = group {
                members[*group].push(NodeIndex(index as u32));
            }
        }
        members
    }

    /// The group that a node belongs to.
    pub(super) fn of(&self, id: NodeIndex) -> Option<usize> {
        self.of[id.index()]
    }

    /// Puts every node of one group into another.
    pub(super) fn rename(&mut self, renamed: &[usize]) {
        for group in self.of.iter_mut().flatten() {
            *group = renamed[*group];
        }
    }

    /// Whether a node costs nothing, so that each group has its own copy.
    pub(super) fn is_free(&self, id: NodeIndex) -> bool {
        self.free[id.index()]
    }
}

/// What a group's loops run over.
pub(super) struct Domain {
    pub(super) shape: Shape,
    /// The axes that the group's reductions remove, and their order.
    pub(super) reduced: Option<(Vec<usize>, ReduceOrder)>,
    pub(super) size: usize,
}

/// What a node may be in a group.
enum Kind {
    /// One value per element of a shape.
    Element,
    /// A reduction of a shape over axes.
    Reduce(Shape, Vec<usize>, ReduceOrder),
    /// Costs nothing: copied.
    Free,
    /// Never fused.
    Barrier,
}

pub(super) fn find(graph: &Graph) -> Groups {
    let mut groups = Groups { of: vec![None; graph.len()], count: 0, free: vec![false; graph.len()] };
    let mut domains: Vec<Domain> = vec![];
    let kinds: Vec<Kind> = graph.nodes().map(|(id, _)| kind(graph, id)).collect();
    for (flag, kind) in groups.free.iter_mut().zip(&kinds) {
        *flag = matches!(kind, Kind::Free);
    }
    let uses = Uses::of(graph, &groups);
    // Whether somebody in the same group reads the value at another index than its own.
    let mut moved = vec![false; graph.len()];
    for (id, _) in graph.nodes().rev() {
        let kind = &kinds[id.index()];
        if matches!(kind, Kind::Free | Kind::Barrier) {
            continue;
        }
        let group = uses.only_group(&groups, id);
        moved[id.index()] =
            group.is_some() && uses.of_node(id).iter().any(|user| moved[user.index()] || moves(graph, *user));
        let is_moved = moved[id.index()];
        let joined = group.filter(|&g| joins(graph, &uses, &domains[g], id, kind, is_moved));
        let group = joined.unwrap_or_else(|| {
            domains.push(root(graph, id, kind));
            domains.len() - 1
        });
        let domain = &mut domains[group];
        domain.size += 1;
        if let Kind::Reduce(_, axes, order) = kind {
            domain.reduced = Some((axes.clone(), *order));
        }
        groups.of[id.index()] = Some(group);
    }
    groups.count = domains.len();
    merge::consumers(graph, &mut groups, &mut domains);
    groups
}

fn kind(graph: &Graph, id: NodeIndex) -> Kind {
    let node = graph.node(id);
    let value = id.value();
    if graph.ty(value).as_tensor().is_none() {
        return Kind::Barrier;
    }
    let rank = graph.ty(value).rank();
    match lowering(graph, id) {
        Lowering::Const if rank == 0 => Kind::Free,
        Lowering::Iota { .. } => Kind::Free,
        Lowering::Index(_) if matches!(node.op, Op::Broadcast(_)) => Kind::Free,
        Lowering::Lane(_) | Lowering::Index(_) if rank > 0 => Kind::Element,
        // The same elements in the same shape; other views are free as buffers, but are no index of a loop.
        Lowering::View if rank > 0 && graph.ty(node.operands[0]) == graph.ty(value) => Kind::Element,
        // Over axes of one nothing tells the rows from the elements.
        Lowering::Reduce(spec) if !spec.axes.iter().all(|axis| graph.ty(node.operands[0]).shape()[*axis].is_one()) => {
            Kind::Reduce(graph.ty(node.operands[0]).shape().clone(), spec.axes.to_vec(), spec.order)
        }
        _ => Kind::Barrier,
    }
}

fn root(graph: &Graph, id: NodeIndex, kind: &Kind) -> Domain {
    let shape = match kind {
        Kind::Reduce(shape, ..) => shape.clone(),
        _ => graph.ty(id.value()).shape().clone(),
    };
    Domain { shape, reduced: None, size: 0 }
}

/// Whether a node reads its operand at another index than its own, within one shape.
fn moves(graph: &Graph, id: NodeIndex) -> bool {
    matches!(lowering(graph, id), Lowering::Index(_)) && !matches!(graph.node(id).op, Op::Broadcast(_))
}

/// Whether a node, all of whose users are in the group of this domain, may join it.
fn joins(graph: &Graph, uses: &Uses, domain: &Domain, id: NodeIndex, kind: &Kind, is_moved: bool) -> bool {
    if domain.size >= MAX_BODY {
        return false;
    }
    let shape = graph.ty(id.value()).shape();
    match kind {
        Kind::Element if *shape == domain.shape => true,
        // A value per row: computed outside of the inner loops. As a result it would need the group's row loop, which
        // is there only with reductions along rows.
        Kind::Element => match &domain.reduced {
            Some((axes, ReduceOrder::Lanes)) => {
                is_row(shape, &domain.shape, axes)
                    && !is_moved
                    && rows::is_read_in_place(graph, id, &domain.shape, axes)
            }
            _ => false,
        },
        Kind::Reduce(of, axes, order) => {
            let rows = *of == domain.shape && *order == ReduceOrder::Lanes && is_suffix(axes, of.rank());
            // Over everything: others wait for it, so it stays a kernel of its own that may be split.
            let whole = axes.len() == of.rank();
            let fits = match &domain.reduced {
                None => !uses.is_result(id),
                Some(present) => present.0 == *axes && present.1 == *order,
            };
            rows && !whole && fits && !is_moved && rows::is_read_in_place(graph, id, &domain.shape, axes)
        }
        Kind::Free | Kind::Barrier => false,
    }
}

/// Who uses each node's value, seen through the nodes that are copied.
struct Uses {
    users: Vec<Vec<NodeIndex>>,
    result: Vec<bool>,
}

impl Uses {
    fn of(graph: &Graph, groups: &Groups) -> Uses {
        let mut uses = Uses { users: vec![vec![]; graph.len()], result: vec![false; graph.len()] };
        for result in graph.results() {
            uses.result[result.node.index()] = true;
        }
        // Backwards, so that a copied node's own users are complete when its operands are reached.
        for (id, node) in graph.nodes().rev() {
            let through = groups.is_free(id).then(|| uses.users[id.index()].clone());
            for operand in &node.operands {
                let users = &mut uses.users[operand.node.index()];
                match &through {
                    Some(beyond) => users.extend(beyond.iter().copied()),
                    None if users.last() == Some(&id) => {}
                    None => users.push(id),
                }
            }
            if through.is_some() && uses.result[id.index()] {
                node.operands.iter().for_each(|x| uses.result[x.node.index()] = true);
            }
        }
        uses
    }

    fn of_node(&self, id: NodeIndex) -> &[NodeIndex] {
        &self.users[id.index()]
    }

    /// The one group that all users are in.
    fn only_group(&self, groups: &Groups, id: NodeIndex) -> Option<usize> {
        let users = self.of_node(id);
        let group = groups.of(*users.first()?)?;
        users.iter().all(|user| groups.of(*user) == Some(group)).then_some(group)
    }

    fn is_result(&self, id: NodeIndex) -> bool {
        self.result[id.index()]
    }
}
