//! Printing ops that own regions.

use super::names::Names;
use super::print::Printer;
use crate::attrs::{Attr, Attrs};
use crate::graph::{Graph, Node};
use crate::op::Op;
use std::fmt::Write;
use std::sync::Arc;

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

impl Printer<'_> {
    /// The lists in brackets, the types, and the regions of an op that owns some.
    pub(super) fn regions(&mut self, graph: &Graph, node: &Node, owner: &RegionOwner, operands: &[String]) {
        let regions = node.op.regions();
        let (plain, rest) = operands.split_at(owner.plain);
        let (carried, captured) = rest.split_at(owner.carried);
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
            for (param, operand) in of_captured.iter().zip(captured) {
                match first.name_of(*param) {
                    Some(_) => names.add(first, *param, &mut self.counter),
                    None => names.add_as(*param, bare(operand), &mut self.counter),
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
        let attributes = node.op.attributes();
        let plain = attributes.iter().filter(|(_, value)| !matches!(value, Attr::Region(_)));
        let plain = plain.fold(Attrs::new(), |attrs, (name, value)| attrs.with(name, value.clone()));
        if !plain.is_empty() {
            let _ = write!(self.out, " {plain}");
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
}

/// A value's text without its `%`.
fn bare(text: &str) -> &str {
    text.strip_prefix('%').unwrap_or(text)
}
