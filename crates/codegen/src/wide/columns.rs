//! `par` loops around reductions in chains: neighbouring columns are lanes, several vectors of them go down the rows at
//! once, so that the rows' memory is used whole and no addition waits for another.

use super::ir::*;
use super::list::Lister;
use super::reduce::Reducer;
use smallvec::SmallVec;
use tracelift_kernel::loops::{Block, Loop, LoopKind, LoopVar, Operand, Place, Stmt};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};

/// Lanes of a vector.
pub(super) const LANES: i64 = 16;

/// The registers as one vector of a turn sees them.
type Regs = Vec<Option<Arg>>;

impl Lister<'_> {
    /// Whether the body of a `par` loop is reductions in chains, every access of it walking with `var` or not at all.
    pub(super) fn is_columns(&mut self, body: &Block, var: LoopVar) -> bool {
        body.stmts.iter().all(|stmt| match stmt {
            Stmt::Load { .. } | Stmt::Store { .. } => self.walks(stmt, var),
            Stmt::Lane { .. } => true,
            Stmt::Index { .. } => false,
            Stmt::Loop(inner) => {
                matches!(inner.kind, LoopKind::Reduce { order: ReduceOrder::Chain, .. })
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
        let kinds = body.stmts.iter().map(|stmt| if let Stmt::Loop(inner) = stmt { inner.results.len() } else { 0 });
        let most = (self.effort.0 / kinds.max().unwrap_or(1).max(1)).max(1);
        let fits = |vectors: &usize| *vectors <= most && known.is_none_or(|n| n >= LANES * *vectors as i64);
        let many: SmallVec<[usize; 2]> = [16, 4].into_iter().filter(fits).collect();
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
        self.l.items.push(Item::Turns(Turns { streams, vectors, tail: vectors == 1, nested }));
        let mut views: Vec<Regs> = vec![self.regs.clone(); vectors];
        let mut stream = 0;
        for stmt in &body.stmts {
            match stmt {
                Stmt::Loop(inner) => {
                    let LoopKind::Reduce { kinds, .. } = &inner.kind else { return None };
                    self.chain(inner, kinds, var, &mut views)?;
                }
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

    /// A reduction down the rows, for all vectors of a turn.
    fn chain(&mut self, inner: &Loop, kinds: &[ReduceKind], var: LoopVar, views: &mut [Regs]) -> Option<()> {
        let reducers = self.reducers(inner, kinds)?;
        let (down, extent) = self.axis(inner)?;
        let parts: Vec<Reducer> = views.iter().flat_map(|_| reducers.iter().copied()).collect();
        let results = self.in_blocks(&extent, &parts, &mut |this, range| {
            let sums: Vec<Id> = parts.iter().map(|reducer| this.identity(reducer)).collect();
            let mut walks = vec![];
            for stmt in &inner.body.stmts {
                if let Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } = stmt {
                    walks.push(this.walk(place, var, down)?);
                }
            }
            let alongs: Vec<bool> = walks.iter().map(|walk| walk.along).collect();
            this.l.items.push(Item::Chain { walks, range });
            for part in 0..views.len() {
                let mut walk = 0;
                for stmt in &inner.body.stmts {
                    let mut stream = None;
                    if let Stmt::Load { .. } | Stmt::Store { .. } = stmt {
                        stream = Some((walk, alongs[walk]));
                        walk += 1;
                    }
                    this.column_stmt(stmt, stream, part, views)?;
                }
                std::mem::swap(&mut this.regs, &mut views[part]);
                for (n, (value, reducer)) in inner.body.yields.iter().zip(&reducers).enumerate() {
                    this.accumulate(reducer, sums[part * reducers.len() + n], value, 0)?;
                }
                std::mem::swap(&mut this.regs, &mut views[part]);
            }
            this.l.items.push(Item::End);
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

    fn walk(&mut self, place: &Place, var: LoopVar, down: LoopVar) -> Option<Walk> {
        let access = self.accesses.of(place);
        let address = self.address(&access, Some(var)).filter(|address| Self::fits(address.dtype))?;
        let step = self.size(&access.coefficient(down))?;
        let cell = matches!(step, Size::Slot(..)).then(|| self.l.reserve(1));
        Some(Walk { address, step: (step, cell), along: self.along(place, var) == Some(1) })
    }
}
