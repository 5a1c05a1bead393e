//! Graphs as data: what serde reads and writes, JSON for one.
//!
//! A graph is read through the builder, so types are inferred again and never believed.

use crate::attrs::{Attr, Attrs};
use crate::build::Builder;
use crate::graph::{Graph, ParamRole, StatePair};
use crate::op::Op;
use crate::types::Type;
use crate::value::{NodeIndex, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::sync::Arc;
use tracelift_kernel::guard::Guard;
use tracelift_tensor::{Array, Dim, Error, Result};

#[derive(Serialize, Deserialize)]
struct GraphData {
    name: String,
    params: Vec<ParamData>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    guards: Vec<Guard>,
    nodes: Vec<NodeData>,
    results: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    states: Vec<StatePair>,
}

#[derive(Serialize, Deserialize)]
struct ParamData {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Arc<str>>,
    #[serde(rename = "type")]
    ty: Type,
    role: ParamRole,
}

/// Nodes count on from the parameters.
#[derive(Serialize, Deserialize)]
struct NodeData {
    op: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<(String, AttrData)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    operands: Vec<Value>,
    types: Vec<Type>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<Option<Arc<str>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AttrData {
    Bool(bool),
    Dim(Dim),
    List(Vec<Dim>),
    Word(String),
    Text(String),
    Array(Array),
    Region(Box<GraphData>),
}

impl Serialize for Graph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        GraphData::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Graph {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Graph, D::Error> {
        GraphData::deserialize(deserializer)?.build().map_err(de::Error::custom)
    }
}

impl GraphData {
    /// Nesting is bounded, so this may recurse.
    fn of(graph: &Graph) -> GraphData {
        let order = graph.text_order();
        let mut place = vec![0; graph.len()];
        for (n, index) in order.iter().enumerate() {
            place[index.index()] = n;
        }
        let moved = |value: &Value| NodeIndex(place[value.node.index()] as u32).result(value.result as usize);
        let param = |(value, role): (&Value, &ParamRole)| ParamData {
            name: graph.name_of(*value).cloned(),
            ty: graph.ty(*value).clone(),
            role: *role,
        };
        let node = |index: &NodeIndex| {
            let node = graph.node(*index);
            NodeData {
                op: node.op.name().to_owned(),
                attributes: node.op.attributes().iter().map(|(name, a)| (name.to_owned(), AttrData::of(a))).collect(),
                operands: node.operands.iter().map(moved).collect(),
                types: node.types.to_vec(),
                names: node.names.to_vec(),
            }
        };
        GraphData {
            name: graph.name().to_owned(),
            params: graph.params().iter().zip(graph.roles()).map(param).collect(),
            guards: graph.guards().cloned().collect(),
            nodes: order[graph.params().len()..].iter().map(node).collect(),
            results: graph.results().iter().map(moved).collect(),
            states: graph.states().to_vec(),
        }
    }

    fn build(self) -> Result<Graph> {
        let mut b = Builder::new(self.name);
        for param in self.params {
            b.param(param.name.unwrap_or_default(), param.ty, param.role);
        }
        for guard in self.guards {
            b.assume(guard);
        }
        for node in self.nodes {
            let mut attributes = Attrs::new();
            for (name, attribute) in node.attributes {
                attributes = attributes.with(name, attribute.build()?);
            }
            let op = Op::from_attributes(&node.op, &attributes)?;
            let values = b.push_multi(op, &node.operands)?;
            let types: Vec<Type> = values.iter().map(|value| b.ty(*value).clone()).collect();
            if types != node.types {
                let message = format!("is said to be {:?} and is {types:?}", node.types);
                return Err(Error::format(message).op(node.op));
            }
            for (value, name) in values.iter().zip(node.names) {
                b.set_name(*value, name.unwrap_or_default());
            }
        }
        b.finish_with_states(&self.results, self.states)
    }
}

impl AttrData {
    fn of(attribute: &Attr) -> AttrData {
        match attribute {
            Attr::Bool(value) => AttrData::Bool(*value),
            Attr::Dim(value) => AttrData::Dim(value.clone()),
            Attr::List(values) => AttrData::List(values.clone()),
            Attr::Word(word) => AttrData::Word(word.clone()),
            Attr::Text(text) => AttrData::Text(text.clone()),
            Attr::Array(array) => AttrData::Array(array.clone()),
            Attr::Region(graph) => AttrData::Region(Box::new(GraphData::of(graph))),
        }
    }

    fn build(self) -> Result<Attr> {
        Ok(match self {
            AttrData::Bool(value) => Attr::Bool(value),
            AttrData::Dim(value) => Attr::Dim(value),
            AttrData::List(values) => Attr::List(values),
            AttrData::Word(word) => Attr::Word(word),
            AttrData::Text(text) => Attr::Text(text),
            AttrData::Array(array) => Attr::Array(array),
            AttrData::Region(data) => Attr::Region(Arc::new(data.build()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    #[test]
    fn samples_read_back() {
        for sample in Op::all_samples() {
            let mut b = Builder::new("sample");
            let x: Vec<_> = sample.types.iter().map(|ty| b.param("x", ty.clone(), ParamRole::Input)).collect();
            let Ok(results) = b.push_multi(sample.op.clone(), &x) else { continue };
            let graph = b.finish(&results).unwrap();
            let text = serde_json::to_string(&graph).unwrap();
            let again: Graph = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(again, graph, "{text}");
            assert_eq!(again.name(), graph.name());
        }
    }

    #[test]
    fn stated_types_are_not_believed() {
        let graph = Graph::parse("func @f(%x: f32[2]) -> f32[2] { %0 = neg %x : f32[2] return %0 }").unwrap();
        let text = serde_json::to_string(&graph).unwrap();
        let at = text.rfind("f32").unwrap();
        let wrong = format!("{}i32{}", &text[..at], &text[at + 3..]);
        assert!(serde_json::from_str::<Graph>(&wrong).unwrap_err().to_string().starts_with("`neg` is said to be"));
        let unknown = text.replace("\"neg\"", "\"ngo\"");
        assert!(serde_json::from_str::<Graph>(&unknown).unwrap_err().to_string().contains("`ngo` is no op"));
    }
}
