//! Eager execution: each op is evaluated at once, by its definition.

use std::cell::RefCell;

use tracelift_ir::{Evaluator, Op};
use tracelift_tensor::{Array, Origin, Result};

use crate::{Tensor, trace};

thread_local! {
    static EVALUATOR: RefCell<Evaluator> = RefCell::new(Evaluator::new());
}

/// The results of an op on tensors that hold data.
pub(crate) fn evaluate(op: &Op, operands: &[&Tensor], origin: &Origin) -> Result<Vec<Tensor>> {
    let arrays = operands
        .iter()
        .map(|operand| trace::eager_array(op.name(), operand, origin))
        .collect::<Result<Vec<Array>>>()?;
    let results = EVALUATOR.with_borrow_mut(|evaluator| evaluator.apply(op, &arrays))?;
    Ok(results.into_iter().map(Tensor::eager).collect())
}
