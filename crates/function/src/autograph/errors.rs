//! What is said when the branches of an `if`, or the rounds of a loop, do not agree.

use tracelift_ir::TensorType;
use tracelift_tensor::{Error, Origin};

use super::slot::Parts;
use crate::control::CarriedTypes;

/// A rewritten `if`, `while`, `for` or `loop` in the user's function.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) keyword: &'static str,
    pub(crate) origin: Origin,
}

impl Site {
    fn error(&self, made: fn(String) -> Error, message: String, help: &str) -> Error {
        made(message).op(self.keyword).at(self.origin.clone()).help(help)
    }

    /// That a variable cannot be decided by a graph; `kind` is its type.
    pub(crate) fn opaque(&self, name: &str, kind: &str) -> Error {
        let message =
            format!("depends on a tensor and assigns `{name}`, a `{}`, which is not made of tensors", short(kind));
        self.error(Error::type_, message, "assign it outside, or derive `Tree` for its type if it is made of tensors")
    }

    /// That branches, or a round of a loop, give a host value that depends on a tensor.
    pub(crate) fn host(&self, name: &str) -> Error {
        let message = format!(
            "depends on a tensor and changes a host value or the structure of {name}, which are fixed while tracing"
        );
        self.error(Error::type_, message, "make what changes a tensor: `tensor(0)`")
    }

    /// That the branches give values of other types.
    pub(crate) fn branches(&self, name: &str, then: &TensorType, otherwise: &TensorType) -> Error {
        let message = format!("gives {name} as {then} in its first branch, but as {otherwise} in the other");
        let help = if then.dtype == otherwise.dtype {
            "both branches give values of one shape"
        } else {
            "both branches give values of one dtype: cast one of them"
        };
        self.error(kind(then, otherwise), message, help)
    }

    /// That a round of a loop changes a type.
    pub(crate) fn rounds(&self, name: &str, carried: &CarriedTypes, place: usize, ty: &TensorType) -> Error {
        let (before, after) = carried.shown(place, ty);
        let message = format!("carries {name} as {before}, which cannot become {after}");
        let help = match carried.could_be_relaxed(place, ty) {
            true => {
                "what a loop carries keeps its shape, unless `relax(…, spec!(…))` before it says which sizes change"
            }
            false => "what a loop carries keeps its dtype and shape",
        };
        self.error(kind(&carried.types[place], ty), message, help)
    }

    /// That the value of a branch, or something returned, is no value of a graph.
    pub(crate) fn value(&self, parts: &Parts) -> Error {
        let what = match parts {
            Parts::Opaque(kind) => format!("is a `{}`, which is not made of tensors", short(kind)),
            _ => "is decided in only one of its branches".to_owned(),
        };
        let message = format!("depends on a tensor and gives a value that {what}");
        self.error(Error::type_, message, "branches give tensors, or trees of tensors: `tensor(0)`")
    }

    /// That only one branch, or some round of a loop, fails.
    pub(crate) fn fallible(&self) -> Error {
        let message = "depends on a tensor and returns an error, which is decided while tracing".to_owned();
        self.error(Error::type_, message, "`assert!` on a tensor fails the call when it runs")
    }

    /// That a branch or loop was left on the way.
    pub(crate) fn left(&self) -> Error {
        let message =
            "depends on a tensor and was left by `return`, `break`, `continue` or `?` at a place that cannot \
                       be rewritten"
                .to_owned();
        let help = "such a jump is a statement of its own, directly in an `if` or a loop";
        self.error(Error::invalid, message, help)
    }
}

/// A variable in messages.
pub(crate) fn quoted(name: &str) -> String {
    // Names of the macro's own variables say nothing to users.
    match name.starts_with("__") {
        true => "what it returns".to_owned(),
        false => format!("`{name}`"),
    }
}

fn kind(one: &TensorType, other: &TensorType) -> fn(String) -> Error {
    if one.dtype == other.dtype { Error::value } else { Error::type_ }
}

/// `alloc::string::String` as `String`.
fn short(name: &str) -> String {
    let mut short = String::new();
    let mut word = String::new();
    for c in name.chars() {
        match c {
            ':' => word.clear(),
            c if c.is_alphanumeric() || c == '_' => word.push(c),
            c => {
                short.push_str(&word);
                word.clear();
                short.push(c);
            }
        }
    }
    short + &word
}
