//! Stacks: one buffer for all states of a stack, since each state is used once.

use super::Region;
use super::program::Place;
use tracelift_ir::{NodeIndex, Op, Type};
use tracelift_kernel::program::{BufferId, Role, ScalarArg, StackItem, StackOp, StackStep, Step};
use tracelift_tensor::{DType, Dim, Error, Result};

pub(super) fn schedule(region: &mut Region<'_, '_>, id: NodeIndex) -> Result {
    let graph = region.graph;
    let node = graph.node(id);
    let (stack, op) = match &node.op {
        Op::StackNew(new) => {
            let stack = make(region, graph.ty(id.value()), new.capacity.clone())?;
            region.places.insert(id.value(), Place::Stack(stack));
            return Ok(());
        }
        Op::StackPush(_) => {
            let item = match region.place(node.operands[1])? {
                Place::Scalar(value) => StackItem::Scalar(value),
                _ => StackItem::Buffer(region.buffer(node.operands[1])?),
            };
            (stack_of(region, id)?, StackOp::Push(item))
        }
        Op::StackPop(_) if graph.ty(id.result(1)).rank() == 0 => {
            let register = region.parts.register(graph.ty(id.result(1)).dtype());
            region.places.insert(id.result(1), Place::Scalar(ScalarArg::Register(register)));
            (stack_of(region, id)?, StackOp::PopScalar(register))
        }
        Op::StackPop(_) => {
            let to = region.arena(id.result(1));
            region.places.insert(id.result(1), Place::Buffer(to));
            (stack_of(region, id)?, StackOp::PopBuffer(to))
        }
        Op::StackLen(_) => {
            let register = region.parts.register(DType::I64);
            region.places.insert(id.result(1), Place::Scalar(ScalarArg::Register(register)));
            (stack_of(region, id)?, StackOp::Len(register))
        }
        op => return Err(Error::internal(format!("`{}` does nothing to a stack", op.name()))),
    };
    let site = matches!(op, StackOp::Push(_)).then(|| region.site(id));
    region.steps.push(Step::Stack(StackStep { stack, op, site }));
    region.places.insert(id.value(), Place::Stack(stack));
    Ok(())
}

/// A new stack of this type, empty from here on.
pub(super) fn make(region: &mut Region<'_, '_>, ty: &Type, capacity: Option<Dim>) -> Result<BufferId> {
    let Type::Stack(item) = ty else { return Err(Error::internal(format!("{ty} is no stack"))) };
    let stack = region.parts.buffer("stack", item.dtype, item.shape.clone(), Role::Stack(capacity));
    region.steps.push(Step::Stack(StackStep { stack, op: StackOp::New, site: None }));
    Ok(stack)
}

/// The stack that is operand 0 of a node.
fn stack_of(region: &mut Region<'_, '_>, id: NodeIndex) -> Result<BufferId> {
    match region.place(region.graph.node(id).operands[0])? {
        Place::Stack(stack) => Ok(stack),
        other => Err(Error::internal(format!("a stack is {other:?}"))),
    }
}
