//! Mistakes in a text, shown with the line and a caret.

use super::lexer::Position;
use std::fmt;

/// A text to be read, with the name that messages call it by.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Usually a path.
    pub file: &'a str,
    /// All of it.
    pub text: &'a str,
}

impl<'a> Source<'a> {
    /// A text and the name that messages call it by.
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Source { file, text }
    }

    /// A mistake at a place of this text.
    pub fn error(&self, position: Position, message: impl Into<String>) -> SyntaxError {
        let line = self.text.lines().nth(position.line.saturating_sub(1) as usize).unwrap_or("");
        SyntaxError { file: self.file.to_owned(), position, line: line.to_owned(), message: message.into() }
    }
}

/// A mistake in a text: what is wrong, and where.
///
/// ```
/// use tracelift_kernel::text::{Source, lex};
/// let mistake = lex(&Source::new("a.tl", "func @f(%x: f32[B]) ?")).unwrap_err();
/// assert_eq!(
///     mistake.to_string(),
///     "a.tl:1:21: unexpected character `?`\n  func @f(%x: f32[B]) ?\n                      ^"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The text's name.
    pub file: String,
    /// Line and column.
    pub position: Position,
    /// The line in question.
    pub line: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tabs are kept in the padding, so that the caret stands below its character.
        let padding: String = self
            .line
            .chars()
            .take(self.position.column.saturating_sub(1) as usize)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        write!(f, "{}:{}: {}\n  {}\n  {padding}^", self.file, self.position, self.message, self.line)
    }
}

impl std::error::Error for SyntaxError {}

impl From<SyntaxError> for tracelift_tensor::Error {
    /// An error of kind `Format` that shows the line and the caret.
    fn from(mistake: SyntaxError) -> Self {
        tracelift_tensor::Error::format(mistake.to_string())
    }
}
