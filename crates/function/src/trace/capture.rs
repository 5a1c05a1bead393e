//! What a trace takes from outside of itself: arrays, values of the trace around it, variables.

use std::sync::Arc;

use tracelift_ir::{ParamRole, TensorType, Type, Value};
use tracelift_tensor::{Array, Origin, Result};

use super::{Kind, Stack, leaked};
use crate::{
    Tensor, tape,
    tensor::{Handle, Recorded, Traced},
    trace::Entry,
    variable::VariableData,
};

/// A hidden parameter of a trace, and where its value comes from.
#[derive(Clone)]
pub(crate) struct Capture {
    pub(crate) source: Source,
    pub(crate) param: Value,
}

/// Where the value of a hidden parameter comes from.
#[derive(Clone)]
pub(crate) enum Source {
    /// An array that the closure holds.
    Array(Array),
    /// An array that tapes have seen being computed.
    Recorded(Arc<Recorded>),
    /// A value of a trace around this one.
    Outer(Arc<Traced>),
    /// A variable's value when the function is called, or when control reaches the loop or branch.
    Variable(Arc<VariableData>),
}

impl Source {
    /// Whether both give the same value.
    pub(crate) fn same(&self, other: &Source) -> bool {
        match (self, other) {
            (Source::Array(a), Source::Array(b)) => same_array(a, b),
            (Source::Recorded(a), Source::Recorded(b)) => a.record == b.record && a.value == b.value,
            (Source::Outer(a), Source::Outer(b)) => a.trace == b.trace && a.value == b.value,
            (Source::Variable(a), Source::Variable(b)) => a.id() == b.id(),
            _ => false,
        }
    }

    /// The type of the parameter.
    pub(crate) fn ty(&self) -> TensorType {
        match self {
            Source::Array(array) => TensorType::of(array),
            Source::Recorded(recorded) => TensorType::of(&recorded.array),
            Source::Outer(traced) => traced.ty.clone(),
            Source::Variable(variable) => variable.ty().clone(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Source::Variable(variable) => variable.name(),
            Source::Array(_) | Source::Recorded(_) | Source::Outer(_) => "captured",
        }
    }

    pub(crate) fn role(&self) -> ParamRole {
        match self {
            Source::Variable(_) => ParamRole::State,
            Source::Array(_) | Source::Recorded(_) | Source::Outer(_) => ParamRole::Captured,
        }
    }
}

/// Whether two handles share one array; empty ones are as good as the same.
fn same_array(a: &Array, b: &Array) -> bool {
    a.dtype() == b.dtype()
        && a.shape() == b.shape()
        && (a.is_empty() || std::ptr::eq(a.bytes().as_ptr(), b.bytes().as_ptr()))
}

impl Stack<'_> {
    /// The tensor as a value of the top frame, captured if it comes from outside.
    pub(crate) fn lift(&mut self, tensor: &Tensor, origin: &Origin) -> Result<Value> {
        let top = self.top();
        match &tensor.handle {
            Handle::Traced(traced) => self.lift_traced(top, traced, origin),
            Handle::Eager(array) => Ok(self.lift_array(array, origin)),
            Handle::Recorded(recorded) => Ok(self.lift_recorded(recorded, origin)),
            Handle::Live(variable) => self.read(variable),
            Handle::Failed(poison) => Err(poison.error.clone()),
        }
    }

    fn lift_traced(&mut self, level: usize, traced: &Arc<Traced>, origin: &Origin) -> Result<Value> {
        if self.frame(level).id == traced.trace {
            return Ok(traced.value);
        }
        if !self.holds(traced.trace) {
            return Err(leaked("a traced function", traced, origin.clone()));
        }
        Ok(self.capture(Source::Outer(traced.clone())))
    }

    /// The tensor as a value of the top frame that stands for this very tensor wherever it is used.
    pub(crate) fn lift_param(&mut self, tensor: &Tensor, origin: &Origin) -> Result<Value> {
        match &tensor.handle {
            Handle::Eager(array) => Ok(self.capture(Source::Array(array.clone()))),
            Handle::Recorded(recorded) => Ok(self.capture(Source::Recorded(recorded.clone()))),
            _ => self.lift(tensor, origin),
        }
    }

    /// An array that tapes know stays one, since a constant has no gradient.
    fn lift_recorded(&mut self, recorded: &Arc<Recorded>, origin: &Origin) -> Value {
        if tape::knows(recorded) || self.captured(&Source::Recorded(recorded.clone())).is_some() {
            return self.capture(Source::Recorded(recorded.clone()));
        }
        self.lift_array(&recorded.array, origin)
    }

    fn lift_array(&mut self, array: &Array, origin: &Origin) -> Value {
        let source = Source::Array(array.clone());
        if tape::watches(array) || self.captured(&source).is_some() {
            return self.capture(source);
        }
        let frame = self.top_frame();
        frame.builder.at(origin.clone());
        match frame.constant(array) {
            Some(value) => value,
            None => self.capture(Source::Array(array.clone())),
        }
    }

    /// The source as a value of the top frame.
    pub(crate) fn lift_source(&mut self, source: &Source, origin: &Origin) -> Result<Value> {
        let top = self.top();
        match source {
            Source::Array(array) => Ok(self.lift_array(array, origin)),
            Source::Recorded(recorded) => Ok(self.lift_recorded(recorded, origin)),
            Source::Outer(traced) => self.lift_traced(top, traced, origin),
            Source::Variable(variable) => self.read(variable),
        }
    }

    fn captured(&mut self, source: &Source) -> Option<Value> {
        self.top_frame().captures.iter().find(|capture| capture.source.same(source)).map(|known| known.param)
    }

    /// The hidden parameter of the top frame for a source, made at first use.
    pub(crate) fn capture(&mut self, source: Source) -> Value {
        if let Some(known) = self.captured(&source) {
            return known;
        }
        let frame = self.top_frame();
        // To a loop body or branch, everything is an operand of the loop or branch.
        let role = if frame.kind == Kind::Region { ParamRole::Input } else { source.role() };
        let param = frame.builder.param(source.name(), Type::Tensor(source.ty()), role);
        frame.captures.push(Capture { source, param });
        param
    }

    /// Whether a trace is the top one, or one whose loop body or branch the top one is.
    pub(crate) fn holds(&self, trace: u64) -> bool {
        for entry in self.entries.iter().rev() {
            match entry {
                Entry::Frame(frame) if frame.id == trace => return true,
                Entry::Frame(frame) if frame.kind == Kind::Region => {}
                Entry::Frame(_) | Entry::Suspended => return false,
            }
        }
        false
    }
}
