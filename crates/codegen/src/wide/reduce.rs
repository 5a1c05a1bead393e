//! What reductions accumulate, and those along rows: 32 virtual lanes are two vectors or four, joined by the fixed tree.

use super::ir::*;
use super::list::Lister;
use super::turns::waits_for_memory;
use smallvec::{SmallVec, smallvec};
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::loops::{Loop, LoopVar, Operand, Reg};
use tracelift_kernel::meaning::{LANES, ReduceKind};
use tracelift_tensor::{DType, Dim};

/// One of the reductions that a loop makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reducer {
    /// What joins two results.
    pub op: LaneOp,
    /// The type that it is done in: truth values are numbers.
    pub dtype: DType,
    /// The type of what is reduced.
    pub element: DType,
    /// The bits of what changes nothing.
    pub identity: u32,
}

/// A reduction along a row: its loop, what walks along it, and what it makes.
#[derive(Clone, Copy)]
pub(super) struct Row<'l> {
    pub inner: &'l Loop,
    pub var: LoopVar,
    pub reducers: &'l [Reducer],
}

/// How many elements are reduced.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    pub sizes: SmallVec<[Size; 2]>,
    pub known: Option<i64>,
}

impl Lister<'_> {
    /// A `reduce` loop in lanes; its results are the same in all lanes.
    pub(super) fn lanes(&mut self, inner: &Loop, kinds: &[ReduceKind]) -> Option<()> {
        let reducers = &self.reducers(inner, kinds)?;
        let (var, extent) = self.axis(inner)?;
        let row = Row { inner, var, reducers };
        let results = if waits_for_memory(self.l.wide, inner, extent.known) {
            self.by_turns(&row, &extent)?
        } else {
            self.in_blocks(&extent, reducers, &mut |this, range| this.one_block(&row, range, extent.known))?
        };
        for ((reducer, value), dst) in reducers.iter().zip(results).zip(&inner.results) {
            self.set_result(reducer, value, *dst)?;
        }
        Some(())
    }

    /// A vector for each reduction, of a single block of a row that has so many elements.
    pub(super) fn one_block(&mut self, row: &Row<'_>, range: Range, elements: Option<i64>) -> Option<Vec<Arg>> {
        let Row { inner, var, reducers } = *row;
        let vectors = LANES / self.l.wide.lanes();
        // Lanes beyond a short row stay as they begin.
        let used = elements.map_or(vectors, |n| vectors.min((n as usize).div_ceil(self.l.wide.lanes())));
        let of_one = |this: &mut Self, reducer| (0..vectors).map(|_| this.identity(reducer)).collect();
        let lanes: Vec<Vec<Id>> = reducers.iter().map(|reducer| of_one(self, reducer)).collect();
        let wide = self.begin_wide(&inner.body.stmts, var, range, &[])?;
        self.l.items.push(wide.turns(used, true));
        for part in 0..used {
            self.varying(&inner.body.stmts, &wide, part)?;
            for ((value, reducer), lanes) in inner.body.yields.iter().zip(reducers).zip(&lanes) {
                self.accumulate(reducer, lanes[part], value, part)?;
            }
        }
        self.l.items.extend([Item::End, Item::End]);
        reducers.iter().zip(lanes).map(|(reducer, lanes)| self.join_lanes(reducer, lanes)).collect()
    }

    /// Joins lanes by the tree: the lower half with the upper one, until one is left.
    pub(super) fn join_lanes(&mut self, reducer: &Reducer, lanes: Vec<Id>) -> Option<Arg> {
        let mut vectors: Vec<Arg> = lanes.into_iter().map(Arg::Value).collect();
        while vectors.len() > 1 {
            let upper = vectors.split_off(vectors.len() / 2);
            let halves = vectors.iter().zip(&upper);
            vectors = halves.map(|(low, high)| self.join(reducer, *low, *high)).collect::<Option<_>>()?;
        }
        let (mut joined, mut by) = (vectors[0], self.l.wide.lanes() as u8 / 2);
        while by > 0 {
            let moved = self.l.op(Code::Rotate(by), &[joined]);
            joined = self.join(reducer, joined, moved)?;
            by /= 2;
        }
        Some(self.l.op(Code::First, &[joined]))
    }

    /// What a loop accumulates.
    pub(super) fn reducers(&mut self, inner: &Loop, kinds: &[ReduceKind]) -> Option<SmallVec<[Reducer; 2]>> {
        let yields = kinds.iter().zip(&inner.body.yields);
        yields.map(|(kind, value)| reducer(*kind, self.kernel.dtype(value))).collect()
    }

    /// The one axis that a loop walks along in memory, those of extent 1 left out, and its length.
    pub(super) fn axis(&mut self, inner: &Loop) -> Option<(LoopVar, Extent)> {
        let mut axes: SmallVec<[(LoopVar, Dim); 2]> = smallvec![];
        for axis in inner.axes.iter().filter(|(_, extent)| !extent.is_one()) {
            if axes.last().is_some_and(|last| !self.accesses.mergeable(last.0, axis, &inner.body)) {
                return None;
            }
            axes.push(axis.clone());
        }
        let var = axes.last().map_or(inner.axes[0].0, |(var, _)| *var);
        let sizes = axes.iter().map(|(_, extent)| self.size(extent)).collect::<Option<_>>()?;
        let known = axes.iter().try_fold(1i64, |n, (_, extent)| n.checked_mul(extent.known()?));
        // A known reduction of nothing is not worth code of its own.
        (known != Some(0)).then_some((var, Extent { sizes, known }))
    }

    /// A value that starts an accumulation.
    pub(super) fn identity(&mut self, reducer: &Reducer) -> Id {
        self.copy(Arg::Const(reducer.identity))
    }

    /// Adds an element, in the lanes that exist.
    pub(super) fn accumulate(&mut self, reducer: &Reducer, to: Id, value: &Operand, part: usize) -> Option<()> {
        let element = self.element(reducer, value)?;
        let value = self.join(reducer, Arg::Value(to), element)?;
        self.l.items.push(Item::Assign { dst: to, value, part });
        Some(())
    }

    /// An element as what is accumulated.
    pub(super) fn element(&mut self, reducer: &Reducer, value: &Operand) -> Option<Arg> {
        let element = self.operand(value)?;
        if reducer.element == reducer.dtype {
            return Some(element);
        }
        self.lane(LaneOp::Cast(reducer.dtype), &[reducer.element], &[element])
    }

    /// Joins two results, `a` of earlier elements than `b` or of a lower lane.
    pub(super) fn join(&mut self, reducer: &Reducer, a: Arg, b: Arg) -> Option<Arg> {
        self.lane(reducer.op, &[reducer.dtype; 2], &[a, b])
    }

    /// Sets the register of a result.
    pub(super) fn set_result(&mut self, reducer: &Reducer, value: Arg, dst: Reg) -> Option<()> {
        let value = if reducer.element == reducer.dtype {
            value
        } else {
            self.lane(LaneOp::Cast(reducer.element), &[reducer.dtype], &[value])?
        };
        self.set(dst, value);
        Some(())
    }
}

fn reducer(kind: ReduceKind, element: DType) -> Option<Reducer> {
    use ReduceKind::{All, Any, Max, Min, Prod, Sum};
    let numbers = |op, identity: u32| Some(Reducer { op, dtype: DType::I32, element, identity });
    let same = |identity: u32| Some(Reducer { op: kind.join_op(), dtype: element, element, identity });
    match (kind, element) {
        // −0.0 + x is x for every x; 0.0 + −0.0 is not.
        (Sum, DType::F32) => same((-0.0f32).to_bits()),
        (Prod, DType::F32) => same(1.0f32.to_bits()),
        (Max, DType::F32) => same(f32::NEG_INFINITY.to_bits()),
        (Min, DType::F32) => same(f32::INFINITY.to_bits()),
        (Max, DType::I32) => same(i32::MIN as u32),
        (Min, DType::I32) => same(i32::MAX as u32),
        (Min, DType::U8) => same(u8::MAX.into()),
        (Sum | Max, DType::I32 | DType::U8) => same(0),
        (Prod, DType::I32 | DType::U8) => same(1),
        (Any | Max, DType::Bool) => numbers(LaneOp::Or, 0),
        (All | Min, DType::Bool) => numbers(LaneOp::And, 1),
        _ => None,
    }
}
