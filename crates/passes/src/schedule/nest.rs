//! One group of graph nodes becomes one kernel: the loop nest of a fused body.
//!
//! A group has a *domain*, the shape its loops run over. Without reductions the domain is the shape of its
//! results, and every axis is a `par` loop. With reductions (all over the same axes of the same shape) the kept
//! axes are the outer `par` loops; inside them stand the reductions, one loop for all that do not depend on each
//! other, and then loops over the reduced axes for results that have the full shape (a softmax row, say). What is dear and
//! needed in several of these loops is kept in a row of scratch.
//! Elementwise values are computed where they are needed, at the index at which they are needed; broadcasts,
//! transposes, slices and reversals are nothing but other indices.

use super::body::{Emit, operand_index};
use super::kept::Kept;
use crate::fuse::missing_axes;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
use tracelift_ir::{Graph, Lowering, NodeIndex, Op, Reduction, Type, Value};
use tracelift_kernel::loops::{Affine, Kernel, LoopVar, Operand};
use tracelift_tensor::{Dim, Shape};

/// The nodes of a kernel-to-be, in a graph that may hold others.
pub(crate) struct Group<'g> {
    pub(super) graph: &'g Graph,
    pub(super) inputs: Vec<Value>,
    pub(super) outputs: Vec<Value>,
    pub(super) members: Vec<NodeIndex>,
    pub(super) lowerings: FxHashMap<NodeIndex, Lowering>,
}

impl<'g> Group<'g> {
    /// `inputs` are computed outside, `outputs` are needed by others (rank-0 ones only where they come of reductions
    /// over everything), `members` are the nodes inside, in program order.
    pub(crate) fn new(graph: &'g Graph, inputs: Vec<Value>, outputs: Vec<Value>, members: Vec<NodeIndex>) -> Self {
        let lowerings = members.iter().map(|&id| (id, lowering(graph, id))).collect();
        Group { graph, inputs, outputs, members, lowerings }
    }

    pub(super) fn shape(&self, value: Value) -> &'g Shape {
        self.graph.ty(value).shape()
    }

    /// The shape of the elements of a group without reductions, and the axes that values of rows lack, if it has any.
    fn rows(&self) -> (Shape, Vec<usize>) {
        let mut domain = self.shape(self.outputs[0]);
        let mut shapes: SmallVec<[&Shape; 2]> = SmallVec::new();
        for &id in &self.members {
            let shape = self.shape(id.value());
            let copied = matches!(self.lowerings[&id], Lowering::Const | Lowering::Iota { .. })
                || matches!(self.graph.node(id).op, Op::Broadcast(_));
            if !copied && !shapes.contains(&shape) {
                shapes.push(shape);
                if missing_axes(domain, shape).is_some() {
                    domain = shape;
                }
            }
        }
        let inner = shapes.iter().find_map(|shape| missing_axes(shape, domain));
        (domain.clone(), inner.unwrap_or_default())
    }
}

/// What a node is to the scheduler.
pub(crate) fn lowering(graph: &Graph, id: NodeIndex) -> Lowering {
    let node = graph.node(id);
    let operands: SmallVec<[Type; 3]> = node.operands.iter().map(|x| graph.ty(*x).clone()).collect();
    node.op.lowering(&operands, &node.types)
}

/// A kernel and how its parameters belong to the group.
pub(crate) struct Nest {
    pub(crate) kernel: Kernel,
    /// For each buffer read: which of the group's inputs.
    pub(crate) reads: Vec<usize>,
    /// For each rank-0 argument: which of the group's inputs.
    pub(crate) scalars: Vec<usize>,
    /// For each buffer written (after those read): which of the group's outputs.
    pub(crate) writes: Vec<usize>,
    /// For each rank-0 result: which of the group's outputs.
    pub(crate) results: Vec<usize>,
}

/// Where an element stands: one index per axis.
pub(super) type At = SmallVec<[Affine; 4]>;

/// Makes the kernel of a group. The group must be one that `fuse` would make: see the module's description.
pub(crate) fn lower(name: String, group: &Group<'_>) -> Nest {
    let domain = Domain::of(group);
    let mut emit = Emit::new(name, group, domain.flat);
    let order = domain.emit(&mut emit);
    let mut nest = emit.finish(&order.results);
    // In the order in which the kernel declares them.
    nest.writes = (0..group.outputs.len()).filter(|&n| group.shape(group.outputs[n]).rank() > 0).collect();
    nest.results = order.rank0;
    nest
}

/// Over what the loops of a group run.
pub(super) struct Domain<'a> {
    pub(super) shape: Shape,
    /// The axes that reductions remove; empty for an elementwise group.
    pub(super) reduced: Vec<usize>,
    pub(super) reduces: Vec<(NodeIndex, &'a Reduction)>,
    /// All accesses are alike, so that one loop over all elements will do.
    flat: bool,
}

/// What came out of emitting a domain.
#[derive(Default)]
struct Order {
    results: Vec<Operand>,
    rank0: Vec<usize>,
}

impl<'a> Domain<'a> {
    fn of(group: &'a Group<'_>) -> Self {
        let reduces: Vec<(NodeIndex, &Reduction)> = group
            .members
            .iter()
            .filter_map(|&id| match &group.lowerings[&id] {
                Lowering::Reduce(spec) => Some((id, spec)),
                _ => None,
            })
            .collect();
        let (shape, reduced) = match reduces.first() {
            Some((id, spec)) => (group.shape(group.graph.node(*id).operands[0]).clone(), spec.axes.to_vec()),
            None => group.rows(),
        };
        let mut domain = Domain { shape, reduced, reduces, flat: false };
        domain.flat = domain.is_flat(group);
        domain
    }

    fn is_flat(&self, group: &Group<'_>) -> bool {
        let plain = |v: &Value| group.shape(*v).rank() == 0 || *group.shape(*v) == self.shape;
        let whole = self.reduced.is_empty()
            || (self.reduced.len() == self.shape.rank() && self.reduces.iter().all(|(_, spec)| !spec.keep));
        self.shape.rank() > 0
            && whole
            && group.inputs.iter().all(plain)
            && group.members.iter().all(|&id| match &group.lowerings[&id] {
                Lowering::Index(_) => group.shape(group.graph.node(id).operands[0]).rank() == 0,
                Lowering::View => *group.shape(id.value()) == *group.shape(group.graph.node(id).operands[0]),
                Lowering::Iota { .. } => self.shape.rank() == 1,
                _ => true,
            })
    }

    fn emit(&self, emit: &mut Emit<'a, '_>) -> Order {
        let group = emit.group;
        let kept: Vec<usize> = (0..self.shape.rank()).filter(|axis| !self.reduced.contains(axis)).collect();
        let mut order = Order::default();
        // The index of an element of the domain; reduced axes are filled in by each loop over them.
        let mut at: At = SmallVec::from_elem(Affine::constant(0usize), self.loop_rank());
        let opened = if self.flat && self.reduced.is_empty() {
            at[0] = Affine::var(emit.b.par(self.shape.num_elements()));
            1
        } else {
            self.open(emit, &kept, &mut at)
        };
        // A row of scratch is new in each turn of the outermost loop, and of no other.
        let mut kept = if opened == 1 { Kept::find(self, group) } else { Kept::default() };
        let elements: Vec<Value> = group.outputs.iter().copied().filter(|v| self.is_element(group, *v)).collect();
        let loops = self.levels(group).iter().max().map_or(0, |last| last + 1);
        let stored = self.emit_reduces(emit, &at, &elements, &mut kept);
        self.emit_row_values(emit, &at);
        for (n, &output) in group.outputs.iter().enumerate() {
            if group.shape(output).rank() == 0 {
                let value = emit.value(output, At::new());
                order.results.push(value);
                order.rank0.push(n);
            } else if !self.is_element(group, output) {
                let index = self.row_index(&at, group.shape(output).rank());
                emit.store(output, index);
            }
        }
        if !elements.is_empty() && !stored {
            let inner = if self.flat && !self.reduced.is_empty() {
                at[0] = Affine::var(emit.b.par(self.shape.num_elements()));
                1
            } else {
                self.open(emit, &self.reduced, &mut at)
            };
            emit.open();
            kept.load(emit, loops, &at);
            for &output in &elements {
                emit.store(output, at.clone());
            }
            emit.close();
            (0..inner).for_each(|_| emit.b.end());
        }
        (0..opened).for_each(|_| emit.b.end());
        order
    }

    fn loop_rank(&self) -> usize {
        if self.flat { 1 } else { self.shape.rank() }
    }

    pub(super) fn is_element(&self, group: &Group<'_>, output: Value) -> bool {
        self.reduced.is_empty() || *group.shape(output) == self.shape
    }

    /// Opens a `par` loop for each of some axes; an axis of one needs none.
    fn open(&self, emit: &mut Emit<'_, '_>, axes: &[usize], at: &mut At) -> usize {
        let mut opened = 0;
        for &axis in axes {
            if !self.shape[axis].is_one() {
                at[axis] = Affine::var(emit.b.par(self.shape[axis].clone()));
                opened += 1;
            }
        }
        opened
    }

    /// The index of a reduced value: without the reduced axes, or with zeros in their places.
    fn row_index(&self, at: &At, rank: usize) -> At {
        let keep = rank == self.shape.rank();
        let mut row = At::new();
        for axis in 0..self.shape.rank() {
            match (self.reduced.contains(&axis), keep) {
                (false, _) => row.push(at[axis].clone()),
                (true, true) => row.push(Affine::constant(0usize)),
                (true, false) => {}
            }
        }
        row
    }

    /// Reductions in as few loops as their dependences allow. A reduction of everything also stores the elements on its
    /// way, if they do not wait for it; the answer says whether it did.
    fn emit_reduces(&self, emit: &mut Emit<'a, '_>, at: &At, elements: &[Value], kept: &mut Kept) -> bool {
        let levels = self.levels(emit.group);
        let last = levels.iter().copied().max().unwrap_or(0);
        let in_passing =
            self.flat && last == 0 && !self.reduces.is_empty() && !self.depends_on_reduces(emit.group, elements);
        for level in 0..=last {
            let now: Vec<_> = self.reduces.iter().zip(&levels).filter(|(_, l)| **l == level).map(|(r, _)| r).collect();
            let Some((_, first)) = now.first() else { continue };
            let kinds: Vec<_> = now.iter().map(|(_, spec)| spec.kind).collect();
            let extents: Vec<Dim> = if self.flat {
                vec![self.shape.num_elements()]
            } else {
                self.reduced.iter().map(|&axis| self.shape[axis].clone()).collect()
            };
            let vars: SmallVec<[LoopVar; 2]> = emit.b.reduce(&kinds, first.order, &extents);
            let mut inner = at.clone();
            if self.flat {
                inner[0] = Affine::var(vars[0]);
            } else {
                // Along an axis of one there is one place, whoever asks for it.
                let turning = self.reduced.iter().zip(&vars).filter(|(axis, _)| !self.shape[**axis].is_one());
                turning.for_each(|(&axis, &var)| inner[axis] = Affine::var(var));
            }
            emit.open();
            kept.load(emit, level, &inner);
            let graph = emit.group.graph;
            let values: Vec<Operand> =
                now.iter().map(|(id, _)| emit.value(graph.node(*id).operands[0], inner.clone())).collect();
            kept.store(emit, level, &inner);
            if in_passing {
                elements.iter().for_each(|output| emit.store(*output, inner.clone()));
            }
            emit.close();
            let reduced = emit.b.end_reduce(&values);
            for ((id, _), operand) in now.iter().zip(reduced) {
                let value = id.value();
                let rank = emit.group.shape(value).rank();
                let index = if self.flat { At::new() } else { self.row_index(at, rank) };
                emit.remember(value, index, operand);
            }
        }
        in_passing
    }

    /// Whether any of some values needs the result of a reduction.
    fn depends_on_reduces(&self, group: &Group<'_>, values: &[Value]) -> bool {
        let mut pending = values.to_vec();
        let mut seen: FxHashSet<Value> = FxHashSet::default();
        while let Some(value) = pending.pop() {
            if group.inputs.contains(&value) || !seen.insert(value) {
                continue;
            }
            if matches!(group.lowerings[&value.node], Lowering::Reduce(_)) {
                return true;
            }
            pending.extend(&group.graph.node(value).operands);
        }
        false
    }

    /// How many other reductions a reduction's operand depends on, one after the other.
    pub(super) fn levels(&self, group: &Group<'_>) -> Vec<usize> {
        let mut depth: FxHashMap<NodeIndex, usize> = FxHashMap::default();
        let mut levels = vec![];
        for &id in &group.members {
            let node = group.graph.node(id);
            let below = node.operands.iter().filter_map(|v| depth.get(&v.node)).copied().max().unwrap_or(0);
            let reduces = matches!(group.lowerings[&id], Lowering::Reduce(_));
            if reduces {
                levels.push(below);
            }
            depth.insert(id, below + usize::from(reduces));
        }
        levels
    }

    /// Values that are the same along the reduced axes, computed once per row rather than in the inner loop.
    fn emit_row_values(&self, emit: &mut Emit<'a, '_>, at: &At) {
        if self.reduced.is_empty() || self.flat {
            return;
        }
        let group = emit.group;
        for &id in &group.members {
            let node = group.graph.node(id);
            let (Lowering::Index(map), Op::Broadcast(_)) = (&group.lowerings[&id], &node.op) else { continue };
            let operand = node.operands[0];
            if *group.shape(id.value()) != self.shape || emit.inputs.contains_key(&operand) {
                continue;
            }
            let reads_reduced = map.iter().flat_map(|m| &m.terms).any(|(axis, _)| self.reduced.contains(axis));
            if !reads_reduced {
                emit.value(operand, operand_index(map, at));
            }
        }
    }
}
