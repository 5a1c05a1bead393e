//! Eager execution: each op is evaluated at once, by its definition.

use std::cell::RefCell;

use tracelift_ir::{Builder, Evaluator, Graph, Op, ParamRole, Type, ops::Token};
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

/// Does at once what an op does besides computing.
pub(crate) fn perform(op: &Op, operands: &[&Tensor], origin: &Origin) -> Result {
    let arrays = operands
        .iter()
        .map(|operand| trace::eager_array(op.name(), operand, origin))
        .collect::<Result<Vec<Array>>>()?;
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
