//! Guards: what a compiled function took for granted about its unknown sizes.

use serde::{Deserialize, Serialize};
use std::fmt;
use tracelift_tensor::{Binding, Dim, Result};

/// The relation a [`Guard`] states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GuardOp {
    /// Both sides are equal.
    Eq,
    /// The left side is not 1 (so that it does not broadcast, or is no matrix-vector product).
    Ne1,
    /// The left side is at least the right side.
    Ge,
}

/// A condition on unknown sizes, found while inferring shapes and checked at every call.
///
/// A guard that fails is not an error of the user: the function is traced again with the sizes in question known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Guard {
    /// The size that is restricted.
    pub lhs: Dim,
    /// How.
    pub op: GuardOp,
    /// By what; `1` for [`GuardOp::Ne1`].
    pub rhs: Dim,
}

impl Guard {
    /// `lhs == rhs`.
    pub fn eq(lhs: Dim, rhs: Dim) -> Guard {
        Guard { lhs, op: GuardOp::Eq, rhs }
    }

    /// `lhs != 1`.
    pub fn ne1(lhs: Dim) -> Guard {
        Guard { lhs, op: GuardOp::Ne1, rhs: Dim::from(1usize) }
    }

    /// `lhs >= rhs`.
    pub fn ge(lhs: Dim, rhs: Dim) -> Guard {
        Guard { lhs, op: GuardOp::Ge, rhs }
    }

    /// The guard that says the same the other way round, if there is one.
    pub fn turned(&self) -> Option<Guard> {
        (self.op == GuardOp::Eq).then(|| Guard::eq(self.rhs.clone(), self.lhs.clone()))
    }

    /// Whether the guard holds for the sizes of one call.
    pub fn holds(&self, sizes: &Binding) -> Result<bool> {
        let (lhs, rhs) = (self.lhs.eval(sizes)?, self.rhs.eval(sizes)?);
        Ok(match self.op {
            GuardOp::Eq => lhs == rhs,
            GuardOp::Ne1 => lhs != 1,
            GuardOp::Ge => lhs >= rhs,
        })
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            GuardOp::Eq => "==",
            GuardOp::Ne1 => "!=",
            GuardOp::Ge => ">=",
        };
        write!(f, "{} {op} {}", self.lhs, self.rhs)
    }
}
