//! What the verifiers report.

use std::fmt;
use tracelift_tensor::{Error, Result};

/// Something wrong with a kernel or a program: what, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The kernel or program.
    pub of: String,
    /// The position of the statement in its block, of that block's loop in its block…, outermost first; empty for what
    /// is wrong with the whole.
    pub path: Vec<usize>,
    /// The statement's text, or what else is wrong.
    pub text: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Mistake {
    /// `@k 0.1: `%3 = sub %1, %2`: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.of)?;
        for (n, step) in self.path.iter().enumerate() {
            write!(f, "{}{step}", if n == 0 { " " } else { "." })?;
        }
        f.write_str(": ")?;
        if !self.text.is_empty() {
            write!(f, "`{}`: ", self.text)?;
        }
        f.write_str(&self.message)
    }
}

/// `Ok` if there are no mistakes, else all of them as one error of kind `Internal`: kernels and programs are made by
/// tracelift itself.
pub(crate) fn refuse(mistakes: &[Mistake]) -> Result {
    Error::all(mistakes.iter().map(|mistake| Error::internal(mistake.to_string())))
}
