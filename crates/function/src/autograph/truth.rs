//! Truth values: known while tracing, or values of the graph.

use tracelift_tensor::{DType, Error, Origin};

use crate::{Tensor, Variable, scope, tensor, trace};

/// What a condition says.
#[derive(Clone)]
pub enum Truth {
    /// Known now: rewritten code does what plain Rust does.
    Host(bool),
    /// Known when the graph runs.
    Graph(Tensor),
    /// Never known: a mistake was made on the way to it.
    Failed(Error),
}

/// A flag that is not up.
pub const NO: Truth = Truth::Host(false);

/// A flag that is up.
pub const YES: Truth = Truth::Host(true);

impl Truth {
    pub(crate) fn is_no(&self) -> bool {
        matches!(self, Truth::Host(false))
    }

    pub(crate) fn is_yes(&self) -> bool {
        matches!(self, Truth::Host(true))
    }

    /// As a value of graphs.
    pub(crate) fn tensor(&self) -> Tensor {
        match self {
            Truth::Host(value) => tensor(*value),
            Truth::Graph(tensor) => tensor.clone(),
            Truth::Failed(error) => Tensor::failed(error.clone()),
        }
    }

    /// Neither of two flags.
    #[track_caller]
    pub(crate) fn neither(one: &Truth, other: &Truth) -> Truth {
        match (one, other) {
            (Truth::Host(true), _) | (_, Truth::Host(true)) => NO,
            (Truth::Host(false), Truth::Host(false)) => YES,
            (Truth::Failed(error), _) | (_, Truth::Failed(error)) => Truth::Failed(error.clone()),
            (Truth::Graph(flag), Truth::Host(false)) | (Truth::Host(false), Truth::Graph(flag)) => {
                Truth::Graph(flag.not())
            }
            (Truth::Graph(one), Truth::Graph(other)) => Truth::Graph(one.or(other).not()),
        }
    }
}

/// Whether a flag is down, as a condition.
#[track_caller]
pub fn down(flag: &Truth) -> Truth {
    Truth::neither(flag, &NO)
}

/// What `if` and `while` take as a condition.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a condition in a traced function",
    label = "expected `bool` or a tensor of type bool[]",
    note = "compare it with something, as in `x > 0.0`"
)]
pub trait Condition {
    /// What it says.
    fn truth(&self, what: &'static str, origin: &Origin) -> Truth;
}

/// The condition of an `if`.
#[track_caller]
pub fn condition(condition: impl Condition) -> Truth {
    condition.truth("if", &scope::origin())
}

impl Condition for bool {
    fn truth(&self, _: &'static str, _: &Origin) -> Truth {
        Truth::Host(*self)
    }
}

impl Condition for Truth {
    fn truth(&self, _: &'static str, _: &Origin) -> Truth {
        self.clone()
    }
}

impl Condition for Tensor {
    fn truth(&self, what: &'static str, origin: &Origin) -> Truth {
        let condition = self.snapshot();
        if let Some(error) = condition.error() {
            trace::record(error);
            return Truth::Failed(error.clone());
        }
        if condition.dtype() != DType::Bool || condition.rank() != 0 {
            let message = format!("wants bool[] as its condition, not {}", condition.ty());
            let error = Error::type_(message).op(what).at(origin.clone());
            let error =
                error.help("`.all(..)` or `.any(..)` make one truth value of many, a comparison one of a number");
            trace::record(&error);
            return Truth::Failed(error);
        }
        if condition.is_traced() {
            return Truth::Graph(condition);
        }
        condition.item().map_or_else(Truth::Failed, Truth::Host)
    }
}

impl Condition for Variable {
    fn truth(&self, what: &'static str, origin: &Origin) -> Truth {
        self.value().truth(what, origin)
    }
}

impl<T: Condition + ?Sized> Condition for &T {
    fn truth(&self, what: &'static str, origin: &Origin) -> Truth {
        (**self).truth(what, origin)
    }
}
