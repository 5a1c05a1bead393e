//! Ops that bring a kernel of their own, and what only the host does.

use super::Region;
use super::program::Place;
use tracelift_ir::{CustomKernel, NodeIndex, Op, Value};
use tracelift_kernel::lane::Scalar;
use tracelift_kernel::loops::{Access, Affine, Index, KernelBuilder};
use tracelift_kernel::program::{Check, Launch, PrintArg, Role, ScalarArg, Step};
use tracelift_tensor::{Error, Result, Shape};

/// Checks the indices, lays the ground the kernel starts from, and launches it.
pub(super) fn schedule(region: &mut Region<'_, '_>, id: NodeIndex, custom: &CustomKernel) -> Result {
    let graph = region.graph;
    let node = graph.node(id);
    for (operand, extent) in &custom.checks {
        let site = region.site(id);
        let value = node.operands[*operand];
        let check = match region.place(value)? {
            Place::Scalar(index) => Check::IndexBounds { index, extent: extent.clone() },
            _ => Check::Bounds { indices: region.buffer(value)?, extent: extent.clone() },
        };
        region.steps.push(Step::Check { check, site });
    }
    let value = id.value();
    let ty = graph.ty(value).clone();
    let name = graph.name_of(value).map_or("t", |name| name);
    let result = region.parts.buffer(name, ty.dtype(), ty.shape().clone(), Role::Arena);
    if let Some(start) = custom.starts_as {
        match region.place(node.operands[start])? {
            Place::Scalar(value) => region.steps.push(Step::Write { to: result, value }),
            _ => {
                let from = region.buffer(node.operands[start])?;
                region.steps.push(Step::Copy { from, to: result });
            }
        }
    }
    let (mut buffers, mut scalars) = (vec![], vec![]);
    for (n, &operand) in node.operands.iter().enumerate() {
        match region.place(operand)? {
            _ if custom.starts_as == Some(n) => {}
            Place::Scalar(arg) => scalars.push(arg),
            _ => buffers.push(region.buffer(operand)?),
        }
    }
    buffers.push(result);
    let site = custom.kernel.can_fault().then(|| region.site(id));
    let kernel = region.parts.kernel(custom.kernel.clone());
    region.steps.push(Step::Launch(Launch { kernel, buffers, scalars, results: vec![], site }));
    let place = if ty.rank() == 0 { region.read(result) } else { Place::Buffer(result) };
    region.places.insert(value, place);
    Ok(())
}

/// Gives every element of a value the same number.
pub(super) fn fill(region: &mut Region<'_, '_>, value: Value, number: Scalar) {
    let ty = region.graph.ty(value).clone();
    if ty.rank() == 0 {
        region.places.insert(value, Place::Scalar(ScalarArg::Const(number)));
        return;
    }
    let to = region.arena(value);
    let mut b = KernelBuilder::new(region.parts.kernel_name());
    let elements = ty.shape().num_elements();
    let all = b.param("y", ty.dtype(), Shape::from_iter([elements.clone()]), Access::Write);
    let at = Affine::var(b.par(elements));
    let number = b.literal(number);
    b.store(all, [Index::Affine(at)], number);
    b.end();
    let kernel = region.parts.kernel(b.finish(&[]));
    region.steps.push(Step::Launch(Launch { kernel, buffers: vec![to], scalars: vec![], results: vec![], site: None }));
    region.places.insert(value, Place::Buffer(to));
}

/// Prints and assertions stand where their tokens put them: steps keep the order of the nodes.
pub(super) fn host(region: &mut Region<'_, '_>, id: NodeIndex) -> Result {
    let graph = region.graph;
    let node = graph.node(id);
    match &node.op {
        Op::Token(_) => {}
        Op::Print(print) => {
            let mut values = vec![];
            for &value in &node.operands[1..] {
                values.push(match region.place(value)? {
                    Place::Scalar(arg) => PrintArg::Scalar(arg),
                    _ => PrintArg::Buffer(region.buffer(value)?),
                });
            }
            region.steps.push(Step::Print { message: print.message.clone(), values });
        }
        Op::Assert(assert) => {
            let message = assert.message.clone();
            let site = region.site(id);
            let check = match region.place(node.operands[1])? {
                Place::Scalar(condition) => Check::Assert { condition, message },
                _ => Check::AssertAll { conditions: region.buffer(node.operands[1])?, message },
            };
            region.steps.push(Step::Check { check, site });
        }
        op => return Err(Error::internal(format!("`{}` is nothing that the host does", op.name()))),
    }
    region.places.insert(id.value(), Place::Token);
    Ok(())
}
