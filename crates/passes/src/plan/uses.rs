//! Which steps of a list touch which buffers.

use tracelift_kernel::loops::{Access, Base, Block, Kernel, Place, Stmt};
use tracelift_kernel::program::{BufferId, Check, Launch, LibraryCall, PrintArg, Program, ResultPlace, Step};

/// How one step of a list uses one buffer, views resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// The position of the step in the list.
    pub(crate) step: usize,
    /// Whether the step (or a step inside it) writes it.
    pub(crate) writes: bool,
    /// Whether it reads it.
    pub(crate) reads: bool,
}

/// All uses of each buffer by top-level steps, in order; a result counts as a read after the last step.
pub(super) fn of(program: &Program) -> Vec<Vec<Use>> {
    let mut uses = in_steps(program, &program.steps);
    let end = program.steps.len();
    for result in &program.results {
        if let ResultPlace::Buffer(buffer) = result {
            let list = &mut uses[program.owner(*buffer).0 as usize];
            if list.last().is_none_or(|last| last.step != end) {
                list.push(Use { step: end, writes: false, reads: true });
            }
        }
    }
    uses
}

/// All uses of each buffer by the steps of a list, in order.
pub(crate) fn in_steps(program: &Program, steps: &[Step]) -> Vec<Vec<Use>> {
    let mut uses: Vec<Vec<Use>> = vec![vec![]; program.buffers.len()];
    let mut note = |buffer: BufferId, step: usize, writes: bool, reads: bool| {
        let list = &mut uses[program.owner(buffer).0 as usize];
        match list.last_mut() {
            Some(last) if last.step == step => {
                last.writes |= writes;
                last.reads |= reads;
            }
            _ => list.push(Use { step, writes, reads }),
        }
    };
    for (n, step) in steps.iter().enumerate() {
        for_each_inner(step, &mut |inner| touch(program, inner, &mut |b, writes, reads| note(b, n, writes, reads)));
    }
    uses
}

/// Whether a step, or one inside it, may end the call with an error.
pub(super) fn may_fault(program: &Program, step: &Step) -> bool {
    let mut faults = false;
    for_each_inner(step, &mut |inner| {
        faults |= match inner {
            // Cancelled at its back edge.
            Step::Loop(_) | Step::Check { .. } => true,
            Step::Scalar { site, .. } => site.is_some(),
            Step::Launch(launch) => program.kernel(launch.kernel).can_fault(),
            Step::Stack(stack) => stack.can_fault(),
            _ => false,
        };
    });
    faults
}

fn for_each_inner<'a>(step: &'a Step, visit: &mut dyn FnMut(&'a Step)) {
    let mut pending = vec![step];
    while let Some(step) = pending.pop() {
        visit(step);
        match step {
            Step::If { then, otherwise, .. } => {
                pending.extend(otherwise.steps.iter().rev());
                pending.extend(then.steps.iter().rev());
            }
            Step::Loop(inner) => {
                pending.extend(inner.body.steps.iter().rev());
                pending.extend(inner.condition.steps.iter().rev());
            }
            _ => {}
        }
    }
}

/// Calls `note(buffer, writes, reads)` for what one step touches itself.
fn touch(program: &Program, step: &Step, note: &mut dyn FnMut(BufferId, bool, bool)) {
    match step {
        Step::Launch(launch) => touch_launch(program, launch, note),
        Step::Library(call) => {
            call.operands.iter().for_each(|b| note(*b, false, true));
            note(call.result, true, false);
            if let Some(epilogue) = &call.epilogue {
                for (buffer, param) in epilogue.buffers.iter().zip(&program.kernel(epilogue.kernel).params) {
                    note(*buffer, param.access != Access::Read, param.access != Access::Write);
                }
            }
        }
        Step::Read { from, .. } => note(*from, false, true),
        Step::Write { to, .. } => note(*to, true, false),
        Step::Copy { from, to } | Step::Commit { to, from } => {
            note(*from, false, true);
            note(*to, true, false);
        }
        Step::Swap { a, b } => {
            note(*a, true, true);
            note(*b, true, true);
        }
        Step::Check { check, .. } => match check {
            Check::Bounds { indices: buffer, .. } | Check::AssertAll { conditions: buffer, .. } => {
                note(*buffer, false, true);
            }
            Check::IndexBounds { .. } | Check::Assert { .. } => {}
        },
        Step::Stack(stack) => {
            note(stack.stack, true, true);
            stack.read().into_iter().for_each(|buffer| note(buffer, false, true));
            stack.written().into_iter().for_each(|buffer| note(buffer, true, false));
        }
        Step::Print { values, .. } => {
            for value in values {
                if let PrintArg::Buffer(buffer) = value {
                    note(*buffer, false, true);
                }
            }
        }
        Step::Scalar { .. } | Step::Dim { .. } | Step::If { .. } | Step::Loop(_) => {}
    }
}

fn touch_launch(program: &Program, launch: &Launch, note: &mut dyn FnMut(BufferId, bool, bool)) {
    for (buffer, param) in launch.buffers.iter().zip(&program.kernel(launch.kernel).params) {
        note(*buffer, param.access != Access::Read, param.access != Access::Write);
    }
}

/// The kernel that a step runs, a product's epilogue included, and its buffers.
pub(super) fn kernel_of<'p>(program: &'p Program, step: &'p Step) -> Option<(&'p Kernel, &'p [BufferId])> {
    match step {
        Step::Launch(launch) => Some((program.kernel(launch.kernel), &launch.buffers)),
        Step::Library(LibraryCall { epilogue: Some(epilogue), .. }) => {
            Some((program.kernel(epilogue.kernel), &epilogue.buffers))
        }
        _ => None,
    }
}

/// Whether a kernel may be given the same memory for two parameters: one is only loaded, the other only stored,
/// both at the same index of the same body, each element loaded before it is stored.
pub(super) fn may_share(kernel: &Kernel, read: usize, written: usize) -> bool {
    let (r, w) = (&kernel.params[read], &kernel.params[written]);
    if r.access != Access::Read || w.access != Access::Write || r.dtype != w.dtype || r.shape != w.shape {
        return false;
    }
    let mut shared =
        Shared { read: Base::Param(read as u32), written: Base::Param(written as u32), at: None, ok: true };
    let mut blocks: Vec<&Block> = vec![&kernel.body];
    let mut touched = 0;
    while let Some(block) = blocks.pop() {
        touched += usize::from(shared.block(block));
        blocks.extend(block.stmts.iter().filter_map(|stmt| match stmt {
            Stmt::Loop(inner) => Some(&inner.body),
            _ => None,
        }));
    }
    shared.ok && touched == 1
}

struct Shared<'k> {
    read: Base,
    written: Base,
    at: Option<&'k Place>,
    ok: bool,
}

impl<'k> Shared<'k> {
    /// Looks at the statements of one body; answers whether it touches either parameter.
    fn block(&mut self, block: &'k Block) -> bool {
        let (mut touches, mut stored) = (false, false);
        for stmt in &block.stmts {
            let (place, stores) = match stmt {
                Stmt::Load { from, .. } if from.base == self.read => (from, false),
                Stmt::Store { to, .. } if to.base == self.written => (to, true),
                _ => continue,
            };
            touches = true;
            self.ok &= stores || !stored;
            self.ok &= self.at.is_none_or(|at| at.index == place.index);
            self.at = Some(place);
            stored |= stores;
        }
        touches
    }
}
