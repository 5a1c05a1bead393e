//! Loops that change a part of what they carry, and leave the rest where it is.
//!
//! An update is a copy and a kernel that writes into it, and the copy is what the next iteration carries. If nobody in the
//! loop wants what was there before, the kernel writes into the carried buffer itself: a loop that writes a row in each
//! iteration then takes time for rows, not for copies of all of them. What a loop begins with is made where it is carried,
//! if nobody else wants it.

use super::state::drop_unused;
use super::uses::{self, Use};
use rustc_hash::FxHashMap;
use tracelift_kernel::program::{BufferId, Program, ResultPlace, Role, Step};

/// Leaves out the copies of carried buffers that are only made to be changed.
pub(super) fn change_in_place(program: &mut Program) {
    // Several updates, one after the other, are one copy that is changed several times.
    rename(program, |program, steps, renamed| {
        for_each_body(steps, &mut |body| begin_in_place(program, body, true, renamed));
    });
    rename(program, |program, steps, renamed| {
        for_each_body(steps, &mut |body| in_body(program, body, renamed));
        begin_in_place(program, steps, false, renamed);
    });
}

type Renamed = FxHashMap<BufferId, BufferId>;

/// Leaves out steps and uses other buffers in the stead of some.
fn rename(program: &mut Program, find: impl FnOnce(&Program, &mut Vec<Step>, &mut Renamed)) {
    let (mut steps, mut renamed) = (std::mem::take(&mut program.steps), Renamed::default());
    find(program, &mut steps, &mut renamed);
    program.steps = steps;
    if !renamed.is_empty() {
        program.for_each_buffer_mut(&mut |id| {
            while let Some(other) = renamed.get(id) {
                *id = *other;
            }
        });
        drop_unused(program);
    }
}

fn for_each_body(steps: &mut Vec<Step>, visit: &mut dyn FnMut(&mut Vec<Step>)) {
    let mut pending: Vec<&mut Vec<Step>> = vec![steps];
    while let Some(block) = pending.pop() {
        for step in block {
            match step {
                Step::If { then, otherwise, .. } => pending.extend([&mut then.steps, &mut otherwise.steps]),
                Step::Loop(inner) => {
                    visit(&mut inner.body.steps);
                    pending.extend([&mut inner.condition.steps, &mut inner.body.steps]);
                }
                _ => {}
            }
        }
    }
}

/// Leaves out copies of what nobody reads but they. What the body of a loop copies has to be made there, in each iteration.
fn begin_in_place(program: &Program, steps: &mut Vec<Step>, is_body: bool, renamed: &mut Renamed) {
    if !steps.iter().any(|step| matches!(step, Step::Copy { .. })) {
        return;
    }
    let (uses, exchanged) = (uses::in_steps(program, steps), exchanges(steps));
    let mut gone = vec![false; steps.len()];
    for (n, step) in steps.iter().enumerate() {
        let Step::Copy { from, to } = step else { continue };
        let [made, copied] = [from, to].map(|id| uses[id.0 as usize].as_slice());
        let moves = made.last().is_some_and(|last| last.step == n) && copied.first().is_some_and(|u| u.step == n);
        let is_made = !is_body || made.first().is_some_and(|first| first.step < n && first.writes && !first.reads);
        let is_result = program.results.contains(&ResultPlace::Buffer(*from));
        if moves && is_made && from < to && alike(program, *from, *to) && !is_result && !exchanged.contains_key(from) {
            // The first of both is declared before its views.
            renamed.insert(*to, *from);
            gone[n] = true;
        }
    }
    let mut gone = gone.into_iter();
    steps.retain(|_| !gone.next().expect("there is one for each step"));
}

/// Makes the changed copy and the carried buffer one, wherever a body exchanges the two at its end.
fn in_body(program: &Program, steps: &mut Vec<Step>, renamed: &mut Renamed) {
    if !steps.iter().any(|step| matches!(step, Step::Copy { .. })) {
        return;
    }
    let (uses, exchanged) = (uses::in_steps(program, steps), exchanges(steps));
    let mut gone = vec![false; steps.len()];
    for swap in 0..steps.len() {
        let Step::Swap { a: carried, b: next } = steps[swap] else { continue };
        // Neither is exchanged for a third.
        if exchanged[&carried] + exchanged[&next] > 2 {
            continue;
        }
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
    if carried > next || !alike(program, carried, next) {
        return None;
    }
    let [old, new] = [carried, next].map(|id| uses[id.0 as usize].as_slice());
    let copy = new.first()?.step;
    let Step::Copy { from, to } = steps[copy] else { return None };
    let is_copy = to == next && program.owner(from) == carried;
    let after: Vec<usize> = old.iter().map(|u| u.step).filter(|step| *step > copy).collect();
    let unchanged = old.iter().all(|u| u.step >= copy || !u.writes);
    (is_copy && unchanged && after == [swap] && new.last()?.step == swap).then_some(copy)
}

/// Whether two buffers of the arena hold the same.
fn alike(program: &Program, a: BufferId, b: BufferId) -> bool {
    let [a, b] = [a, b].map(|id| program.buffer(id));
    a.role == Role::Arena && b.role == Role::Arena && a.dtype == b.dtype && a.shape == b.shape
}

/// How many steps of a list, and of those inside it, exchange a buffer for another.
fn exchanges(steps: &[Step]) -> FxHashMap<BufferId, usize> {
    let mut counts: FxHashMap<BufferId, usize> = FxHashMap::default();
    let mut pending: Vec<&Step> = steps.iter().collect();
    while let Some(step) = pending.pop() {
        match step {
            Step::Swap { a, b } => [a, b].iter().for_each(|id| *counts.entry(**id).or_default() += 1),
            Step::If { then, otherwise, .. } => pending.extend(then.steps.iter().chain(&otherwise.steps)),
            Step::Loop(inner) => pending.extend(inner.condition.steps.iter().chain(&inner.body.steps)),
            _ => {}
        }
    }
    counts
}
