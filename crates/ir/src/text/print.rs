//! Printing graphs.

use super::names::Names;
use crate::attrs::{Attr, Attrs};
use crate::graph::{Graph, Node, ParamRole};
use crate::op::Op;
use crate::value::{NodeIndex, Value};
use smallvec::SmallVec;
use std::fmt::{self, Write};
use std::sync::Arc;
use tracelift_kernel::text::{quote, write_array, write_name};
use tracelift_tensor::Array;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&function_text(self))
    }
}

/// The functions that a graph calls, each once, then the graph.
fn function_text(graph: &Graph) -> String {
    let mut callees = Callees::default();
    callees.collect(graph);
    let mut text = String::new();
    for (callee, name) in &callees.list {
        text += &Printer::new(&callees).function(callee, name);
        text.push('\n');
    }
    text + &Printer::new(&callees).function(graph, graph.name())
}

/// Called functions with their names in the text; of different functions of one name the later ones get `.n`.
#[derive(Default)]
struct Callees {
    list: Vec<(Arc<Graph>, String)>,
}

impl Callees {
    /// Nesting is bounded by the builder, so this may recurse.
    fn collect(&mut self, graph: &Graph) {
        for (_, node) in graph.nodes() {
            for region in node.op.regions() {
                self.collect(&region);
                if matches!(node.op, Op::Call(_)) && self.name(&region).is_none() {
                    let taken = |name: &str| self.list.iter().any(|(_, other)| other == name);
                    let mut name = region.name().to_owned();
                    let mut n = 1;
                    while taken(&name) {
                        name = format!("{}.{n}", region.name());
                        n += 1;
                    }
                    self.list.push((region, name));
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

struct Printer<'c> {
    callees: &'c Callees,
    out: String,
    indent: usize,
    counter: usize,
}

impl<'c> Printer<'c> {
    fn new(callees: &'c Callees) -> Self {
        Printer { callees, out: String::new(), indent: 1, counter: 0 }
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

    fn types<'t>(&mut self, types: impl ExactSizeIterator<Item = &'t crate::Type>) {
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

    fn line(&mut self) {
        self.out.extend(std::iter::repeat_n("  ", self.indent));
    }

    fn node(&mut self, graph: &Graph, index: NodeIndex, node: &Node, names: &mut Names) {
        let operands: SmallVec<[String; 3]> = node.operands.iter().map(|x| names.text(*x)).collect();
        let bare: SmallVec<[String; 3]> = node.operands.iter().map(|x| names.get(*x).to_owned()).collect();
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
            (Op::Call(_), Some((_, Attr::Region(callee)))) => {
                let name = self.callees.name(callee).unwrap_or(callee.name());
                self.out.push(' ');
                write_name(&mut self.out, '@', name).expect("writing to a string never fails");
                let _ = write!(self.out, "({})", operands.join(", "));
            }
            (op, _) => {
                if let Some(owner) = RegionOwner::of(op) {
                    return self.regions(graph, node, &owner, &attributes, &operands, &bare);
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
        self.out += "\n";
    }

    fn regions(
        &mut self,
        graph: &Graph,
        node: &Node,
        owner: &RegionOwner,
        attributes: &Attrs,
        operands: &[String],
        bare: &[String],
    ) {
        let regions: SmallVec<[&Arc<Graph>; 2]> = attributes
            .iter()
            .filter_map(|(_, attribute)| if let Attr::Region(graph) = attribute { Some(graph) } else { None })
            .collect();
        let (plain, rest) = operands.split_at(owner.plain);
        let (carried, captured) = rest.split_at(owner.carried);
        let bare_captured = &bare[owner.plain + owner.carried..];
        for operand in plain {
            let _ = write!(self.out, " {operand}");
        }
        let mut names = Names::default();
        let first = regions[0];
        let (of_carried, of_captured) = first.params().split_at(owner.carried);
        if owner.has_carried {
            for param in of_carried {
                names.add(first, *param, &mut self.counter);
            }
            let pairs = of_carried.iter().zip(carried).map(|(param, x)| format!("{} = {x}", names.text(*param)));
            let pairs: Vec<String> = pairs.collect();
            let _ = write!(self.out, " ({})", pairs.join(", "));
        }
        if !captured.is_empty() {
            let mut pairs = Vec::with_capacity(captured.len());
            for ((param, operand), bare) in of_captured.iter().zip(captured).zip(bare_captured) {
                match first.name_of(*param) {
                    Some(_) => names.add(first, *param, &mut self.counter),
                    None => names.add_as(*param, bare, &mut self.counter),
                }
                let inner = names.text(*param);
                let (own, given) =
                    (first.ty(*param), graph.ty(node.operands[pairs.len() + owner.plain + owner.carried]));
                pairs.push(match (own == given, inner == *operand) {
                    (true, true) => inner,
                    (true, false) => format!("{inner} = {operand}"),
                    (false, _) => format!("{inner}: {own} = {operand}"),
                });
            }
            let _ = write!(self.out, " captures ({})", pairs.join(", "));
        }
        self.out += " : ";
        self.types(node.types.iter());
        self.out += " {\n";
        let in_head: Vec<(Option<Arc<str>>, String)> =
            first.params().iter().map(|p| (first.name_of(*p).cloned(), names.get(*p).to_owned())).collect();
        self.nested(first, &mut names);
        for (region, word) in regions[1..].iter().zip(owner.words) {
            self.line();
            let _ = write!(self.out, "}} {word}");
            let mut names = Names::default();
            let alike = region.params().iter().zip(&in_head).all(|(p, (name, _))| region.name_of(*p) == name.as_ref());
            for (param, (_, text)) in region.params().iter().zip(&in_head) {
                match region.name_of(*param) {
                    Some(_) => names.add(region, *param, &mut self.counter),
                    None => names.add_as(*param, text, &mut self.counter),
                }
            }
            if !alike {
                let own: Vec<String> = region.params().iter().map(|p| names.text(*p)).collect();
                let _ = write!(self.out, " ({})", own.join(", "));
            }
            self.out += " {\n";
            self.nested(region, &mut names);
        }
        self.line();
        self.out += "}\n";
    }

    fn nested(&mut self, region: &Graph, names: &mut Names) {
        self.indent += 1;
        self.body(region, names, "yield");
        self.indent -= 1;
    }
}

/// How an op that owns regions is written.
pub(super) struct RegionOwner {
    /// Operands before the lists in brackets.
    pub(super) plain: usize,
    /// Whether there is a list of carried values.
    pub(super) has_carried: bool,
    /// How many values are carried.
    pub(super) carried: usize,
    /// The words before the second and later regions.
    pub(super) words: &'static [&'static str],
}

impl RegionOwner {
    pub(super) fn of(op: &Op) -> Option<RegionOwner> {
        match op {
            Op::While(op) => Some(RegionOwner { plain: 0, has_carried: true, carried: op.carried(), words: &["do"] }),
            Op::Cond(_) => Some(RegionOwner { plain: 1, has_carried: false, carried: 0, words: &["else"] }),
            Op::Fusion(_) => Some(RegionOwner { plain: 0, has_carried: false, carried: 0, words: &[] }),
            _ => None,
        }
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
    format!("{} = {} {}", name(index.value()), node.op, operands.join(", "))
}
