//! What cannot be done with loops whose shapes change from round to round: there are no stacks of items of several shapes,
//! and no batches of them.

use tracelift_ir::ops::While;
use tracelift_ir::{Graph, Node, Op};
use tracelift_tensor::{Error, Origin};

const GRADIENT_HELP: &str =
    "write the rows into a `TensorArray` of known size, or use `stop_gradient` on what the loop is given";

/// That a loop has no gradient; `active` are the carried values that would have one.
pub(crate) fn changing_shape(op: &While, active: &[usize]) -> Error {
    let value = changing(op, active);
    let message = format!("has no gradient: it keeps values, and the shape of {value}, changes from round to round");
    Error::invalid(message).op("while").help(GRADIENT_HELP)
}

/// That something cannot be done for a batch.
pub(crate) fn not_for_a_batch(op: &str, origin: &Origin) -> Error {
    let why = "cannot be done for a batch: elements would differ in shape, which changes while it runs";
    let help = "go over the elements with a loop, or carry a tensor of the largest size and count what is used of it";
    Error::invalid(why).op(op).at(origin.clone()).help(help)
}

/// The node that a call of a function runs to find a size, and where it is written.
pub(crate) fn finder(graph: &Graph) -> Option<(&Node, &Op)> {
    // Nesting is bounded by the builder, so this may recurse.
    graph.nodes().find_map(|(_, node)| match &node.op {
        op @ (Op::While(_) | Op::Cond(_)) if !op.found_sizes().is_empty() => Some((node, op)),
        op => op.regions().into_iter().find_map(|region| finder(region)),
    })
}

/// The name and type of a value whose shape changes.
fn changing(op: &While, active: &[usize]) -> String {
    let changes = |n: &usize| {
        let shape = op.body.ty(op.body.params()[*n]).held().map(|tensor| tensor.shape.syms());
        shape.is_some_and(|syms| syms.iter().any(|sym| op.sizes.contains(sym)))
    };
    let first = active.iter().copied().find(changes).or_else(|| (0..op.carried()).find(changes));
    let n = first.expect("each size is that of a carried value");
    let param = op.body.params()[n];
    let name = op.body.name_of(param).map_or_else(|| format!("value {n}"), |name| format!("`{name}`"));
    format!("{name}, {}", op.body.ty(param))
}
