//! Texts: the tokens that `func`, `kernel` and `program` share, and messages that point into a text.

mod lexer;
mod syntax_error;
mod cursor;
mod expression;
mod array;
mod numbering;
mod registers;
mod module;
mod run_line;

pub use array::{ArrayText, write_array};
pub use cursor::{Cursor, Mark};
pub use lexer::{Comment, Position, Punct, Spanned, Token, lex, quote, write_name};
pub use module::Module;
pub(crate) use numbering::{number_names, own_number};
pub(crate) use registers::{Registers, Target, Written, targets};
pub use run_line::{Expected, RunCase, RunLine};
pub use syntax_error::{Source, SyntaxError};
