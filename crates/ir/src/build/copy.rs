//! Copies of another graph's nodes.

use super::Builder;
use crate::graph::{Graph, Node, Operands};
use crate::op::Op;
use crate::value::{NodeIndex, Value, ValueMap};
use smallvec::SmallVec;
use tracelift_tensor::Result;

impl Builder {
    /// Adds a copy of another graph's node on other operands: with its op, origin and names.
    pub fn push_like(&mut self, node: &Node, operands: &[Value]) -> Result<SmallVec<[Value; 2]>> {
        self.push_as(node.op.clone(), node, operands)
    }

    /// Adds an operation with another node's origin and names.
    pub fn push_as(&mut self, op: Op, node: &Node, operands: &[Value]) -> Result<SmallVec<[Value; 2]>> {
        let origin = std::mem::replace(&mut self.origin, node.origin.clone());
        let pushed = self.push_node(op, operands);
        self.origin = origin;
        Ok(self.named_like(node, pushed?))
    }

    /// Adds a copy of a node of `graph`, whose guards this builder has, on other operands.
    ///
    /// It is [`Builder::push_like`], but infers no types where they are known: where operands have the types of its own.
    pub fn push_copy(&mut self, graph: &Graph, at: NodeIndex, operands: &[Value]) -> Result<SmallVec<[Value; 2]>> {
        let node = graph.node(at);
        let is_like = |(old, new): (&Value, &Value)| self.get_type(*new) == Some(graph.ty(*old));
        if self.name_next.is_some()
            || node.operands.len() != operands.len()
            || !node.operands.iter().zip(operands).all(is_like)
        {
            return self.push_like(node, operands);
        }
        self.check_depth(&node.op).map_err(|error| error.op(node.op.name()).at(node.origin.clone()))?;
        let origin = std::mem::replace(&mut self.origin, node.origin.clone());
        let index = self.append(node.op.clone(), operands, node.types.clone());
        self.origin = origin;
        Ok(self.named_like(node, index))
    }

    /// The results of a new node, with the names that those of another one have.
    fn named_like(&mut self, node: &Node, index: NodeIndex) -> SmallVec<[Value; 2]> {
        for (n, name) in node.names.iter().enumerate() {
            if let Some(name) = name {
                self.set_name(index.result(n), name.clone());
            }
        }
        self.results_of(index)
    }

    /// Adds the nodes of a graph with `arguments` in the place of its parameters; answers where each value went.
    ///
    /// Results, states and guards of the graph are for the caller to follow up.
    pub fn splice(&mut self, graph: &Graph, arguments: &[Value]) -> Result<ValueMap<Value>> {
        self.splice_with(graph, arguments, |op| Ok(op.clone()))
    }

    /// [`Builder::splice`] with each op put through `change`.
    pub fn splice_with(
        &mut self,
        graph: &Graph,
        arguments: &[Value],
        change: impl Fn(&Op) -> Result<Op>,
    ) -> Result<ValueMap<Value>> {
        let mut made = ValueMap::with_capacity(graph.len());
        for (param, argument) in graph.params().iter().zip(arguments) {
            made.insert(*param, *argument);
        }
        for (index, node) in graph.nodes().filter(|(_, node)| !matches!(node.op, Op::Parameter(_))) {
            let operands: Operands = node.operands.iter().map(|x| made[*x]).collect();
            for (n, value) in self.push_as(change(&node.op)?, node, &operands)?.into_iter().enumerate() {
                made.insert(index.result(n), value);
            }
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Add, Tanh};
    use crate::{ParamRole, Type};
    use tracelift_tensor::{Dim, F32};

    #[test]
    fn copies_are_as_if_they_were_pushed_anew() {
        let vector = |size: &str| Type::tensor(F32, [Dim::sym(size)]);
        let pair = |sizes: [&str; 2]| {
            let mut b = Builder::new("f");
            let params = sizes.map(|size| b.param("", vector(size), ParamRole::Input));
            (b, params)
        };
        let (mut b, [x, y]) = pair(["B", "C"]);
        let sum = b.named("sum").push(Add, &[x, y]).unwrap();
        let result = b.push(Tanh, &[sum]).unwrap();
        let graph = b.finish(&[result]).unwrap();
        for sizes in [["B", "C"], ["N", "C"], ["N", "N"]] {
            let [copied, pushed] = [true, false].map(|copies| {
                let (mut b, mut values) = pair(sizes);
                if copies {
                    graph.guards().filter(|_| sizes == ["B", "C"]).for_each(|guard| b.assume(guard.clone()));
                }
                for at in [sum.node, result.node] {
                    let operands = &values[..graph.node(at).operands.len()];
                    let made = match copies {
                        true => b.push_copy(&graph, at, operands).unwrap(),
                        false => b.push_like(graph.node(at), operands).unwrap(),
                    };
                    values[0] = made[0];
                }
                b.finish(&[values[0]]).unwrap().to_string()
            });
            assert_eq!(copied, pushed);
            assert!(copied.contains("sum") && copied.contains(&format!("f32[{}]", sizes[0])), "{copied}");
        }
        let (mut b, [x, _]) = pair(["B", "C"]);
        assert!(b.push_copy(&graph, sum.node, &[x]).is_err(), "an operand is missing");
    }
}
