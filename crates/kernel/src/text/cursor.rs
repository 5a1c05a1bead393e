//! Walking over tokens: what the parsers of graphs, kernels and programs share.

use super::lexer::{Comment, Position, Punct, Spanned, Token, lex_part};
use super::syntax_error::{Source, SyntaxError};
use std::borrow::Cow;

/// How deep loops, branches and brackets may be nested.
const MAX_DEPTH: u32 = 128;

/// The tokens of a text and how far they are read.
pub struct Cursor<'a> {
    source: Source<'a>,
    tokens: Vec<Spanned<'a>>,
    comments: Vec<Comment<'a>>,
    next: usize,
    depth: u32,
}

/// A place that [`Cursor::rewind`] goes back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl<'a> Cursor<'a> {
    /// Cuts a text into tokens and stands before the first one.
    pub fn new(source: Source<'a>) -> Result<Self, SyntaxError> {
        Self::within(source, source.text, Position { line: 1, column: 1 })
    }

    /// Stands before the first token of a part of a text, which starts at a position.
    pub fn within(source: Source<'a>, part: &'a str, position: Position) -> Result<Self, SyntaxError> {
        let (tokens, comments) = lex_part(&source, part, position)?;
        Ok(Cursor { source, tokens, comments, next: 0, depth: 0 })
    }

    /// The text.
    pub fn source(&self) -> &Source<'a> {
        &self.source
    }

    /// All comments of the text, in order.
    pub fn comments(&self) -> &[Comment<'a>] {
        &self.comments
    }

    /// The next token.
    pub fn peek(&self) -> &Token<'a> {
        &self.tokens[self.next].token
    }

    /// The token after `ahead` others.
    pub fn peek_nth(&self, ahead: usize) -> &Token<'a> {
        &self.tokens[(self.next + ahead).min(self.tokens.len() - 1)].token
    }

    /// Where the next token is.
    pub fn position(&self) -> Position {
        self.tokens[self.next].position
    }

    /// Takes the next token; at the end of the text always [`Token::End`].
    pub fn advance(&mut self) -> Token<'a> {
        let token = self.tokens[self.next].token.clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    /// Where it stands, to come back to.
    pub fn mark(&self) -> Mark {
        Mark(self.next)
    }

    /// Goes back (or ahead again) to where it stood.
    pub fn rewind(&mut self, mark: Mark) {
        self.next = mark.0;
    }

    /// A mistake at the next token.
    pub fn error(&self, message: impl Into<String>) -> SyntaxError {
        self.error_at(self.position(), message)
    }

    /// A mistake elsewhere.
    pub fn error_at(&self, position: Position, message: impl Into<String>) -> SyntaxError {
        self.source.error(position, message)
    }

    /// "expected …, found …" at the next token.
    pub fn expected(&self, what: &str) -> SyntaxError {
        self.error(format!("expected {what}, found {}", self.peek()))
    }

    /// Whether the next token is this punctuation.
    pub fn at(&self, punct: Punct) -> bool {
        *self.peek() == Token::Punct(punct)
    }

    /// Whether the next token is this word.
    pub fn at_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(w) if *w == word)
    }

    /// Takes this punctuation if it is next.
    pub fn eat(&mut self, punct: Punct) -> bool {
        let found = self.at(punct);
        if found {
            self.advance();
        }
        found
    }

    /// Takes this word if it is next.
    pub fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.advance();
        }
        found
    }

    /// Takes this punctuation, or says that it was expected.
    pub fn expect(&mut self, punct: Punct) -> Result<(), SyntaxError> {
        if self.eat(punct) { Ok(()) } else { Err(self.expected(&punct.to_string())) }
    }

    /// Takes this word, or says that it was expected.
    pub fn expect_word(&mut self, word: &str) -> Result<(), SyntaxError> {
        if self.eat_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    /// Takes any word; `what` says which kind.
    pub fn word(&mut self, what: &str) -> Result<&'a str, SyntaxError> {
        match *self.peek() {
            Token::Word(word) => {
                self.advance();
                Ok(word)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Takes a `%name`.
    pub fn value(&mut self, what: &str) -> Result<Cow<'a, str>, SyntaxError> {
        self.named(what, |token| match token {
            Token::Value(name) => Some(name),
            _ => None,
        })
    }

    /// Takes a `$name`.
    pub fn buffer(&mut self, what: &str) -> Result<Cow<'a, str>, SyntaxError> {
        self.named(what, |token| match token {
            Token::Buffer(name) => Some(name),
            _ => None,
        })
    }

    /// Takes an `@name`.
    pub fn global(&mut self, what: &str) -> Result<Cow<'a, str>, SyntaxError> {
        self.named(what, |token| match token {
            Token::Global(name) => Some(name),
            _ => None,
        })
    }

    /// Takes a `"text"`.
    pub fn text(&mut self, what: &str) -> Result<Cow<'a, str>, SyntaxError> {
        self.named(what, |token| match token {
            Token::Text(text) => Some(text),
            _ => None,
        })
    }

    fn named(
        &mut self,
        what: &str,
        pick: impl Fn(Token<'a>) -> Option<Cow<'a, str>>,
    ) -> Result<Cow<'a, str>, SyntaxError> {
        match pick(self.peek().clone()) {
            Some(name) => {
                self.advance();
                Ok(name)
            }
            None => Err(self.expected(what)),
        }
    }

    /// Takes a whole number with an optional sign, that is an i64 without a suffix.
    pub fn integer(&mut self, what: &str) -> Result<i64, SyntaxError> {
        let position = self.position();
        let minus = self.eat(Punct::Minus);
        match *self.peek() {
            Token::Number { digits, suffix: "" } => {
                self.advance();
                let text = if minus { format!("-{digits}") } else { digits.to_owned() };
                text.parse().map_err(|_| self.error_at(position, format!("expected {what}, found `{text}`")))
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Takes a whole number from 0 on.
    pub fn count(&mut self, what: &str) -> Result<u32, SyntaxError> {
        let position = self.position();
        let n = self.integer(what)?;
        u32::try_from(n).map_err(|_| self.error_at(position, format!("expected {what}, found `{n}`")))
    }

    /// Reads `item, item, …` up to `close`, which is taken, too. `(` and the like have been taken before.
    pub fn list<T>(
        &mut self,
        close: Punct,
        item: &mut dyn FnMut(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        let mut items = vec![];
        if self.eat(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat(close) {
                return Ok(items);
            }
            if !self.eat(Punct::Comma) {
                return Err(self.expected(&format!("`,` or {close}")));
            }
        }
    }

    /// Goes one level deeper; a text nested beyond reason is an error, not a stack overflow.
    pub fn enter(&mut self) -> Result<(), SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("nested more than {MAX_DEPTH} levels deep")));
        }
        self.depth += 1;
        Ok(())
    }

    /// Comes back from where [`enter`](Self::enter) went. After an error nobody needs to.
    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Reads what is one level deeper.
    pub fn nested<T>(&mut self, inner: &mut dyn FnMut(&mut Self) -> Result<T, SyntaxError>) -> Result<T, SyntaxError> {
        self.enter()?;
        let answer = inner(self)?;
        self.leave();
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_expected() {
        let mut cursor = Cursor::new(Source::new("t.tl", "[1, -2 x")).unwrap();
        cursor.expect(Punct::OpenBracket).unwrap();
        let mistake = cursor.list(Punct::CloseBracket, &mut |c| c.integer("a number")).unwrap_err();
        assert_eq!(mistake.to_string(), "t.tl:1:8: expected `,` or `]`, found `x`\n  [1, -2 x\n         ^");
    }

    #[test]
    fn depth_is_capped() {
        fn brackets(cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
            cursor.nested(&mut |c| if c.eat(Punct::OpenBracket) { brackets(c) } else { Ok(()) })
        }
        let text = "[".repeat(100_000);
        let mut cursor = Cursor::new(Source::new("t.tl", &text)).unwrap();
        let mistake = brackets(&mut cursor).unwrap_err();
        assert_eq!(mistake.message, "nested more than 128 levels deep");
    }

    #[test]
    fn the_end_is_never_passed() {
        let mut cursor = Cursor::new(Source::new("t.tl", "")).unwrap();
        cursor.advance();
        assert_eq!(cursor.advance(), Token::End);
        assert_eq!(cursor.peek_nth(3), &Token::End);
    }
}
