//! Large reductions of what is not near: several blocks are gone through by turns, or several rows of a single block.
//!
//! The processor fetches ahead for each place that is read on from, so several of them keep more of the memory busy than
//! one does. Each block has its own lanes, which the frame keeps; at the end they are joined as those of a block that is
//! done by itself are, and the blocks as the tree says, so the result is the same.

use super::ir::*;
use super::list::Lister;
use super::reduce::{Extent, Row};
use crate::clif::cost;
use smallvec::smallvec;
use tracelift_kernel::loops::{Block, Loop, LoopKind, LoopVar, Stmt};
use tracelift_kernel::meaning::{BLOCK, LANES, ReduceOrder};
use tracelift_tensor::DType;

/// Blocks or rows that are gone through by turns.
const BY_TURNS: usize = 4;
/// How often all lanes of one are gone through before the next one's turn comes.
const STEPS: usize = 2;
/// Fewer elements are near already.
const LARGE: i64 = 1 << 19;
/// Shorter rows are done before the processor fetches ahead.
const LEAST_COLUMNS: i64 = 1024;
/// What computes more for a vector does not wait for memory.
const MOST_INSTRUCTIONS: usize = 16;

/// Whether a reduction in lanes is done sooner if it reads from several places.
pub(super) fn waits_for_memory(inner: &Loop, extent: &Extent) -> bool {
    extent.known.is_some_and(|n| n >= LARGE) && is_light(inner)
}

/// Whether a loop loads and computes little.
pub(super) fn is_light(inner: &Loop) -> bool {
    let instructions = |stmt: &Stmt| match stmt {
        Stmt::Load { .. } => Some(1),
        Stmt::Lane { op, .. } => Some(cost(*op, DType::F32)),
        _ => None,
    };
    let all = inner.body.stmts.iter().map(instructions).sum::<Option<usize>>();
    all.is_some_and(|all| all <= MOST_INSTRUCTIONS)
}

impl Lister<'_> {
    /// A large reduction in lanes; answers a vector for each thing it makes.
    pub(super) fn by_turns(&mut self, row: &Row<'_>, extent: &Extent) -> Option<Vec<Arg>> {
        let blocks = self.first_block(extent, row.reducers.len());
        self.run(blocks, Run::Many(BY_TURNS), row.reducers, &mut |this, range| {
            let mut runs = this.several(row, range, BLOCK as i64, (row.var, BLOCK as i64))?;
            while runs.len() > 1 {
                let pairs = runs.chunks(2).map(|pair| {
                    let both = row.reducers.iter().zip(pair[0].iter().zip(&pair[1]));
                    both.map(|(reducer, (earlier, later))| this.join(reducer, *earlier, *later)).collect()
                });
                runs = pairs.collect::<Option<_>>()?;
            }
            runs.pop()
        })?;
        self.run(blocks, Run::Rest, row.reducers, &mut |this, range| this.one_block(row, range, extent.known))?;
        self.all_blocks(blocks, row.reducers, extent)
    }

    /// A loop over rows whose body is a reduction along the row and what is done with its results; `None` if it is not,
    /// or not large. Otherwise says whether everything in it has a form.
    pub(super) fn rows_by_turns(
        &mut self,
        body: &Block,
        (var, range): (LoopVar, &Range),
        rows: Option<i64>,
    ) -> Option<bool> {
        let [Stmt::Loop(inner), rest @ ..] = body.stmts.as_slice() else { return None };
        let LoopKind::Reduce { order: ReduceOrder::Lanes, .. } = inner.kind else { return None };
        let columns = inner.axes.iter().try_fold(1i64, |n, (_, extent)| n.checked_mul(extent.known()?))?;
        let is_large = rows.is_some_and(|rows| rows.saturating_mul(columns) >= LARGE);
        let is_one_reduction = rest.iter().all(|stmt| !matches!(stmt, Stmt::Loop(_)));
        // What a row has of its own, beside its elements, would be wanted for several rows at once.
        let own = |stmt: &Stmt| match stmt {
            Stmt::Load { from, .. } => {
                let access = self.accesses.of(from);
                let along = inner.axes.iter().any(|(axis, _)| access.coefficient(*axis).known() != Some(0));
                !along && access.coefficient(var).known() != Some(0)
            }
            _ => false,
        };
        let is_row = (LEAST_COLUMNS..=BLOCK as i64).contains(&columns);
        let is_known = self.abi.extents.is_empty();
        if !is_row || !is_large || !is_known || !is_one_reduction || !is_light(inner) {
            return None;
        }
        if inner.body.stmts.iter().any(own) {
            return None;
        }
        Some(self.rows(&body.stmts, inner, (var, range), columns).is_some())
    }

    fn rows(&mut self, stmts: &[Stmt], inner: &Loop, (var, range): (LoopVar, &Range), columns: i64) -> Option<()> {
        let LoopKind::Reduce { kinds, .. } = &inner.kind else { return None };
        let reducers = &self.reducers(inner, kinds)?;
        let (along, _) = self.axis(inner)?;
        let row = Row { inner, var: along, reducers };
        let counter = self.l.reserve(2);
        self.counters[var.0 as usize] = Some(counter);
        self.l.items.push(Item::Begin { counter, range: range.clone(), step: BY_TURNS });
        let results = self.several(&row, Range::Whole(smallvec![Size::Known(columns)]), columns, (var, 1))?;
        for (n, results) in results.into_iter().enumerate() {
            self.beyond = Some((var, n as i64));
            for ((reducer, value), dst) in reducers.iter().zip(results).zip(&inner.results) {
                self.set_result(reducer, value, *dst)?;
            }
            self.block(&stmts[1..])?;
        }
        self.beyond = None;
        self.l.items.extend([Item::End, Item::Begin { counter, range: Range::Rest(counter), step: 1 }]);
        self.block(stmts)?;
        self.l.items.push(Item::End);
        self.counters[var.0 as usize] = None;
        Some(())
    }

    /// Goes through several blocks of so many elements by turns; answers a vector for each thing that each of them makes.
    /// The first is in `range`; each other one is where the variable has gone on by `apart` since the one before.
    fn several(
        &mut self,
        row: &Row<'_>,
        range: Range,
        elements: i64,
        (var, apart): (LoopVar, i64),
    ) -> Option<Vec<Vec<Arg>>> {
        let stmts = &row.inner.body.stmts;
        let vectors = LANES / self.l.wide.lanes();
        let kept = [0; BY_TURNS].map(|_| {
            let slots = self.l.slots;
            self.l.slots += row.reducers.len() * vectors;
            Kept { slots, count: 1, at: None }
        });
        for (n, reducer) in row.reducers.iter().enumerate() {
            let value = self.identity(reducer);
            for kept in kept {
                (0..vectors).for_each(|vector| self.keep(value, kept, n * vectors + vector));
            }
        }
        // Some of the last turn's elements may not exist, unless turns of all steps are all.
        let all = [(STEPS, false), (1, true)];
        let turns = if elements % (STEPS * LANES) as i64 == 0 { &all[..1] } else { &all };
        let mut wide = self.begin_wide(stmts, row.var, range, &[])?;
        for copy in 1..BY_TURNS {
            self.beyond = Some((var, copy as i64 * apart));
            self.copy_streams(&mut wide, stmts, row.var, copy)?;
        }
        self.beyond = None;
        for (steps, tail) in turns {
            self.l.items.push(wide.turns(vectors * steps, *tail));
            for (copy, kept) in kept.into_iter().enumerate() {
                wide.copy = copy;
                let lanes = self.kept_lanes(kept, row.reducers.len(), vectors);
                for part in 0..vectors * steps {
                    self.varying(stmts, &wide, part)?;
                    for ((value, reducer), lanes) in row.inner.body.yields.iter().zip(row.reducers).zip(&lanes) {
                        self.accumulate(reducer, lanes[part % vectors], value, part)?;
                    }
                }
                for (n, value) in lanes.iter().flatten().enumerate() {
                    self.keep(*value, kept, n);
                }
            }
            self.l.items.push(Item::End);
        }
        self.l.items.push(Item::End);
        let mut results = vec![];
        for kept in kept {
            let lanes = self.kept_lanes(kept, row.reducers.len(), vectors);
            let of_one = row.reducers.iter().zip(lanes).map(|(reducer, lanes)| self.join_lanes(reducer, lanes));
            results.push(of_one.collect::<Option<_>>()?);
        }
        Some(results)
    }

    fn keep(&mut self, value: Id, to: Kept, part: usize) {
        self.l.items.push(Item::StoreKept { value, to, part });
    }

    fn kept_lanes(&mut self, from: Kept, reducers: usize, vectors: usize) -> Vec<Vec<Id>> {
        let of = |this: &mut Self, n| (0..vectors).map(|vector| this.load_kept(from, n * vectors + vector)).collect();
        (0..reducers).map(|n| of(self, n)).collect()
    }
}
