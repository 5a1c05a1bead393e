//! Reading programs: their head (kernels, unknowns, guards, states, sites, buffers). The steps are read in `parse_steps`.

use super::data::*;
use super::parse_steps::Steps;
use super::renumber::renumber;
use crate::loops::Kernel;
use crate::memory::Memory;
use crate::text::{Cursor, Punct, SyntaxError, Token, number_names};
use std::sync::Arc;
use tracelift_tensor::{DType, Origin, Shape, Sym};

/// Reads one program; the cursor stands on `program`. Its kernels are among `kernels`, those of the text so far.
pub(crate) fn parse_program(cursor: &mut Cursor<'_>, kernels: &[Arc<Kernel>]) -> Result<Program, SyntaxError> {
    cursor.expect_word("program")?;
    let name = cursor.global("the program's name, like `@f`")?.into_owned();
    let mut program = Program {
        name,
        unknowns: vec![],
        guards: vec![],
        buffers: vec![],
        registers: vec![],
        kernels: vec![],
        states: vec![],
        steps: vec![],
        results: vec![],
        sites: vec![],
    };
    cursor.expect(Punct::OpenBrace)?;
    while head_line(cursor, &mut program, kernels)? {}
    let mut steps = Steps::new(cursor, program);
    let list = steps.steps()?;
    let results = steps.results()?;
    steps.cursor.expect(Punct::CloseBrace)?;
    let (mut program, names) = steps.finish();
    (program.steps, program.results) = (list, results);
    renumber(&mut program, &number_names(names.iter().map(String::as_str), ""));
    Ok(program)
}

/// Reads one line before the steps, if there is one.
fn head_line(cursor: &mut Cursor<'_>, program: &mut Program, kernels: &[Arc<Kernel>]) -> Result<bool, SyntaxError> {
    let Token::Word(word) = *cursor.peek() else { return Ok(false) };
    match word {
        "kernels" => {
            cursor.advance();
            loop {
                let position = cursor.position();
                let name = cursor.global("a kernel")?;
                let Some(kernel) = kernels.iter().find(|kernel| kernel.name == name) else {
                    return Err(cursor.error_at(position, format!("there is no kernel `@{name}` before this")));
                };
                program.kernels.push(kernel.clone());
                if !cursor.eat(Punct::Comma) {
                    break;
                }
            }
        }
        "unknown" => {
            cursor.advance();
            let sym = Sym::new(cursor.word("the name of an unknown size")?);
            cursor.expect(Punct::Eq)?;
            let state = cursor.eat_word("state");
            if !state {
                cursor.expect_word("input")?;
            }
            let index = cursor.count("the number of an argument")?;
            cursor.expect_word("axis")?;
            program.unknowns.push(Unknown { sym, index, state, axis: cursor.count("an axis")? });
        }
        "guard" => {
            cursor.advance();
            program.guards.push(cursor.guard()?);
        }
        // A line of the head, not the role of a buffer.
        "state" => {
            cursor.advance();
            let name = cursor.text("the variable's name in quotes")?.into_owned();
            program.states.push(State { name, written: cursor.eat_word("written") });
        }
        "site" => {
            cursor.advance();
            let op = cursor.text("the operation's name in quotes")?.into_owned();
            program.sites.push(Site { op, origin: Origin::default() });
        }
        "buffer" => {
            cursor.advance();
            let buffer = buffer(cursor, program)?;
            program.buffers.push(buffer);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `$h : f32[B, 30] arena`.
fn buffer(cursor: &mut Cursor<'_>, program: &Program) -> Result<Buffer, SyntaxError> {
    let position = cursor.position();
    let name = cursor.buffer("the buffer's name, like `$x`")?.into_owned();
    if program.buffers.iter().any(|buffer| buffer.name == name) {
        return Err(cursor.error_at(position, format!("there are two buffers called `${name}`")));
    }
    cursor.expect(Punct::Colon)?;
    let (dtype, shape) = (cursor.dtype()?, cursor.shape()?);
    let role = role(cursor, program, dtype, &shape)?;
    Ok(Buffer { name, dtype, shape, role })
}

fn role(cursor: &mut Cursor<'_>, program: &Program, dtype: DType, shape: &Shape) -> Result<Role, SyntaxError> {
    let position = cursor.position();
    Ok(match cursor.word("a role (input, output, state, next, arena, view, const, stack)")? {
        "input" => Role::Input(cursor.count("the number of the input")?),
        "output" => Role::Output(cursor.count("the number of the output")?),
        "state" => Role::State(cursor.count("the number of the state")?),
        "next" => Role::NextState(cursor.count("the number of the state")?),
        "arena" => Role::Arena,
        "stack" if cursor.eat_word("of") => Role::Stack(Some(cursor.dim()?)),
        "stack" => Role::Stack(None),
        "view" => {
            cursor.expect_word("of")?;
            Role::View(buffer_ref(cursor, program)?)
        }
        "const" => {
            let position = cursor.position();
            let read = cursor.array_of(dtype)?;
            let sizes: Option<Vec<usize>> = shape.known().map(|sizes| sizes.to_vec());
            // An empty list does not say how long the lists in it would be.
            let fits = sizes.as_ref().is_some_and(|sizes| {
                sizes.iter().product::<usize>() == read.elements.len() && sizes.starts_with(&read.shape)
            });
            let Some(sizes) = sizes.filter(|_| fits) else {
                let message = format!("expected {dtype}{shape}, found elements of shape {:?}", read.shape);
                return Err(cursor.error_at(position, message));
            };
            let array = Memory::from_scalars(dtype, &read.elements).and_then(|memory| memory.to_array(&sizes));
            Role::Constant(array.map_err(|error| cursor.error_at(position, error.to_string()))?)
        }
        other => return Err(cursor.error_at(position, format!("`{other}` is no role of a buffer"))),
    })
}

/// `$h`, declared before.
pub(super) fn buffer_ref(cursor: &mut Cursor<'_>, program: &Program) -> Result<BufferId, SyntaxError> {
    let position = cursor.position();
    let name = cursor.buffer("a buffer")?;
    match program.buffers.iter().position(|buffer| buffer.name == name) {
        Some(n) => Ok(BufferId(n as u32)),
        None => Err(cursor.error_at(position, format!("there is no buffer `${name}` before this"))),
    }
}
