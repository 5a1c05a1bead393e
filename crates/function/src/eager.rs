//! Eager execution: each op is evaluated at once, by its definition.

use std::{
    borrow::Borrow,
    cell::{Cell, RefCell},
};

use tracelift_ir::{Builder, Evaluator, Graph, Op, ParamRole, Type, ops::Token};
use tracelift_runtime::float_mode::FloatMode;
use tracelift_tensor::{Array, Origin, Result};

use crate::{Tensor, tape, trace};

thread_local! {
    static EVALUATOR: RefCell<Evaluator> = RefCell::new(Evaluator::new());
    static FLUSHES: Cell<bool> = const { Cell::new(false) };
}

/// Does something whose eager operations flush subnormals, or do not, as [`Options`](crate::Options) may ask of traced
/// functions.
pub fn flushing<R>(flush: bool, body: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            FLUSHES.set(self.0);
        }
    }
    let _before = Before(FLUSHES.replace(flush));
    body()
}

/// Whether eager operations flush subnormals.
pub(crate) fn flushes() -> bool {
    FLUSHES.get()
}

/// The results of an op on tensors that hold data.
pub(crate) fn evaluate(op: &Op, operands: &[&Tensor], origin: &Origin) -> Result<Vec<Tensor>> {
    if tape::is_recording() {
        return tape::evaluate(op, operands, origin);
    }
    let results = apply(op, &arrays(op.name(), operands, origin)?)?;
    Ok(results.into_iter().map(Tensor::eager).collect())
}

/// The data of the operands of an op.
pub(crate) fn arrays<T: Borrow<Tensor>>(op: &str, operands: &[T], origin: &Origin) -> Result<Vec<Array>> {
    operands.iter().map(|operand| trace::eager_array(op, operand.borrow(), origin)).collect()
}

/// The results of an op on arrays.
pub(crate) fn apply(op: &Op, operands: &[Array]) -> Result<Vec<Array>> {
    let _mode = flushes().then(|| FloatMode::Flush.enter());
    EVALUATOR.with_borrow_mut(|evaluator| evaluator.apply(op, operands))
}

/// Does at once what an op does besides computing.
pub(crate) fn perform(op: &Op, operands: &[&Tensor], origin: &Origin) -> Result {
    let arrays = arrays(op.name(), operands, origin)?;
    // Effects take a token, which only a graph has.
    let mut builder = Builder::new(op.name());
    let mut values = vec![builder.push(Token, &[])?];
    values.extend(arrays.iter().map(|array| builder.param("", Type::of(array), ParamRole::Input)));
    builder.at(origin.clone()).push(op.clone(), &values)?;
    evaluate_graph(&builder.finish(&[])?, &arrays).map(|_| ())
}

fn evaluate_graph(graph: &Graph, arrays: &[Array]) -> Result<Vec<Array>> {
    EVALUATOR.with_borrow_mut(|evaluator| evaluator.evaluate(graph, arrays))
}
