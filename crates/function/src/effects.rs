//! What functions do besides computing: they print and assert, in the order of the program.

use tracelift_ir::{Op, Value, ops};
use tracelift_tensor::{DType, Error, Origin, Result};

use crate::{Tensor, eager, scope, trace};

/// Prints a message and the values of tensors, each time this line of the program is run, also inside traced functions.
///
/// ```
/// use tracelift_function::{Function, Options, PrintSink, Tensor, print, tensor};
/// use std::sync::{Arc, Mutex};
///
/// let lines = Arc::new(Mutex::new(Vec::new()));
/// let seen = lines.clone();
/// let sink = move |message: &str, values: &[tracelift_function::Array]| {
///     seen.lock().unwrap().push(tracelift_function::print_line(message, values));
/// };
/// let f = Function::new(|x: &Tensor| -> tracelift_function::Result<Tensor> {
///     print("x is", &[x])?;
///     Ok(x * 2)
/// })
/// .options(Options { print: PrintSink::Function(Arc::new(sink)), ..Options::default() });
/// f(&tensor(1))?;
/// f(&tensor(2))?;
/// assert_eq!(*lines.lock().unwrap(), ["x is 1", "x is 2"]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn print(message: &str, values: &[&Tensor]) -> Result {
    effect(ops::Print { message: message.to_owned() }.into(), values, scope::origin())
}

/// Prints values at each run, also in loops of the graph; `{}` in the message stands for them in turn.
///
/// ```
/// use tracelift_function::{print_t, tensor};
///
/// let (i, x) = (tensor(3), tensor([1.5, 2.0]));
/// print_t!("round {}: {}", i, &x * 2);
/// print_t!("x is", x);
/// ```
#[macro_export]
macro_rules! print_t {
    ($message:literal $(, $value:expr)* $(,)?) => {
        // A mistake is in the trace already.
        let _ = $crate::print($message, &[$(&$crate::IntoTensor::into_tensor(&$value)),*]);
    };
}

/// Fails the call unless a bool, or every bool of a tensor, is true; variables are then left as they were.
///
/// ```
/// use tracelift_function::{Function, Result, Tensor, assert_all, tensor};
///
/// let root = Function::new(|x: &Tensor| -> Result<Tensor> {
///     assert_all(&x.ge(0), "roots are of positive numbers")?;
///     Ok(x.sqrt())
/// });
/// assert_eq!(root(&tensor([4., 9.]))?.to_vec::<f32>()?, [2., 3.]);
/// assert!(root(&tensor([4., -9.])).unwrap_err().to_string().contains("roots are of positive numbers"));
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn assert_all(condition: &Tensor, message: &str) -> Result {
    let origin = scope::origin();
    if condition.dtype() != DType::Bool && condition.error().is_none() {
        let error =
            Error::type_(format!("wants bools as its condition, not {}", condition.ty())).op("assert").at(origin);
        trace::record(&error);
        return Err(error);
    }
    effect(ops::Assert { message: message.to_owned() }.into(), &[condition], origin)
}

/// Does it at once, or at this place of the trace under way.
fn effect(op: Op, values: &[&Tensor], origin: Origin) -> Result {
    let done = match values.iter().find_map(|value| value.error()) {
        Some(error) => Err(error.clone()),
        None => push(&op, values, &origin).unwrap_or_else(|| eager::perform(&op, values, &origin)),
    };
    done.map_err(|error| {
        let error = if error.origin.is_unknown() { error.at(origin) } else { error };
        let error = if error.op.is_none() { error.op(op.name()) } else { error };
        trace::record(&error);
        error
    })
}

/// The effect as a node behind the one before it; `None` if nothing is traced.
fn push(op: &Op, values: &[&Tensor], origin: &Origin) -> Option<Result> {
    trace::with_active(|stack| {
        let values = values.iter().map(|value| stack.lift(value, origin)).collect::<Result<Vec<Value>>>()?;
        let frame = stack.top_frame();
        frame.builder.at(origin.clone());
        let token = match frame.token {
            Some(token) => token,
            None => frame.builder.push(ops::Token, &[])?,
        };
        let operands: Vec<Value> = std::iter::once(token).chain(values).collect();
        frame.token = Some(frame.builder.push(op.clone(), &operands)?);
        Ok(())
    })
}
