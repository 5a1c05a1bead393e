//! Columns of large matrices: whole pieces of rows, added to sums in the frame, since rows far apart in memory are slow
//! to go down in narrow columns.

use super::ir::*;
use super::list::Lister;
use super::reduce::Reducer;
use super::straight::WideBody;
use smallvec::smallvec;
use tracelift_kernel::loops::{Block, Loop, LoopKind, LoopVar, Stmt};
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
/// Memory is fetched one row ahead, or two of rows of no more columns than these: where a thread has only a part of each
/// row, the processor does not see by itself where it goes on.
const SHORT: i64 = 2048;
/// What is fetched at once.
const LINE: i32 = 64;

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
        let counter = self.l.reserve(2);
        for (block, begin) in (0..rows).step_by(BLOCK).enumerate() {
            if runs.len() == open {
                let sums = (0..reducers.len()).map(|_| self.sums(tile, width)).collect();
                runs.push(sums);
            }
            let part = Range::Part(begin, rows.min(begin + BLOCK as i64));
            self.sum_rows(inner, (var, tile), (counter, part), &reducers, &runs[open])?;
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
    fn sum_rows(
        &mut self,
        inner: &Loop,
        (var, tile): (LoopVar, Tile),
        (counter, rows): (usize, Range),
        reducers: &[Reducer],
        sums: &[Address],
    ) -> Option<()> {
        self.l.items.push(Item::BeginWide(Range::Tile(tile)));
        self.l.items.push(Item::Turns(Turns {
            streams: sums.to_vec(),
            vectors: 1,
            tail: true,
            non_temporal: vec![],
            nested: None,
        }));
        for (stream, reducer) in reducers.iter().enumerate() {
            let value = Arg::Value(self.identity(reducer));
            self.l.items.push(Item::Store { value, stream, part: 0 });
        }
        self.l.items.extend([Item::End, Item::End]);
        let (down, _) = self.axis(inner)?;
        self.counters[down.0 as usize] = Some(counter);
        self.l.items.push(Item::Begin { counter, range: rows, step: 1 });
        let mut wide = self.begin_wide(&inner.body.stmts, var, Range::Tile(tile), &[])?;
        let streams: Vec<usize> = sums.iter().map(|sum| wide.add(sum.clone())).collect();
        for vectors in [VECTORS, 1] {
            self.l.items.push(wide.turns(vectors, vectors == 1));
            for part in 0..vectors {
                self.varying(&inner.body.stmts, &wide, part)?;
                for ((value, reducer), stream) in inner.body.yields.iter().zip(reducers).zip(&streams) {
                    let sum = self.l.value(Class::Vector);
                    self.l.items.push(Item::Load { dst: sum, stream: *stream, part });
                    let element = self.element(reducer, value)?;
                    let value = self.join(reducer, Arg::Value(sum), element)?;
                    self.l.items.push(Item::Store { value, stream: *stream, part });
                }
                if vectors > 1 {
                    self.fetch_ahead(&wide, counter, part);
                }
            }
            self.l.items.push(Item::End);
        }
        self.l.items.extend([Item::End, Item::End]);
        self.counters[down.0 as usize] = None;
        Some(())
    }

    /// Fetches what later rows have in the place of a vector, once for each line, where it is known how far that is.
    fn fetch_ahead(&mut self, wide: &WideBody, counter: usize, part: usize) {
        let before = part as i32 * self.l.wide.bytes();
        for (stream, address) in wide.streams().iter().enumerate() {
            let step = address.terms.iter().find_map(|(cell, step)| match step {
                Size::Known(step) if *cell == counter => Some(*step),
                _ => None,
            });
            let Some(step) = step.filter(|_| before % LINE == 0) else { continue };
            let rows = if step <= SHORT { 2 } else { 1 };
            let bytes =
                step.checked_mul(rows * address.dtype.size() as i64).and_then(|bytes| i32::try_from(bytes).ok());
            // A displacement holds which vector of the turn it is, too.
            if let Some(bytes) = bytes.filter(|bytes| *bytes < 1 << 30) {
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
