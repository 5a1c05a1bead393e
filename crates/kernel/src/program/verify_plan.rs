//! Whether a memory plan keeps buffers apart that are in use at the same time.

use super::data::*;
use crate::mistake::{Mistake, refuse};
use std::ops::{Range, RangeInclusive};
use tracelift_tensor::{Binding, Error, Result, count_elements};

/// Checks the offsets (in bytes) of the arena buffers of a program for one call's sizes; `None` for buffers that have
/// no place in the arena.
///
/// A buffer is in use from the first step that touches it to the last one; one that a loop touches, over the whole
/// loop; buffers that are swapped, as long as any of them. Memory that is in use is nobody else's.
pub fn verify_plan(program: &Program, offsets: &[Option<usize>], sizes: &Binding) -> Result {
    let mut mistakes = vec![];
    let mut report = |message: String| {
        mistakes.push(Mistake { of: program.name.clone(), path: vec![], text: String::new(), message });
    };
    let mut placed: Vec<Placed> = vec![];
    for (n, used) in lifetimes(program).into_iter().enumerate() {
        let (id, buffer) = (BufferId(n as u32), &program.buffers[n]);
        let items = match &buffer.role {
            Role::Arena => 1,
            Role::Stack(Some(capacity)) => usize::try_from(capacity.eval(sizes)?).unwrap_or(0),
            _ => continue,
        };
        let Some(used) = used else { continue };
        let name = program.buffer_text(id);
        let Some(offset) = offsets.get(n).copied().flatten() else {
            report(format!("`{name}` has no place in the arena"));
            continue;
        };
        let bytes = count_elements(&buffer.shape.eval(sizes)?)?.checked_mul(buffer.dtype.size() * items.max(1));
        let Some(end) = bytes.and_then(|bytes| offset.checked_add(bytes)) else {
            return Err(Error::out_of_memory(format!("`{name}` ends beyond the address space")));
        };
        placed.push(Placed { id, used, bytes: offset..end });
    }
    placed.sort_by_key(|placed| *placed.used.start());
    let mut in_use: Vec<&Placed> = vec![];
    for new in &placed {
        in_use.retain(|old| old.used.end() >= new.used.start());
        for old in &in_use {
            if new.bytes.start < old.bytes.end && old.bytes.start < new.bytes.end {
                let (a, b) = (program.buffer_text(old.id), program.buffer_text(new.id));
                report(format!("`{a}` and `{b}` are in use together and share memory for {sizes}"));
            }
        }
        in_use.push(new);
    }
    refuse(&mistakes)
}

/// A buffer, when it is in use, and where it lies.
struct Placed {
    id: BufferId,
    used: RangeInclusive<usize>,
    bytes: Range<usize>,
}

/// From which step to which each buffer (not view) is in use; steps are counted as they stand in the text.
fn lifetimes(program: &Program) -> Vec<Option<RangeInclusive<usize>>> {
    let mut walk = Walk { program, used: vec![None; program.buffers.len()], swapped: vec![], now: 0 };
    walk.steps(&program.steps);
    // Results are read after the last step.
    walk.now += 1;
    for place in &program.results {
        if let ResultPlace::Buffer(id) = place {
            walk.touch(*id);
        }
    }
    let Walk { mut used, swapped, .. } = walk;
    let mut changed = true;
    while changed {
        changed = false;
        for (a, b) in &swapped {
            let joined = join(&used[*a], &used[*b]);
            changed |= used[*a] != joined || used[*b] != joined;
            (used[*a], used[*b]) = (joined.clone(), joined);
        }
    }
    used
}

type Used = Option<RangeInclusive<usize>>;

fn join(a: &Used, b: &Used) -> Used {
    match (a, b) {
        (Some(a), Some(b)) => Some(*a.start().min(b.start())..=*a.end().max(b.end())),
        (one, other) => one.clone().or(other.clone()),
    }
}

struct Walk<'p> {
    program: &'p Program,
    used: Vec<Used>,
    swapped: Vec<(usize, usize)>,
    now: usize,
}

impl Walk<'_> {
    fn touch(&mut self, id: BufferId) {
        let owner = self.program.owner(id).0 as usize;
        self.used[owner] = join(&self.used[owner], &Some(self.now..=self.now));
    }

    fn touch_all(&mut self, ids: &[BufferId]) {
        ids.iter().for_each(|id| self.touch(*id));
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.now += 1;
            match step {
                Step::If { then, otherwise, .. } => {
                    self.steps(&then.steps);
                    self.steps(&otherwise.steps);
                }
                Step::Loop(inner) => {
                    let start = self.now;
                    self.steps(&inner.condition.steps);
                    self.steps(&inner.body.steps);
                    // What an iteration leaves, the next one may find.
                    let whole = start..=self.now;
                    for used in
                        self.used.iter_mut().filter(|used| used.as_ref().is_some_and(|used| *used.end() >= start))
                    {
                        *used = join(used, &Some(whole.clone()));
                    }
                }
                _ => self.plain_step(step),
            }
        }
    }

    fn plain_step(&mut self, step: &Step) {
        match step {
            Step::Launch(launch) => self.touch_all(&launch.buffers),
            Step::Library(call) => {
                self.touch_all(&call.operands);
                self.touch(call.result);
                if let Some(epilogue) = &call.epilogue {
                    self.touch_all(&epilogue.buffers);
                }
            }
            Step::Read { from: id, .. } | Step::Write { to: id, .. } => self.touch(*id),
            Step::Check { check, .. } => match check {
                Check::Bounds { indices: id, .. } | Check::AssertAll { conditions: id, .. } => self.touch(*id),
                Check::IndexBounds { .. } | Check::Assert { .. } => {}
            },
            Step::Copy { from: a, to: b } | Step::Commit { to: b, from: a } => self.touch_all(&[*a, *b]),
            Step::Swap { a, b } => {
                self.touch_all(&[*a, *b]);
                self.swapped.push((self.program.owner(*a).0 as usize, self.program.owner(*b).0 as usize));
            }
            Step::Stack(stack) => {
                self.touch(stack.stack);
                self.touch_all(stack.read().as_slice());
                self.touch_all(stack.written().as_slice());
            }
            Step::Print { values, .. } => {
                for value in values {
                    if let PrintArg::Buffer(id) = value {
                        self.touch(*id);
                    }
                }
            }
            Step::Scalar { .. } | Step::Dim { .. } | Step::If { .. } | Step::Loop(_) => {}
        }
    }
}
