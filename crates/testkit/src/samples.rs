//! Samples of ops as graphs of one node.

use tracelift_ir::ops::Token;
use tracelift_ir::{Builder, Graph, ParamRole, Sample, Type, Value};
use tracelift_tensor::{Array, Result};

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

/// The graph of a sample. A token is made inside; results that are tokens stay inside.
pub fn case(sample: &Sample) -> Case {
    let mut b = Builder::new(sample.op.name());
    let (mut operands, mut arguments) = (vec![], vec![]);
    for (ty, array) in sample.types.iter().zip(&sample.inputs) {
        if *ty == Type::Token {
            operands.push(b.push(Token, &[]).expect("a token takes nothing"));
        } else {
            operands.push(b.param("", ty.clone(), ParamRole::Input));
            arguments.push(array.clone());
        }
    }
    let name = format!("{:?} on {:?}", sample.op, sample.types);
    let graph = b.push_multi(sample.op.clone(), &operands).and_then(|made| {
        let results: Vec<Value> = made.into_iter().filter(|value| *b.ty(*value) != Type::Token).collect();
        b.finish(&results)
    });
    Case { name, graph, arguments }
}
