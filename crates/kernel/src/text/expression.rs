//! Reading sizes (`2*B + 1`, `(B + 1)//2`), affine indices (`2*%i - 1`), literals and types.

use super::cursor::Cursor;
use super::lexer::{Position, Punct, Token};
use super::syntax_error::SyntaxError;
use crate::guard::{Guard, GuardOp};
use crate::lane::Scalar;
use tracelift_tensor::{DType, Dim, Shape};

/// `Σ coefficient · variable + constant`, while it is being read.
pub(crate) struct Linear<V> {
    /// The variables, in the order of their first mention.
    pub terms: Vec<(V, Dim)>,
    /// The rest.
    pub constant: Dim,
}

impl<V: PartialEq> Linear<V> {
    fn constant(value: Dim) -> Self {
        Linear { terms: vec![], constant: value }
    }

    fn add(&mut self, other: Linear<V>) {
        self.constant += other.constant;
        for (variable, coefficient) in other.terms {
            match self.terms.iter_mut().find(|(v, _)| *v == variable) {
                Some((_, sum)) => *sum += coefficient,
                None => self.terms.push((variable, coefficient)),
            }
        }
    }

    fn scale(mut self, factor: &Dim) -> Self {
        self.constant *= factor;
        self.terms.iter_mut().for_each(|(_, coefficient)| *coefficient *= factor);
        self
    }
}

/// How a `%name` in an expression becomes a variable.
pub(crate) type Resolve<'r, V> = &'r mut dyn FnMut(&str, Position) -> Result<V, SyntaxError>;

impl<'a> Cursor<'a> {
    /// Reads a size: a number or a polynomial over unknowns.
    pub fn dim(&mut self) -> Result<Dim, SyntaxError> {
        let source = *self.source();
        let mut refuse = |name: &str, at| -> Result<(), _> {
            Err(source.error(at, format!("expected a size, found the value `%{name}`")))
        };
        Ok(self.linear(&mut refuse)?.constant)
    }

    /// Reads a sum of terms over variables.
    pub(crate) fn linear<V: PartialEq>(&mut self, resolve: Resolve<'_, V>) -> Result<Linear<V>, SyntaxError> {
        let start = self.position();
        let mut sum = Linear::constant(Dim::ZERO);
        let mut minus = false;
        loop {
            let term = self.product(resolve)?;
            sum.add(if minus { term.scale(&Dim::from(-1i64)) } else { term });
            if self.eat(Punct::Plus) {
                minus = false;
            } else if self.eat(Punct::Minus) {
                minus = true;
            } else {
                break;
            }
        }
        let parts = || sum.terms.iter().map(|(_, coefficient)| coefficient).chain([&sum.constant]);
        if let Some(undefined) = parts().find(|part| part.why_undefined().is_some()) {
            return Err(self.error_at(start, format!("this size has no value: {undefined}")));
        }
        Ok(sum)
    }

    fn product<V: PartialEq>(&mut self, resolve: Resolve<'_, V>) -> Result<Linear<V>, SyntaxError> {
        let mut product = self.factor(resolve)?;
        loop {
            let position = self.position();
            if self.eat(Punct::Star) {
                let factor = self.factor(resolve)?;
                product = match (product.terms.is_empty(), factor.terms.is_empty()) {
                    (true, _) => factor.scale(&product.constant),
                    (_, true) => product.scale(&factor.constant),
                    _ => return Err(self.error_at(position, "an index is a sum of loop variables times sizes")),
                };
            } else if self.eat(Punct::FloorDiv) {
                let divisor = self.integer("a number to divide by")?;
                if !product.terms.is_empty() {
                    return Err(self.error_at(position, "a loop variable cannot be divided"));
                }
                product.constant = product.constant.floor_div(divisor);
            } else {
                return Ok(product);
            }
        }
    }

    fn factor<V: PartialEq>(&mut self, resolve: Resolve<'_, V>) -> Result<Linear<V>, SyntaxError> {
        let position = self.position();
        let minus = self.eat(Punct::Minus);
        match self.peek().clone() {
            Token::Number { digits, suffix: "" } => {
                // With its sign, since the smallest number has no positive counterpart.
                let n: i64 = if minus { format!("-{digits}").parse() } else { digits.parse() }
                    .map_err(|_| self.expected("a whole number of at most 64 bits"))?;
                self.advance();
                Ok(Linear::constant(Dim::from(n)))
            }
            _ if minus => {
                let factor = self.nested(&mut |cursor| cursor.factor(resolve))?;
                Ok(factor.scale(&Dim::from(-1i64)))
            }
            Token::Word(name) => {
                self.advance();
                Ok(Linear::constant(Dim::sym(name)))
            }
            Token::Value(name) => {
                self.advance();
                Ok(Linear { terms: vec![(resolve(&name, position)?, Dim::ONE)], constant: Dim::ZERO })
            }
            Token::Punct(Punct::Open) => {
                self.advance();
                let inner = self.nested(&mut |cursor| cursor.linear(resolve))?;
                self.expect(Punct::Close)?;
                Ok(inner)
            }
            _ => Err(self.expected("a size")),
        }
    }

    /// Whether a literal comes next.
    pub fn at_literal(&self) -> bool {
        match self.peek() {
            Token::Number { .. } | Token::Punct(Punct::Minus) => true,
            Token::Word(word) => word.parse::<Scalar>().is_ok(),
            _ => false,
        }
    }

    /// Reads a literal whose text says its type: `1.0`, `-3i64`, `true`, `NaNf64`.
    pub fn literal(&mut self) -> Result<Scalar, SyntaxError> {
        let (text, position) = self.literal_text()?;
        text.parse().map_err(|message: String| self.error_at(position, message))
    }

    /// Reads a literal of a type that is known: `1`, `1.5` and `inf` are floats, where floats are wanted.
    pub fn literal_of(&mut self, dtype: DType) -> Result<Scalar, SyntaxError> {
        let (text, position) = self.literal_text()?;
        let found = match dtype {
            DType::F32 => text.parse().ok().map(Scalar::F32),
            DType::F64 => text.strip_suffix("f64").unwrap_or(&text).parse().ok().map(Scalar::F64),
            DType::I64 => text.strip_suffix("i64").unwrap_or(&text).parse().ok().map(Scalar::I64),
            DType::U8 => text.strip_suffix("u8").unwrap_or(&text).parse().ok().map(Scalar::U8),
            _ => text.parse().ok().filter(|scalar: &Scalar| scalar.dtype() == dtype),
        };
        found.ok_or_else(|| self.error_at(position, format!("expected a literal of type {dtype}, found `{text}`")))
    }

    fn literal_text(&mut self) -> Result<(String, Position), SyntaxError> {
        let position = self.position();
        if !self.at_literal() {
            return Err(self.expected("a literal"));
        }
        let sign = if self.eat(Punct::Minus) { "-" } else { "" };
        match *self.peek() {
            Token::Number { digits, suffix } => {
                self.advance();
                Ok((format!("{sign}{digits}{suffix}"), position))
            }
            Token::Word(word) => {
                self.advance();
                Ok((format!("{sign}{word}"), position))
            }
            _ => Err(self.expected("a literal")),
        }
    }

    /// Reads an element type.
    pub fn dtype(&mut self) -> Result<DType, SyntaxError> {
        let dtype = match self.peek() {
            Token::Word(word) => word.parse().ok(),
            _ => None,
        };
        let Some(dtype) = dtype else {
            let known: Vec<&str> = DType::ALL.iter().map(|dtype| dtype.name()).collect();
            return Err(self.expected(&format!("an element type ({})", known.join(", "))));
        };
        self.advance();
        Ok(dtype)
    }

    /// Reads `B == 2*C`, `N != 1` or `B >= 1`.
    pub fn guard(&mut self) -> Result<Guard, SyntaxError> {
        let lhs = self.dim()?;
        let op = match self.peek() {
            Token::Punct(Punct::EqEq) => GuardOp::Eq,
            Token::Punct(Punct::Ne) => GuardOp::Ne1,
            Token::Punct(Punct::Ge) => GuardOp::Ge,
            _ => return Err(self.expected("`==`, `!=` or `>=`")),
        };
        self.advance();
        let position = self.position();
        let rhs = self.dim()?;
        if op == GuardOp::Ne1 && !rhs.is_one() {
            return Err(self.error_at(position, "a guard with `!=` excludes 1 only"));
        }
        Ok(Guard { lhs, op, rhs })
    }

    /// Reads `[B, 784]`.
    pub fn shape(&mut self) -> Result<Shape, SyntaxError> {
        self.expect(Punct::OpenBracket)?;
        Ok(self.list(Punct::CloseBracket, &mut |cursor| cursor.dim())?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::lane::Scalar;
    use crate::text::{Cursor, Source};
    use tracelift_tensor::{DType, Dim};

    fn dim(text: &str) -> Result<Dim, String> {
        let mut cursor = Cursor::new(Source::new("t", text)).unwrap();
        cursor.dim().map_err(|mistake| mistake.message)
    }

    #[test]
    fn sizes_read_back() {
        for text in ["0", "-3", "B", "2*B + 1", "(B + 1)//2", "A*B - 2*A", "-B", "-9223372036854775808"] {
            let read = dim(text).unwrap();
            assert_eq!(dim(&read.to_string()), Ok(read));
        }
        assert_eq!(dim("2*(B + 1) - B//1"), Ok(Dim::sym("B") + 2i64));
    }

    #[test]
    fn sizes_that_are_none_are_refused() {
        assert_eq!(dim("%i + 1").unwrap_err(), "expected a size, found the value `%i`");
        assert_eq!(dim("9223372036854775807 + 1").unwrap_err(), "this size has no value: overflow!");
        assert_eq!(dim("1.5").unwrap_err(), "expected a whole number of at most 64 bits, found `1.5`");
        assert_eq!(dim(&"(".repeat(100_000)).unwrap_err(), "nested more than 128 levels deep");
        assert_eq!(dim("B//0").unwrap_err(), "this size has no value: division_by_zero!");
    }

    #[test]
    fn literals_of_a_known_type() {
        let read = |text, dtype| {
            Cursor::new(Source::new("t", text)).unwrap().literal_of(dtype).map_err(|mistake| mistake.message)
        };
        assert_eq!(read("1", DType::F32), Ok(Scalar::F32(1.0)));
        assert_eq!(read("-inf", DType::F64), Ok(Scalar::F64(f64::NEG_INFINITY)));
        assert_eq!(read("-7", DType::I64), Ok(Scalar::I64(-7)));
        assert_eq!(read("true", DType::Bool), Ok(Scalar::Bool(true)));
        assert_eq!(read("1.5", DType::I32).unwrap_err(), "expected a literal of type i32, found `1.5`");
    }
}
