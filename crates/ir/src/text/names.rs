//! How values are called in a text: by the user's names made unique, else by numbers.

use crate::graph::Graph;
use crate::value::{Value, ValueMap};
use rustc_hash::FxHashSet;
use tracelift_kernel::text::write_name;

/// The names of one function or region: a scope of its own, since regions are closed.
#[derive(Default)]
pub(super) struct Names {
    of: ValueMap<String>,
    taken: FxHashSet<String>,
}

impl Names {
    /// A value's text with its `%`.
    pub(super) fn text(&self, value: Value) -> String {
        let mut text = String::new();
        write_name(&mut text, '%', &self.of[value]).expect("writing to a string never fails");
        text
    }

    /// The bare name.
    pub(super) fn get(&self, value: Value) -> &str {
        &self.of[value]
    }

    /// Names a value after its user name, or after the next number.
    pub(super) fn add(&mut self, graph: &Graph, value: Value, counter: &mut usize) {
        let name = match graph.name_of(value) {
            Some(name) => self.unique(name),
            None => self.number(counter),
        };
        self.put(value, name);
    }

    /// Gives an unnamed value this number, if it is one and free here; else the next.
    pub(super) fn add_as(&mut self, value: Value, number: &str, counter: &mut usize) {
        let fits = is_number(number) && !self.taken.contains(number);
        let name = if fits { number.to_owned() } else { self.number(counter) };
        self.put(value, name);
    }

    fn put(&mut self, value: Value, name: String) {
        self.taken.insert(name.clone());
        self.of.insert(value, name);
    }

    fn number(&self, counter: &mut usize) -> String {
        loop {
            let name = counter.to_string();
            *counter += 1;
            if !self.taken.contains(&name) {
                return name;
            }
        }
    }

    /// The name itself, or with the first free `.n` behind it.
    fn unique(&self, name: &str) -> String {
        let plain = !is_number(name) && user_name(name) == Some(name) && !self.taken.contains(name);
        if plain {
            return name.to_owned();
        }
        (0..)
            .map(|n| format!("{name}.{n}"))
            .find(|name| !self.taken.contains(name))
            .expect("there is always a free number")
    }
}

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The user's name that a name in a text stands for: none if it is a number, else without the last `.n`.
pub(super) fn user_name(text: &str) -> Option<&str> {
    if is_number(text) {
        return None;
    }
    match text.rsplit_once('.') {
        Some((name, number)) if is_number(number) => Some(name),
        _ => Some(text),
    }
}
