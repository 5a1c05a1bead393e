//! Ops that bring a kernel of their own, and what only the host does.

use super::Region;
use super::program::Place;
use tracelift_ir::{CustomKernel, NodeIndex};
use tracelift_kernel::program::{Check, Launch, Role, Step};
use tracelift_tensor::Result;

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
