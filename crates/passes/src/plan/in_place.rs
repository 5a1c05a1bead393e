//! Kernels that write over an input which nobody needs any more.

use super::uses::{self, may_share};
use tracelift_kernel::program::{Program, Role, Step};

/// Gives the result of a launch, or of an epilogue, the memory of one of its inputs, if that dies there.
pub(super) fn reuse_dead_inputs(program: &mut Program) {
    let mut swapped = vec![];
    program.for_each_step(&mut |step| {
        if let Step::Swap { a, b } = step {
            swapped.extend([*a, *b]);
        }
    });
    let mut uses = uses::of(program);
    for n in 0..program.steps.len() {
        let Some((kernel, buffers)) = uses::kernel_of(program, &program.steps[n]) else { continue };
        let (kernel, buffers) = (kernel.clone(), buffers.to_vec());
        // Rows of a product that are still to come need its operands.
        let operands = match &program.steps[n] {
            Step::Library(call) => call.operands.iter().map(|id| program.owner(*id)).collect(),
            _ => vec![],
        };
        for (written, &to) in buffers.iter().enumerate() {
            let is_new = uses[to.0 as usize].first().is_some_and(|u| u.step == n);
            if program.buffer(to).role != Role::Arena || swapped.contains(&to) || !is_new {
                continue;
            }
            let dying = buffers.iter().enumerate().find_map(|(read, &from)| {
                let owner = program.owner(from);
                let fits = program.buffer(owner).role == Role::Arena
                    && owner != to
                    && !swapped.contains(&owner)
                    && !operands.contains(&owner)
                    && buffers.iter().filter(|b| program.owner(**b) == owner).count() == 1
                    && uses[owner.0 as usize].last().is_some_and(|u| u.step == n)
                    && program.buffer(owner).shape.num_elements() == program.buffer(to).shape.num_elements()
                    && program.buffer(owner).dtype == program.buffer(to).dtype
                    && may_share(&kernel, read, written);
                fits.then_some(owner)
            });
            if let Some(owner) = dying {
                program.buffers[to.0 as usize].role = Role::View(owner);
                let later = std::mem::take(&mut uses[to.0 as usize]);
                uses[owner.0 as usize].extend(later);
            }
        }
    }
}
