//! Which nodes go together.

use super::copies;
use super::merge;
use super::rows::{self, is_row, is_suffix};
use crate::schedule::{is_only_read_by_products, lowering};
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
#[derive(Clone)]
pub(super) struct Domain {
    pub(super) shape: Shape,
    /// The axes that a value of a row lacks, which are those that the group's reductions remove. None while all values are
    /// elements.
    pub(super) inner: Option<Vec<usize>>,
    /// The order of the group's reductions, if it has any.
    pub(super) order: Option<ReduceOrder>,
    /// How many nodes the group has.
    pub(super) size: usize,
    /// Whether a node reads its operand at another index than its own.
    pub(super) moves: bool,
}

/// What a node may be in a group.
pub(super) enum Kind {
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
    let mut kinds: Vec<Kind> = graph.nodes().map(|(id, _)| kind(graph, id)).collect();
    copies::find(graph, &mut kinds);
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
        let joined = group.filter(|&g| domains[g].take(graph, &uses, id, kind, is_moved));
        let group = joined.unwrap_or_else(|| {
            domains.push(Domain::root(graph, id, kind));
            domains.len() - 1
        });
        domains[group].moves |= moves(graph, id);
        groups.of[id.index()] = Some(group);
    }
    groups.count = domains.len();
    merge::merge(graph, &uses, &mut groups, domains);
    groups
}

/// Whether a node is computed element by element, in a loop that others can join.
pub(super) fn is_element(graph: &Graph, id: NodeIndex) -> bool {
    matches!(kind(graph, id), Kind::Element)
}

fn kind(graph: &Graph, id: NodeIndex) -> Kind {
    let node = graph.node(id);
    let value = id.value();
    // A loop that carries nothing has no result.
    if node.types.first().is_none_or(|ty| ty.as_tensor().is_none()) {
        return Kind::Barrier;
    }
    let rank = graph.ty(value).rank();
    match lowering(graph, id) {
        Lowering::Const if rank == 0 => Kind::Free,
        Lowering::Iota { .. } => Kind::Free,
        Lowering::Index(_) if matches!(node.op, Op::Broadcast(_)) => Kind::Free,
        // Products read it where it is.
        Lowering::Index(_) if is_only_read_by_products(graph, id) => Kind::Barrier,
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

/// Whether a node reads its operand at another index than its own, within one shape.
fn moves(graph: &Graph, id: NodeIndex) -> bool {
    matches!(lowering(graph, id), Lowering::Index(_)) && !matches!(graph.node(id).op, Op::Broadcast(_))
}

impl Domain {
    /// The domain of a group of one node.
    fn root(graph: &Graph, id: NodeIndex, kind: &Kind) -> Domain {
        let (shape, inner, order) = match kind {
            Kind::Reduce(shape, axes, order) => (shape.clone(), Some(axes.clone()), Some(*order)),
            _ => (graph.ty(id.value()).shape().clone(), None, None),
        };
        Domain { shape, inner, order, size: 1, moves: false }
    }

    /// Takes a node, all of whose users are in the group, if its values stand where the group's loops pass.
    fn take(&mut self, graph: &Graph, uses: &Uses, id: NodeIndex, kind: &Kind, is_moved: bool) -> bool {
        if self.size >= MAX_BODY {
            return false;
        }
        let shape = graph.ty(id.value()).shape();
        let taken = match kind {
            Kind::Element if *shape == self.shape => true,
            Kind::Element => !is_moved && self.take_row_value(graph, id, shape),
            Kind::Reduce(of, axes, ReduceOrder::Lanes) => {
                // Over everything: others wait for it, so it stays a kernel of its own that may be split.
                let rows = is_suffix(axes, of.rank()) && axes.len() < of.rank();
                rows && !is_moved && self.take_reduction(graph, uses, id, of, axes)
            }
            Kind::Reduce(..) | Kind::Free | Kind::Barrier => false,
        };
        self.size += usize::from(taken);
        taken
    }

    /// Takes a value per row, which is computed outside of the inner loops.
    fn take_row_value(&mut self, graph: &Graph, id: NodeIndex, shape: &Shape) -> bool {
        if self.order == Some(ReduceOrder::Chain) {
            return false;
        }
        let Some(axes) = self.inner.clone().or_else(|| rows::missing_axes(shape, &self.shape)) else { return false };
        let fits = (self.order.is_some() || rows::pay(&self.shape, &axes))
            && is_row(shape, &self.shape, &axes)
            && rows::is_read_in_place(graph, id, &self.shape, &axes);
        if fits {
            self.inner = Some(axes);
        }
        fits
    }

    /// Takes a reduction along rows. A group of nothing but values of these rows becomes one with loops along them.
    fn take_reduction(&mut self, graph: &Graph, uses: &Uses, id: NodeIndex, of: &Shape, axes: &[usize]) -> bool {
        let same_axes = self.inner.as_deref().is_none_or(|inner| inner == axes);
        let same_order = self.order.is_none_or(|order| order == ReduceOrder::Lanes);
        let along = *of == self.shape && (self.order.is_some() || !uses.is_result(id));
        let of_rows = self.inner.is_none() && !self.moves && is_row(&self.shape, of, axes) && rows::pay(of, axes);
        let fits = same_axes && same_order && (along || of_rows) && rows::is_read_in_place(graph, id, of, axes);
        if fits {
            *self = Domain {
                shape: of.clone(),
                inner: Some(axes.to_vec()),
                order: Some(ReduceOrder::Lanes),
                ..self.clone()
            };
        }
        fits
    }
}

/// Who uses each node's value, seen through the nodes that are copied.
pub(super) struct Uses {
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

    pub(super) fn of_node(&self, id: NodeIndex) -> &[NodeIndex] {
        &self.users[id.index()]
    }

    /// The one group that all users are in.
    fn only_group(&self, groups: &Groups, id: NodeIndex) -> Option<usize> {
        let users = self.of_node(id);
        let group = groups.of(*users.first()?)?;
        users.iter().all(|user| groups.of(*user) == Some(group)).then_some(group)
    }

    pub(super) fn is_result(&self, id: NodeIndex) -> bool {
        self.result[id.index()]
    }
}
