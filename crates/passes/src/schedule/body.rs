//! The body of a kernel: values of a group's nodes on demand, each once per scope and index.

use super::nest::{At, Group, Nest};
use super::signs::narrower;
use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;
use tracelift_ir::{AxisMap, Lowering, Op, Value};
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::loops::{Access, Affine, Base, Index, KernelBuilder, Operand};
use tracelift_tensor::Shape;

/// Writes the body.
pub(super) struct Emit<'a, 'g> {
    pub(super) group: &'a Group<'g>,
    pub(super) b: KernelBuilder,
    pub(super) inputs: FxHashMap<Value, usize>,
    sources: Vec<Option<Source>>,
    flat: bool,
    reads: Vec<usize>,
    scalars: Vec<usize>,
    /// Every index that was asked for; values are known by its number.
    indices: IndexSet<At, FxBuildHasher>,
    scopes: Vec<FxHashMap<(Value, usize), Operand>>,
    outputs: FxHashMap<Value, Base>,
}

#[derive(Clone, Copy)]
enum Source {
    Buffer(Base),
    Scalar(Operand),
}

impl<'a, 'g> Emit<'a, 'g> {
    pub(super) fn new(name: String, group: &'a Group<'g>, flat: bool) -> Self {
        let inputs = group.inputs.iter().enumerate().map(|(n, v)| (*v, n)).collect();
        let mut emit = Emit {
            group,
            b: KernelBuilder::new(name),
            inputs,
            sources: vec![],
            flat,
            reads: vec![],
            scalars: vec![],
            indices: IndexSet::default(),
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

    /// What is remembered from here on is forgotten at [`Emit::close`].
    pub(super) fn open(&mut self) {
        self.scopes.push(FxHashMap::default());
    }

    pub(super) fn close(&mut self) {
        self.scopes.pop();
    }

    pub(super) fn known(&self, value: Value, at: &At) -> Option<Operand> {
        self.known_at(value, self.indices.get_index_of(at)?)
    }

    pub(super) fn remember(&mut self, value: Value, at: At, operand: Operand) {
        let at = self.number(at);
        self.remember_at(value, at, operand);
    }

    fn known_at(&self, value: Value, at: usize) -> Option<Operand> {
        self.scopes.iter().rev().find_map(|scope| scope.get(&(value, at))).copied()
    }

    fn remember_at(&mut self, value: Value, at: usize, operand: Operand) {
        self.scopes.last_mut().expect("there is always a scope").insert((value, at), operand);
    }

    fn number(&mut self, at: At) -> usize {
        self.indices.insert_full(at).0
    }

    pub(super) fn store(&mut self, value: Value, at: At) {
        let operand = self.value(value, at.clone());
        let base = self.outputs[&value];
        self.b.store(base, at.into_iter().map(Index::Affine), operand);
    }

    /// The value at an index, emitted with everything it needs. Iterative: bodies may be long chains.
    pub(super) fn value(&mut self, value: Value, at: At) -> Operand {
        let wanted = (value, self.number(at));
        let mut pending = vec![wanted];
        while let Some(&(value, at)) = pending.last() {
            if self.known_at(value, at).is_none() {
                let needs = self.needs(value, at);
                let before = pending.len();
                pending.extend(needs.iter().rev().filter(|(value, at)| self.known_at(*value, *at).is_none()));
                if pending.len() > before {
                    continue;
                }
                let operand = self.emit(value, at, &needs);
                self.remember_at(value, at, operand);
            }
            pending.pop();
        }
        self.known_at(wanted.0, wanted.1).expect("just emitted")
    }

    /// The operands of a value, each with the number of the index at which it is needed.
    fn needs(&mut self, value: Value, at: usize) -> SmallVec<[(Value, usize); 3]> {
        if self.inputs.contains_key(&value) {
            return SmallVec::new();
        }
        let group = self.group;
        let node = group.graph.node(value);
        match &group.lowerings[&value.node] {
            Lowering::Lane(_) | Lowering::View => node.operands.iter().map(|x| (*x, at)).collect(),
            Lowering::Index(map) => {
                let operand = node.operands[0];
                let mapped = self.mapped(map, operand, &self.indices[at]);
                SmallVec::from_iter([(operand, self.number(mapped))])
            }
            _ => SmallVec::new(),
        }
    }

    fn mapped(&self, map: &[AxisMap], operand: Value, at: &At) -> At {
        if self.group.shape(operand).rank() == 0 { At::new() } else { operand_index(map, at) }
    }

    fn emit(&mut self, value: Value, at: usize, needs: &[(Value, usize)]) -> Operand {
        let at = &self.indices[at];
        if let Some(&n) = self.inputs.get(&value) {
            return match self.sources[n].expect("every input was declared") {
                Source::Scalar(operand) => operand,
                Source::Buffer(base) => self.b.load(base, at.iter().cloned().map(Index::Affine)),
            };
        }
        let group = self.group;
        let dtype = group.graph.ty(value).dtype();
        let known = |(value, at): &(Value, usize)| self.known_at(*value, *at);
        let args: SmallVec<[Operand; 3]> =
            needs.iter().map(|need| known(need).expect("operands are emitted before their users")).collect();
        match &group.lowerings[&value.node] {
            Lowering::Lane(op) => self.b.lane(narrower(group, value, *op), &args),
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

    pub(super) fn finish(self, results: &[Operand]) -> Nest {
        let kernel = self.b.finish(results);
        Nest { kernel, reads: self.reads, scalars: self.scalars, writes: vec![], results: vec![] }
    }
}

/// Where the operand's element is found.
pub(super) fn operand_index(map: &[AxisMap], at: &At) -> At {
    map.iter().map(|axis| axis.at(at)).collect()
}
