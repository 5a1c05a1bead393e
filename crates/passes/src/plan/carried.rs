//! Loops that change a part of what they carry, and leave the rest where it is.
//!
//! An update is a copy and a kernel that writes into it, and the copy is what the next iteration carries. If nobody in the
//! loop wants what was there before, the kernel writes into the carried buffer itself: a loop that writes a row in each
//! iteration then takes time for rows, not for copies of all of them.

use super::state::drop_unused;
use super::uses::{self, Use};
use rustc_hash::FxHashMap;
use tracelift_kernel::program::{BufferId, Program, Role, Step};

/// Leaves out the copies of carried buffers that are only made to be changed.
pub(super) fn change_in_place(program: &mut Program) {
    let mut steps = std::mem::take(&mut program.steps);
    let mut renamed: FxHashMap<BufferId, BufferId> = FxHashMap::default();
    let mut pending: Vec<&mut Vec<Step>> = vec![&mut steps];
    while let Some(block) = pending.pop() {
        for step in block {
            match step {
                Step::If { then, otherwise, .. } => pending.extend([&mut then.steps, &mut otherwise.steps]),
                Step::Loop(inner) => {
                    in_body(program, &mut inner.body.steps, &mut renamed);
                    pending.extend([&mut inner.condition.steps, &mut inner.body.steps]);
                }
                _ => {}
            }
        }
    }
    program.steps = steps;
    if !renamed.is_empty() {
        program.for_each_buffer_mut(&mut |id| *id = *renamed.get(id).unwrap_or(id));
        drop_unused(program);
    }
}

/// Makes the changed copy and the carried buffer one, wherever a body exchanges the two at its end.
fn in_body(program: &Program, steps: &mut Vec<Step>, renamed: &mut FxHashMap<BufferId, BufferId>) {
    if !steps.iter().any(|step| matches!(step, Step::Copy { .. })) {
        return;
    }
    let uses = uses::in_steps(program, steps);
    let mut gone = vec![false; steps.len()];
    for swap in 0..steps.len() {
        let Step::Swap { a: carried, b: next } = steps[swap] else { continue };
        let Some(copy) = changed_copy(program, steps, &uses, carried, next, swap) else { continue };
        // Whoever speaks of the next value speaks of the carried buffer.
        renamed.insert(next, carried);
        gone[copy] = true;
        gone[swap] = true;
    }
    let mut gone = gone.into_iter();
    steps.retain(|_| !gone.next().expect("there is one for each step"));
}

/// The step that makes the next value of a copy of the carried one, if after it nobody wants the carried one any more.
fn changed_copy(
    program: &Program,
    steps: &[Step],
    uses: &[Vec<Use>],
    carried: BufferId,
    next: BufferId,
    swap: usize,
) -> Option<usize> {
    let [old, new] = [carried, next].map(|id| program.buffer(id));
    let alike = old.dtype == new.dtype && old.shape.num_elements() == new.shape.num_elements();
    if old.role != Role::Arena || new.role != Role::Arena || !alike {
        return None;
    }
    let [old, new] = [carried, next].map(|id| uses[id.0 as usize].as_slice());
    let copy = new.first()?.step;
    let Step::Copy { from, to } = steps[copy] else { return None };
    let is_copy = to == next && program.owner(from) == carried;
    let after: Vec<usize> = old.iter().map(|u| u.step).filter(|step| *step > copy).collect();
    let unchanged = old.iter().all(|u| u.step >= copy || !u.writes);
    // Neither is exchanged for a third.
    let once = steps[..swap]
        .iter()
        .all(|step| !matches!(step, Step::Swap { a, b } if [carried, next].iter().any(|id| id == a || id == b)));
    (is_copy && unchanged && once && after == [swap] && new.last()?.step == swap).then_some(copy)
}
