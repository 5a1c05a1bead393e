//! What the macros have made of functions, as text.

use crate::{Function, Signature};

/// The text of a function whose control flow was rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code(#[doc(hidden)] pub &'static str);

/// What has such a text: a [`Function`], or the code of an `#[autograph]` function.
pub trait ToCode {
    /// The text.
    fn to_code(&self) -> &str;
}

/// The text that [`ToCode`] gives, in a block of Markdown.
///
/// ```
/// use tracelift_function::{Function, Tensor, display_code};
///
/// let plain = Function::new(|x: &Tensor| x + 1);
/// assert!(display_code(&plain).starts_with("```rust\n// a closure, traced as it was written"));
/// ```
pub fn display_code(code: &impl ToCode) -> String {
    format!("```rust\n{}\n```", code.to_code().trim_end())
}

impl ToCode for Code {
    fn to_code(&self) -> &str {
        self.0
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl<S: Signature> ToCode for Function<S> {
    fn to_code(&self) -> &str {
        Function::to_code(self)
    }
}

impl<T: ToCode + ?Sized> ToCode for &T {
    fn to_code(&self) -> &str {
        (**self).to_code()
    }
}
