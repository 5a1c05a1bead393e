//! Variables while tracing: a read gives their current value in the graph, an assignment replaces that value.
//!
//! So a graph has no effects: it takes a variable's value as a parameter, and gives the last value assigned as a result.

use std::sync::Arc;

use tracelift_ir::{Type, Value, ops};
use tracelift_tensor::{Error, Origin, Result};

use super::{Source, Stack, record, with_active};
use crate::{Tensor, tape, tensor::Handle, variable::VariableData};

/// A variable in a trace.
pub(crate) struct Slot {
    pub(crate) variable: Arc<VariableData>,
    /// Its value at this point of the trace.
    pub(crate) current: Value,
    pub(crate) assigned: bool,
}

impl Stack<'_> {
    /// The current value of a variable in the top frame.
    pub(crate) fn read(&mut self, variable: &Arc<VariableData>) -> Result<Value> {
        let slot = self.slot(variable);
        let (current, assigned) = (slot.current, slot.assigned);
        let frame = self.top_frame();
        if frame.tapes == 0 || !assigned || frame.rereads.iter().any(|(_, value)| *value == current) {
            return Ok(current);
        }
        // To a tape, a variable that was assigned is a source anew.
        let leaf = frame.builder.push(ops::Identity, &[current])?;
        frame.rereads.push((variable.clone(), leaf));
        self.slot(variable).current = leaf;
        Ok(leaf)
    }

    pub(crate) fn slot(&mut self, variable: &Arc<VariableData>) -> &mut Slot {
        let id = variable.id();
        if !self.top_frame().variables.contains_key(&id) {
            let current = self.capture(Source::Variable(variable.clone()));
            let slot = Slot { variable: variable.clone(), current, assigned: false };
            self.top_frame().variables.insert(id, slot);
        }
        &mut self.top_frame().variables[&id]
    }

    /// Makes a value the variable's current one.
    pub(crate) fn assign(&mut self, variable: &Arc<VariableData>, value: Value) {
        let slot = self.slot(variable);
        slot.current = value;
        slot.assigned = true;
    }

    /// The value in the variable's own type: an unknown size is taken to be what the variable has.
    fn fitted(&mut self, variable: &VariableData, value: Value) -> Result<Value> {
        let frame = self.top_frame();
        if *frame.builder.ty(value) == Type::Tensor(variable.ty().clone()) {
            return Ok(value);
        }
        frame.builder.reshape(value, variable.ty().shape.clone())
    }
}

/// What a variable holds now: its value in the active trace, or its data.
pub(crate) fn read_variable(variable: &Arc<VariableData>) -> Tensor {
    let traced = with_active(|stack| stack.read(variable).map(|value| stack.top_frame().tensor(value)));
    match traced.unwrap_or_else(|| tape::read(variable)) {
        Ok(tensor) => tensor,
        Err(error) => Tensor::poisoned(error, variable.ty().clone()),
    }
}

/// Replaces a variable's value in the active trace; the trace fails if the value does not fit.
pub(crate) fn assign_variable(
    variable: &Arc<VariableData>,
    what: &str,
    value: Tensor,
    origin: Origin,
) -> Result<Tensor> {
    let assigned = variable.check_assigned(what, &value, &origin).and_then(|()| {
        with_active(|stack| {
            let lifted = stack.lift(&value, &origin)?;
            stack.top_frame().builder.at(origin.clone());
            let lifted = stack.fitted(variable, lifted)?;
            stack.assign(variable, lifted);
            Ok(stack.top_frame().tensor(lifted))
        })
        .unwrap_or_else(|| Err(Error::internal("a variable was to be assigned in a trace, but there is none")))
    });
    if let Err(error) = &assigned {
        record(error);
    }
    assigned
}

impl VariableData {
    fn check_assigned(&self, what: &str, value: &Tensor, origin: &Origin) -> Result {
        match &value.handle {
            Handle::Failed(poison) => Err(poison.error.clone()),
            _ => self.check(what, value, origin),
        }
    }
}
