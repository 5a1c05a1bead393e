//! The straight graph of what a program does on given arguments: no loops, no branches.

use std::sync::Arc;
use tracelift_ir::{Builder, Evaluator, Graph, Op, ParamRole, Value, ValueMap};
use tracelift_tensor::{Array, Result};

/// The graph of the nodes that run when `graph` is given these arguments, in their order.
///
/// Its gradient on the same arguments is the graph's own, made without any rule for loops and branches. The sizes of the
/// graph are all known.
pub fn unroll(graph: &Graph, arguments: &[Array]) -> Result<Graph> {
    let mut b = Builder::new(format!("{}.unrolled", graph.name()));
    let given: Vec<Step> = graph
        .param_types()
        .zip(arguments)
        .map(|(ty, array)| Step { value: b.param("", ty.clone(), ParamRole::Input), array: array.clone() })
        .collect();
    let results = run(&mut b, graph, given)?;
    let results: Vec<Value> = results.iter().map(|step| step.value).collect();
    b.finish(&results)
}

/// A value of the straight graph, and what it is.
#[derive(Clone)]
struct Step {
    value: Value,
    array: Array,
}

fn run(b: &mut Builder, graph: &Graph, given: Vec<Step>) -> Result<Vec<Step>> {
    let mut made: ValueMap<Step> = ValueMap::new();
    for (param, step) in graph.params().iter().zip(given) {
        made.insert(*param, step);
    }
    for (index, node) in graph.nodes().filter(|(_, node)| !matches!(node.op, Op::Parameter(_))) {
        let operands: Vec<Step> = node.operands.iter().map(|x| made[*x].clone()).collect();
        let results = match &node.op {
            Op::While(op) => repeat(b, &op.condition, &op.body, operands)?,
            Op::Cond(op) => {
                let arm = if operands[0].array.item::<bool>()? { &op.then } else { &op.otherwise };
                run(b, arm, operands[1..].to_vec())?
            }
            Op::Call(op) => run(b, &op.callee, operands)?,
            op => {
                let arrays: Vec<Array> = operands.iter().map(|step| step.array.clone()).collect();
                let arrays = Evaluator::new().apply(op, &arrays)?;
                let values: Vec<Value> = operands.iter().map(|step| step.value).collect();
                let values = b.push_like(node, &values)?;
                values.into_iter().zip(arrays).map(|(value, array)| Step { value, array }).collect()
            }
        };
        for (n, step) in results.into_iter().enumerate() {
            made.insert(index.result(n), step);
        }
    }
    Ok(graph.results().iter().map(|result| made[*result].clone()).collect())
}

fn repeat(b: &mut Builder, condition: &Arc<Graph>, body: &Arc<Graph>, mut values: Vec<Step>) -> Result<Vec<Step>> {
    let count = body.results().len();
    while run(b, condition, values.clone())?[0].array.item::<bool>()? {
        let next = run(b, body, values.clone())?;
        values.splice(..count, next);
    }
    values.truncate(count);
    Ok(values)
}
