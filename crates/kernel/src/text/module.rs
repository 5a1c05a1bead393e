//! Texts that hold kernels and programs.

use super::cursor::Cursor;
use super::lexer::{Punct, Token};
use super::syntax_error::{Source, SyntaxError};
use crate::loops::Kernel;
use crate::loops::parse::parse_kernel;
use std::sync::Arc;

/// What a text holds, in its order. Graphs (`func`) in it are passed over.
///
/// ```
/// use tracelift_kernel::text::{Module, Source};
/// let text = "kernel @double(%x: f32[B], out %y: f32[B]) {
///   par %i0 in 0..B {
///     %0 = load %x[%i0]
///     %1 = mul %0, 2.0
///     store %y[%i0], %1
///   }
/// }
/// ";
/// let module = Module::parse(Source::new("double.tl", text))?;
/// assert_eq!(module.kernels[0].to_string(), text);
/// # Ok::<(), tracelift_kernel::text::SyntaxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module {
    /// The kernels.
    pub kernels: Vec<Arc<Kernel>>,
}

impl Module {
    /// Reads a text.
    pub fn parse(source: Source<'_>) -> Result<Module, SyntaxError> {
        let mut cursor = Cursor::new(source)?;
        let mut module = Module::default();
        loop {
            match cursor.peek().clone() {
                Token::Word("kernel") => {
                    let position = cursor.position();
                    let kernel = parse_kernel(&mut cursor)?;
                    if module.kernel(&kernel.name).is_some() {
                        return Err(
                            cursor.error_at(position, format!("there are two kernels called `@{}`", kernel.name))
                        );
                    }
                    module.kernels.push(Arc::new(kernel));
                }
                Token::Word("func") => cursor.skip_item()?,
                Token::End => return Ok(module),
                _ => return Err(cursor.expected("`func`, `kernel` or `program`")),
            }
        }
    }

    /// The kernel of that name.
    pub fn kernel(&self, name: &str) -> Option<&Arc<Kernel>> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }
}

impl Cursor<'_> {
    /// Passes over a `func`, `kernel` or `program`: up to the brace that closes its body.
    ///
    /// Its body starts at the first brace outside of parentheses.
    pub fn skip_item(&mut self) -> Result<(), SyntaxError> {
        let (mut round, mut curly) = (0u32, 0u32);
        loop {
            match self.peek() {
                Token::End => return Err(self.expected("`}`")),
                Token::Punct(Punct::Open) => round += 1,
                Token::Punct(Punct::Close) => round = round.saturating_sub(1),
                Token::Punct(Punct::OpenBrace) => curly += 1,
                Token::Punct(Punct::CloseBrace) => {
                    curly = curly.saturating_sub(1);
                    if curly == 0 && round == 0 {
                        self.advance();
                        return Ok(());
                    }
                }
                _ => {}
            }
            self.advance();
        }
    }
}
