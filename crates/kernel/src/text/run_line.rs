//! The lines of a test file that say what a call answers: `; run: @f([1.0, 2.0], 3) == [2.0, 4.0], true`.
//!
//! What fails is written as `; run: @f(0) fails "divides an integer by zero"`: the message contains that text.
//! The types of the values are those of the function that is called, so that they need not be written.

use super::cursor::Cursor;
use super::lexer::{Position, Punct};
use super::syntax_error::{Source, SyntaxError};
use crate::memory::Memory;
use tracelift_tensor::{Array, Binding, DType, Dim, Shape};

/// A `run:` line (or one with another word, such as `grad:`) whose values are not read yet.
///
/// ```
/// use tracelift_kernel::text::{RunLine, Source};
/// use tracelift_tensor::{Dim, F32, Shape};
/// let source = Source::new("twice.tl", "; run: @twice([1, 2.5]) == [2, 5]");
/// let lines = RunLine::all(source, "run")?;
/// assert_eq!(lines[0].function, "twice");
/// let row = [(F32, Shape::from([Dim::sym("B")]))];
/// let case = lines[0].read(&row, &row)?;
/// assert_eq!(case.inputs[0].as_slice::<f32>(), [1.0, 2.5]);
/// # Ok::<(), tracelift_kernel::text::SyntaxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunLine<'a> {
    /// What is called.
    pub function: String,
    /// Where the line starts.
    pub position: Position,
    source: Source<'a>,
    text: &'a str,
}

/// A call and what it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct RunCase {
    /// The arguments.
    pub inputs: Vec<Array>,
    /// The answer.
    pub expected: Expected,
}

/// What a call answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// These results, bit for bit.
    Results(Vec<Array>),
    /// An error whose message contains this text.
    Error(String),
}

impl<'a> RunLine<'a> {
    /// The lines of a text that start with `; word:`, in order.
    pub fn all(source: Source<'a>, word: &str) -> Result<Vec<RunLine<'a>>, SyntaxError> {
        let (_, comments) = super::lexer::lex(&source)?;
        let mut lines = vec![];
        for comment in comments {
            let Some(text) = comment.text.strip_prefix(word).and_then(|text| text.strip_prefix(':')) else { continue };
            let column = comment.text_position.column + word.len() as u32 + 1;
            let position = Position { column, ..comment.text_position };
            let function = Cursor::within(source, text, position)?.global("what is called, like `@f`")?.into_owned();
            lines.push(RunLine { function, position, source, text });
        }
        Ok(lines)
    }

    /// Reads the arguments alone, for a function with these inputs; the line ends behind them.
    pub fn read_arguments(&self, inputs: &[(DType, Shape)]) -> Result<Vec<Array>, SyntaxError> {
        let mut cursor = Cursor::within(self.source, self.text, self.position)?;
        cursor.global("what is called")?;
        cursor.expect(Punct::Open)?;
        let inputs = values(&mut cursor, "argument", inputs, &mut Binding::new())?;
        cursor.expect(Punct::Close)?;
        match cursor.peek() {
            super::lexer::Token::End => Ok(inputs),
            _ => Err(cursor.expected("the end of the line")),
        }
    }

    /// Reads the values, for a function with these inputs and results.
    pub fn read(&self, inputs: &[(DType, Shape)], results: &[(DType, Shape)]) -> Result<RunCase, SyntaxError> {
        let mut cursor = Cursor::within(self.source, self.text, self.position)?;
        cursor.global("what is called")?;
        cursor.expect(Punct::Open)?;
        let mut sizes = Binding::new();
        let inputs = values(&mut cursor, "argument", inputs, &mut sizes)?;
        cursor.expect(Punct::Close)?;
        let expected = if cursor.eat_word("fails") {
            Expected::Error(cursor.text("the message in quotes")?.into_owned())
        } else {
            cursor.expect(Punct::EqEq)?;
            Expected::Results(values(&mut cursor, "result", results, &mut sizes)?)
        };
        match cursor.peek() {
            super::lexer::Token::End => Ok(RunCase { inputs, expected }),
            _ => Err(cursor.expected("the end of the line")),
        }
    }
}

/// Reads values; `sizes` are the unknown sizes that values so far have shown.
fn values(
    cursor: &mut Cursor<'_>,
    what: &str,
    types: &[(DType, Shape)],
    sizes: &mut Binding,
) -> Result<Vec<Array>, SyntaxError> {
    let mut arrays = vec![];
    for (n, (dtype, shape)) in types.iter().enumerate() {
        if n > 0 && !cursor.eat(Punct::Comma) {
            return Err(cursor.expected(&format!("`,` and {what} {n} of type {dtype}{shape}")));
        }
        let array = value(cursor, *dtype, shape, sizes)?;
        for (declared, size) in shape.iter().zip(array.shape()) {
            if let Some(sym) = declared.as_sym() {
                sizes.bind(sym, *size as i64);
            }
        }
        arrays.push(array);
    }
    Ok(arrays)
}

/// Lists below an empty one have the sizes of the type, and no elements where those are unknown.
fn value(cursor: &mut Cursor<'_>, dtype: DType, shape: &Shape, known: &Binding) -> Result<Array, SyntaxError> {
    let position = cursor.position();
    let read = cursor.array_of(dtype)?;
    let mut sizes = read.shape;
    if read.elements.is_empty() {
        sizes.extend(
            shape
                .iter()
                .skip(sizes.len())
                .map(|size| size.eval(known).ok().and_then(|n| usize::try_from(n).ok()).unwrap_or(0)),
        );
    }
    let fits = |(size, declared): (&usize, &Dim)| declared.known_len().is_none_or(|n| n == *size);
    if sizes.len() != shape.rank() || !sizes.iter().zip(shape.iter()).all(fits) {
        let message = format!("expected a value of type {dtype}{shape}, found one of shape {sizes:?}");
        return Err(cursor.error_at(position, message));
    }
    let array = Memory::from_scalars(dtype, &read.elements).and_then(|memory| memory.to_array(&sizes));
    array.map_err(|error| cursor.error_at(position, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_tensor::Dim;

    fn read(text: &str) -> Result<RunCase, String> {
        let shape = Shape::from([Dim::sym("B"), Dim::from(2)]);
        let lines = RunLine::all(Source::new("t.tl", text), "run").map_err(|mistake| mistake.to_string())?;
        let case = lines[0].read(&[(DType::F32, shape)], &[(DType::Bool, Shape::scalar())]);
        case.map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn values_have_the_types_of_the_function() {
        let case = read("; a comment\n  ; run: @f([[1, 2.5]]) == true").unwrap();
        assert_eq!(case.inputs, [Array::new([1, 2], [1.0f32, 2.5]).unwrap()]);
        assert_eq!(case.expected, Expected::Results(vec![Array::scalar(true)]));
        let case = read("; run: @f([]) fails \"nothing\"").unwrap();
        assert_eq!(case.inputs[0].shape(), [0, 2]);
        assert_eq!(case.expected, Expected::Error("nothing".to_owned()));
    }

    #[test]
    fn arguments_can_stand_alone() {
        let read = |text| {
            let lines = RunLine::all(Source::new("t.tl", text), "run").unwrap();
            lines[0].read_arguments(&[(DType::I32, Shape::scalar())]).map_err(|mistake| mistake.to_string())
        };
        assert_eq!(read("; run: @f(3)").unwrap(), [Array::scalar(3i32)]);
        let message = "t.tl:1:14: expected the end of the line, found `==`\n  ; run: @f(3) == 4\n               ^";
        assert_eq!(read("; run: @f(3) == 4").unwrap_err(), message);
    }

    #[test]
    fn mistakes_point_into_the_file() {
        for (text, message) in [
            ("; run: f", "t.tl:1:8: expected what is called, like `@f`, found `f`\n  ; run: f\n         ^"),
            (
                "\n; run: @f([[1]]) == true",
                "t.tl:2:11: expected a value of type f32[B, 2], found one of shape [1, 1]\n  ; run: @f([[1]]) == true\n            ^",
            ),
            (
                "; run: @f([]) == true, 1",
                "t.tl:1:22: expected the end of the line, found `,`\n  ; run: @f([]) == true, 1\n                       ^",
            ),
            ("; run: @f() == true", "t.tl:1:11: expected a literal, found `)`\n  ; run: @f() == true\n            ^"),
        ] {
            assert_eq!(read(text).unwrap_err(), message);
        }
    }
}
