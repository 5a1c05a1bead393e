//! Arguments in words: which tensors, variables and host values they consist of, and how each is reached.
//!
//! Written down once per trace, so that calls need not carry it.

use std::fmt::{self, Write};

/// A part of the arguments that a signature speaks of.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Part {
    /// The number of the argument.
    pub(crate) argument: usize,
    /// How it is reached from the argument: `.weights[2]`; empty for the argument itself.
    pub(crate) path: String,
    pub(crate) what: What,
}

/// What a part is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum What {
    /// A tensor or variable: the next leaf.
    Leaf,
    /// A host value, in words.
    Host(String),
    /// What decides which parts follow, in words: the length of a list, whether an option has a value.
    Structure(String),
}

impl Part {
    /// Whether both are the same place in arguments.
    pub(crate) fn same_place(&self, other: &Part) -> bool {
        self.argument == other.argument && self.path == other.path
    }
}

/// Writes down the parts of arguments as they are visited.
#[derive(Default)]
pub(crate) struct Recorder {
    argument: usize,
    path: String,
    parts: Vec<Part>,
}

/// Long texts and lists are cut for people.
const LONGEST: usize = 60;

impl Recorder {
    /// What follows belongs to this argument.
    pub(crate) fn argument(&mut self, argument: usize) {
        self.argument = argument;
    }

    pub(crate) fn leaf(&mut self) {
        self.push(What::Leaf);
    }

    pub(crate) fn host(&mut self, words: fmt::Arguments<'_>) {
        let mut text = words.to_string();
        if text.chars().count() > LONGEST {
            text = text.chars().take(LONGEST).chain(['…']).collect();
        }
        self.push(What::Host(text));
    }

    pub(crate) fn structure(&mut self, words: fmt::Arguments<'_>) {
        self.push(What::Structure(words.to_string()));
    }

    /// Goes into a part; gives what [`leave`](Self::leave) wants.
    pub(crate) fn enter(&mut self, place: &dyn fmt::Display) -> usize {
        let outer = self.path.len();
        let _ = write!(self.path, "{place}");
        outer
    }

    pub(crate) fn leave(&mut self, outer: usize) {
        self.path.truncate(outer);
    }

    pub(crate) fn finish(self) -> Vec<Part> {
        self.parts
    }

    fn push(&mut self, what: What) {
        self.parts.push(Part { argument: self.argument, path: self.path.clone(), what });
    }
}

/// The name in graphs of each tensor and variable among the parts, if its argument has one.
///
/// An argument gives its name to its only leaf, or makes `state_weight` of the leaf `.weight` of `state`.
pub(crate) fn leaf_names(parts: &[Part], arguments: &[String]) -> Vec<Option<String>> {
    let leaves = parts.iter().filter(|part| part.what == What::Leaf);
    let name = |part: &Part| {
        let argument = arguments.get(part.argument)?;
        Some(if part.path.is_empty() { argument.clone() } else { format!("{argument}{}", identifier(&part.path)) })
    };
    leaves.map(name).collect()
}

/// The name in graphs of the tensor of this number if it has none: `x`, `y`, `z`, `w`, `a4`, ….
pub(crate) fn default_name(number: usize) -> String {
    ["x", "y", "z", "w"].get(number).map_or_else(|| format!("a{number}"), |name| (*name).to_owned())
}

/// What a part is called in messages: by the argument's name and the way from there, or by its number.
pub(crate) fn described(part: &Part, arguments: &[String]) -> String {
    match arguments.get(part.argument) {
        Some(argument) => format!("`{argument}{}`", part.path),
        None if part.path.is_empty() => format!("argument {}", part.argument),
        None => format!("`{}` of argument {}", part.path, part.argument),
    }
}

/// `_weights_2` of `.weights[2]`.
fn identifier(path: &str) -> String {
    let mut text = String::new();
    for c in path.chars() {
        match c {
            ']' => {}
            c if c.is_alphanumeric() || c == '_' => text.push(c),
            _ => text.push('_'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tensor, tensor, tree::Leaves};

    #[test]
    fn parts_know_their_way() {
        let state: (Tensor, Vec<Tensor>) = (tensor(1.0), vec![tensor(2.0), tensor(3.0)]);
        let parts = Leaves::parts(&[&state, &3i32, &"a"]);
        let names = ["state".to_owned(), "n".to_owned()];
        let words: Vec<String> = parts.iter().map(|part| described(part, &names)).collect();
        assert_eq!(words, ["`state.0`", "`state.1`", "`state.1[0]`", "`state.1[1]`", "`n`", "argument 2"]);
        let in_graphs: Vec<String> = leaf_names(&parts, &names).into_iter().flatten().collect();
        assert_eq!(in_graphs, ["state_0", "state_1_0", "state_1_1"]);
        assert_eq!(leaf_names(&parts, &[]), [None, None, None]);
        assert_eq!(parts[1].what, What::Structure("a list of 2".to_owned()));
        assert_eq!(parts[5].what, What::Host("\"a\"".to_owned()));
    }

    #[test]
    fn long_values_are_cut() {
        let long = "é".repeat(100);
        let parts = Leaves::parts(&[&long]);
        assert!(matches!(&parts[0].what, What::Host(text) if text.chars().count() == 61 && text.ends_with('…')));
    }
}
