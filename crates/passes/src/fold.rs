//! Constants computed while compiling.

use crate::rewrite::{Rewrite, sweep};
use tracelift_ir::ops::Constant;
use tracelift_ir::{Builder, Graph, Op, Value, evaluate};
use tracelift_tensor::{Array, Result};

/// Larger results stay nodes: a constant is printed in full and copied into code.
const MAX_ELEMENTS: usize = 16;

/// Replaces what depends on constants alone by its value, computed by the reference evaluator, whose bits are those of
/// every engine. What fails is left to fail when it runs. Broadcasts stay: they cost nothing.
pub fn fold(graph: &Graph) -> Result<Graph> {
    let mut new = Rewrite::new(graph);
    for (id, node) in graph.nodes() {
        if matches!(node.op, Op::Parameter(_)) {
            continue;
        }
        new.b.at(node.origin.clone());
        let operands = new.operands(id);
        match value(&new.b, &node.op, &operands) {
            Some(array) => {
                let constant = new.b.push(Constant::new(array), &[])?;
                new.set(id.value(), constant);
            }
            None => new.keep(id, &mut fold)?,
        }
    }
    sweep(&new.finish()?)
}

/// The value of a node on constant operands.
fn value(b: &Builder, op: &Op, operands: &[Value]) -> Option<Array> {
    if matches!(op, Op::Constant(_) | Op::Broadcast(_)) || !op.regions().is_empty() {
        return None;
    }
    let inputs: Vec<&Array> = operands.iter().map(|x| constant(b, *x)).collect::<Option<_>>()?;
    let laws = op.laws(inputs.first()?.dtype());
    if !laws.pure {
        return None;
    }
    let mut alone = Builder::new("constant");
    let constants: Vec<Value> = inputs.into_iter().map(|array| alone.constant(array.clone())).collect();
    let result = alone.push_multi(op.clone(), &constants).ok()?;
    let [result] = result.as_slice() else { return None };
    let size = alone.ty(*result).as_tensor()?.shape.num_elements().known()?;
    if size > MAX_ELEMENTS as i64 {
        return None;
    }
    evaluate(&alone.finish(&[*result]).ok()?, &[]).ok()?.into_iter().next()
}

fn constant(b: &Builder, value: Value) -> Option<&Array> {
    b.constant_of(value)
}
