//! Bodies that are computed without asking whether they are needed: that costs less than the branch.

use tracelift_ir::{Builder, Lowering, NodeIndex, Op, Type};

/// As many nodes, parameters included, are few.
const FEW: usize = 16;

/// Whether a body is a few operations on numbers that cost little and cannot fail.
pub(crate) fn is_cheap(body: &Builder) -> bool {
    let nodes = (0..body.len() as u32).map(NodeIndex).filter(|n| !matches!(body.node(*n).op, Op::Parameter(_)));
    body.len() <= FEW && nodes.into_iter().all(|n| is_cheap_node(body, n))
}

fn is_cheap_node(body: &Builder, index: NodeIndex) -> bool {
    let node = body.node(index);
    if !node.op.is_cheap_to_recompute()
        || node.types.iter().any(|ty| ty.as_tensor().is_none_or(|ty| ty.shape.rank() > 0))
    {
        return false;
    }
    let operands: Vec<Type> = node.operands.iter().map(|x| body.ty(*x).clone()).collect();
    match node.op.lowering(&operands, &node.types) {
        Lowering::Lane(op) if op.can_fault(operands[0].dtype()) => {
            let divisor = node.operands.get(1).and_then(|divisor| body.constant_of(*divisor));
            divisor.is_some_and(|divisor| divisor.get_f64(0) != 0.0)
        }
        Lowering::Lane(_) => operands.iter().all(|ty| ty.rank() == 0),
        Lowering::Const | Lowering::Dim(_) => true,
        _ => false,
    }
}
