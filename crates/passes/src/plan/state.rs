//! New states written where they will live, instead of being copied there at the end.

use super::uses::{self, may_fault, may_share};
use tracelift_kernel::program::{BufferId, Program, Role, Step};

/// Turns `commit $w.next <- $t` into writing `$w.next` in the first place.
///
/// The memory may be that of the old state, so: the one step that writes `$t` is the last to read the old state, reads
/// it at the very elements it writes, and nothing from that step on may fault.
pub(super) fn write_directly(program: &mut Program) {
    let uses = uses::of(program);
    let first_safe = program.steps.iter().rposition(|step| may_fault(program, step)).map_or(0, |n| n + 1);
    let mut taken = vec![false; program.buffers.len()];
    let mut direct: Vec<Option<(BufferId, BufferId)>> = vec![None; program.steps.len()];
    for (n, step) in program.steps.iter().enumerate() {
        let Step::Commit { to, from } = step else { continue };
        if !taken[from.0 as usize] && is_direct(program, &uses, *to, *from, n, first_safe) {
            taken[from.0 as usize] = true;
            direct[n] = Some((*from, *to));
        }
    }
    // The two change places, so that whoever speaks of `$t`, views included, speaks of the new state.
    for (from, to) in direct.iter().flatten() {
        program.buffers.swap(from.0 as usize, to.0 as usize);
    }
    let mut commits = direct.into_iter();
    program.steps.retain(|_| commits.next().expect("one entry for each step").is_none());
}

fn is_direct(
    program: &Program,
    uses: &[Vec<uses::Use>],
    to: BufferId,
    from: BufferId,
    commit: usize,
    first_safe: usize,
) -> bool {
    let Role::NextState(state) = program.buffer(to).role else { return false };
    if program.buffer(from).role != Role::Arena {
        return false;
    }
    let mut writers = uses[from.0 as usize].iter().filter(|u| u.writes);
    let (Some(writer), None) = (writers.next(), writers.next()) else { return false };
    let old = program.buffers.iter().position(|b| b.role == Role::State(state));
    let old_uses = old.map_or(&[][..], |old| &uses[old]);
    let read_later = old_uses.iter().any(|u| u.step > writer.step && u.step != commit);
    if writer.step < first_safe || read_later {
        return false;
    }
    let reads_old = old_uses.iter().any(|u| u.step == writer.step);
    match &program.steps[writer.step] {
        Step::Launch(launch) => {
            let position = |id: BufferId| launch.buffers.iter().position(|b| *b == id);
            let Some(written) = position(from) else { return false };
            // Every way in which the kernel reads the old state, views included, must be the shareable one.
            launch
                .buffers
                .iter()
                .enumerate()
                .filter(|(_, b)| old == Some(program.owner(**b).0 as usize))
                .all(|(read, _)| may_share(program.kernel(launch.kernel), read, written))
        }
        Step::Library(call) => call.epilogue.is_none() && !reads_old,
        Step::Copy { .. } => !reads_old,
        _ => false,
    }
}
