//! `par` loops: as many iterations at once as pays, then the rest.

use super::vary::Survey;
use super::{Emitter, Wide};
use cranelift_codegen::ir::{InstBuilder, Value};
use smallvec::{SmallVec, smallvec};
use tracelift_kernel::loops::{Block, Loop, LoopKind, LoopVar, Stmt};
use tracelift_tensor::{Dim, Result};

/// A body of about this many instructions is emitted once per vector only.
const LONG_BODY: usize = 30;

impl Emitter<'_, '_> {
    /// A `par` loop; `range` replaces the whole of it by a part.
    pub(super) fn par(&mut self, outer: &Loop, range: Option<(Value, Value)>) -> Result {
        // Loops whose every access walks through memory in one go are one loop.
        let mut axes: SmallVec<[(LoopVar, Dim); 2]> = outer.axes.clone().into_iter().collect();
        let mut inner = outer;
        while let [Stmt::Loop(next)] = inner.body.stmts.as_slice() {
            if next.kind != LoopKind::Par || !self.accesses.mergeable(axes[axes.len() - 1].0, &next.axes[0], &next.body)
            {
                break;
            }
            axes.extend(next.axes.iter().cloned());
            inner = next;
        }
        let (var, _) = axes[axes.len() - 1];
        let (start, end, known) = match range {
            None => {
                let total: Dim = axes.iter().map(|(_, extent)| extent.clone()).product();
                let end = axes.iter().fold(None, |end, (_, extent)| self.times(end, extent));
                (self.int(0), end.expect("a loop has an axis"), total.known())
            }
            Some((start, end)) => {
                let part = |this: &mut Self, at| {
                    axes[1..].iter().fold(at, |at, (_, extent)| this.times(Some(at), extent).expect("it was some"))
                };
                (part(self, start), part(self, end), None)
            }
        };
        // The merged loops' variables stay 0: the innermost one runs through all of them.
        for (merged, _) in &axes {
            self.nest.push(*merged);
            let zero = self.int(0);
            self.vars[merged.0 as usize] = Some(zero);
        }
        self.iterations(&inner.body, var, start, end, known)?;
        for (merged, _) in &axes {
            self.nest.pop();
            self.vars[merged.0 as usize] = None;
        }
        Ok(())
    }

    fn times(&mut self, value: Option<Value>, extent: &Dim) -> Option<Value> {
        Some(match value {
            None => self.dim(extent),
            Some(value) => self.scaled(value, extent),
        })
    }

    /// Runs `body` for `var` in `start..end`; `known` is how many iterations that is, if that is known.
    fn iterations(&mut self, body: &Block, var: LoopVar, start: Value, end: Value, known: Option<i64>) -> Result {
        let survey = if self.options.vectorize && self.wide.is_none() { self.survey(body, var) } else { None };
        let survey = survey.filter(|survey| pays(survey) && known.is_none_or(|n| n >= 4));
        let Some(survey) = survey else {
            self.counted(start, end, 1, &[], &mut |this, i, _| {
                this.vars[var.0 as usize] = Some(i);
                this.stmts(body)?;
                Ok(SmallVec::new())
            })?;
            return Ok(());
        };
        let unit = survey.unit();
        let counts = lane_counts(&survey, known);
        self.varying = Some(survey.varying);
        let mut at = start;
        let mut left = known;
        for count in &counts {
            let count = *count as i64;
            let stop = match &mut left {
                Some(left) => {
                    let done = known.expect("what is left is known only if the whole is") - *left % count;
                    *left %= count;
                    self.builder.ins().iadd_imm_s(start, done)
                }
                None => {
                    let length = self.builder.ins().isub(end, at);
                    let whole = self.builder.ins().band_imm_s(length, -count);
                    // An empty range may even be negative.
                    self.builder.ins().iadd(at, whole)
                }
            };
            self.wide_loop(body, Wide { var, count: count as usize, valid: count as usize }, at, stop, count)?;
            at = stop;
        }
        match left {
            Some(0) => {}
            Some(left) => {
                let valid = left as usize;
                self.vars[var.0 as usize] = Some(at);
                self.wide = Some(Wide { var, count: valid.next_multiple_of(unit), valid });
                self.stmts(body)?;
                self.wide = None;
            }
            None => self.wide_loop(body, Wide { var, count: unit, valid: 1 }, at, end, 1)?,
        }
        self.varying = None;
        Ok(())
    }

    fn wide_loop(&mut self, body: &Block, wide: Wide, start: Value, end: Value, step: i64) -> Result {
        self.counted(start, end, step, &[], &mut |this, i, _| {
            this.vars[wide.var.0 as usize] = Some(i);
            this.wide = Some(wide);
            this.stmts(body)?;
            this.wide = None;
            Ok(SmallVec::new())
        })?;
        Ok(())
    }
}

/// Whether vectors are worth it: gathering lanes one by one costs more than it saves unless there is much to compute.
fn pays(survey: &Survey) -> bool {
    survey.scattered == 0 || survey.cost > 8 * survey.scattered
}

/// How many iterations are run at once, most first; what is left after the last is fewer than that.
fn lane_counts(survey: &Survey, known: Option<i64>) -> SmallVec<[usize; 2]> {
    let least = survey.unit();
    if survey.cost > LONG_BODY {
        return smallvec![least];
    }
    // Inner loops walk rows: a whole cache line of each is used, and sums have several chains in flight.
    let most = if survey.straight { 2 * least } else { 4 * least };
    match known {
        Some(n) if n < most as i64 => smallvec![least],
        Some(n) if n % most as i64 >= least as i64 => smallvec![most, least],
        None if !survey.straight => smallvec![most, least],
        _ => smallvec![most],
    }
}
