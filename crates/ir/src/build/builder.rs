//! The builder: the only way to make a graph.

use crate::graph::{Graph, Node, Operands, ParamRole, StatePair};
use crate::infer::Infer;
use crate::op::{Op, OpDef};
use crate::ops::{Parameter, While, used_twice};
use crate::types::{Type, Types};
use crate::value::{NodeIndex, Value};
use crate::verify::verify_region;
use indexmap::IndexMap;
use petgraph::graph::DiGraph;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;
use std::sync::Arc;
use tracelift_kernel::guard::Guard;
use tracelift_tensor::{Dim, Error, Origin, Result};

/// How deep regions and calls may be nested.
pub const MAX_DEPTH: u32 = 32;

/// Makes one graph, node by node.
///
/// Every push infers types and checks operands; nothing is merged or simplified: a graph holds what was said.
///
/// ```
/// use tracelift_ir::{Builder, ParamRole, Type, ops::Tanh};
/// use tracelift_tensor::{F32, Shape};
///
/// let mut b = Builder::new("f");
/// let x = b.param("x", Type::tensor(F32, Shape::from([2, 3])), ParamRole::Input);
/// let y = b.push(Tanh, &[x])?;
/// assert_eq!(b.ty(y).to_string(), "f32[2, 3]");
/// assert!(b.push(Tanh, &[x, x]).is_err());
/// let graph = b.finish(&[y])?;
/// assert_eq!(graph.len(), 2);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    name: Arc<str>,
    nodes: DiGraph<Node, u32, u32>,
    params: Vec<Value>,
    roles: Vec<ParamRole>,
    states: IndexMap<usize, Value, FxBuildHasher>,
    guards: IndexMap<Guard, Origin, FxBuildHasher>,
    pub(super) origin: Origin,
    pub(super) name_next: Option<Arc<str>>,
    depth: u32,
    has_stacks: bool,
}

impl Builder {
    /// An empty graph with the name of its function.
    pub fn new(name: impl Into<Arc<str>>) -> Builder {
        Builder { name: name.into(), ..Builder::default() }
    }

    /// An empty graph for about so many nodes.
    pub fn with_capacity(name: impl Into<Arc<str>>, nodes: usize) -> Builder {
        Builder { nodes: DiGraph::with_capacity(nodes, 2 * nodes), ..Builder::new(name) }
    }

    /// Says where the user wrote what is pushed from now on.
    pub fn at(&mut self, origin: Origin) -> &mut Builder {
        self.origin = origin;
        self
    }

    /// Where the user wrote what is being pushed.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Names the first result of the next push.
    pub fn named(&mut self, name: impl Into<Arc<str>>) -> &mut Builder {
        self.name_next = Some(name.into());
        self
    }

    /// Names a value; an empty name takes its name away.
    pub fn set_name(&mut self, value: Value, name: impl Into<Arc<str>>) {
        let name = Some(name.into()).filter(|name| !name.is_empty());
        let names = &mut self.nodes[petgraph::graph::NodeIndex::from(value.node.0)].names;
        if names.len() <= value.result as usize {
            names.resize(value.result as usize + 1, None);
        }
        names[value.result as usize] = name;
    }

    /// Adds a parameter; an empty name leaves it without one.
    pub fn param(&mut self, name: impl Into<Arc<str>>, ty: Type, role: ParamRole) -> Value {
        let value = self.append(Parameter.into(), &[], Types::from_iter([ty])).value();
        self.set_name(value, name);
        self.params.push(value);
        self.roles.push(role);
        value
    }

    /// Adds an operation; answers its first result.
    pub fn push(&mut self, op: impl Into<Op>, operands: &[Value]) -> Result<Value> {
        self.push_node(op.into(), operands).map(NodeIndex::value)
    }

    /// Adds an operation; answers all its results.
    pub fn push_multi(&mut self, op: impl Into<Op>, operands: &[Value]) -> Result<SmallVec<[Value; 2]>> {
        let index = self.push_node(op.into(), operands)?;
        Ok(self.results_of(index))
    }

    pub(super) fn results_of(&self, index: NodeIndex) -> SmallVec<[Value; 2]> {
        (0..self.node(index).types.len()).map(|n| index.result(n)).collect()
    }

    pub(super) fn push_node(&mut self, op: Op, operands: &[Value]) -> Result<NodeIndex> {
        let name = self.name_next.take();
        let mut types: SmallVec<[Type; 2]> = SmallVec::with_capacity(operands.len());
        for operand in operands {
            match self.get_type(*operand) {
                Some(ty) => types.push(ty.clone()),
                None => {
                    let message = "was given an operand of another graph: values belong to the graph that made them";
                    return Err(Error::internal(message).op(op.name()).at(self.origin.clone()));
                }
            }
        }
        let mut infer = Infer::new();
        let results = op
            .infer(&mut infer, &types)
            .and_then(|results| self.check_depth(&op).map(|()| results))
            .map_err(|error| {
                let error = if error.op.is_none() { error.op(op.name()) } else { error };
                let error = if error.operands.is_empty() { error.operands(&types) } else { error };
                if error.origin.is_unknown() { error.at(self.origin.clone()) } else { error }
            })?;
        for guard in infer.into_guards() {
            self.assume(guard);
        }
        let index = self.append(op, operands, results);
        if let Some(name) = name {
            self.set_name(index.value(), name);
        }
        Ok(index)
    }

    pub(super) fn check_depth(&mut self, op: &Op) -> Result {
        let inner = op.regions().iter().map(|region| region.depth() + 1).max().unwrap_or(0);
        if inner > MAX_DEPTH {
            return Err(Error::invalid(format!("nests loops, branches and calls more than {MAX_DEPTH} deep")));
        }
        self.depth = self.depth.max(inner);
        Ok(())
    }

    pub(super) fn append(&mut self, op: Op, operands: &[Value], types: Types) -> NodeIndex {
        self.has_stacks |= types.iter().any(Type::is_stack);
        let (names, origin) = (SmallVec::new(), self.origin.clone());
        let node = Node { op, operands: Operands::from_slice(operands), types, names, origin };
        let index = self.nodes.add_node(node);
        for (position, operand) in operands.iter().enumerate() {
            self.nodes.add_edge(operand.node.0.into(), index, position as u32);
        }
        NodeIndex(index.index() as u32)
    }

    /// Lets a loop keep further values of its body: answers the stacks, which are further results of its node.
    ///
    /// Another node than a loop is an internal error; the values are those of its body.
    pub fn keep_in_loop(&mut self, at: NodeIndex, kept: &[Value], trips: Option<Dim>) -> Result<Vec<Value>> {
        let node = self.node(at);
        let Op::While(op) = &node.op else {
            return Err(Error::internal("only loops keep values").op(node.op.name()).at(node.origin.clone()));
        };
        let before = node.types.len();
        let operands: Vec<Type> = node.operands.iter().map(|x| self.ty(*x).clone()).collect();
        let body = Arc::new(op.body.with_more_results(kept));
        let op = While { body, stacks: op.stacks + kept.len(), trips: op.trips.clone().or(trips), ..op.clone() };
        let types = op.infer(&mut Infer::new(), &operands)?;
        let node = &mut self.nodes[petgraph::graph::NodeIndex::from(at.0)];
        (node.op, node.types) = (op.into(), types);
        self.has_stacks = true;
        Ok((before..before + kept.len()).map(|n| at.result(n)).collect())
    }

    /// Adds a guard; one that is there already, or always holds, is not repeated.
    pub fn assume(&mut self, guard: Guard) {
        // The same the other way round says nothing new.
        if guard.turned().is_none_or(|turned| !self.guards.contains_key(&turned)) {
            self.guards.entry(guard).or_insert_with(|| self.origin.clone());
        }
    }

    /// Says that `value` is what the variable of parameter `param` holds on exit; it becomes a further result.
    ///
    /// Saying it again replaces the value.
    pub fn set_state(&mut self, param: usize, value: Value) {
        self.states.insert(param, value);
    }

    /// How many nodes there are so far.
    pub fn len(&self) -> usize {
        self.nodes.node_count()
    }

    /// Whether there are no nodes yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A node pushed before.
    pub fn node(&self, at: impl Into<NodeIndex>) -> &Node {
        &self.nodes.raw_nodes()[at.into().index()].weight
    }

    /// The type of a value.
    pub fn ty(&self, value: Value) -> &Type {
        &self.node(value).types[value.result as usize]
    }

    pub(super) fn get_type(&self, value: Value) -> Option<&Type> {
        self.nodes.raw_nodes().get(value.node.index())?.weight.types.get(value.result as usize)
    }

    /// Puts the parameters into another order, for bodies of loops and branches, which must agree on it.
    ///
    /// # Panics
    /// If these are not just the parameters, or if states were set already.
    pub fn order_params(&mut self, order: &[Value]) {
        assert!(self.states.is_empty(), "states name parameters by their place: order the parameters first");
        assert_eq!(order.len(), self.params.len(), "an order names every parameter once");
        let place = |param: &Value| self.params.iter().position(|known| known == param);
        let places: Vec<usize> = order.iter().map(|param| place(param).expect("an order names parameters")).collect();
        self.roles = places.iter().map(|place| self.roles[*place]).collect();
        self.params = order.to_vec();
    }

    /// The parameters so far.
    pub fn params(&self) -> &[Value] {
        &self.params
    }

    /// Ends the graph: `results` in order, then the values of the states.
    ///
    /// An error only if a result is no value of this builder or a state does not keep its type.
    pub fn finish(self, results: &[Value]) -> Result<Graph> {
        let mut results = results.to_vec();
        let mut states = Vec::with_capacity(self.states.len());
        for (param, value) in &self.states {
            states.push(StatePair { param: *param, result: results.len() });
            results.push(*value);
        }
        self.finish_with_states(&results, states)
    }

    /// Ends the graph; the states are among the results already.
    pub fn finish_with_states(self, results: &[Value], states: Vec<StatePair>) -> Result<Graph> {
        for result in results {
            if self.get_type(*result).is_none() {
                return Err(Error::internal(format!("a result of @{} belongs to another graph", self.name)));
            }
        }
        for state in &states {
            let known = self.params.get(state.param).zip(results.get(state.result));
            let Some((param, result)) = known else {
                return Err(Error::internal(format!("a state of @{} is no parameter or no result", self.name)));
            };
            let (before, after) = (self.ty(*param), self.ty(*result));
            if before != after {
                let name = self.node(*param).name(0).map_or("a variable", |name| name);
                return Err(Error::invalid(format!("`{name}` is {before} and cannot become {after}"))
                    .at(self.node(*result).origin.clone()));
            }
        }
        let graph = Graph {
            name: self.name,
            nodes: self.nodes,
            params: self.params,
            roles: self.roles,
            results: results.to_vec(),
            states,
            guards: self.guards.into_iter().collect(),
            depth: self.depth,
        };
        if self.has_stacks
            && let Some(stack) = used_twice(&graph)
        {
            let node = graph.node(stack);
            let message = format!("a stack of @{} is used twice, made by `{}`", graph.name(), node.op.name());
            return Err(Error::type_(message).at(node.origin.clone()).help("use what the first use answers"));
        }
        if cfg!(debug_assertions)
            && let Err(faults) = verify_region(&graph)
        {
            panic!(
                "the builder made a graph that is not valid: {faults}
{graph}"
            );
        }
        Ok(graph)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Add, Mul};
    use tracelift_tensor::{Dim, F32, I32, Shape};

    fn tensor(dims: impl Into<Shape>) -> Type {
        Type::tensor(F32, dims)
    }

    #[test]
    fn different_unknowns_are_assumed_equal_once() {
        let mut b = Builder::new("f");
        let x = b.param("x", tensor([Dim::sym("B")]), ParamRole::Input);
        let y = b.param("y", tensor([Dim::sym("C")]), ParamRole::Input);
        let z = b.push(Add, &[x, y]).unwrap();
        let z = b.push(Mul, &[z, y]).unwrap();
        let graph = b.finish(&[z]).unwrap();
        assert_eq!(graph.guards().map(ToString::to_string).collect::<Vec<_>>(), ["B == C"]);
        assert_eq!(graph.ty(z).to_string(), "f32[B]");
    }

    #[test]
    fn sizes_that_are_never_equal_are_refused() {
        let mut b = Builder::new("f");
        let x = b.param("x", tensor([Dim::sym("B")]), ParamRole::Input);
        let y = b.param("y", tensor([Dim::sym("B") + 1]), ParamRole::Input);
        let error = b.push(Add, &[x, y]).unwrap_err();
        assert_eq!(error.op.as_deref(), Some("add"));
        assert_eq!(error.operands, ["f32[B]", "f32[B + 1]"]);
    }

    #[test]
    fn errors_know_the_line() {
        let mut b = Builder::new("f");
        let x = b.param("x", tensor([2]), ParamRole::Input);
        let n = b.param("n", Type::tensor(I32, [2]), ParamRole::Input);
        let origin = Origin::caller();
        let error = b.at(origin.clone()).push(Add, &[x, n]).unwrap_err();
        assert_eq!(error.origin, origin);
    }

    #[test]
    fn users_come_in_order_and_parallel_ones_are_told_apart() {
        let mut b = Builder::new("f");
        let x = b.param("x", tensor([2]), ParamRole::Input);
        let y = b.push(Mul, &[x, x]).unwrap();
        let z = b.push(Add, &[y, x]).unwrap();
        let graph = b.finish(&[z]).unwrap();
        assert_eq!(graph.users(x), [(y.node, 0), (y.node, 1), (z.node, 1)]);
    }

    #[test]
    fn a_state_keeps_its_type() {
        let mut b = Builder::new("f");
        let w = b.param("w", tensor([2]), ParamRole::State);
        let x = b.param("x", tensor([3]), ParamRole::Input);
        b.set_state(0, x);
        let error = b.finish(&[w]).unwrap_err();
        assert_eq!(error.to_string(), "`w` is f32[2] and cannot become f32[3]");
    }
}
