//! Registers in the texts of kernels and programs: set by name, read as operands, their types inferred.

use super::{Cursor, Position, Punct, SyntaxError, Token};
use crate::meaning::Scalar;
use indexmap::IndexSet;
use tracelift_tensor::DType;

/// A register that a line sets, before its type is known.
pub(crate) type Target = (String, Position);

/// `%a, %b =`, or nothing.
pub(crate) fn targets(cursor: &mut Cursor<'_>) -> Result<Vec<Target>, SyntaxError> {
    let mut targets = vec![];
    if matches!(cursor.peek(), Token::Value(_)) {
        loop {
            let position = cursor.position();
            targets.push((cursor.value("a register")?.into_owned(), position));
            if !cursor.eat(Punct::Comma) {
                break;
            }
        }
        cursor.expect(Punct::Eq)?;
    }
    Ok(targets)
}

/// An operand as it is written.
pub(crate) enum Written {
    /// The register of this number.
    Register(u32),
    Literal(Scalar),
}

/// The names of registers, in the order of their numbers.
#[derive(Default)]
pub(crate) struct Registers(IndexSet<String>);

impl Registers {
    /// The number of a register that is set, of a type that `types` has at that number.
    ///
    /// One that is set again keeps its number (the verifier objects), so its type must stay the same.
    pub(crate) fn set(
        &mut self,
        cursor: &Cursor<'_>,
        (name, position): &Target,
        dtype: DType,
        types: &mut Vec<DType>,
    ) -> Result<u32, SyntaxError> {
        if let Some(number) = self.0.get_index_of(name) {
            let first = types[number];
            if first == dtype {
                return Ok(number as u32);
            }
            let message = format!("the register `%{name}` is set twice, as {first} and as {dtype}");
            return Err(cursor.error_at(*position, message));
        }
        types.push(dtype);
        Ok(self.0.insert_full(name.clone()).0 as u32)
    }

    /// A register or a literal; `hint` may say better than "not set" what a name is.
    pub(crate) fn operand(
        &self,
        cursor: &mut Cursor<'_>,
        hint: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Written, SyntaxError> {
        let position = cursor.position();
        if !matches!(cursor.peek(), Token::Value(_)) {
            if !cursor.at_literal() {
                return Err(cursor.expected("a register or a literal"));
            }
            return Ok(Written::Literal(cursor.literal()?));
        }
        let name = cursor.value("a register")?;
        match self.0.get_index_of(&*name) {
            Some(number) => Ok(Written::Register(number as u32)),
            None => {
                let unset = || format!("the register `%{name}` is not set before this");
                Err(cursor.error_at(position, hint(&name).unwrap_or_else(unset)))
            }
        }
    }

    /// The names, in the order of the numbers.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.0.iter().map(String::as_str)
    }
}
