//! `par` loops around reductions in chains: neighbouring columns are lanes, several vectors of them go down the rows at
//! once, so that the rows' memory is used whole and no addition waits for another.

use super::ir::*;
use super::list::Lister;
use super::reduce::Reducer;
use smallvec::SmallVec;
use tracelift_kernel::loops::{Block, Loop, LoopKind, LoopVar, Operand, Place, Stmt};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::DType;

/// The variables of a loop down the rows.
#[derive(Clone, Copy)]
struct Directions {
    /// What numbers the lanes; without it all do the same.
    across: Option<LoopVar>,
    down: LoopVar,
}

/// The registers as one vector of a turn sees them.
type Regs = Vec<Option<Arg>>;

impl Lister<'_> {
    /// Whether the body of a `par` loop is reductions in chains and sequences, every access of it walking with `var` or not at all.
    pub(super) fn is_columns(&mut self, body: &Block, var: LoopVar) -> bool {
        body.stmts.iter().all(|stmt| match stmt {
            Stmt::Load { .. } | Stmt::Store { .. } => self.walks(stmt, var),
            Stmt::Lane { .. } => true,
            Stmt::Index { .. } => false,
            Stmt::Loop(inner) => {
                matches!(inner.kind, LoopKind::Seq | LoopKind::Reduce { order: ReduceOrder::Chain, .. })
                    && inner.body.stmts.iter().all(|stmt| self.walks(stmt, var))
            }
        })
    }

    fn walks(&mut self, stmt: &Stmt, var: LoopVar) -> bool {
        match stmt {
            Stmt::Load { from, .. } => matches!(self.along(from, var), Some(0 | 1)),
            Stmt::Store { to, .. } => self.along(to, var) == Some(1),
            Stmt::Lane { .. } => true,
            Stmt::Index { .. } | Stmt::Loop(_) => false,
        }
    }

    /// By how many elements an access moves from one lane to the next.
    fn along(&mut self, place: &Place, var: LoopVar) -> Option<i64> {
        // The variable of a loop that runs once is left out of accesses.
        if self.accesses.extent(var).is_one() { Some(1) } else { self.accesses.of(place).coefficient(var).known() }
    }

    /// The loop: turns of many vectors, then of fewer.
    pub(super) fn columns(&mut self, body: &Block, var: LoopVar, range: Range) -> Option<()> {
        let known = match &range {
            Range::Whole(sizes) => sizes.iter().try_fold(1i64, |n, size| match size {
                Size::Known(known) => n.checked_mul(*known),
                Size::Slot(..) => None,
            }),
            _ => self.accesses.extent(var).known(),
        };
        if let Some(done) = self.tiled(body, var, &range, known) {
            return done.then_some(());
        }
        self.l.has_columns = true;
        let kinds = body.stmts.iter().map(|stmt| if let Stmt::Loop(inner) = stmt { inner.results.len() } else { 0 });
        let most = (self.effort.0 / kinds.max().unwrap_or(1).max(1)).max(1);
        let lanes = self.l.wide.lanes();
        let fits = |vectors: &usize| *vectors <= most && known.is_none_or(|n| n >= (lanes * vectors) as i64);
        let mut many: SmallVec<[usize; 3]> = self.l.wide.columns().into_iter().filter(fits).collect();
        // Two of what is left go together, if it is known that they are there.
        let left = known.map_or(0, |n| many.iter().fold(n as usize / lanes, |left, vectors| left % vectors));
        many.extend(Some(2).filter(|two| left >= *two && two <= &most));
        self.l.items.push(Item::BeginWide(range));
        for vectors in many.into_iter().chain([1]) {
            self.column_turns(body, var, vectors)?;
        }
        self.l.items.push(Item::End);
        Some(())
    }

    fn column_turns(&mut self, body: &Block, var: LoopVar, vectors: usize) -> Option<()> {
        let mut streams = vec![];
        for stmt in &body.stmts {
            if let Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } = stmt
                && self.along(place, var) == Some(1)
            {
                streams.push(self.place(place, Some(var)).filter(|address| Self::fits(address.dtype))?);
            }
        }
        let nested = Some(self.l.reserve(3));
        self.l.items.push(Item::Turns(Turns { streams, vectors, tail: vectors == 1, non_temporal: vec![], nested }));
        let mut views: Vec<Regs> = vec![self.regs.clone(); vectors];
        let mut stream = 0;
        for stmt in &body.stmts {
            match stmt {
                Stmt::Loop(inner) => match &inner.kind {
                    LoopKind::Reduce { kinds, .. } => self.chain(inner, kinds, Some(var), &mut views)?,
                    LoopKind::Seq => self.sequence(inner, var, &mut views)?,
                    LoopKind::Par => return None,
                },
                stmt => {
                    let walking = match stmt {
                        Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } => {
                            self.along(place, var) == Some(1)
                        }
                        _ => false,
                    };
                    for part in 0..vectors {
                        self.column_stmt(stmt, walking.then_some((stream, true)), part, &mut views)?;
                    }
                    stream += usize::from(walking);
                }
            }
        }
        self.l.items.push(Item::End);
        Some(())
    }

    /// One statement for one vector of a turn; `stream` is what it walks through, if it does, and whether its lanes are
    /// neighbours.
    fn column_stmt(
        &mut self,
        stmt: &Stmt,
        stream: Option<(usize, bool)>,
        part: usize,
        views: &mut [Regs],
    ) -> Option<()> {
        let is_same = |arg: &Operand| match arg {
            Operand::Reg(reg) => views[part][reg.0 as usize] == views[0][reg.0 as usize],
            Operand::Const(_) => true,
        };
        let same = match stmt {
            Stmt::Load { dst, .. } if stream.is_none_or(|(_, along)| !along) => Some(*dst),
            Stmt::Lane { dst, args, .. } if args.iter().all(is_same) => Some(*dst),
            _ => None,
        };
        // What is the same as for the first vector of the turn is not done again.
        if let (Some(dst), 1..) = (same, part) {
            views[part][dst.0 as usize] = views[0][dst.0 as usize];
            return Some(());
        }
        std::mem::swap(&mut self.regs, &mut views[part]);
        match (stmt, stream) {
            (Stmt::Load { dst, .. }, Some((stream, _))) => {
                let value = self.value(self.kernel.registers[dst.0 as usize]);
                self.l.items.push(Item::Load { dst: value, stream, part });
                self.set(*dst, Arg::Value(value));
            }
            (Stmt::Store { value, .. }, Some((stream, _))) => {
                let value = self.operand(value)?;
                self.l.items.push(Item::Store { value, stream, part });
            }
            (stmt, _) => self.once(stmt)?,
        }
        std::mem::swap(&mut self.regs, &mut views[part]);
        Some(())
    }

    /// A reduction of everything, one element after the other: all lanes do the same.
    pub(super) fn one_chain(&mut self, inner: &Loop, kinds: &[ReduceKind]) -> Option<()> {
        // Inside of loops there are better ways.
        if self.counters.iter().any(Option::is_some) {
            return None;
        }
        let mut views = [self.regs.clone()];
        self.chain(inner, kinds, None, &mut views)?;
        [self.regs] = views;
        Some(())
    }

    /// A reduction down the rows, for all vectors of a turn; `var` is what numbers the lanes.
    fn chain(&mut self, inner: &Loop, kinds: &[ReduceKind], var: Option<LoopVar>, views: &mut [Regs]) -> Option<()> {
        let reducers = self.reducers(inner, kinds)?;
        let (down, extent) = self.axis(inner)?;
        let parts: Vec<Reducer> = views.iter().flat_map(|_| reducers.iter().copied()).collect();
        let results = self.in_blocks(&extent, &parts, &mut |this, range| {
            let sums: Vec<Id> = parts.iter().map(|reducer| this.identity(reducer)).collect();
            this.open_chain(inner, Directions { across: var, down }, range, views, &mut |this, part| {
                for (n, (value, reducer)) in inner.body.yields.iter().zip(&reducers).enumerate() {
                    this.accumulate(reducer, sums[part * reducers.len() + n], value, 0)?;
                }
                Some(())
            })?;
            Some(sums.into_iter().map(Arg::Value).collect())
        })?;
        for (view, results) in views.iter_mut().zip(results.chunks(reducers.len())) {
            std::mem::swap(&mut self.regs, view);
            for ((reducer, value), dst) in reducers.iter().zip(results).zip(&inner.results) {
                self.set_result(reducer, *value, *dst)?;
            }
            std::mem::swap(&mut self.regs, view);
        }
        Some(())
    }

    /// A loop down the rows whose turns hand numbers to the next ones, for all vectors of a turn.
    fn sequence(&mut self, inner: &Loop, var: LoopVar, views: &mut [Regs]) -> Option<()> {
        let (down, extent) = self.axis(inner)?;
        let mut carried: Vec<Vec<Id>> = vec![];
        for view in views.iter_mut() {
            std::mem::swap(&mut self.regs, view);
            let mut ids = vec![];
            for (reg, first) in &inner.carried {
                if self.kernel.registers[reg.0 as usize] == DType::Bool {
                    return None;
                }
                let first = self.operand(first)?;
                ids.push(self.copy(first));
            }
            for ((reg, _), id) in inner.carried.iter().zip(&ids) {
                self.set(*reg, Arg::Value(*id));
            }
            carried.push(ids);
            std::mem::swap(&mut self.regs, view);
        }
        let range = Range::Whole(extent.sizes);
        self.open_chain(inner, Directions { across: Some(var), down }, range, views, &mut |this, part| {
            let mut next = vec![];
            for value in &inner.body.yields {
                let value = this.operand(value)?;
                // One that is carried may have changed before it is read.
                let is_carried = carried[part].iter().any(|id| value == Arg::Value(*id));
                next.push(if is_carried { Arg::Value(this.copy(value)) } else { value });
            }
            for (dst, value) in carried[part].iter().zip(next) {
                this.l.items.push(Item::Assign { dst: *dst, value, part: 0 });
            }
            Some(())
        })?;
        for (view, ids) in views.iter_mut().zip(carried) {
            for (dst, id) in inner.results.iter().zip(ids) {
                view[dst.0 as usize] = Some(Arg::Value(id));
            }
        }
        Some(())
    }

    /// A loop down the rows: the body and `last` for each vector of a turn.
    fn open_chain(
        &mut self,
        inner: &Loop,
        to: Directions,
        range: Range,
        views: &mut [Regs],
        last: &mut dyn FnMut(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
        let mut walks = vec![];
        for stmt in &inner.body.stmts {
            match stmt {
                Stmt::Load { from: place, .. } => walks.push(self.walk(place, to)?),
                Stmt::Store { to: place, .. } if to.across.is_some() => walks.push(self.walk(place, to)?),
                Stmt::Lane { .. } => {}
                _ => return None,
            }
        }
        let alongs: Vec<bool> = walks.iter().map(|walk| walk.along).collect();
        self.l.items.push(Item::Chain { walks, range });
        for part in 0..views.len() {
            let mut walk = 0;
            for stmt in &inner.body.stmts {
                let mut stream = None;
                if let Stmt::Load { .. } | Stmt::Store { .. } = stmt {
                    stream = Some((walk, alongs[walk]));
                    walk += 1;
                }
                self.column_stmt(stmt, stream, part, views)?;
            }
            std::mem::swap(&mut self.regs, &mut views[part]);
            last(self, part)?;
            std::mem::swap(&mut self.regs, &mut views[part]);
        }
        self.l.items.push(Item::End);
        Some(())
    }

    fn walk(&mut self, place: &Place, to: Directions) -> Option<Walk> {
        let access = self.accesses.of(place);
        let address = self.address(&access, to.across).filter(|address| Self::fits(address.dtype))?;
        let step = self.size(&access.coefficient(to.down))?;
        let cell = matches!(step, Size::Slot(..)).then(|| self.l.reserve(1));
        let along = to.across.is_some_and(|var| self.along(place, var) == Some(1));
        Some(Walk { address, step: (step, cell), along })
    }
}
