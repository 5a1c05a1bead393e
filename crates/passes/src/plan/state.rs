//! New states written where they will live, instead of being copied there at the end.

use super::uses::{self, may_fault, may_share};
use tracelift_kernel::program::{BufferId, Program, Role, Step};

/// Turns `commit $w.next <- $t` into writing `$w.next` in the first place.
///
/// The memory may be that of the old state, so: the one step that writes `$t` is the last to read the old state, reads
/// it at the very elements it writes, and nothing from that step on may fault.
pub(super) fn write_directly(program: &mut Program) {
    let uses = uses::of(program);
    let mut olds = vec![None; program.states.len()];
    for (n, buffer) in program.buffers.iter().enumerate() {
        if let Role::State(state) = buffer.role {
            olds[state as usize] = Some(n);
        }
    }
    let first_safe = program.steps.iter().rposition(|step| may_fault(program, step)).map_or(0, |n| n + 1);
    let known = Known { uses, olds, first_safe };
    let mut taken = vec![false; program.buffers.len()];
    let mut direct: Vec<Option<(BufferId, BufferId)>> = vec![None; program.steps.len()];
    for (n, step) in program.steps.iter().enumerate() {
        let Step::Commit { to, from } = step else { continue };
        if !taken[from.0 as usize] && known.is_direct(program, *to, *from, n) {
            taken[from.0 as usize] = true;
            direct[n] = Some((*from, *to));
        }
    }
    // The two change places, so that whoever speaks of `$t`, views included, speaks of the new state.
    for (from, to) in direct.iter().flatten() {
        program.buffers.swap(from.0 as usize, to.0 as usize);
    }
    let mut commits = direct.iter();
    program.steps.retain(|_| commits.next().expect("one entry for each step").is_none());
    if direct.iter().any(Option::is_some) {
        drop_unused(program);
    }
}

/// Forgets the arena buffers that no step speaks of any more.
pub(super) fn drop_unused(program: &mut Program) {
    let mut kept: Vec<bool> = program.buffers.iter().map(|buffer| buffer.role != Role::Arena).collect();
    program.for_each_buffer_mut(&mut |id| kept[id.0 as usize] = true);
    let mut next = 0;
    let numbers: Vec<u32> = kept
        .iter()
        .map(|kept| {
            next += u32::from(*kept);
            next.saturating_sub(1)
        })
        .collect();
    program.for_each_buffer_mut(&mut |id| id.0 = numbers[id.0 as usize]);
    let mut kept = kept.into_iter();
    program.buffers.retain(|_| kept.next().expect("one entry for each buffer"));
}

/// What is known of a whole program.
struct Known {
    uses: Vec<Vec<uses::Use>>,
    /// The buffer of each state on entry.
    olds: Vec<Option<usize>>,
    /// The first step from which on nothing may fault.
    first_safe: usize,
}

impl Known {
    fn is_direct(&self, program: &Program, to: BufferId, from: BufferId, commit: usize) -> bool {
        let Known { uses, olds, first_safe } = self;
        let Role::NextState(state) = program.buffer(to).role else { return false };
        if program.buffer(from).role != Role::Arena {
            return false;
        }
        let mut writers = uses[from.0 as usize].iter().filter(|u| u.writes);
        let (Some(writer), None) = (writers.next(), writers.next()) else { return false };
        let old = olds[state as usize];
        let old_uses = old.map_or(&[][..], |old| &uses[old]);
        let read_later = old_uses.iter().any(|u| u.step > writer.step && u.step != commit);
        if writer.step < *first_safe || read_later {
            return false;
        }
        let reads_old = old_uses.iter().any(|u| u.step == writer.step);
        let is_old = |id: BufferId| old == Some(program.owner(id).0 as usize);
        let step = &program.steps[writer.step];
        // The rows of a product are written while later ones still wait for its operands.
        if let Step::Library(call) = step
            && call.operands.iter().any(|id| is_old(*id))
        {
            return false;
        }
        if let Some((kernel, buffers)) = uses::kernel_of(program, step)
            && let Some(written) = buffers.iter().position(|b| *b == from)
        {
            // Every way in which the kernel reads the old state, views included, must be the shareable one.
            let mut old = buffers.iter().enumerate().filter(|(_, b)| is_old(**b));
            return old.all(|(read, _)| may_share(kernel, read, written));
        }
        matches!(step, Step::Library(_) | Step::Copy { .. }) && !reads_old
    }
}
