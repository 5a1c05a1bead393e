//! The verifier: everything that a graph promises, checked again.

use crate::graph::Graph;
use crate::infer::Infer;
use crate::op::Op;
use crate::text::node_text;
use crate::types::Type;
use crate::value::{NodeIndex, Value};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use tracelift_kernel::guard::Guard;
use tracelift_tensor::{Error, Result, Sym};

/// Checks a whole function; reports every fault with its place.
///
/// Operands stand before their users, types are those that inference finds, guards are all there, states keep their
/// types, parameters are those that are listed, and each unknown size can be read off a parameter.
pub fn verify(graph: &Graph) -> Result {
    let mut faults = Faults::new(graph);
    faults.structure();
    faults.unknowns(&FxHashSet::default());
    Error::all(faults.list)
}

/// Checks a graph that may be a region: its unknown sizes may come from the graph around it.
pub(crate) fn verify_region(graph: &Graph) -> Result {
    let mut faults = Faults::new(graph);
    faults.structure();
    Error::all(faults.list)
}

struct Faults<'g> {
    graph: &'g Graph,
    list: Vec<Error>,
}

impl<'g> Faults<'g> {
    fn new(graph: &'g Graph) -> Self {
        Faults { graph, list: Vec::new() }
    }

    fn at(&mut self, index: NodeIndex, message: String) {
        let place = node_text(self.graph, index);
        let error = Error::internal(format!("@{}: `{place}`: {message}", self.graph.name()));
        self.list.push(error.at(self.graph.node(index).origin.clone()));
    }

    fn whole(&mut self, message: String) {
        self.list.push(Error::internal(format!("@{}: {message}", self.graph.name())));
    }

    fn structure(&mut self) {
        let graph = self.graph;
        let guards: FxHashSet<&Guard> = graph.guards().collect();
        for (index, _) in graph.nodes() {
            self.node(index, &guards);
        }
        let exists = |value: &Value| {
            value.node.index() < graph.len() && (value.result as usize) < graph.node(value.node).types.len()
        };
        for (what, values) in [("parameter", graph.params()), ("result", graph.results())] {
            for (i, value) in values.iter().enumerate() {
                if !exists(value) {
                    self.whole(format!("{what} {i} is no value of the graph"));
                }
            }
        }
        let listed: FxHashSet<NodeIndex> = graph.params().iter().map(|param| param.node).collect();
        if listed.len() != graph.params().len() || graph.roles().len() != graph.params().len() {
            self.whole("a parameter is listed twice, or has no role".into());
        }
        for (index, node) in graph.nodes() {
            if matches!(node.op, Op::Parameter(_)) != listed.contains(&index) {
                self.at(index, "is a parameter and not listed as one, or the other way round".into());
            }
        }
        for state in graph.states() {
            match graph.params().get(state.param).zip(graph.results().get(state.result)) {
                Some((before, after)) if exists(before) && exists(after) && graph.ty(*before) == graph.ty(*after) => {}
                _ => self.whole(format!("state of parameter {} does not keep its type", state.param)),
            }
        }
    }

    fn node(&mut self, index: NodeIndex, guards: &FxHashSet<&Guard>) {
        let graph = self.graph;
        let node = graph.node(index);
        if let Op::Parameter(_) = node.op {
            if node.types.len() != 1 || !node.operands.is_empty() {
                self.at(index, "is a parameter and has operands or not one type".into());
            }
            return;
        }
        let mut types: SmallVec<[Type; 2]> = SmallVec::new();
        for operand in &node.operands {
            if operand.node >= index || operand.result as usize >= graph.node(operand.node).types.len() {
                return self.at(index, "uses a value that does not stand before it".into());
            }
            types.push(graph.ty(*operand).clone());
        }
        let mut infer = Infer::new();
        match node.op.infer(&mut infer, &types) {
            Err(error) => self.at(index, error.message.clone()),
            Ok(inferred) if inferred != node.types => {
                let text = |types: &[Type]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                self.at(index, format!("is said to be {} and is {}", text(&node.types), text(&inferred)));
            }
            Ok(_) => {
                for guard in infer.into_guards() {
                    if !guards.contains(&guard) {
                        self.at(index, format!("needs the guard {guard}, which is not there"));
                    }
                }
            }
        }
        for region in node.op.regions() {
            if let Err(error) = verify_region(&region) {
                self.list.push(error);
            }
        }
    }

    /// Nesting is bounded by the builder, so this may recurse.
    fn unknowns(&mut self, outer: &FxHashSet<Sym>) {
        let graph = self.graph;
        let none = FxHashSet::default();
        let mut known = outer.clone();
        known.extend(graph.unknowns().into_iter().map(|(sym, ..)| sym));
        for (index, node) in graph.nodes() {
            let mut missing: Vec<Sym> = Vec::new();
            for ty in &node.types {
                if let Type::Tensor(tensor) | Type::Stack(tensor) = ty {
                    missing.extend(tensor.shape.syms().into_iter().filter(|sym| !known.contains(sym)));
                }
            }
            if let Some(sym) = missing.first() {
                self.at(index, format!("has the unknown size {sym}, which is the size of no parameter's axis"));
            }
            let own_sizes = matches!(node.op, Op::Call(_));
            for region in node.op.regions() {
                let mut inner = Faults::new(&region);
                inner.unknowns(if own_sizes { &none } else { &known });
                self.list.append(&mut inner.list);
            }
        }
    }
}
