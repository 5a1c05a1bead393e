//! The graph: nodes in creation order, parameters, results, guards, state.

use crate::op::Op;
use crate::types::{Type, Types};
use crate::value::{NodeIndex, Value};
use petgraph::Direction::Outgoing;
use petgraph::graph::DiGraph;
use petgraph::visit::EdgeRef;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use tracelift_kernel::guard::Guard;
use tracelift_tensor::{Origin, Sym};

/// Operands of a node.
pub type Operands = SmallVec<[Value; 2]>;

/// One operation of a graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it does, with its attributes (and regions).
    pub op: Op,
    /// What it is applied to.
    pub operands: Operands,
    /// The types of its results.
    pub types: Types,
    /// Names of its results, if the user gave any; `names.len() <= types.len()`.
    pub names: SmallVec<[Option<Arc<str>>; 1]>,
    /// Where the user wrote it.
    pub origin: Origin,
}

/// What a parameter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ParamRole {
    /// An argument of the user's function.
    Input,
    /// A tensor that the traced closure captured.
    Captured,
    /// A variable's value on entry.
    State,
}

/// A variable that the graph changes: its value on entry and on exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StatePair {
    /// The position among the parameters.
    pub param: usize,
    /// The position among the results.
    pub result: usize,
}

/// A typed, pure function: what tracing makes and passes rewrite.
///
/// A finished graph never changes, and only [`Builder::finish`](crate::Builder::finish) makes one.
/// Nodes stand in creation order, operands before users. `Display` is the text form.
///
/// ```
/// use tracelift_ir::{Builder, ParamRole, Type};
/// use tracelift_tensor::{Dim, F32, Shape};
///
/// let mut b = Builder::new("cube");
/// let x = b.param("x", Type::tensor(F32, Shape::from([Dim::sym("B")])), ParamRole::Input);
/// let square = b.mul(x, x)?;
/// let y = b.mul(square, x)?;
/// let graph = b.finish(&[y])?;
/// assert_eq!(
///     graph.to_string(),
///     "func @cube(%x: f32[B]) -> f32[B] {\n  %0 = mul %x, %x : f32[B]\n  %1 = mul %0, %x : f32[B]\n  return %1\n}\n"
/// );
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
#[derive(Clone)]
pub struct Graph {
    pub(crate) name: Arc<str>,
    /// Operands are lists in the nodes; an edge only says who uses whom, with the operand's position.
    pub(crate) nodes: DiGraph<Node, u32, u32>,
    pub(crate) params: Vec<Value>,
    pub(crate) roles: Vec<ParamRole>,
    pub(crate) results: Vec<Value>,
    pub(crate) states: Vec<StatePair>,
    pub(crate) guards: Vec<(Guard, Origin)>,
    /// How deep regions and calls are nested in it.
    pub(crate) depth: u32,
}

impl Node {
    /// The name of a result.
    pub fn name(&self, result: usize) -> Option<&Arc<str>> {
        self.names.get(result)?.as_ref()
    }
}

impl Graph {
    /// The name of the function.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many nodes there are, parameters included.
    pub fn len(&self) -> usize {
        self.nodes.node_count()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All nodes in creation order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeIndex, &Node)> + ExactSizeIterator {
        self.nodes.raw_nodes().iter().enumerate().map(|(i, node)| (NodeIndex(i as u32), &node.weight))
    }

    /// A node by number, or the node of a value.
    pub fn node(&self, at: impl Into<NodeIndex>) -> &Node {
        &self.nodes.raw_nodes()[at.into().index()].weight
    }

    /// The type of a value.
    pub fn ty(&self, value: Value) -> &Type {
        &self.node(value).types[value.result as usize]
    }

    /// The name the user gave a value.
    pub fn name_of(&self, value: Value) -> Option<&Arc<str>> {
        self.node(value).name(value.result as usize)
    }

    /// The nodes that use a value, with the operand's position, in creation order; `x * x` is two uses.
    pub fn users(&self, value: Value) -> Vec<(NodeIndex, usize)> {
        let mut users: Vec<(NodeIndex, usize)> = self
            .nodes
            .edges_directed(value.node.0.into(), Outgoing)
            .map(|edge| (NodeIndex(edge.target().index() as u32), *edge.weight() as usize))
            .filter(|(user, position)| self.node(*user).operands[*position] == value)
            .collect();
        // petgraph answers the edge added last first.
        users.reverse();
        users
    }

    /// The parameters, in the order of the call.
    pub fn params(&self) -> &[Value] {
        &self.params
    }

    /// What each parameter stands for.
    pub fn roles(&self) -> &[ParamRole] {
        &self.roles
    }

    /// The types of the parameters.
    pub fn param_types(&self) -> impl ExactSizeIterator<Item = &Type> {
        self.params.iter().map(|param| self.ty(*param))
    }

    /// The results; those of [`states`](Self::states) are among them.
    pub fn results(&self) -> &[Value] {
        &self.results
    }

    /// The types of the results.
    pub fn result_types(&self) -> impl ExactSizeIterator<Item = &Type> {
        self.results.iter().map(|result| self.ty(*result))
    }

    /// The variables that the graph changes.
    pub fn states(&self) -> &[StatePair] {
        &self.states
    }

    /// What must hold of the unknown sizes.
    pub fn guards(&self) -> impl ExactSizeIterator<Item = &Guard> {
        self.guards.iter().map(|(guard, _)| guard)
    }

    /// The guards with the lines that made them necessary.
    pub fn guards_with_origins(&self) -> &[(Guard, Origin)] {
        &self.guards
    }

    /// The unknown sizes and where a call reads them: the position of a parameter, and an axis.
    ///
    /// An unknown is read where it first stands alone.
    pub fn unknowns(&self) -> Vec<(Sym, usize, usize)> {
        let mut unknowns: Vec<(Sym, usize, usize)> = Vec::new();
        for (position, ty) in self.param_types().enumerate() {
            let Type::Tensor(tensor) = ty else { continue };
            for (axis, dim) in tensor.shape.iter().enumerate() {
                if let Some(sym) = dim.as_sym()
                    && !unknowns.iter().any(|(known, ..)| *known == sym)
                {
                    unknowns.push((sym, position, axis));
                }
            }
        }
        unknowns
    }

    /// How deep regions and calls are nested in it; 0 if it has none.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The same graph with further results, which are values of it.
    ///
    /// # Panics
    /// If a value is none of the graph.
    #[must_use]
    pub fn with_more_results(&self, more: &[Value]) -> Graph {
        let mut graph = self.clone();
        for value in more {
            assert!(graph.nodes().len() > value.node.index(), "{value:?} is no value of:\n{graph}");
            graph.results.push(*value);
        }
        graph
    }

    /// The same graph under another name.
    #[must_use]
    pub fn renamed(mut self, name: impl Into<Arc<str>>) -> Graph {
        self.name = name.into();
        self
    }

    /// Nodes in the order of the text: parameters as the call lists them, then the rest as created.
    pub(crate) fn text_order(&self) -> Vec<NodeIndex> {
        let rest = self.nodes().filter(|(_, node)| !matches!(node.op, Op::Parameter(_))).map(|(index, _)| index);
        self.params.iter().map(|param| param.node).chain(rest).collect()
    }
}

impl From<Value> for NodeIndex {
    fn from(value: Value) -> NodeIndex {
        value.node
    }
}

impl PartialEq for Graph {
    /// Whether they are written alike: the function's own name and origins do not count, nor where among the nodes the
    /// parameters were made.
    fn eq(&self, other: &Graph) -> bool {
        if (self.len(), &self.roles, &self.states) != (other.len(), &other.roles, &other.states)
            || !self.guards().eq(other.guards())
        {
            return false;
        }
        let (mine, theirs) = (self.text_order(), other.text_order());
        if mine.len() != theirs.len() {
            return false;
        }
        let mut position = vec![0; self.len()];
        let mut other_position = vec![0; other.len()];
        for (n, (a, b)) in mine.iter().zip(&theirs).enumerate() {
            position[a.index()] = n;
            other_position[b.index()] = n;
        }
        let same =
            |a: &Value, b: &Value| position[a.node.index()] == other_position[b.node.index()] && a.result == b.result;
        let all = |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
        all(&self.params, &other.params)
            && all(&self.results, &other.results)
            && mine.iter().zip(&theirs).all(|(a, b)| {
                let (a, b) = (self.node(*a), other.node(*b));
                let names = |n: usize| a.name(n) == b.name(n);
                a.op == b.op && a.types == b.types && all(&a.operands, &b.operands) && (0..a.types.len()).all(names)
            })
    }
}

impl Eq for Graph {}

impl std::hash::Hash for Graph {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        for index in self.text_order() {
            let node = self.node(index);
            node.op.hash(state);
            node.types.hash(state);
        }
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
