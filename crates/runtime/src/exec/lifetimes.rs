//! From when to when each piece of arena memory is in use, in positions of the program's steps.

use std::ops::RangeInclusive;
use tracelift_codegen::driver::Layout;
use tracelift_kernel::program::*;

/// When an entry of the address table is in use: from its first step to its last.
pub type Lifetime = RangeInclusive<u32>;

/// The lifetime of each table entry (buffers, then scratch rows) that needs arena memory; `None` for what others own
/// and for what is never touched.
///
/// A view is its owner. What a loop touches lives over the whole loop, since the next iteration may read it.
/// Buffers that are swapped live as long as any of them.
pub fn lifetimes(program: &Program, layout: &Layout) -> Vec<Option<Lifetime>> {
    let mut walk =
        Walk { program, layout, spans: vec![None; layout.buffers + layout.scratch.len()], now: 0, launches: 0 };
    walk.run();
    walk.join_swapped();
    let mut spans = walk.spans;
    for (span, buffer) in spans.iter_mut().zip(&program.buffers) {
        if !matches!(buffer.role, Role::Arena | Role::Stack(Some(_))) {
            *span = None;
        }
    }
    spans
}

struct Walk<'a> {
    program: &'a Program,
    layout: &'a Layout,
    spans: Vec<Option<Lifetime>>,
    /// The position of the step under way.
    now: u32,
    /// How many launches have been passed.
    launches: usize,
}

/// Steps to walk, and what their end means.
struct Frame<'a> {
    steps: std::slice::Iter<'a, Step>,
    /// The position of the loop that ends with them.
    loop_start: Option<u32>,
}

impl<'a> Walk<'a> {
    fn run(&mut self) {
        let mut frames = vec![Frame { steps: self.program.steps.iter(), loop_start: None }];
        while let Some(frame) = frames.last_mut() {
            let Some(step) = frame.steps.next() else {
                let ended = frames.pop().expect("the loop looks at a frame");
                if let Some(start) = ended.loop_start {
                    self.close_loop(start);
                }
                continue;
            };
            self.now += 1;
            self.touch_step(step);
            match step {
                Step::If { then, otherwise, .. } => {
                    frames.push(Frame { steps: otherwise.steps.iter(), loop_start: None });
                    frames.push(Frame { steps: then.steps.iter(), loop_start: None });
                }
                Step::Loop(inner) => {
                    frames.push(Frame { steps: inner.body.steps.iter(), loop_start: Some(self.now) });
                    frames.push(Frame { steps: inner.condition.steps.iter(), loop_start: None });
                }
                _ => {}
            }
        }
    }

    fn touch_step(&mut self, step: &Step) {
        match step {
            Step::Launch(launch) => self.touch_launch(&launch.buffers),
            Step::Library(call) => {
                call.operands.iter().for_each(|id| self.touch(*id));
                self.touch(call.result);
                if let Some(epilogue) = &call.epilogue {
                    self.touch_launch(&epilogue.buffers);
                }
            }
            Step::Read { from: id, .. } | Step::Write { to: id, .. } => self.touch(*id),
            Step::Check { check: Check::Bounds { indices: id, .. }, .. } => self.touch(*id),
            Step::Check { check: Check::AssertAll { conditions: id, .. }, .. } => self.touch(*id),
            Step::Copy { from: a, to: b } | Step::Commit { from: a, to: b } | Step::Swap { a, b } => {
                self.touch(*a);
                self.touch(*b);
            }
            Step::Stack(stack) => {
                self.touch(stack.stack);
                stack.read().into_iter().chain(stack.written()).for_each(|id| self.touch(id));
            }
            Step::Print { values, .. } => {
                for value in values {
                    if let PrintArg::Buffer(id) = value {
                        self.touch(*id);
                    }
                }
            }
            Step::Check { check: Check::IndexBounds { .. } | Check::Assert { .. }, .. }
            | Step::Scalar { .. }
            | Step::Dim { .. }
            | Step::If { .. }
            | Step::Loop(_) => {}
        }
    }

    fn touch_launch(&mut self, buffers: &[BufferId]) {
        buffers.iter().for_each(|id| self.touch(*id));
        for row in self.layout.launches[self.launches].scratch_rows.clone() {
            self.touch_entry(self.layout.buffers + row);
        }
        self.launches += 1;
    }

    fn touch(&mut self, id: BufferId) {
        self.touch_entry(self.program.owner(id).0 as usize);
    }

    fn touch_entry(&mut self, entry: usize) {
        let span = &mut self.spans[entry];
        let first = span.as_ref().map_or(self.now, |span| *span.start());
        *span = Some(first..=self.now);
    }

    /// Buffers touched since `start` live from there to here. Scratch rows are not kept between iterations.
    fn close_loop(&mut self, start: u32) {
        for span in self.spans[..self.layout.buffers].iter_mut().flatten() {
            if *span.end() >= start {
                *span = start.min(*span.start())..=self.now;
            }
        }
    }

    fn join_swapped(&mut self) {
        let mut group: Vec<usize> = (0..self.layout.buffers).collect();
        fn find(group: &[usize], mut n: usize) -> usize {
            while group[n] != n {
                n = group[n];
            }
            n
        }
        let program = self.program;
        program.for_each_step(&mut |step| {
            if let Step::Swap { a, b } = step {
                let [a, b] = [a, b].map(|id| find(&group, program.owner(*id).0 as usize));
                group[a.max(b)] = a.min(b);
            }
        });
        for entry in 0..group.len() {
            let head = find(&group, entry);
            if head != entry {
                let joined = join(self.spans[head].take(), self.spans[entry].take());
                self.spans[head] = joined;
            }
        }
        for entry in 0..group.len() {
            self.spans[entry] = self.spans[find(&group, entry)].clone();
        }
    }
}

fn join(a: Option<Lifetime>, b: Option<Lifetime>) -> Option<Lifetime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(*a.start().min(b.start())..=*a.end().max(b.end())),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracelift_kernel::text::{Module, Source};

    /// The lifetimes of the buffers called by these names.
    fn check(steps: &str, names: &[&str]) -> Vec<Option<Lifetime>> {
        let buffers = ["a", "b", "c", "d"].map(|name| format!("buffer ${name} : f32[8] arena\n")).concat();
        let text = format!(
            "program @p {{ buffer $x : f32[8] input 0 buffer $y : f32[8] output 0 {buffers}
             buffer $v : f32[2, 4] view of $a {steps} result $y }}"
        );
        let module = Module::parse(Source::new("test", &text)).unwrap_or_else(|mistake| panic!("{mistake}"));
        let program = &module.programs[0];
        let spans = lifetimes(program, &Layout::of(program));
        let at = |name: &&str| program.buffers.iter().position(|buffer| buffer.name == **name).expect("a buffer");
        names.iter().map(|name| spans[at(name)].clone()).collect()
    }

    #[test]
    fn from_the_first_step_to_the_last_and_none_without_a_step() {
        let spans = check("copy $x -> $a copy $a -> $b copy $b -> $y", &["a", "b", "c", "x", "y"]);
        assert_eq!(spans, [Some(1..=2), Some(2..=3), None, None, None]);
    }

    #[test]
    fn a_view_keeps_its_owner_alive() {
        assert_eq!(check("copy $x -> $a copy $x -> $b copy $v -> $y", &["a", "v"]), [Some(1..=3), None]);
    }

    #[test]
    fn what_a_loop_touches_lives_over_the_whole_loop() {
        let steps = "copy $x -> $a copy $x -> $d
            loop () while { yield false } do { copy $a -> $b loop () while { yield false } do { copy $x -> $c } }
            copy $d -> $y";
        // 1, 2: copies; 3: outer loop; 4: copy; 5: inner loop; 6: copy; 7: last copy.
        assert_eq!(check(steps, &["a", "b", "c", "d"]), [Some(1..=6), Some(3..=6), Some(3..=6), Some(2..=7)]);
    }

    #[test]
    fn swapped_buffers_live_as_long_as_any_of_them() {
        let steps = "copy $x -> $a swap $a, $b swap $b, $c copy $x -> $d copy $c -> $y";
        assert_eq!(check(steps, &["a", "b", "c", "d"]), [Some(1..=5), Some(1..=5), Some(1..=5), Some(4..=4)]);
    }

    #[test]
    fn branches_share_memory_but_not_with_what_follows() {
        let steps = "if true { copy $x -> $a copy $a -> $y } else { copy $x -> $b copy $b -> $c } copy $c -> $y";
        assert_eq!(check(steps, &["a", "b", "c"]), [Some(2..=3), Some(4..=5), Some(5..=6)]);
    }
}
