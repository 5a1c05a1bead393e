//! What random programs have met: a generator that stops nesting its loops must be noticed.

use crate::random::Case;
use std::fmt;
use tracelift_ir::{Graph, Op};

/// What one program shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Features {
    shown: [bool; NAMES.len()],
}

/// What a program can show, with the share of all programs, in percent, that must show it.
const NAMES: [(&str, usize); 10] = [
    ("a loop", 60),
    ("a branch", 50),
    ("a loop in a loop", 12),
    ("a branch in a loop", 20),
    ("a loop in a branch", 15),
    ("a loop that ends by its floats", 15),
    ("a loop that carries whole numbers or truth values", 25),
    ("a loop that saves residuals", 15),
    ("an unknown size", 15),
    ("a gradient that is not zero", 60),
];

impl Features {
    /// Of a program whose gradient is zero everywhere, or not.
    pub fn of(case: &Case, has_gradient: bool) -> Features {
        let mut features = Features::default();
        features.look(&case.graph, None);
        features.shown[8] = !case.graph.unknowns().is_empty();
        features.shown[9] = has_gradient;
        features
    }

    /// Nesting is bounded, so this may recurse. `inside` is the op that owns the region.
    fn look(&mut self, graph: &Graph, inside: Option<&Op>) {
        let in_loop = matches!(inside, Some(Op::While(_)));
        let in_branch = matches!(inside, Some(Op::Cond(_)));
        for (_, node) in graph.nodes() {
            if let Op::While(op) = &node.op {
                self.shown[0] = true;
                self.shown[2] |= in_loop;
                self.shown[4] |= in_branch;
                self.shown[5] |= op.condition.nodes().any(|(_, node)| matches!(node.op, Op::And(_)));
                self.shown[6] |= op.body.result_types().skip(1).any(|ty| !ty.is_float());
                self.shown[7] |= op.save == tracelift_ir::ops::Save::Residuals;
            }
            if let Op::Cond(_) = &node.op {
                self.shown[1] = true;
                self.shown[3] |= in_loop;
            }
            for region in node.op.regions() {
                self.look(region, Some(&node.op));
            }
        }
    }
}

/// How many programs have shown what.
#[derive(Clone, Debug, Default)]
pub struct ProgramCounts {
    programs: usize,
    seen: [usize; NAMES.len()],
}

impl ProgramCounts {
    /// Notes one program.
    pub fn add(&mut self, features: Features) {
        self.programs += 1;
        for (seen, shown) in self.seen.iter_mut().zip(features.shown) {
            *seen += usize::from(shown);
        }
    }

    /// Adds what others have shown.
    pub fn join(&mut self, other: &ProgramCounts) {
        self.programs += other.programs;
        self.seen.iter_mut().zip(other.seen).for_each(|(seen, more)| *seen += more);
    }

    /// What was shown too rarely.
    pub fn too_rare(&self) -> Vec<String> {
        let rare = |(seen, (name, floor)): (&usize, (&str, usize))| {
            let enough = seen * 100 >= floor * self.programs;
            (!enough).then(|| format!("{name}: {seen} of {} programs, less than {floor} %", self.programs))
        };
        self.seen.iter().zip(NAMES).filter_map(rare).collect()
    }
}

impl fmt::Display for ProgramCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} programs", self.programs)?;
        for (seen, (name, floor)) in self.seen.iter().zip(NAMES) {
            writeln!(f, "{seen:6} with {name} (at least {floor} %)")?;
        }
        Ok(())
    }
}
