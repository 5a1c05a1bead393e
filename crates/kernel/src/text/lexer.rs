//! Tokens of the texts of graphs, kernels and programs.

use super::syntax_error::{Source, SyntaxError};
use std::borrow::Cow;
use std::fmt;

/// A place in a text; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The character of the line.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `%x`: a value, a register or a loop variable.
    Value(Cow<'a, str>),
    /// `@f`: a function, a kernel or a program.
    Global(Cow<'a, str>),
    /// `$x`: a buffer.
    Buffer(Cow<'a, str>),
    /// A keyword, an element type, an operation (`add`, `cast.f64`, `powi.-2`) or an unknown size.
    Word(&'a str),
    /// A number without its sign, and the element type written behind it (`1.5f64` is `1.5`, `f64`).
    Number {
        /// Digits, with point and exponent where there are any.
        digits: &'a str,
        /// An element type, or nothing.
        suffix: &'a str,
    },
    /// `"…"`, with its escapes resolved.
    Text(Cow<'a, str>),
    /// Punctuation.
    Punct(Punct),
    /// The end of the text.
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Value(name) => write!(f, "`%{name}`"),
            Token::Global(name) => write!(f, "`@{name}`"),
            Token::Buffer(name) => write!(f, "`${name}`"),
            Token::Word(word) => write!(f, "`{word}`"),
            Token::Number { digits, suffix } => write!(f, "`{digits}{suffix}`"),
            Token::Text(text) => write!(f, "{}", quote(text)),
            Token::Punct(punct) => write!(f, "{punct}"),
            Token::End => f.write_str("the end of the text"),
        }
    }
}

macro_rules! puncts {
    ($($name:ident $text:literal,)*) => {
        /// Punctuation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Punct { $(#[doc = concat!("`", $text, "`")] $name,)* }

        /// Longer ones first, so that `..` is not two points and `->` no minus.
        const PUNCTS: &[(&str, Punct)] = &[$(($text, Punct::$name),)*];

        impl fmt::Display for Punct {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Punct::$name => concat!("`", $text, "`"),)* })
            }
        }
    };
}

puncts! {
    Arrow "->", BackArrow "<-", Range "..", FloorDiv "//", EqEq "==", Ne "!=", Ge ">=", Le "<=",
    Open "(", Close ")", OpenBracket "[", CloseBracket "]", OpenBrace "{", CloseBrace "}",
    Comma ",", Colon ":", Eq "=", Plus "+", Minus "-", Star "*", Less "<", Greater ">",
}

/// A token and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<'a> {
    /// The token.
    pub token: Token<'a>,
    /// Its first character.
    pub position: Position,
}

/// `; …` up to the end of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment<'a> {
    /// What follows the semicolon, without the blanks around it.
    pub text: &'a str,
    /// Where the semicolon is.
    pub position: Position,
    /// Where [`text`](Self::text) starts.
    pub text_position: Position,
}

/// Cuts a text into tokens (ending with [`Token::End`]) and comments.
pub fn lex<'a>(source: &Source<'a>) -> Result<(Vec<Spanned<'a>>, Vec<Comment<'a>>), SyntaxError> {
    lex_part(source, source.text, Position { line: 1, column: 1 })
}

/// As [`lex`], of a part that starts at a position.
pub(super) fn lex_part<'a>(
    source: &Source<'a>,
    part: &'a str,
    position: Position,
) -> Result<(Vec<Spanned<'a>>, Vec<Comment<'a>>), SyntaxError> {
    let mut lexer = Lexer { source, rest: part, position };
    let (mut tokens, mut comments) = (vec![], vec![]);
    loop {
        lexer.advance_while(char::is_whitespace);
        let position = lexer.position;
        if lexer.rest.starts_with(';') {
            let behind = lexer.advance_while(|c| c != '\n').strip_prefix(';').unwrap_or("");
            let blanks = behind.chars().take_while(|c| c.is_whitespace()).count() as u32;
            let text_position = Position { column: position.column + 1 + blanks, ..position };
            comments.push(Comment { text: behind.trim(), position, text_position });
            continue;
        }
        let token = lexer.token()?;
        let ended = token == Token::End;
        tokens.push(Spanned { token, position });
        if ended {
            return Ok((tokens, comments));
        }
    }
}

struct Lexer<'s, 'a> {
    source: &'s Source<'a>,
    rest: &'a str,
    position: Position,
}

impl<'a> Lexer<'_, 'a> {
    fn token(&mut self) -> Result<Token<'a>, SyntaxError> {
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        match first {
            '%' => Ok(Token::Value(self.name("%")?)),
            '@' => Ok(Token::Global(self.name("@")?)),
            '$' => Ok(Token::Buffer(self.name("$")?)),
            '"' => Ok(Token::Text(self.quoted()?)),
            '0'..='9' => Ok(self.number()),
            'a'..='z' | 'A'..='Z' | '_' => Ok(self.word()),
            _ => match PUNCTS.iter().find(|(text, _)| self.rest.starts_with(text)) {
                Some((text, punct)) => {
                    self.advance(text.len());
                    Ok(Token::Punct(*punct))
                }
                None => Err(self.source.error(self.position, format!("unexpected character `{first}`"))),
            },
        }
    }

    /// A name, with a parameter behind a point if there is one (`cast.f64`, `powi.-2`).
    fn word(&mut self) -> Token<'a> {
        let length = run(self.rest, 0, is_name_char);
        let parameter = self.rest[length..].strip_prefix('.').map_or(0, |behind| {
            let sign = usize::from(behind.starts_with('-'));
            run(behind, sign, is_name_char) - sign
        });
        let sign = usize::from(self.rest[length..].starts_with(".-"));
        Token::Word(self.advance(if parameter == 0 { length } else { length + 1 + sign + parameter }))
    }

    /// What follows a sigil: a plain name, or any name in quotes.
    fn name(&mut self, sigil: &str) -> Result<Cow<'a, str>, SyntaxError> {
        let start = self.position;
        self.advance(sigil.len());
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let length = plain_name_length(self.rest);
        if length == 0 {
            return Err(self.source.error(start, format!("expected a name behind `{sigil}`")));
        }
        Ok(Cow::Borrowed(self.advance(length)))
    }

    fn quoted(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        let start = self.position;
        self.advance(1);
        let mut text = Cow::Borrowed("");
        loop {
            let plain = self.advance_while(|c| !matches!(c, '"' | '\\' | '\n'));
            if text.is_empty() {
                text = Cow::Borrowed(plain)
            } else {
                text.to_mut().push_str(plain)
            }
            match self.rest.as_bytes() {
                [b'"', ..] => {
                    self.advance(1);
                    return Ok(text);
                }
                [b'\\', ..] => {
                    let c = self.escape()?;
                    text.to_mut().push(c);
                }
                _ => return Err(self.source.error(start, "this text is not closed: expected `\"` on the same line")),
            }
        }
    }

    /// `\n`, `\t`, `\r`, `\"`, `\\`, `\u{1f}`.
    fn escape(&mut self) -> Result<char, SyntaxError> {
        let start = self.position;
        let mistake = || self.source.error(start, "unknown escape: expected one of \\n \\t \\r \\\" \\\\ \\u{…}");
        let (c, length) = match self.rest.as_bytes().get(1) {
            Some(b'n') => ('\n', 2),
            Some(b't') => ('\t', 2),
            Some(b'r') => ('\r', 2),
            Some(b'"') => ('"', 2),
            Some(b'\\') => ('\\', 2),
            Some(b'u') => {
                let code = self.rest[2..].strip_prefix('{').and_then(|r| r.split_once('}')).ok_or_else(mistake)?.0;
                let c = u32::from_str_radix(code, 16).ok().and_then(char::from_u32).ok_or_else(mistake)?;
                (c, code.len() + 4)
            }
            _ => return Err(mistake()),
        };
        self.advance(length);
        Ok(c)
    }

    /// Digits, a fraction if a digit follows the point, an exponent, and letters as suffix.
    fn number(&mut self) -> Token<'a> {
        let digit = |c: char| c.is_ascii_digit();
        let mut length = run(self.rest, 0, digit);
        if self.rest[length..].starts_with('.') && self.rest[length + 1..].starts_with(digit) {
            length = run(self.rest, length + 1, digit);
        }
        if self.rest[length..].starts_with(['e', 'E']) {
            let sign = usize::from(self.rest[length + 1..].starts_with(['+', '-']));
            if self.rest[length + 1 + sign..].starts_with(digit) {
                length = run(self.rest, length + 1 + sign, digit);
            }
        }
        let digits = self.advance(length);
        Token::Number { digits, suffix: self.advance_while(is_name_char) }
    }

    fn advance_while(&mut self, more: impl Fn(char) -> bool) -> &'a str {
        self.advance(run(self.rest, 0, more))
    }

    fn advance(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        for c in taken.chars() {
            match c {
                '\n' => self.position = Position { line: self.position.line + 1, column: 1 },
                _ => self.position.column += 1,
            }
        }
        self.rest = rest;
        taken
    }
}

/// Where the characters that satisfy `more` end, from `start` on.
fn run(text: &str, start: usize, more: impl Fn(char) -> bool) -> usize {
    text[start..].find(|c| !more(c)).map_or(text.len(), |n| start + n)
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// How many bytes at the start of `text` are a plain name: letters, digits, `_`, and `.` or `/` between them.
fn plain_name_length(text: &str) -> usize {
    let mut length = 0;
    loop {
        let end = run(text, length, is_name_char);
        if end == length {
            return length.saturating_sub(1);
        }
        if !text[end..].starts_with(['.', '/']) {
            return end;
        }
        length = end + 1;
    }
}

/// Writes a name behind its sigil, in quotes if it is not plain.
///
/// ```
/// use tracelift_kernel::text::write_name;
/// let mut text = String::new();
/// write_name(&mut text, '%', "dense_1/kernel")?;
/// write_name(&mut text, '$', "two words")?;
/// assert_eq!(text, "%dense_1/kernel$\"two words\"");
/// # Ok::<(), std::fmt::Error>(())
/// ```
pub fn write_name(out: &mut dyn fmt::Write, sigil: char, name: &str) -> fmt::Result {
    if !name.is_empty() && plain_name_length(name) == name.len() {
        write!(out, "{sigil}{name}")
    } else {
        write!(out, "{sigil}{}", quote(name))
    }
}

/// A text in quotes, as the lexer reads it back.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(text: &str) -> Vec<String> {
        let (tokens, _) = lex(&Source::new("test.tl", text)).unwrap();
        tokens.iter().map(|t| format!("{} {}", t.position, t.token)).collect()
    }

    #[test]
    fn cuts_a_kernel_line() {
        assert_eq!(
            tokens("par %i in 0..B { ; rows\n  %1 = load $h/w.x[2*%i, (B + 1)//2]"),
            [
                "1:1 `par`",
                "1:5 `%i`",
                "1:8 `in`",
                "1:11 `0`",
                "1:12 `..`",
                "1:14 `B`",
                "1:16 `{`",
                "2:3 `%1`",
                "2:6 `=`",
                "2:8 `load`",
                "2:13 `$h/w.x`",
                "2:19 `[`",
                "2:20 `2`",
                "2:21 `*`",
                "2:22 `%i`",
                "2:24 `,`",
                "2:26 `(`",
                "2:27 `B`",
                "2:29 `+`",
                "2:31 `1`",
                "2:32 `)`",
                "2:33 `//`",
                "2:35 `2`",
                "2:36 `]`",
                "2:37 the end of the text",
            ]
        );
    }

    #[test]
    fn numbers_keep_their_suffix() {
        let (tokens, _) = lex(&Source::new("test.tl", "1 1.5 1e-5f64 3i64 1..2 2e")).unwrap();
        let numbers: Vec<_> = tokens
            .iter()
            .filter_map(|t| match t.token {
                Token::Number { digits, suffix } => Some((digits, suffix)),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [("1", ""), ("1.5", ""), ("1e-5", "f64"), ("3", "i64"), ("1", ""), ("2", ""), ("2", "e")]);
    }

    #[test]
    fn words_keep_their_parameter() {
        let words =
            ["1:1 `cast.f64`", "1:10 `powi.-2`", "1:18 `A`", "1:19 `..`", "1:21 `B`", "1:22 the end of the text"];
        assert_eq!(tokens("cast.f64 powi.-2 A..B"), words);
    }

    #[test]
    fn comments_know_where_their_text_starts() {
        let (_, comments) = lex(&Source::new("test.tl", "\n ;  run: @f(1) \n")).unwrap();
        assert_eq!(comments[0].text, "run: @f(1)");
        assert_eq!(comments[0].text_position, Position { line: 2, column: 5 });
    }

    #[test]
    fn mistakes_show_the_line_and_a_caret() {
        for (text, expected) in [
            ("a\n\tb # c", "t.tl:2:4: unexpected character `#`\n  \tb # c\n  \t  ^"),
            ("% x", "t.tl:1:1: expected a name behind `%`\n  % x\n  ^"),
            ("a \"b", "t.tl:1:3: this text is not closed: expected `\"` on the same line\n  a \"b\n    ^"),
            ("\"a\\q\"", "t.tl:1:3: unknown escape: expected one of \\n \\t \\r \\\" \\\\ \\u{…}\n  \"a\\q\"\n    ^"),
        ] {
            assert_eq!(lex(&Source::new("t.tl", text)).unwrap_err().to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn every_name_is_read_back(name in any::<String>()) {
            let mut text = String::new();
            write_name(&mut text, '%', &name).unwrap();
            let (tokens, _) = lex(&Source::new("test.tl", &text)).unwrap();
            prop_assert_eq!(&tokens[0].token, &Token::Value(Cow::Owned(name)));
            prop_assert_eq!(&tokens[1].token, &Token::End);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            if let Err(mistake) = lex(&Source::new("test.tl", &text)) {
                prop_assert!(mistake.to_string().starts_with("test.tl:"));
            }
        }
    }
}
