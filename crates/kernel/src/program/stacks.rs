//! Stacks in a program: what loops keep for the way back.
//!
//! A stack is a buffer of [`Role::Stack`] with the type of its items. Only the steps here touch it.

use super::data::*;
use super::verify::Verifier;
use super::verify_head::differ;
use crate::fault::Fault;
use crate::memory::Memory;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};
use tracelift_tensor::{DType, Result};

/// A step on a stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackStep {
    /// Which stack.
    pub stack: BufferId,
    /// What happens to it.
    pub op: StackOp,
    /// Where the user wrote it; pushing may fail.
    pub site: Option<SiteId>,
}

/// What happens to a stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StackOp {
    /// `stack new $s`: it has no items.
    New,
    /// `stack push $s, $x` or `stack push $s, %v`.
    Push(StackItem),
    /// `stack pop $s -> $x`: the top goes into a buffer, or zeros from an empty stack.
    PopBuffer(BufferId),
    /// `%v = stack pop $s`.
    PopScalar(RegisterId),
    /// `%n = stack len $s`, an i64.
    Len(RegisterId),
}

/// What is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum StackItem {
    /// All elements of a buffer.
    Buffer(BufferId),
    /// A rank-0 value.
    Scalar(ScalarArg),
}

impl StackStep {
    /// The register that it sets.
    pub fn result(&self) -> Option<RegisterId> {
        match self.op {
            StackOp::PopScalar(register) | StackOp::Len(register) => Some(register),
            _ => None,
        }
    }

    /// The buffer whose elements are pushed.
    pub fn read(&self) -> Option<BufferId> {
        match self.op {
            StackOp::Push(StackItem::Buffer(buffer)) => Some(buffer),
            _ => None,
        }
    }

    /// The buffer that the top is written to.
    pub fn written(&self) -> Option<BufferId> {
        match self.op {
            StackOp::PopBuffer(buffer) => Some(buffer),
            _ => None,
        }
    }

    /// Whether it may end the call with an error: a stack may be full, or memory.
    pub fn can_fault(&self) -> bool {
        matches!(self.op, StackOp::Push(_))
    }

    /// The buffers that it names, to be changed.
    pub(super) fn buffers_mut(&mut self) -> impl Iterator<Item = &mut BufferId> {
        let other = match &mut self.op {
            StackOp::Push(StackItem::Buffer(buffer)) | StackOp::PopBuffer(buffer) => Some(buffer),
            _ => None,
        };
        std::iter::once(&mut self.stack).chain(other)
    }
}

impl Program {
    pub(super) fn write_stack_step(&self, f: &mut dyn Write, step: &StackStep) -> fmt::Result {
        if let Some(register) = step.result() {
            write!(f, "%{} = ", register.0)?;
        }
        let word = match step.op {
            StackOp::New => "new",
            StackOp::Push(_) => "push",
            StackOp::PopBuffer(_) | StackOp::PopScalar(_) => "pop",
            StackOp::Len(_) => "len",
        };
        write!(f, "stack {word} ")?;
        self.write_ref(f, step.stack)?;
        match &step.op {
            StackOp::Push(StackItem::Buffer(buffer)) => {
                f.write_str(", ")?;
                self.write_ref(f, *buffer)
            }
            StackOp::Push(StackItem::Scalar(value)) => {
                f.write_str(", ")?;
                super::print::write_scalar(f, value)
            }
            StackOp::PopBuffer(buffer) => {
                f.write_str(" -> ")?;
                self.write_ref(f, *buffer)
            }
            StackOp::New | StackOp::PopScalar(_) | StackOp::Len(_) => Ok(()),
        }
    }
}

impl Verifier<'_> {
    pub(super) fn stack_step(&mut self, step: &Step, stack: &StackStep) {
        let id = stack.stack;
        let buffer = self.program.buffer(id);
        let name = self.program.buffer_text(id);
        if !matches!(buffer.role, Role::Stack(_)) {
            return self.report(step, format!("`{name}` is no stack"));
        }
        match stack.op {
            StackOp::New => self.now.holds[id.0 as usize] = Some(id),
            _ if self.now.holds[id.0 as usize].is_none() => {
                self.report(step, format!("the stack `{name}` is used before it is new"));
            }
            _ => {}
        }
        let item = (buffer.dtype, &buffer.shape);
        match &stack.op {
            StackOp::New => {}
            StackOp::Push(StackItem::Buffer(from)) => {
                self.same_item(step, item, *from);
                self.read(step, *from);
            }
            StackOp::Push(StackItem::Scalar(value)) => drop(self.read_scalar(step, value, Some(buffer.dtype))),
            StackOp::PopBuffer(to) => {
                self.same_item(step, item, *to);
                self.write(step, *to);
            }
            StackOp::PopScalar(register) => self.define(step, *register, Some(buffer.dtype)),
            StackOp::Len(register) => self.define(step, *register, Some(DType::I64)),
        }
        let takes_scalar = matches!(stack.op, StackOp::Push(StackItem::Scalar(_)) | StackOp::PopScalar(_));
        if takes_scalar && buffer.shape.rank() > 0 {
            self.report(step, format!("the items of `{name}` have the shape {}, no rank-0 values", buffer.shape));
        }
    }

    fn same_item(&mut self, step: &Step, (dtype, shape): (DType, &tracelift_tensor::Shape), id: BufferId) {
        let buffer = self.program.buffer(id);
        if buffer.dtype != dtype || differ(&buffer.shape, shape) {
            let given = format!("`{}` is {}{}", self.program.buffer_text(id), buffer.dtype, buffer.shape);
            self.report(step, format!("{given}, items of the stack are {dtype}{shape}"));
        }
    }
}

/// The stacks of a run of the interpreter, by the numbers of their buffers.
#[derive(Default)]
pub(super) struct Stacks(Vec<Stack>);

#[derive(Clone, Default)]
struct Stack {
    items: Vec<Memory>,
    capacity: Option<i64>,
}

impl Stacks {
    pub(super) fn new(program: &Program, sizes: &tracelift_tensor::Binding) -> Result<Stacks> {
        let stacks = program.buffers.iter().map(|buffer| match &buffer.role {
            Role::Stack(Some(capacity)) => Ok(Stack { items: vec![], capacity: Some(capacity.eval(sizes)?) }),
            _ => Ok(Stack::default()),
        });
        stacks.collect::<Result<_>>().map(Stacks)
    }

    pub(super) fn clear(&mut self, id: BufferId) {
        self.0[id.0 as usize].items.clear();
    }

    pub(super) fn push(&mut self, id: BufferId, item: Memory) -> Result<(), Fault> {
        let stack = &mut self.0[id.0 as usize];
        let index = stack.items.len() as i64;
        match stack.capacity {
            Some(bound) if index >= bound => Err(Fault::OutOfBounds { position: None, index, bound }),
            _ => {
                stack.items.push(item);
                Ok(())
            }
        }
    }

    pub(super) fn pop(&mut self, id: BufferId) -> Option<Memory> {
        self.0[id.0 as usize].items.pop()
    }

    pub(super) fn len(&self, id: BufferId) -> i64 {
        self.0[id.0 as usize].items.len() as i64
    }
}
