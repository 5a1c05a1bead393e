//! A graph's operations by name, as users look them up.

use crate::graph::Graph;
use crate::types::Type;
use crate::value::{NodeIndex, Value};
use rustc_hash::FxHashMap;
use std::fmt;
use tracelift_tensor::{Error, Result};

/// One node of a graph, under a name that no other has.
///
/// The name is the user's, else the op's, and made unique by counting: `add`, `add_1`, `add_2`.
///
/// ```
/// use tracelift_ir::Graph;
///
/// let graph = Graph::parse("func @f(%x: f32[2]) -> f32[2] {
///     %0 = add %x, %x : f32[2]
///     %1 = add %0, %x : f32[2]
///     return %1
/// }")?;
/// let names: Vec<String> = graph.operations().iter().map(|op| op.name().to_owned()).collect();
/// assert_eq!(names, ["x", "add", "add_1"]);
/// let last = graph.operation("add_1")?;
/// assert_eq!(last.kind(), "add");
/// assert_eq!(format!("{:?}", last.inputs()), "[add:0: f32[2], x:0: f32[2]]");
/// assert_eq!(graph.tensor("add_1:0")?.value, graph.results()[0]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
#[derive(Clone)]
pub struct Operation<'g> {
    graph: &'g Graph,
    names: std::rc::Rc<[String]>,
    index: NodeIndex,
}

/// An input or output of an operation: a value with its name, `add_1:0`, and type.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedTensor {
    /// The operation's name and the number of the result.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// The value itself.
    pub value: Value,
}

impl Graph {
    /// All operations in creation order.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let names: std::rc::Rc<[String]> = operation_names(self).into();
        let operation = |(index, _)| Operation { graph: self, names: names.clone(), index };
        self.nodes().map(operation).collect()
    }

    /// An operation by its name; an error of kind `Key` if there is none.
    pub fn operation(&self, name: &str) -> Result<Operation<'_>> {
        let found = self.operations().into_iter().find(|operation| operation.name() == name);
        found.ok_or_else(|| {
            Error::key(format!("there is no operation `{name}` in the graph of @{}", self.name()))
                .help(format!("its operations are {}", operation_names(self).join(", ")))
        })
    }

    /// A value by its name, the operation's name and the number of the result: `add_1:0`.
    ///
    /// A name without number is an error of kind `Value`, one that is not there of kind `Key`.
    pub fn tensor(&self, name: &str) -> Result<NamedTensor> {
        let Some((operation, result)) = name.rsplit_once(':') else {
            return Err(Error::value(format!("`{name}` names an operation and not a tensor"))
                .help(format!("write `{name}:0` for its first result")));
        };
        let operation = self.operation(operation)?;
        let count = operation.outputs().len();
        match result.parse::<usize>() {
            Ok(result) if result < count => Ok(operation.named(operation.index.result(result))),
            _ => Err(Error::key(format!("there is no tensor `{name}`: the operation has {count} results"))),
        }
    }
}

impl Operation<'_> {
    /// Its name in the graph.
    pub fn name(&self) -> &str {
        &self.names[self.index.index()]
    }

    /// The name of its op: `add`, `parameter`.
    pub fn kind(&self) -> &'static str {
        self.graph.node(self.index).op.name()
    }

    /// Its place in the graph.
    pub fn index(&self) -> NodeIndex {
        self.index
    }

    /// What it is applied to.
    pub fn inputs(&self) -> Vec<NamedTensor> {
        self.graph.node(self.index).operands.iter().map(|operand| self.named(*operand)).collect()
    }

    /// What it computes.
    pub fn outputs(&self) -> Vec<NamedTensor> {
        (0..self.graph.node(self.index).types.len()).map(|n| self.named(self.index.result(n))).collect()
    }

    fn named(&self, value: Value) -> NamedTensor {
        let name = format!("{}:{}", self.names[value.node.index()], value.result);
        NamedTensor { name, ty: self.graph.ty(value).clone(), value }
    }
}

impl fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}{:?}", self.name(), self.kind(), self.inputs())
    }
}

impl fmt::Debug for NamedTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.ty)
    }
}

/// The unique name of each node.
fn operation_names(graph: &Graph) -> Vec<String> {
    // For each name that was asked for, the number to try next.
    let mut next: FxHashMap<String, usize> = FxHashMap::default();
    let mut names = Vec::with_capacity(graph.len());
    for (_, node) in graph.nodes() {
        let wanted = node.name(0).map_or(node.op.name(), |name| name);
        let mut name = wanted.to_owned();
        while next.contains_key(&name) {
            let number = next.get_mut(wanted).expect("a wanted name is noted when it is first taken");
            *number += 1;
            name = format!("{wanted}_{number}");
        }
        next.insert(name.clone(), 0);
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_tensor::ErrorKind;

    fn graph() -> Graph {
        let text = "func @cube(%x: f32[], %add_1: f32[]) -> f32[] {
            %0 = add %x, %x : f32[]
            %1 = add %0, %0 : f32[]
            %2 = add %1, %add_1 : f32[]
            return %2
        }";
        Graph::parse(text).unwrap()
    }

    #[test]
    fn names_are_unique_whatever_users_chose() {
        let graph = graph();
        let names: Vec<String> = graph.operations().iter().map(|op| op.name().to_owned()).collect();
        assert_eq!(names, ["x", "add_1", "add", "add_2", "add_3"]);
    }

    #[test]
    fn missing_names_are_errors() {
        let graph = graph();
        let error = graph.operation("nope").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Key);
        assert_eq!(
            error.to_string(),
            "there is no operation `nope` in the graph of @cube\n  help: its operations are x, add_1, add, add_2, add_3"
        );
        assert_eq!(graph.tensor("add:7").unwrap_err().kind, ErrorKind::Key);
        assert_eq!(graph.tensor("add:x").unwrap_err().kind, ErrorKind::Key);
        assert_eq!(graph.tensor("add").unwrap_err().kind, ErrorKind::Value);
    }
}
