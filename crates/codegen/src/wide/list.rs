//! A kernel as a list of vector operations, if it is one that wide code is made for: loops over neighbours in memory,
//! on values of 32 bits or less, and reductions.

use super::far::Far;
use super::form::Wide;
use super::ir::*;
use super::non_temporal;
use super::record::Record;
use crate::abi::KernelAbi;
use crate::access::Accesses;
use smallvec::SmallVec;
use tracelift_kernel::lane::{Lane, LaneOf, LaneOp, Scalar, Support, eval};
use tracelift_kernel::loops::{Index, Kernel, Loop, LoopKind, LoopVar, Operand, Reg, Stmt};
use tracelift_kernel::meaning::{Ops, ReduceOrder};
use tracelift_tensor::{DType, Dim};

/// The list of a kernel, with as many vectors per turn as `effort` allows; `None` if it holds something that wide code
/// has no form for.
pub(super) fn list(kernel: &Kernel, abi: &KernelAbi, target: Target, effort: Effort) -> Option<Listing> {
    if kernel.can_fault() || !kernel.body.stmts.iter().any(|stmt| matches!(stmt, Stmt::Loop(_))) {
        return None;
    }
    let mut lister = Lister {
        kernel,
        abi,
        effort,
        accesses: Accesses::new(kernel),
        l: Listing::new(target.wide),
        non_temporal: non_temporal::roots(kernel, abi, target.non_temporal_from),
        regs: vec![None; kernel.registers.len()],
        cells: vec![None; kernel.registers.len()],
        is_index: indices(kernel),
        places: vec![None; kernel.registers.len()],
        counters: vec![None; kernel.loop_vars as usize],
        given: kernel.range().is_some(),
        beyond: None,
        part: 0,
    };
    lister.scalars();
    lister.block(&kernel.body.stmts)?;
    for (n, value) in kernel.body.yields.iter().enumerate() {
        let value = lister.operand(value)?;
        lister.l.items.push(Item::Result { value, slot: abi.result_slot(n) });
    }
    Some(lister.l)
}

/// What a list is made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub wide: Wide,
    /// How many bytes a kernel must go through to write around the caches.
    pub non_temporal_from: u64,
}

/// How many vectors a turn may have at the most: fewer need fewer registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effort(pub usize);

pub(super) struct Lister<'k> {
    pub(super) kernel: &'k Kernel,
    pub(super) abi: &'k KernelAbi,
    pub(super) effort: Effort,
    pub(super) accesses: Accesses<'k>,
    pub(super) l: Listing,
    /// The buffers that are written around the caches.
    pub(super) non_temporal: Vec<Root>,
    pub(super) regs: Vec<Option<Arg>>,
    /// The number in the frame that holds a register, if it is an index.
    pub(super) cells: Vec<Option<usize>>,
    /// Which registers are indices of loads and stores.
    is_index: Vec<bool>,
    /// The low halves of the registers that are sums of loop variables: other values of 64 bits there are none.
    pub(super) places: Vec<Option<Arg>>,
    /// The counter of each loop variable that has one. Others are the wide loop's, or 0.
    pub(super) counters: Vec<Option<usize>>,
    /// Whether the caller of the kernel chooses the range of the next loop.
    pub(super) given: bool,
    /// How far beyond its counter a loop variable is, where what is done for several of its values is listed.
    pub(super) beyond: Option<(LoopVar, i64)>,
    /// Which vector of the turn is listed: others than the first may have no lanes in a tail.
    pub(super) part: usize,
}

impl Lister<'_> {
    fn scalars(&mut self) {
        for (n, scalar) in self.kernel.scalars.iter().enumerate() {
            let slot = self.abi.scalar_slot(n);
            let value = match self.abi.scalars[n] {
                DType::F32 | DType::I32 if self.l.wide.broadcasts() => Arg::Slot(slot),
                dtype if Self::fits(dtype) => {
                    let dst = self.value(dtype);
                    self.l.items.push(Item::LoadSlot { dst, slot, dtype });
                    Arg::Value(dst)
                }
                _ => continue,
            };
            self.set(scalar.reg, value);
        }
    }

    /// A `par` loop.
    fn par(&mut self, outer: &Loop) -> Option<()> {
        let given = std::mem::take(&mut self.given);
        let mut axes: SmallVec<[(LoopVar, Dim); 2]> = outer.axes.iter().cloned().collect();
        let mut inner = outer;
        while let [Stmt::Loop(next)] = inner.body.stmts.as_slice() {
            let last = axes[axes.len() - 1].0;
            if next.kind != LoopKind::Par || !self.accesses.mergeable(last, &next.axes[0], &next.body) {
                break;
            }
            axes.extend(next.axes.iter().cloned());
            inner = next;
        }
        let counted = if given { &axes[1..] } else { &axes[..] };
        let sizes = counted.iter().map(|(_, extent)| self.size(extent)).collect::<Option<_>>()?;
        let range = if given { Range::Given(sizes) } else { Range::Whole(sizes) };
        let var = axes[axes.len() - 1].0;
        if !inner.body.stmts.iter().any(|stmt| matches!(stmt, Stmt::Loop(_))) {
            return self.straight(&inner.body, var, range);
        }
        if self.is_columns(&inner.body, var) {
            return self.columns(&inner.body, var, range);
        }
        let rows = axes.iter().try_fold(1i64, |n, (_, extent)| n.checked_mul(extent.known()?));
        if let Some(has_form) = self.rows_by_turns(&inner.body, (var, &range), rows) {
            return has_form.then_some(());
        }
        let counter = self.l.reserve(2);
        self.counters[var.0 as usize] = Some(counter);
        self.l.items.push(Item::Begin { counter, range, step: 1 });
        self.block(&inner.body.stmts)?;
        self.l.items.push(Item::End);
        self.counters[var.0 as usize] = None;
        Some(())
    }

    /// Statements outside of wide loops.
    pub(super) fn block(&mut self, stmts: &[Stmt]) -> Option<()> {
        for stmt in stmts {
            match stmt {
                Stmt::Loop(inner) => match &inner.kind {
                    LoopKind::Par => self.par(inner)?,
                    LoopKind::Reduce { kinds, order: ReduceOrder::Lanes } => self.lanes(inner, kinds)?,
                    LoopKind::Reduce { kinds, .. } => self.one_chain(inner, kinds)?,
                    LoopKind::Seq => return None,
                },
                Stmt::Store { to, value } => {
                    let to = self.place(to, None)?;
                    let value = self.operand(value)?;
                    self.l.items.push(Item::StoreOne { value, to });
                }
                stmt => self.once(stmt)?,
            }
        }
        Some(())
    }

    /// A load or an operation whose value is the same in all lanes.
    pub(super) fn once(&mut self, stmt: &Stmt) -> Option<()> {
        match stmt {
            Stmt::Load { dst, from } => {
                let from = self.place(from, None)?;
                if self.is_index[dst.0 as usize] {
                    let cell = self.l.reserve(1);
                    self.l.items.push(Item::LoadIndex { cell, from: from.clone() });
                    self.cells[dst.0 as usize] = Some(cell);
                }
                if from.dtype.size() <= 4 {
                    let value = self.value(from.dtype);
                    self.l.items.push(Item::LoadOne { dst: value, from });
                    self.set(*dst, Arg::Value(value));
                } else if self.cells[dst.0 as usize].is_none() {
                    return None;
                }
                Some(())
            }
            Stmt::Lane { dst, op, args } => self.lane_stmt(*dst, *op, args),
            Stmt::Index { dst, value } => {
                let value = self.number(value)?;
                self.places[dst.0 as usize] = Some(value);
                Some(())
            }
            _ => None,
        }
    }

    pub(super) fn lane_stmt(&mut self, dst: Reg, op: LaneOp, args: &[Operand]) -> Option<()> {
        if let (LaneOp::Cast(DType::I32), [Operand::Reg(from)]) = (op, args)
            && let Some(value) = self.places[from.0 as usize]
        {
            self.set(dst, value);
            return Some(());
        }
        let types: SmallVec<[DType; 3]> = args.iter().map(|arg| self.kernel.dtype(arg)).collect();
        let args = args.iter().map(|arg| self.operand(arg)).collect::<Option<SmallVec<[Arg; 3]>>>()?;
        let value = self.lane(op, &types, &args)?;
        self.set(dst, value);
        Some(())
    }

    /// An operation on values of these types.
    pub(super) fn lane(&mut self, op: LaneOp, types: &[DType], args: &[Arg]) -> Option<Arg> {
        let result = op.result_type(types).ok()?;
        let fits = |dtype: &DType| Self::fits(*dtype);
        // Amounts of shifts that differ between lanes are no matter here.
        let has_form =
            matches!(op.support(types), Support::Vector | Support::Near) || matches!(op, LaneOp::Shl | LaneOp::Shr);
        if !fits(&result) || !types.iter().all(fits) || !has_form {
            return None;
        }
        let mut args: SmallVec<[Arg; 3]> = args.iter().copied().collect();
        let far = Far::new(op, self.part);
        if let (Some(_), Arg::Const(_) | Arg::Slot(_)) = (far, args[0]) {
            args[0] = Arg::Value(self.copy(args[0]));
        }
        let lanes: SmallVec<[LaneOf<Record<'_>>; 3]> =
            types.iter().zip(&args).map(|(t, arg)| as_lane(*t, *arg)).collect();
        let value = match eval(&mut Record(&mut self.l), op, types, &lanes) {
            Lane::F(value) | Lane::I(value) | Lane::M(value) => value,
        };
        Some(match far {
            Some(far) => self.l.op(Code::Far(far), &[args[0], value]),
            None => value,
        })
    }

    /// A new value of this type.
    pub(super) fn value(&mut self, dtype: DType) -> Id {
        self.l.value(if dtype == DType::Bool { Class::Mask } else { Class::Vector })
    }

    pub(super) fn set(&mut self, reg: Reg, value: Arg) {
        self.regs[reg.0 as usize] = Some(value);
    }

    pub(super) fn operand(&mut self, operand: &Operand) -> Option<Arg> {
        match operand {
            Operand::Reg(reg) => self.regs[reg.0 as usize],
            Operand::Const(Scalar::F32(x)) => Some(Arg::Const(x.to_bits())),
            Operand::Const(Scalar::I32(x)) => Some(Arg::Const(*x as u32)),
            Operand::Const(Scalar::U8(x)) => Some(Arg::Const((*x).into())),
            Operand::Const(Scalar::Bool(x)) => Some(Record(&mut self.l).m(*x)),
            Operand::Const(_) => None,
        }
    }
}

/// Which registers are indices of loads and stores.
fn indices(kernel: &Kernel) -> Vec<bool> {
    let mut is_index = vec![false; kernel.registers.len()];
    kernel.for_each_stmt(&mut |stmt| {
        if let Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } = stmt {
            for index in &place.index {
                if let Index::Indirect(reg) = index {
                    is_index[reg.0 as usize] = true;
                }
            }
        }
    });
    is_index
}

fn as_lane(dtype: DType, arg: Arg) -> LaneOf<Record<'static>> {
    match dtype {
        DType::F32 => Lane::F(arg),
        DType::Bool => Lane::M(arg),
        _ => Lane::I(arg),
    }
}
