//! Columns of large matrices: whole pieces of rows, added to sums in the frame, since rows far apart in memory are slow
//! to go down in narrow columns.

use super::ir::*;
use super::list::Lister;
use super::reduce::Reducer;
use super::turns::is_light;
use smallvec::smallvec;
use tracelift_kernel::loops::{Block, Loop, LoopKind, LoopVar, Operand, Stmt};
use tracelift_kernel::meaning::BLOCK;
use tracelift_tensor::DType;

/// Columns per tile, of all reductions together: their sums take half of the nearest cache.
const WIDTH: usize = 4096;
/// Fewer columns are gone down one vector beside the other.
const LEAST: i64 = 512;
/// Matrices of fewer elements are near already.
const LARGE: i64 = 1 << 18;
/// More blocks of rows are gone down in narrow columns: each has code of its own.
const MOST_BLOCKS: i64 = 16;
/// Vectors per turn while there are as many.
const VECTORS: usize = 4;
/// Rows that are added at once, if they are light: several places are read by turns, and sums are loaded and stored once
/// for all of them.
const ROWS: usize = 4;
/// Memory is fetched so many rows ahead: where a thread has only a part of each row, the processor does not see by itself
/// where it goes on.
const AHEAD: usize = 2 * ROWS;
/// Rows farther apart, in elements, are added one after the other.
const FAR: i64 = 1 << 20;
/// What is fetched at once.
const LINE: i32 = 64;

/// Rows of a tile of columns, and what they are added to.
#[derive(Clone, Copy)]
struct Rows<'k> {
    inner: &'k Loop,
    /// What numbers the columns.
    across: LoopVar,
    /// What numbers the rows, and the first of two numbers of the frame that say which one it is.
    down: (LoopVar, usize),
    tile: Tile,
    reducers: &'k [Reducer],
}

impl Lister<'_> {
    /// A loop over columns whose body is a reduction and what is done with its results; `None` if it is not, or not
    /// large. Otherwise says whether everything in it has a form.
    pub(super) fn tiled(&mut self, body: &Block, var: LoopVar, range: &Range, columns: Option<i64>) -> Option<bool> {
        let [Stmt::Loop(inner), rest @ ..] = body.stmts.as_slice() else { return None };
        if !matches!(inner.kind, LoopKind::Reduce { .. }) {
            return None;
        }
        let rows = inner.axes.iter().try_fold(1i64, |n, (_, extent)| n.checked_mul(extent.known()?))?;
        let is_large = columns.is_some_and(|n| n >= LEAST && n.saturating_mul(rows) >= LARGE);
        let is_one_reduction = rest.iter().all(|stmt| !matches!(stmt, Stmt::Loop(_)));
        if !is_large || !is_one_reduction || rows > MOST_BLOCKS * BLOCK as i64 {
            return None;
        }
        Some(self.tiles(inner, rest, (var, range), rows).is_some())
    }

    fn tiles(&mut self, inner: &Loop, rest: &[Stmt], (var, range): (LoopVar, &Range), rows: i64) -> Option<()> {
        let LoopKind::Reduce { kinds, .. } = &inner.kind else { return None };
        let reducers = self.reducers(inner, kinds)?;
        let tile = Tile(self.l.reserve(Tile::CELLS));
        let width = WIDTH / reducers.len().next_power_of_two();
        self.l.items.push(Item::Tiles { tile, width, range: range.clone() });
        // The tree of `tree.rs`, whose blocks are few and known: the runs that are complete, the latest last.
        let mut runs: Vec<Vec<Address>> = vec![];
        let mut open = 0;
        let down = (self.axis(inner)?.0, self.l.reserve(2));
        let all = Rows { inner, across: var, down, tile, reducers: &reducers };
        for (block, begin) in (0..rows).step_by(BLOCK).enumerate() {
            if runs.len() == open {
                let sums = (0..reducers.len()).map(|_| self.sums(tile, width)).collect();
                runs.push(sums);
            }
            self.sum_rows(all, begin..rows.min(begin + BLOCK as i64), &runs[open])?;
            open += 1;
            for _ in 0..block.trailing_ones() {
                open -= 1;
                self.join_sums(tile, &reducers, &runs[open - 1], &runs[open])?;
            }
        }
        while open > 1 {
            open -= 1;
            self.join_sums(tile, &reducers, &runs[open - 1], &runs[open])?;
        }
        let sums = runs.swap_remove(0);
        // What is done with the sums.
        let mut wide = self.begin_wide(rest, var, Range::Tile(tile), &inner.results)?;
        let streams: Vec<usize> = sums.into_iter().map(|sum| wide.add(sum)).collect();
        self.l.items.push(wide.turns(1, true));
        for ((reducer, dst), stream) in reducers.iter().zip(&inner.results).zip(streams) {
            let sum = self.l.value(Class::Vector);
            self.l.items.push(Item::Load { dst: sum, stream, part: 0 });
            self.set_result(reducer, Arg::Value(sum), *dst)?;
        }
        self.varying(rest, &wide, 0)?;
        self.l.items.extend([Item::End, Item::End, Item::End]);
        Some(())
    }

    /// Room in the frame for the sums of a tile.
    fn sums(&mut self, tile: Tile, width: usize) -> Address {
        let root = Root::Frame(self.l.slots, tile);
        self.l.slots += width / self.l.wide.lanes();
        Address { root, terms: smallvec![], offset: Size::Known(0), dtype: DType::F32 }
    }

    /// Row after row to sums that begin with what changes nothing.
    fn sum_rows(&mut self, all: Rows<'_>, rows: std::ops::Range<i64>, sums: &[Address]) -> Option<()> {
        self.l.items.push(Item::BeginWide(Range::Tile(all.tile)));
        self.l.items.push(Item::Turns(Turns {
            streams: sums.to_vec(),
            vectors: 1,
            tail: true,
            non_temporal: vec![],
            nested: None,
        }));
        for (stream, reducer) in all.reducers.iter().enumerate() {
            let value = Arg::Value(self.identity(reducer));
            self.l.items.push(Item::Store { value, stream, part: 0 });
        }
        self.l.items.extend([Item::End, Item::End]);
        let (down, counter) = all.down;
        let is_near = |stmt: &Stmt| match stmt {
            Stmt::Load { from, .. } => {
                let step = self.accesses.of(from).coefficient(down).known();
                step.is_some_and(|step| step.abs() < FAR)
            }
            _ => true,
        };
        let several = is_light(all.inner) && all.inner.body.stmts.iter().all(is_near) && !self.rows_have_masks(all);
        let at_once = if several { ROWS as i64 } else { 1 };
        let whole = rows.start + (rows.end - rows.start) / at_once * at_once;
        self.counters[down.0 as usize] = Some(counter);
        for (rows, at_once) in [(rows.start..whole, at_once as usize), (whole..rows.end, 1)] {
            if !rows.is_empty() {
                let range = Range::Part(rows.start, rows.end);
                self.l.items.push(Item::Begin { counter, range, step: at_once });
                self.add_rows(all, at_once, sums)?;
                self.l.items.push(Item::End);
            }
        }
        self.counters[down.0 as usize] = None;
        Some(())
    }

    /// Whether a row has flags of its own, the same in all columns, and registers for masks would hold those of several
    /// rows: there are few.
    fn rows_have_masks(&mut self, all: Rows<'_>) -> bool {
        let mut varies = vec![false; self.kernel.registers.len()];
        let mut is_own_flag = |stmt: &Stmt| {
            let (dst, differs) = match stmt {
                Stmt::Load { dst, from } => (dst, self.accesses.of(from).coefficient(all.across).known() != Some(0)),
                Stmt::Lane { dst, args, .. } => {
                    let differs = |arg: &Operand| matches!(arg, Operand::Reg(reg) if varies[reg.0 as usize]);
                    (dst, args.iter().any(differs))
                }
                _ => return false,
            };
            varies[dst.0 as usize] = differs;
            !differs && self.kernel.registers[dst.0 as usize] == DType::Bool
        };
        self.l.wide.masks().is_some() && all.inner.body.stmts.iter().any(&mut is_own_flag)
    }

    /// Adds so many rows, from the one at the counter on, in their order.
    fn add_rows(&mut self, all: Rows<'_>, rows: usize, sums: &[Address]) -> Option<()> {
        let (stmts, (down, counter)) = (&all.inner.body.stmts, all.down);
        let mut wide = self.begin_wide(stmts, all.across, Range::Tile(all.tile), &[])?;
        let mut views = vec![self.regs.clone()];
        for copy in 1..rows {
            self.beyond = Some((down, copy as i64));
            self.copy_streams(&mut wide, stmts, all.across, copy)?;
            self.unvarying(stmts, &wide)?;
            views.push(self.regs.clone());
        }
        self.beyond = None;
        let read = wide.streams().len();
        let streams: Vec<usize> = sums.iter().map(|sum| wide.add(sum.clone())).collect();
        for vectors in [VECTORS, 1] {
            self.l.items.push(wide.turns(vectors, vectors == 1));
            for part in 0..vectors {
                let mut values = vec![];
                for stream in &streams {
                    let dst = self.l.value(Class::Vector);
                    self.l.items.push(Item::Load { dst, stream: *stream, part });
                    values.push(Arg::Value(dst));
                }
                for (copy, view) in views.iter().enumerate() {
                    self.regs.clone_from(view);
                    wide.copy = copy;
                    self.varying(stmts, &wide, part)?;
                    for ((value, reducer), sum) in all.inner.body.yields.iter().zip(all.reducers).zip(&mut values) {
                        let element = self.element(reducer, value)?;
                        *sum = self.join(reducer, *sum, element)?;
                    }
                }
                for (value, stream) in values.into_iter().zip(&streams) {
                    self.l.items.push(Item::Store { value, stream: *stream, part });
                }
                if vectors > 1 {
                    self.fetch_ahead(&wide.streams()[..read], counter, part);
                }
            }
            self.l.items.push(Item::End);
        }
        self.l.items.push(Item::End);
        Some(())
    }

    /// Fetches what later rows have in the place of a vector, once for each line, where it is known how far that is.
    fn fetch_ahead(&mut self, streams: &[Address], counter: usize, part: usize) {
        if part as i32 * self.l.wide.bytes() % LINE != 0 {
            return;
        }
        for (stream, address) in streams.iter().enumerate() {
            let step = address.terms.iter().find_map(|(cell, step)| match step {
                Size::Known(step) if *cell == counter => Some(*step),
                _ => None,
            });
            let bytes = step.and_then(|step| step.checked_mul((AHEAD * address.dtype.size()) as i64));
            // A displacement holds which vector of the turn and which row it is, too.
            if let Some(bytes) = bytes.and_then(|bytes| i32::try_from(bytes).ok()).filter(|bytes| *bytes < 1 << 30) {
                self.l.items.push(Item::Prefetch { stream, part, bytes });
            }
        }
    }

    /// Joins the sums of earlier rows with those of later ones, in the place of the former.
    fn join_sums(&mut self, tile: Tile, reducers: &[Reducer], earlier: &[Address], later: &[Address]) -> Option<()> {
        let streams: Vec<Address> = earlier.iter().chain(later).cloned().collect();
        self.l.items.push(Item::BeginWide(Range::Tile(tile)));
        self.l.items.push(Item::Turns(Turns { streams, vectors: 1, tail: true, non_temporal: vec![], nested: None }));
        for (stream, reducer) in reducers.iter().enumerate() {
            let [a, b] = [stream, reducers.len() + stream].map(|stream| {
                let dst = self.l.value(Class::Vector);
                self.l.items.push(Item::Load { dst, stream, part: 0 });
                Arg::Value(dst)
            });
            let value = self.join(reducer, a, b)?;
            self.l.items.push(Item::Store { value, stream, part: 0 });
        }
        self.l.items.extend([Item::End, Item::End]);
        Some(())
    }
}
