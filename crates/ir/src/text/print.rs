//! Printing graphs.

use super::names::Names;
use super::print_region::RegionOwner;
use crate::attrs::{Attr, Attrs};
use crate::graph::{Graph, Node, ParamRole};
use crate::op::Op;
use crate::value::{NodeIndex, Value};
use smallvec::SmallVec;
use std::fmt::{self, Write};
use std::sync::Arc;
use tracelift_kernel::text::{quote, write_array, write_name};
use tracelift_tensor::{Array, Origin};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&function_text(self, false))
    }
}

impl Graph {
    /// The text, with the user's line behind each value that has one; it reads back as the same graph.
    pub fn text_with_origins(&self) -> String {
        function_text(self, true)
    }
}

/// The functions that a graph calls, each once, then the graph.
fn function_text(graph: &Graph, origins: bool) -> String {
    let mut callees = Callees::default();
    callees.collect(graph);
    let mut text = String::new();
    for (callee, name) in &callees.list {
        text += &Printer::new(&callees, origins).function(callee, name);
        text.push('\n');
    }
    text + &Printer::new(&callees, origins).function(graph, graph.name())
}

/// Called functions with their names in the text; of different functions of one name the later ones get `.n`.
#[derive(Default)]
pub(super) struct Callees {
    list: Vec<(Arc<Graph>, String)>,
}

impl Callees {
    /// Nesting is bounded by the builder, so this may recurse.
    fn collect(&mut self, graph: &Graph) {
        for (_, node) in graph.nodes() {
            for region in node.op.regions() {
                self.collect(region);
                if matches!(node.op, Op::Call(_)) && self.name(region).is_none() {
                    let taken = |name: &str| self.list.iter().any(|(_, other)| other == name);
                    let mut name = region.name().to_owned();
                    let mut n = 1;
                    while taken(&name) {
                        name = format!("{}.{n}", region.name());
                        n += 1;
                    }
                    self.list.push((region.clone(), name));
                }
            }
        }
    }

    fn name(&self, callee: &Arc<Graph>) -> Option<&str> {
        let same =
            |other: &Arc<Graph>| Arc::ptr_eq(other, callee) || (other.name() == callee.name() && other == callee);
        self.list.iter().find(|(other, _)| same(other)).map(|(_, name)| name.as_str())
    }
}

/// An origin as a comment that ends with its line.
fn one_line(origin: &Origin) -> String {
    origin.to_string().replace(['\n', '\r'], " ")
}

pub(super) struct Printer<'c> {
    callees: &'c Callees,
    pub(super) out: String,
    indent: usize,
    /// Whether lines of the user's are shown.
    origins: bool,
    /// The number of the next value without a name.
    pub(super) counter: usize,
}

impl<'c> Printer<'c> {
    fn new(callees: &'c Callees, origins: bool) -> Self {
        Printer { callees, out: String::new(), indent: 1, origins, counter: 0 }
    }

    fn function(mut self, graph: &Graph, name: &str) -> String {
        let mut names = Names::default();
        self.out += "func ";
        write_name(&mut self.out, '@', name).expect("writing to a string never fails");
        self.out += "(";
        for (i, (param, role)) in graph.params().iter().zip(graph.roles()).enumerate() {
            names.add(graph, *param, &mut self.counter);
            self.out += if i == 0 { "" } else { ", " };
            self.out += match role {
                ParamRole::Input => "",
                ParamRole::Captured => "captured ",
                ParamRole::State => "state ",
            };
            let _ = write!(self.out, "{}: {}", names.text(*param), graph.ty(*param));
        }
        self.out += ") -> ";
        self.types(graph.result_types());
        self.out += " {\n";
        self.body(graph, &mut names, "return");
        self.out += "}\n";
        self.out
    }

    pub(super) fn types<'t>(&mut self, types: impl ExactSizeIterator<Item = &'t crate::Type>) {
        if types.len() == 0 {
            self.out += "()";
        }
        for (i, ty) in types.enumerate() {
            let _ = write!(self.out, "{}{ty}", if i == 0 { "" } else { ", " });
        }
    }

    /// Guards, nodes, and the last line. The parameters have their names.
    fn body(&mut self, graph: &Graph, names: &mut Names, end: &str) {
        for guard in graph.guards() {
            self.line();
            let _ = writeln!(self.out, "guard {guard}");
        }
        for (index, node) in graph.nodes() {
            if !matches!(node.op, Op::Parameter(_)) {
                self.node(graph, index, node, names);
            }
        }
        self.line();
        self.out += end;
        for (i, result) in graph.results().iter().enumerate() {
            self.out += if i == 0 { " " } else { ", " };
            if let Some(state) = graph.states().iter().find(|state| state.result == i) {
                self.out += &names.text(graph.params()[state.param]);
                self.out += " <- ";
            }
            self.out += &names.text(*result);
        }
        self.out += "\n";
    }

    /// The body of a region.
    pub(super) fn nested(&mut self, region: &Graph, names: &mut Names) {
        self.indent += 1;
        self.body(region, names, "yield");
        self.indent -= 1;
    }

    pub(super) fn line(&mut self) {
        self.out.extend(std::iter::repeat_n("  ", self.indent));
    }

    fn node(&mut self, graph: &Graph, index: NodeIndex, node: &Node, names: &mut Names) {
        let operands: SmallVec<[String; 3]> = node.operands.iter().map(|x| names.text(*x)).collect();
        for n in 0..node.types.len() {
            names.add(graph, index.result(n), &mut self.counter);
        }
        self.line();
        for n in 0..node.types.len() {
            self.out += if n == 0 { "" } else { ", " };
            self.out += &names.text(index.result(n));
        }
        self.out += if node.types.is_empty() { "" } else { " = " };
        self.out += node.op.name();
        let attributes = node.op.attributes();
        match (&node.op, attributes.iter().next()) {
            (Op::Constant(constant), _) => {
                let _ = write!(self.out, " {}", literal_text(constant.value()));
            }
            (Op::Call(call), _) => {
                let name = self.callees.name(&call.callee).unwrap_or(call.callee.name());
                self.out.push(' ');
                write_name(&mut self.out, '@', name).expect("writing to a string never fails");
                let _ = write!(self.out, "({})", operands.join(", "));
                if let Some(gradient) = &call.gradient {
                    let name = self.callees.name(gradient).unwrap_or(gradient.name());
                    self.out += " gradient ";
                    write_name(&mut self.out, '@', name).expect("writing to a string never fails");
                }
                if !call.found.is_empty() {
                    let _ = write!(self.out, " {}", Attrs::new().dims("sizes", &call.found));
                }
            }
            (op, _) => {
                if let Some(owner) = RegionOwner::of(op) {
                    self.origins_before(node);
                    return self.regions(graph, node, &owner, &operands);
                }
                self.out += if operands.is_empty() { "" } else { " " };
                self.out += &operands.join(", ");
                if !attributes.is_empty() {
                    let _ = write!(self.out, " {attributes}");
                }
            }
        }
        self.out += " : ";
        self.types(node.types.iter());
        if self.origins && !node.origin.is_unknown() {
            let _ = write!(self.out, "  ; {}", one_line(&node.origin));
        }
        self.out += "\n";
    }

    /// The line of a loop or branch stands before it, since its text goes on.
    fn origins_before(&mut self, node: &Node) {
        if !self.origins || node.origin.is_unknown() {
            return;
        }
        let begun = self.out.rfind('\n').map_or(0, |at| at + 1);
        let line = self.out.split_off(begun);
        self.line();
        let _ = writeln!(self.out, "; {}", one_line(&node.origin));
        self.out += &line;
    }
}

impl fmt::Display for Attrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={}", if i == 0 { "" } else { ", " }, attribute_text(value))?;
        }
        f.write_str("}")
    }
}

/// An attribute's value.
fn attribute_text(attribute: &Attr) -> String {
    match attribute {
        Attr::Bool(value) => value.to_string(),
        Attr::Dim(value) => value.to_string(),
        Attr::List(values) => format!("[{}]", values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        Attr::Word(word) => word.clone(),
        Attr::Text(text) => quote(text),
        Attr::Array(array) => literal_text(array),
        Attr::Region(graph) => format!("@{}", graph.name()),
    }
}

/// All elements of an array in nested brackets; floats with their shortest digits.
fn literal_text(array: &Array) -> String {
    let mut text = String::new();
    write_array(&mut text, array).expect("every array has a text");
    text
}

/// A value's text in an error message: as the graph's text writes it.
pub(crate) fn node_text(graph: &Graph, index: NodeIndex) -> String {
    let node = graph.node(index);
    let name = |value: Value| match graph.name_of(value) {
        Some(name) => format!("%{name}"),
        None => format!("node {}", value.node.0),
    };
    let operands: Vec<String> = node.operands.iter().map(|operand| name(*operand)).collect();
    let op = if node.op.regions().is_empty() { node.op.to_string() } else { node.op.name().to_owned() };
    format!("{} = {op} {}", name(index.value()), operands.join(", ")).trim_end().to_owned()
}
