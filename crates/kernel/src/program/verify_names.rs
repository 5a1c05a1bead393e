//! Whether what a step names exists.

use super::data::*;
use super::stacks::{StackItem, StackOp};
use super::verify::Verifier;

impl Verifier<'_> {
    /// Whether every buffer, kernel, register and site of a step (not of the steps in it) exists.
    pub(super) fn names_exist(&self, step: &Step) -> bool {
        let program = self.program;
        let mut exist = true;
        visit(step, &mut |name| {
            exist &= match name {
                Name::Buffer(id) => (id.0 as usize) < program.buffers.len(),
                Name::Kernel(id) => (id.0 as usize) < program.kernels.len(),
                Name::Register(id) => (id.0 as usize) < program.registers.len(),
                Name::Site(id) => (id.0 as usize) < program.sites.len(),
            };
        });
        exist
    }
}

/// Something a step names.
enum Name {
    Buffer(BufferId),
    Kernel(KernelId),
    Register(RegisterId),
    Site(SiteId),
}

fn visit(step: &Step, see: &mut dyn FnMut(Name)) {
    match step {
        Step::Launch(launch) => {
            see(Name::Kernel(launch.kernel));
            buffers(&launch.buffers, see);
            scalars(&launch.scalars, see);
            registers(&launch.results, see);
            site(launch.site, see);
        }
        Step::Library(call) => {
            buffers(&call.operands, see);
            see(Name::Buffer(call.result));
            if let Some(epilogue) = &call.epilogue {
                see(Name::Kernel(epilogue.kernel));
                buffers(&epilogue.buffers, see);
                scalars(&epilogue.scalars, see);
            }
        }
        Step::Scalar { dst, args, site: at, .. } => {
            see(Name::Register(*dst));
            scalars(args, see);
            site(*at, see);
        }
        Step::Dim { dst, .. } => see(Name::Register(*dst)),
        Step::Read { dst, from } => {
            see(Name::Register(*dst));
            see(Name::Buffer(*from));
        }
        Step::Write { to, value } => {
            see(Name::Buffer(*to));
            scalars(&[*value], see);
        }
        Step::Check { check, site: at } => {
            match check {
                Check::Bounds { indices, .. } => see(Name::Buffer(*indices)),
                Check::AssertAll { conditions, .. } => see(Name::Buffer(*conditions)),
                Check::IndexBounds { index, .. } => scalars(&[*index], see),
                Check::Assert { condition, .. } => scalars(&[*condition], see),
            }
            see(Name::Site(*at));
        }
        Step::Copy { from: a, to: b } | Step::Swap { a, b } | Step::Commit { to: a, from: b } => {
            buffers(&[*a, *b], see);
        }
        Step::If { condition, then, otherwise, results } => {
            scalars(&[*condition], see);
            scalars(&then.yields, see);
            scalars(&otherwise.yields, see);
            registers(results, see);
        }
        Step::Loop(inner) => {
            for (register, first) in &inner.carried {
                see(Name::Register(*register));
                scalars(&[*first], see);
            }
            scalars(&inner.condition.yields, see);
            scalars(&inner.body.yields, see);
            registers(&inner.results, see);
        }
        Step::Stack(stack) => {
            buffers(&[stack.stack], see);
            buffers(stack.read().as_slice(), see);
            buffers(stack.written().as_slice(), see);
            registers(stack.result().as_slice(), see);
            if let StackOp::Push(StackItem::Scalar(value)) = stack.op {
                scalars(&[value], see);
            }
            site(stack.site, see);
        }
        Step::Print { values, .. } => {
            for value in values {
                match value {
                    PrintArg::Buffer(id) => see(Name::Buffer(*id)),
                    PrintArg::Scalar(value) => scalars(&[*value], see),
                }
            }
        }
    }
}

fn buffers(ids: &[BufferId], see: &mut dyn FnMut(Name)) {
    ids.iter().for_each(|id| see(Name::Buffer(*id)));
}

fn registers(ids: &[RegisterId], see: &mut dyn FnMut(Name)) {
    ids.iter().for_each(|id| see(Name::Register(*id)));
}

fn scalars(args: &[ScalarArg], see: &mut dyn FnMut(Name)) {
    for arg in args {
        if let ScalarArg::Register(register) = arg {
            see(Name::Register(*register));
        }
    }
}

fn site(site: Option<SiteId>, see: &mut dyn FnMut(Name)) {
    if let Some(site) = site {
        see(Name::Site(site));
    }
}
