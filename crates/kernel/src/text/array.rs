//! Arrays as nested lists: `[[1.0, 2.0], [3.0, 4.0]]`.

use super::cursor::Cursor;
use super::lexer::Punct;
use super::syntax_error::SyntaxError;
use crate::lane::Scalar;
use crate::memory::Memory;
use std::fmt::{self, Write};
use tracelift_tensor::{Array, DType};

/// Elements as they were read, with the shape that the brackets say.
pub struct ArrayText {
    /// Lengths of the lists, outermost first, as far as lists are there to tell.
    pub shape: Vec<usize>,
    /// In row-major order.
    pub elements: Vec<Scalar>,
}

impl Cursor<'_> {
    /// Reads a literal or nested lists of literals; lists of one level are of equal length.
    pub fn array_of(&mut self, dtype: DType) -> Result<ArrayText, SyntaxError> {
        let mut array = ArrayText { shape: vec![], elements: vec![] };
        let mut seen = vec![];
        self.array_level(dtype, 0, &mut seen, &mut array.elements)?;
        // Lengths below an empty list are unknown.
        array.shape = seen.into_iter().map_while(|length| length).collect();
        Ok(array)
    }

    /// `lengths[n]` is the length of the lists at level n, as far as it is known.
    fn array_level(
        &mut self,
        dtype: DType,
        level: usize,
        lengths: &mut Vec<Option<usize>>,
        elements: &mut Vec<Scalar>,
    ) -> Result<(), SyntaxError> {
        let position = self.position();
        let is_list = self.eat(Punct::OpenBracket);
        let wanted_list = level < lengths.len();
        if is_list != wanted_list && !(level == lengths.len() && elements.is_empty()) {
            let wanted = if wanted_list { "a list" } else { "an element" };
            return Err(self.error_at(position, format!("expected {wanted}, as in the lists before")));
        }
        if !is_list {
            elements.push(self.literal_of(dtype)?);
            return Ok(());
        }
        if !wanted_list {
            lengths.push(None);
        }
        self.enter()?;
        let mut length = 0;
        while !self.eat(Punct::CloseBracket) {
            self.array_level(dtype, level + 1, lengths, elements)?;
            length += 1;
            if !self.at(Punct::CloseBracket) {
                self.expect(Punct::Comma)?;
            }
        }
        self.leave();
        match lengths[level] {
            Some(first) if first != length => {
                Err(self.error_at(position, format!("this list has {length} elements, those before have {first}")))
            }
            _ => {
                lengths[level] = Some(length);
                Ok(())
            }
        }
    }
}

/// Writes an array as nested lists that [`Cursor::array_of`] reads.
pub fn write_array(f: &mut dyn Write, array: &Array) -> fmt::Result {
    match Memory::of(array) {
        Ok(memory) => write_level(f, &memory, array.shape(), &mut 0),
        Err(_) => Err(fmt::Error),
    }
}

fn write_level(f: &mut dyn Write, memory: &Memory, shape: &[usize], next: &mut usize) -> fmt::Result {
    let Some((length, inner)) = shape.split_first() else {
        let element = memory.get(*next);
        *next += 1;
        // The type is known from elsewhere, so that no suffix is needed.
        return match element {
            Scalar::F64(x) => write!(f, "{x:?}"),
            Scalar::I64(x) => write!(f, "{x}"),
            Scalar::U8(x) => write!(f, "{x}"),
            other => write!(f, "{other}"),
        };
    };
    f.write_str("[")?;
    for n in 0..*length {
        f.write_str(if n == 0 { "" } else { ", " })?;
        write_level(f, memory, inner, next)?;
    }
    f.write_str("]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Source;

    fn read(text: &str, dtype: DType) -> Result<ArrayText, String> {
        Cursor::new(Source::new("t", text)).unwrap().array_of(dtype).map_err(|mistake| mistake.message)
    }

    #[test]
    fn arrays_read_back() {
        for array in [
            Array::new([2, 2], [1.0f32, -0.0, f32::INFINITY, 1e-7]).unwrap(),
            Array::new([2, 0], Vec::<f64>::new()).unwrap(),
            Array::scalar(-3i64),
            Array::new([1, 1, 2], [true, false]).unwrap(),
        ] {
            let mut text = String::new();
            write_array(&mut text, &array).unwrap();
            let read = read(&text, array.dtype()).unwrap();
            let again = Memory::from_scalars(array.dtype(), &read.elements).unwrap().to_array(&read.shape).unwrap();
            assert!(again.bit_eq(&array), "{text}");
        }
    }

    #[test]
    fn uneven_lists_are_refused() {
        for (text, message) in [
            ("[[1, 2], [3]]", "this list has 1 elements, those before have 2"),
            ("[1, [2]]", "expected an element, as in the lists before"),
            ("[[1], 2]", "expected a list, as in the lists before"),
            ("[1 2]", "expected `,`, found `2`"),
            ("[true]", "expected a literal of type i32, found `true`"),
            ("[[], 1]", "expected a list, as in the lists before"),
        ] {
            assert_eq!(read(text, DType::I32).err().unwrap(), message);
        }
    }
}
