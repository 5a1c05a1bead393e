//! Samples of ops as graphs of one node.

use tracelift_ir::ops::{Slice, SliceAxis, StackLen, StackNew, StackPop, StackPush, Token};
use tracelift_ir::{Builder, Graph, ParamRole, Sample, TensorType, Type, Value};
use tracelift_tensor::{Array, Dim, Result};

/// A graph of one op, and its arguments.
#[derive(Debug)]
pub struct Case {
    /// What was sampled, for messages.
    pub name: String,
    /// The graph, or why the op refuses operands of these types.
    pub graph: Result<Graph>,
    /// One array per parameter.
    pub arguments: Vec<Array>,
}

/// The graph of a sample. A token is made inside; results that are tokens stay inside. The items of a stack are an
/// argument, pushed inside; of a stack that is answered, the length and the top are results.
pub fn case(sample: &Sample) -> Case {
    let mut b = Builder::new(sample.op.name());
    let (mut operands, mut arguments) = (vec![], vec![]);
    for (ty, array) in sample.types.iter().zip(&sample.inputs) {
        match ty {
            Type::Token => operands.push(b.push(Token, &[]).expect("a token takes nothing")),
            Type::Stack(item) => {
                operands.push(filled(&mut b, item, array.shape()[0]).expect("the items are those of the stack"));
                arguments.push(array.clone());
            }
            Type::Tensor(_) => {
                operands.push(b.param("", ty.clone(), ParamRole::Input));
                arguments.push(array.clone());
            }
        }
    }
    let name = format!("{:?} on {:?}", sample.op, sample.types);
    let graph = b.push_multi(sample.op.clone(), &operands).and_then(|made| {
        let mut results = vec![];
        for value in made {
            match b.ty(value) {
                Type::Token => {}
                Type::Tensor(_) => results.push(value),
                Type::Stack(_) => {
                    let counted = b.push_multi(StackLen, &[value])?;
                    results.extend([counted[1], b.push_multi(StackPop, &[counted[0]])?[1]]);
                }
            }
        }
        b.finish(&results)
    });
    Case { name, graph, arguments }
}

/// A stack with so many items, which are the rows of a parameter.
fn filled(b: &mut Builder, item: &TensorType, count: usize) -> Result<Value> {
    let all: Vec<Dim> = std::iter::once(Dim::from(count)).chain(item.shape.iter().cloned()).collect();
    let items = b.param("", Type::tensor(item.dtype, all), ParamRole::Input);
    let mut stack = b.push(StackNew { item: item.clone(), capacity: None }, &[])?;
    for n in 0..count {
        let row = std::iter::once(SliceAxis { start: Dim::from(n), size: Dim::ONE, step: 1 });
        let whole = item.shape.iter().cloned().map(SliceAxis::all);
        let part = b.push(Slice { axes: row.chain(whole).collect() }, &[items])?;
        let part = b.reshape(part, item.shape.clone())?;
        stack = b.push(StackPush, &[stack, part])?;
    }
    Ok(stack)
}
