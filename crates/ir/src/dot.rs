//! Graphs as pictures, in Graphviz's language.

use crate::attrs::Attr;
use crate::graph::Graph;
use crate::op::Op;
use std::fmt::Write;

impl Graph {
    /// The graph in Graphviz's DOT language: a box per node, an arrow per operand, a frame per region.
    ///
    /// ```
    /// use tracelift_ir::Graph;
    ///
    /// let graph = Graph::parse("func @f(%x: f32[2]) -> f32[2] { %0 = neg %x : f32[2] return %0 }")?;
    /// assert_eq!(
    ///     graph.to_dot(),
    ///     "digraph \"f\" {\n  node [shape=box, fontname=monospace]\n  n0 [label=\"x: f32[2]\", style=rounded]\n  \
    ///      n1 [label=\"neg\\nf32[2]\"]\n  n0 -> n1\n  n1 -> result0\n  result0 [label=\"result 0\", style=rounded]\n}\n"
    /// );
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn to_dot(&self) -> String {
        let mut text = format!("digraph {} {{\n  node [shape=box, fontname=monospace]\n", quote(self.name()));
        write_nodes(&mut text, self, "", 1);
        text + "}\n"
    }
}

/// The nodes and arrows of a graph whose names begin with `prefix`; nesting is bounded, so this may recurse.
fn write_nodes(text: &mut String, graph: &Graph, prefix: &str, depth: usize) {
    let indent = "  ".repeat(depth);
    for (index, node) in graph.nodes() {
        let id = format!("{prefix}n{}", index.0);
        let types: Vec<String> = node.types.iter().map(ToString::to_string).collect();
        let name = node.name(0).map_or(String::new(), |name| format!("{name}: "));
        let _ = match node.op {
            Op::Parameter(_) => {
                let label = format!("{name}{}", types.join(", "));
                writeln!(text, "{indent}{id} [label={}, style=rounded]", quote(&label))
            }
            _ => {
                let label = format!("{name}{}\n{}", op_text(&node.op), types.join(", "));
                writeln!(text, "{indent}{id} [label={}]", quote(&label))
            }
        };
        for operand in &node.operands {
            let result = if operand.result == 0 { String::new() } else { format!(" [label=\"{}\"]", operand.result) };
            let _ = writeln!(text, "{indent}{prefix}n{} -> {id}{result}", operand.node.0);
        }
        for (name, attribute) in node.op.attributes().iter() {
            let Attr::Region(region) = attribute else { continue };
            let inner = format!("{id}_{name}_");
            let _ = writeln!(
                text,
                "{indent}subgraph {} {{\n{indent}  label={}",
                quote(&format!("cluster_{inner}")),
                quote(name)
            );
            write_nodes(text, region, &inner, depth + 1);
            let _ = writeln!(text, "{indent}}}");
        }
    }
    for (i, result) in graph.results().iter().enumerate() {
        let _ = writeln!(text, "{indent}{prefix}n{} -> {prefix}result{i}", result.node.0);
        let _ = writeln!(text, "{indent}{prefix}result{i} [label=\"result {i}\", style=rounded]");
    }
}

/// The op with its attributes, but without its regions, which have frames of their own.
fn op_text(op: &Op) -> String {
    if op.regions().is_empty() { op.to_string() } else { op.name().to_owned() }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
