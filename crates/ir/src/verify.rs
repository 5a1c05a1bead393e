//! The verifier: everything that a graph promises, checked again.

use crate::graph::Graph;
use crate::infer::Infer;
use crate::op::Op;
use crate::ops::used_twice;
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
/// types, parameters are those that are listed, and each unknown size can be read off a parameter or is found by a node
/// that stands before those that use it.
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
        // Only where all values exist can they be looked up.
        if self.list.is_empty()
            && let Some(stack) = used_twice(graph)
        {
            self.at(stack.node, "is a stack and is used twice".into());
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
                    let turned = guard.turned().is_some_and(|turned| guards.contains(&turned));
                    if !turned && !guards.contains(&guard) {
                        self.at(index, format!("needs the guard {guard}, which is not there"));
                    }
                }
            }
        }
        for region in node.op.regions() {
            if let Err(error) = verify_region(region) {
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
            let found = node.op.found_sizes();
            if let Some(sym) = found.iter().find(|sym| known.contains(sym)) {
                self.at(index, format!("finds the size {sym}, which is known before it"));
            }
            let mut missing: Vec<Sym> = Vec::new();
            for ty in &node.types {
                if let Type::Tensor(tensor) | Type::Stack(tensor) = ty {
                    missing.extend(
                        tensor.shape.syms().into_iter().filter(|sym| !known.contains(sym) && !found.contains(sym)),
                    );
                }
            }
            if let Some(sym) = missing.first() {
                self.at(index, format!("has the unknown size {sym}, which is the size of no parameter's axis"));
            }
            let own_sizes = matches!(node.op, Op::Call(_));
            for region in node.op.regions() {
                let mut inner = Faults::new(region);
                inner.unknowns(if own_sizes { &none } else { &known });
                self.list.append(&mut inner.list);
            }
            known.extend(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::StatePair;
    use tracelift_tensor::{F32, I32};

    const TEXT: &str = "func @f(%x: f32[B], %y: f32[C], state %w: f32[B]) -> f32[B], f32[B] {
  guard B == C
  %s = add %x, %y : f32[B]
  %0 = neg %s : f32[B]
  return %0, %w <- %s
}
";

    fn graph() -> Graph {
        Graph::parse(TEXT).unwrap()
    }

    fn faults(graph: &Graph) -> Vec<String> {
        let Err(error) = verify(graph) else { return vec![] };
        std::iter::once(&error).chain(&error.others).map(|error| error.message.clone()).collect()
    }

    #[test]
    fn a_good_graph_has_no_faults() {
        assert_eq!(faults(&graph()), [""; 0]);
    }

    #[test]
    fn every_fault_is_reported_with_its_place() {
        let mut bad = graph();
        let (sum, neg) = (NodeIndex(3), NodeIndex(4));
        bad.guards.clear();
        bad.nodes[petgraph::graph::NodeIndex::from(neg.0)].types[0] = Type::tensor(I32, [2]);
        bad.states = vec![StatePair { param: 1, result: 1 }];
        assert_eq!(
            faults(&bad),
            [
                "@f: `%s = add %x, %y`: needs the guard B == C, which is not there",
                "@f: `node 4 = neg %s`: is said to be i32[2] and is f32[B]",
                "@f: state of parameter 1 does not keep its type",
            ]
        );
        bad.nodes[petgraph::graph::NodeIndex::from(sum.0)].operands[1] = neg.value();
        assert_eq!(faults(&bad)[0], "@f: `%s = add %x, node 4`: uses a value that does not stand before it");
    }

    #[test]
    fn values_of_other_graphs_are_found() {
        let mut bad = graph();
        bad.results[0] = NodeIndex(77).value();
        bad.params.pop();
        bad.roles.pop();
        assert_eq!(
            faults(&bad),
            [
                "@f: result 0 is no value of the graph",
                "@f: `%w = parameter`: is a parameter and not listed as one, or the other way round",
                "@f: state of parameter 2 does not keep its type",
            ]
        );
    }

    #[test]
    fn an_unknown_size_needs_a_parameter_to_be_read_from() {
        let mut b = crate::Builder::new("f");
        let x = b.number(F32, 1.0);
        let y = b.broadcast(x, [tracelift_tensor::Dim::sym("N")], &[]).unwrap();
        let graph = b.finish(&[y]).unwrap();
        let message = "@f: `node 1 = broadcast {shape=[N]} node 0`: has the unknown size N, which is the size of no \
                       parameter's axis";
        assert_eq!(faults(&graph), [message]);
    }

    #[test]
    fn faults_inside_regions_are_found() {
        let text = "func @f(%p: bool[], %x: f32[2]) -> f32[2] {
  %0 = cond %p captures (%x) : f32[2] {
    yield %x
  } else {
    %1 = neg %x : f32[2]
    yield %1
  }
  return %0
}
";
        let graph = Graph::parse(text).unwrap();
        let Op::Cond(cond) = &graph.node(NodeIndex(2)).op else { panic!("{graph}") };
        let mut broken = (*cond.otherwise).clone();
        broken.nodes[petgraph::graph::NodeIndex::from(1)].types[0] = Type::tensor(I32, [2]);
        let mut bad = graph.clone();
        let otherwise = std::sync::Arc::new(broken);
        let op = crate::ops::Cond::new(cond.then.clone(), otherwise);
        bad.nodes[petgraph::graph::NodeIndex::from(2)].op = op.into();
        assert_eq!(
            faults(&bad),
            [
                "@f: `node 2 = cond %p, %x`: has branches whose results 0 are f32[2] and i32[2]",
                "@region: `node 1 = neg %x`: is said to be i32[2] and is f32[2]",
            ]
        );
    }
}
