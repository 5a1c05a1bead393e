//! The one way from a method to an op: onto the active trace, or evaluated at once.

use tracelift_ir::Op;
use tracelift_tensor::{Error, ErrorKind, Origin};

use crate::{
    Tensor, eager, scope,
    tensor::Handle,
    trace::{self, fail},
};

/// Applies an op with one result.
///
/// The first operand that carries an error is the result, so the first mistake is the one that is reported.
#[track_caller]
pub(crate) fn apply(op: impl Into<Op>, operands: &[&Tensor]) -> Tensor {
    let mut results = apply_multi(op, operands);
    results.swap_remove(0)
}

/// Applies an op with one result, which comes from a given place.
pub(crate) fn apply_at(op: impl Into<Op>, operands: &[&Tensor], origin: Origin) -> Tensor {
    run(&op.into(), operands, origin).swap_remove(0)
}

/// Applies an op with any number of results; a mistake gives one poisoned tensor.
#[track_caller]
pub(crate) fn apply_multi(op: impl Into<Op>, operands: &[&Tensor]) -> Vec<Tensor> {
    run(&op.into(), operands, scope::origin())
}

fn run(op: &Op, operands: &[&Tensor], origin: Origin) -> Vec<Tensor> {
    if let Some(poisoned) = poison(operands) {
        return vec![poisoned];
    }
    let made = trace::push(op, operands, &origin).unwrap_or_else(|| eager::evaluate(op, operands, &origin));
    match made {
        Ok(results) => results,
        Err(error) => {
            // An operand may turn out to be unreadable only here; its error is complete already.
            let error = if error.op.is_none() { error.op(op.name()) } else { error };
            let error = if error.origin.is_unknown() { error.at(origin) } else { error };
            vec![fail(error, operands.first().copied())]
        }
    }
}

/// The error of an operand as that of the result.
fn propagated(poisoned: &Tensor) -> Tensor {
    // A gradient that does not exist is no mistake until it is used.
    if let Some(error) = poisoned.error().filter(|error| error.kind == ErrorKind::Unconnected) {
        trace::record(error);
    }
    poisoned.snapshot()
}

/// A mistake found before an op is made of a call: the poisoned result.
#[track_caller]
pub(crate) fn refuse(op: &str, error: Error, operands: &[&Tensor]) -> Tensor {
    if let Some(poisoned) = poison(operands) {
        return poisoned;
    }
    let error = if error.op.is_none() { error.op(op) } else { error };
    let error = if error.operands.is_empty() { error.operands(operands.iter().map(|x| x.ty())) } else { error };
    let error = if error.origin.is_unknown() { error.at(scope::origin()) } else { error };
    fail(error, operands.first().copied())
}

/// The first error that an operand carries.
pub(crate) fn poison(operands: &[&Tensor]) -> Option<Tensor> {
    operands.iter().find(|operand| matches!(operand.handle, Handle::Failed(_))).map(|operand| propagated(operand))
}
