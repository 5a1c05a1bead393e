//! One group of graph nodes becomes one kernel: the loop nest of a fused body.
//!
//! A group has a *domain*, the shape its loops run over. Without reductions the domain is the shape of its
//! results, and every axis is a `par` loop. With reductions (all over the same axes of the same shape) the kept
//! axes are the outer `par` loops; inside them stand the reductions, one loop for all that do not depend on each
//! other, and then loops over the reduced axes for results that have the full shape (a softmax row, say).
//! Elementwise values are computed where they are needed, at the index at which they are needed; broadcasts,
//! transposes, slices and reversals are nothing but other indices.

use crate::fuse::missing_axes;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tracelift_ir::{AxisMap, Graph, Lowering, NodeIndex, Op, Reduction, Type, Value};
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::loops::{Access, Affine, Base, Index, Kernel, KernelBuilder, LoopVar, Operand};
use tracelift_tensor::{Dim, Shape};

/// The nodes of a kernel-to-be, in a graph that may hold others.
pub(crate) struct Group<'g> {
    graph: &'g Graph,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    members: Vec<NodeIndex>,
    lowerings: FxHashMap<NodeIndex, Lowering>,
}

impl<'g> Group<'g> {
    /// `inputs` are computed outside, `outputs` are needed by others (rank-0 ones only where they come of reductions
    /// over everything), `members` are the nodes inside, in program order.
    pub(crate) fn new(graph: &'g Graph, inputs: Vec<Value>, outputs: Vec<Value>, members: Vec<NodeIndex>) -> Self {
        let lowerings = members.iter().map(|&id| (id, lowering(graph, id))).collect();
        Group { graph, inputs, outputs, members, lowerings }
    }

    fn shape(&self, value: Value) -> &'g Shape {
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
type At = SmallVec<[Affine; 4]>;

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
struct Domain<'a> {
    shape: Shape,
    /// The axes that reductions remove; empty for an elementwise group.
    reduced: Vec<usize>,
    reduces: Vec<(NodeIndex, &'a Reduction)>,
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
        self.emit_reduces(emit, &at);
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
        let elements: Vec<usize> =
            (0..group.outputs.len()).filter(|&n| self.is_element(group, group.outputs[n])).collect();
        if !elements.is_empty() {
            let inner = if self.flat && !self.reduced.is_empty() {
                at[0] = Affine::var(emit.b.par(self.shape.num_elements()));
                1
            } else {
                self.open(emit, &self.reduced, &mut at)
            };
            emit.scopes.push(FxHashMap::default());
            for &n in &elements {
                emit.store(group.outputs[n], at.clone());
            }
            emit.scopes.pop();
            (0..inner).for_each(|_| emit.b.end());
        }
        (0..opened).for_each(|_| emit.b.end());
        order
    }

    fn loop_rank(&self) -> usize {
        if self.flat { 1 } else { self.shape.rank() }
    }

    fn is_element(&self, group: &Group<'_>, output: Value) -> bool {
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

    /// Reductions in as few loops as their dependences allow.
    fn emit_reduces(&self, emit: &mut Emit<'a, '_>, at: &At) {
        let levels = self.levels(emit.group);
        for level in 0..=levels.iter().copied().max().unwrap_or(0) {
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
                self.reduced.iter().zip(&vars).for_each(|(&axis, &var)| inner[axis] = Affine::var(var));
            }
            emit.scopes.push(FxHashMap::default());
            let graph = emit.group.graph;
            let values: Vec<Operand> =
                now.iter().map(|(id, _)| emit.value(graph.node(*id).operands[0], inner.clone())).collect();
            emit.scopes.pop();
            let reduced = emit.b.end_reduce(&values);
            for ((id, _), operand) in now.iter().zip(reduced) {
                let value = id.value();
                let rank = emit.group.shape(value).rank();
                let index = if self.flat { At::new() } else { self.row_index(at, rank) };
                emit.remember(value, index, operand);
            }
        }
    }

    /// How many other reductions a reduction's operand depends on, one after the other.
    fn levels(&self, group: &Group<'_>) -> Vec<usize> {
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
            let reads_reduced = map.iter().any(|m| m.axis.is_some_and(|axis| self.reduced.contains(&axis)));
            if !reads_reduced {
                emit.value(operand, operand_index(map, at));
            }
        }
    }
}

/// Where the operand's element is found.
fn operand_index(map: &[AxisMap], at: &At) -> At {
    map.iter()
        .map(|m| match m.axis {
            Some(axis) => at[axis].strided(&m.start, m.step),
            None => Affine::constant(m.start.clone()),
        })
        .collect()
}

/// Writes the body: values on demand, each once per scope and index.
struct Emit<'a, 'g> {
    group: &'a Group<'g>,
    b: KernelBuilder,
    inputs: FxHashMap<Value, usize>,
    sources: Vec<Option<Source>>,
    flat: bool,
    reads: Vec<usize>,
    scalars: Vec<usize>,
    scopes: Vec<FxHashMap<(Value, At), Operand>>,
    outputs: FxHashMap<Value, Base>,
}

#[derive(Clone, Copy)]
enum Source {
    Buffer(Base),
    Scalar(Operand),
}

impl<'a, 'g> Emit<'a, 'g> {
    fn new(name: String, group: &'a Group<'g>, flat: bool) -> Self {
        let inputs = group.inputs.iter().enumerate().map(|(n, v)| (*v, n)).collect();
        let mut emit = Emit {
            group,
            b: KernelBuilder::new(name),
            inputs,
            sources: vec![],
            flat,
            reads: vec![],
            scalars: vec![],
            scopes: vec![FxHashMap::default()],
            outputs: FxHashMap::default(),
        };
        emit.declare();
        emit
    }

    fn declare(&mut self) {
        let group = self.group;
        let shape = |v: Value, flat: bool| {
            let shape = group.shape(v);
            if flat { Shape::from_iter([shape.num_elements()]) } else { shape.clone() }
        };
        for (n, &value) in group.inputs.iter().enumerate() {
            let dtype = group.graph.ty(value).dtype();
            let source = if group.shape(value).rank() == 0 {
                self.scalars.push(n);
                Source::Scalar(self.b.scalar(format!("s{n}"), dtype))
            } else {
                self.reads.push(n);
                Source::Buffer(self.b.param(format!("x{n}"), dtype, shape(value, self.flat), Access::Read))
            };
            self.sources.push(Some(source));
        }
        for (n, &value) in group.outputs.iter().enumerate() {
            if group.shape(value).rank() > 0 {
                let dtype = group.graph.ty(value).dtype();
                let full = self.b.param(format!("y{n}"), dtype, shape(value, self.flat), Access::Write);
                self.outputs.insert(value, full);
            }
        }
    }

    fn known(&self, value: Value, at: &At) -> Option<Operand> {
        let key = (value, at.clone());
        self.scopes.iter().rev().find_map(|scope| scope.get(&key)).copied()
    }

    fn remember(&mut self, value: Value, at: At, operand: Operand) {
        self.scopes.last_mut().expect("there is always a scope").insert((value, at), operand);
    }

    fn store(&mut self, value: Value, at: At) {
        let operand = self.value(value, at.clone());
        let base = self.outputs[&value];
        self.b.store(base, at.into_iter().map(Index::Affine), operand);
    }

    /// The value at an index, emitted with everything it needs. Iterative: bodies may be long chains.
    fn value(&mut self, value: Value, at: At) -> Operand {
        let mut pending = vec![(value, at.clone())];
        while let Some((v, at)) = pending.last().cloned() {
            if self.known(v, &at).is_none() {
                let needs = self.needs(v, &at);
                let missing: Vec<_> = needs.into_iter().filter(|(v, at)| self.known(*v, at).is_none()).collect();
                if !missing.is_empty() {
                    pending.extend(missing.into_iter().rev());
                    continue;
                }
                let operand = self.emit(v, &at);
                self.remember(v, at, operand);
            }
            pending.pop();
        }
        self.known(value, &at).expect("just emitted")
    }

    /// The operands of a value, each with the index at which it is needed.
    fn needs(&self, value: Value, at: &At) -> SmallVec<[(Value, At); 3]> {
        if self.inputs.contains_key(&value) {
            return SmallVec::new();
        }
        let node = self.group.graph.node(value);
        match &self.group.lowerings[&value.node] {
            Lowering::Lane(_) | Lowering::View => node.operands.iter().map(|x| (*x, at.clone())).collect(),
            Lowering::Index(map) => SmallVec::from_iter([(node.operands[0], self.mapped(map, node.operands[0], at))]),
            _ => SmallVec::new(),
        }
    }

    fn mapped(&self, map: &[AxisMap], operand: Value, at: &At) -> At {
        if self.group.shape(operand).rank() == 0 { At::new() } else { operand_index(map, at) }
    }

    fn emit(&mut self, value: Value, at: &At) -> Operand {
        if let Some(&n) = self.inputs.get(&value) {
            return match self.sources[n].expect("every input was declared") {
                Source::Scalar(operand) => operand,
                Source::Buffer(base) => self.b.load(base, at.iter().cloned().map(Index::Affine)),
            };
        }
        let group = self.group;
        let dtype = group.graph.ty(value).dtype();
        let args: SmallVec<[Operand; 3]> = self
            .needs(value, at)
            .iter()
            .map(|(v, at)| self.known(*v, at).expect("operands are emitted before their users"))
            .collect();
        match &group.lowerings[&value.node] {
            Lowering::Lane(op) => self.b.lane(*op, &args),
            Lowering::View | Lowering::Index(_) => args[0],
            Lowering::Const => {
                let Op::Constant(constant) = &group.graph.node(value).op else {
                    panic!("only `const` is lowered as a literal:\n{}", group.graph)
                };
                self.b.literal(super::literal(constant.value()))
            }
            Lowering::Iota { axis } => {
                let index = self.b.index(at[if self.flat { 0 } else { *axis }].clone());
                self.cast(index, dtype)
            }
            Lowering::Dim(dim) => {
                let index = self.b.index(Affine::constant(dim.clone()));
                self.cast(index, dtype)
            }
            other => panic!("{other:?} has no place in a fused body:\n{}", group.graph),
        }
    }

    fn cast(&mut self, index: Operand, dtype: tracelift_tensor::DType) -> Operand {
        if self.b.dtype(&index) == dtype { index } else { self.b.lane(LaneOp::Cast(dtype), &[index]) }
    }

    fn finish(self, results: &[Operand]) -> Nest {
        let kernel = self.b.finish(results);
        Nest { kernel, reads: self.reads, scalars: self.scalars, writes: vec![], results: vec![] }
    }
}
