//! Large reductions of what is not near: several blocks are gone through by turns, or several rows of a single block.
//!
//! The processor fetches ahead for each place that is read on from, so several of them may keep more of the memory busy
//! than one does, if each goes on for longer than a block; so they are some blocks apart. Each block has its own lanes,
//! which the frame keeps; at the end they are joined as those of a block that is done by itself are, and the blocks as the
//! tree says, so the result is the same.

use super::form::Wide;
use super::ir::*;
use super::list::Lister;
use super::reduce::{Extent, Reducer, Row};
use crate::clif::cost;
use smallvec::smallvec;
use tracelift_kernel::loops::{Block, Loop, LoopKind, LoopVar, Stmt};
use tracelift_kernel::meaning::{BLOCK, LANES, ReduceOrder};
use tracelift_tensor::DType;

/// Places that are read by turns.
const PLACES: usize = 4;
/// Blocks or rows that are read on from each place, so that what is fetched ahead there is what comes next.
const OF_PLACE: usize = 8;
/// Those of all places, which are gone through together.
const ALL: usize = PLACES * OF_PLACE;
/// How often all lanes of one are gone through before the next one's turn comes.
const STEPS: usize = 2;
/// Fewer elements are near already.
const LARGE: i64 = 1 << 19;
/// Shorter rows are done before the processor fetches ahead.
const LEAST_COLUMNS: i64 = 1024;
/// What computes more for a vector does not wait for memory.
const MOST_INSTRUCTIONS: usize = 16;

/// Whether a reduction in lanes is done sooner if it reads from several places. A processor with wider vectors was up to
/// a third slower by that.
pub(super) fn waits_for_memory(wide: Wide, inner: &Loop, elements: Option<i64>) -> bool {
    wide == Wide::Avx2 && elements.is_some_and(|n| n >= LARGE) && is_light(inner)
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
        let counter = self.l.reserve(2);
        let first = self.l.slots;
        self.l.slots += row.reducers.len() * ALL;
        let kept = |reducer: usize, block: usize| Kept { slots: first + reducer * ALL + block, count: 1, at: None };
        self.run(blocks, Run::Many(ALL), row.reducers, &mut |this, _| {
            this.l.items.push(Item::Begin { counter, range: Range::Part(0, OF_PLACE as i64), step: 1 });
            let range = Range::Next { from: blocks.from(), after: Some(counter), count: BLOCK };
            let results = this.several(row, range, BLOCK as i64, (row.var, (BLOCK * OF_PLACE) as i64))?;
            for (place, results) in results.into_iter().enumerate() {
                for (reducer, value) in results.into_iter().enumerate() {
                    // What is kept is a value of its own.
                    let value = this.copy(value);
                    this.keep(value, Kept { at: Some(counter), ..kept(reducer, place * OF_PLACE) }, 0);
                }
            }
            this.l.items.push(Item::End);
            let all = |(n, reducer)| this.join_kept(reducer, &|block| kept(n, block), 0..ALL);
            row.reducers.iter().enumerate().map(all).collect()
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
        let elements = rows.map(|rows| rows.saturating_mul(columns));
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
        if !is_row || !is_known || !is_one_reduction || !waits_for_memory(self.l.wide, inner, elements) {
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
        let [all, counter] = [0; 2].map(|_| self.l.reserve(2));
        self.counters[var.0 as usize] = Some(counter);
        self.l.items.push(Item::Begin { counter: all, range: range.clone(), step: ALL });
        let first = Range::Next { from: all, after: None, count: OF_PLACE };
        self.l.items.push(Item::Begin { counter, range: first, step: 1 });
        let results =
            self.several(&row, Range::Whole(smallvec![Size::Known(columns)]), columns, (var, OF_PLACE as i64))?;
        for (n, results) in results.into_iter().enumerate() {
            self.beyond = Some((var, (n * OF_PLACE) as i64));
            for ((reducer, value), dst) in reducers.iter().zip(results).zip(&inner.results) {
                self.set_result(reducer, value, *dst)?;
            }
            self.block(&stmts[1..])?;
        }
        self.beyond = None;
        let rest = Item::Begin { counter, range: Range::Rest(all), step: 1 };
        self.l.items.extend([Item::End, Item::End, rest]);
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
        let kept = [0; PLACES].map(|_| {
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
        for copy in 1..PLACES {
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

    /// The results of neighbouring blocks, a power of two of them, joined by the tree.
    fn join_kept(
        &mut self,
        reducer: &Reducer,
        kept: &dyn Fn(usize) -> Kept,
        blocks: std::ops::Range<usize>,
    ) -> Option<Arg> {
        if blocks.len() == 1 {
            return Some(Arg::Value(self.load_kept(kept(blocks.start), 0)));
        }
        let middle = blocks.start + blocks.len() / 2;
        let earlier = self.join_kept(reducer, kept, blocks.start..middle)?;
        let later = self.join_kept(reducer, kept, middle..blocks.end)?;
        self.join(reducer, earlier, later)
    }

    fn keep(&mut self, value: Id, to: Kept, part: usize) {
        self.l.items.push(Item::StoreKept { value, to, part });
    }

    fn kept_lanes(&mut self, from: Kept, reducers: usize, vectors: usize) -> Vec<Vec<Id>> {
        let of = |this: &mut Self, n| (0..vectors).map(|vector| this.load_kept(from, n * vectors + vector)).collect();
        (0..reducers).map(|n| of(self, n)).collect()
    }
}
