//! Dims as text: `2*B + 1`, `(B + 1)//2`; what is printed reads back as the same dim.

use std::{fmt, str::FromStr};

use super::{
    Dim, Repr, Sym, Undefined,
    poly::{Atom, Term},
    sym::is_name_char,
};
use crate::{Error, Result};

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms = match &self.0 {
            Repr::Known(n) => return write!(f, "{n}"),
            Repr::Undefined(why) => return f.write_str(why.text()),
            Repr::Poly(poly) => poly.terms(),
        };
        for (i, term) in terms.iter().enumerate() {
            match (i, term.coefficient) {
                (0, -1) if !term.atoms.is_empty() => f.write_str("-")?,
                (0, _) => {}
                // The smallest number has no positive counterpart.
                (_, ..0) if term.coefficient != i64::MIN => f.write_str(" - ")?,
                _ => f.write_str(" + ")?,
            }
            write_term(term, i == 0, f)?;
        }
        Ok(())
    }
}

fn write_term(term: &Term, first: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let coefficient = match term.coefficient {
        i64::MIN => i64::MIN,
        n if first => n,
        n => n.abs(),
    };
    let shown = term.atoms.is_empty() || (coefficient != 1 && coefficient != -1);
    if shown {
        write!(f, "{coefficient}")?;
    }
    // `*` and `//` bind alike, so a division stands without parentheses only if it is the whole term.
    let alone = term.atoms.len() == 1 && coefficient == 1;
    for (i, atom) in term.atoms.iter().enumerate() {
        if i > 0 || shown {
            f.write_str("*")?;
        }
        match atom {
            Atom::Sym(sym) => write!(f, "{sym}")?,
            Atom::FloorDiv(division) => {
                let (open, close) = if alone { ("", "") } else { ("(", ")") };
                let (numerator, divisor) = (division.numerator(), division.divisor());
                match numerator.as_sym() {
                    Some(sym) => write!(f, "{open}{sym}//{divisor}{close}")?,
                    None => write!(f, "{open}({numerator})//{divisor}{close}")?,
                }
            }
        }
    }
    Ok(())
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Dim {
    type Err = Error;

    /// Reads sums, products and floor divisions of numbers and names, with Python's precedence.
    fn from_str(text: &str) -> Result<Dim> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        let dim = reader.sum()?;
        match reader.peek() {
            None => Ok(dim),
            Some(c) => Err(reader.error(format!("unexpected `{c}`"))),
        }
    }
}

/// How deep parentheses may nest: more than any printed dim needs.
const MAX_DEPTH: usize = 128;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&mut self) -> Option<char> {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.rest().chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        self.peek();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &str {
        let start = self.at;
        let length = self.rest().find(|c| !belongs(c)).unwrap_or(self.rest().len());
        self.at += length;
        &self.text[start..self.at]
    }

    fn error(&self, what: impl fmt::Display) -> Error {
        Error::format(format!("bad size `{}`: {what} at byte {}", self.text, self.at))
            .help("a size is written like `2*B + 1` or `(B + 1)//2`")
    }

    fn sum(&mut self) -> Result<Dim> {
        let mut sum = self.product()?;
        loop {
            if self.eat("+") {
                sum += self.product()?;
            } else if self.eat("-") {
                sum -= self.product()?;
            } else {
                return Ok(sum);
            }
        }
    }

    fn product(&mut self) -> Result<Dim> {
        let mut product = self.factor()?;
        loop {
            if self.eat("//") {
                match self.factor()?.known() {
                    Some(divisor) => product = product.floor_div(divisor),
                    None => return Err(self.error("the divisor is not a number")),
                }
            } else if self.eat("*") {
                product *= self.factor()?;
            } else {
                return Ok(product);
            }
        }
    }

    fn factor(&mut self) -> Result<Dim> {
        let negative = self.eat("-");
        let value = match self.peek() {
            Some(c) if c.is_ascii_digit() => {
                // Read with its sign, since the smallest number has no positive counterpart.
                let digits = format!("{}{}", if negative { "-" } else { "" }, self.take_while(|c| c.is_ascii_digit()));
                return digits.parse::<i64>().map(Dim::from).map_err(|_| self.error("a number beyond 64 bits"));
            }
            Some('(') => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.error("too many parentheses"));
                }
                self.eat("(");
                let inner = self.sum()?;
                if !self.eat(")") {
                    return Err(self.error("a `)` is missing"));
                }
                self.depth -= 1;
                inner
            }
            Some(c) if is_name_char(c) => {
                let name = self.take_while(is_name_char).to_owned();
                match Undefined::ALL.into_iter().find(|why| why.text().strip_suffix('!') == Some(&name)) {
                    Some(why) if self.rest().starts_with('!') => {
                        self.at += 1;
                        Dim::undefined(why)
                    }
                    _ => Dim::from(Sym::new(&name)),
                }
            }
            Some(c) => return Err(self.error(format!("unexpected `{c}`"))),
            None => return Err(self.error("it ends too early")),
        };
        Ok(if negative { -value } else { value })
    }
}
