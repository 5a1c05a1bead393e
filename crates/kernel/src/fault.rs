//! What can go wrong while a kernel or a program runs.

use crate::meaning;
use crate::program::Site;
use tracelift_tensor::Error;

/// A user's mistake that shows only when values are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An integer was divided by zero.
    DivideByZero,
    /// An index is not in `0..bound`.
    OutOfBounds {
        /// Where in the buffer of indices it stands, if there is one.
        position: Option<usize>,
        /// The index.
        index: i64,
        /// The bound.
        bound: i64,
    },
    /// An assertion is false.
    Assertion {
        /// What it says.
        message: String,
    },
}

impl From<meaning::Fault> for Fault {
    fn from(fault: meaning::Fault) -> Fault {
        match fault {
            meaning::Fault::DivideByZero => Fault::DivideByZero,
        }
    }
}

impl Fault {
    /// The error that tells the user, pointing at the operation if it is known.
    pub fn error(&self, site: Option<&Site>) -> Error {
        let error = match self {
            Fault::DivideByZero => Error::invalid("divides an integer by zero"),
            Fault::OutOfBounds { position, index, bound } => {
                let place = position.map_or(String::new(), |n| format!(", at position {n} of the indices"));
                Error::invalid(format!("has the index {index}, which is not in 0..{bound}{place}"))
            }
            Fault::Assertion { message } => Error::invalid(message.clone()),
        };
        match site {
            Some(site) if !site.op.is_empty() => error.op(site.op.clone()).at(site.origin.clone()),
            Some(site) => error.at(site.origin.clone()),
            None => error,
        }
    }
}
