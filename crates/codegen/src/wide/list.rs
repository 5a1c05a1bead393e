//! A kernel as a list of vector operations, if it is one that wide code is made for: loops over neighbours in memory,
//! on values of 32 bits or less, and sums and the like along rows.

use super::ir::*;
use super::record::Record;
use crate::abi::KernelAbi;
use crate::access::{Access, Accesses};
use smallvec::{SmallVec, smallvec};
use tracelift_kernel::lane::{Lane, LaneOf, LaneOp, Scalar, Support, eval};
use tracelift_kernel::loops::{Base, Block, Kernel, Loop, LoopKind, LoopVar, Operand, Place, Reg, Stmt};
use tracelift_kernel::meaning::Ops;
use tracelift_tensor::{DType, Dim};

/// The list of a kernel; `None` if it holds something that wide code has no form for.
pub(super) fn list(kernel: &Kernel, abi: &KernelAbi) -> Option<Listing> {
    let outer = kernel.outer_par()?;
    if kernel.can_fault() || !kernel.scratch.is_empty() || !kernel.results.is_empty() {
        return None;
    }
    let mut lister = Lister {
        kernel,
        abi,
        accesses: Accesses::new(kernel),
        l: Listing::default(),
        regs: vec![None; kernel.registers.len()],
        counters: vec![None; kernel.loop_vars as usize],
    };
    for (n, scalar) in kernel.scalars.iter().enumerate() {
        // Bytes leave the rest of their slot undefined.
        let is_word = matches!(abi.scalars[n], DType::F32 | DType::I32);
        lister.regs[scalar.reg.0 as usize] = is_word.then_some(Arg::Slot(abi.scalar_slot(n)));
    }
    lister.par(outer, true)?;
    Some(lister.l)
}

pub(super) struct Lister<'k> {
    pub(super) kernel: &'k Kernel,
    abi: &'k KernelAbi,
    pub(super) accesses: Accesses<'k>,
    pub(super) l: Listing,
    pub(super) regs: Vec<Option<Arg>>,
    /// The counter of each loop variable that has one. Others are the wide loop's, or 0.
    counters: Vec<Option<usize>>,
}

impl Lister<'_> {
    /// A `par` loop; `given` says that the caller of the kernel chooses its range.
    fn par(&mut self, outer: &Loop, given: bool) -> Option<()> {
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
            let wide = self.begin_wide(&inner.body, var, range, 1)?;
            self.varying(&inner.body, &wide, 0)?;
            self.l.items.push(Item::EndWide);
            return Some(());
        }
        let counter = self.l.counters;
        self.l.counters += 1;
        self.counters[var.0 as usize] = Some(counter);
        self.l.items.push(Item::Begin { counter, range });
        self.block(&inner.body)?;
        self.l.items.push(Item::End { counter });
        self.counters[var.0 as usize] = None;
        Some(())
    }

    /// Statements outside of wide loops.
    fn block(&mut self, block: &Block) -> Option<()> {
        for stmt in &block.stmts {
            match stmt {
                Stmt::Loop(inner) => match &inner.kind {
                    LoopKind::Par => self.par(inner, false)?,
                    LoopKind::Reduce { kinds, order } => self.reduce(inner, kinds, *order)?,
                    LoopKind::Seq => return None,
                },
                Stmt::Store { to, value } => {
                    let to = self.word_address(to)?;
                    let value = self.operand(value)?;
                    self.l.items.push(Item::StoreOne { value, to });
                }
                stmt => self.once(stmt)?,
            }
        }
        Some(())
    }

    /// A load or an operation whose value is the same in all lanes.
    fn once(&mut self, stmt: &Stmt) -> Option<()> {
        match stmt {
            Stmt::Load { dst, from } => {
                let from = self.word_address(from)?;
                let value = self.l.value(Class::Vector);
                self.l.items.push(Item::LoadOne { dst: value, from });
                self.set(*dst, Arg::Value(value));
                Some(())
            }
            Stmt::Lane { dst, op, args } => self.lane_stmt(*dst, *op, args),
            _ => None,
        }
    }

    /// Opens a wide loop over `var` and does what is the same in all its turns.
    pub(super) fn begin_wide(&mut self, body: &Block, var: LoopVar, range: Range, vectors: usize) -> Option<WideBody> {
        let mut wide = WideBody { varies: vec![false; self.kernel.registers.len()], streams: vec![] };
        let mut streams = vec![];
        for stmt in &body.stmts {
            let (place, stored) = match stmt {
                Stmt::Load { from, .. } => (from, false),
                Stmt::Store { to, .. } => (to, true),
                Stmt::Lane { dst, args, .. } => {
                    wide.varies[dst.0 as usize] = args.iter().any(|arg| wide.differs(arg));
                    continue;
                }
                Stmt::Index { .. } | Stmt::Loop(_) => return None,
            };
            let access = self.accesses.of(place);
            match access.coefficient(var).known() {
                Some(0) if !stored => continue,
                Some(1) => {}
                _ => return None,
            }
            if let Stmt::Load { dst, .. } = stmt {
                wide.varies[dst.0 as usize] = true;
            }
            let address = self.address(&access, Some(var))?;
            let stream = streams.iter().position(|known| *known == address).unwrap_or(streams.len());
            if stream == streams.len() {
                streams.push(address);
            }
            wide.streams.push((std::ptr::from_ref(place), stream));
        }
        self.l.items.push(Item::BeginWide(Wide { range, streams, vectors }));
        for stmt in &body.stmts {
            match stmt {
                Stmt::Load { dst, .. } | Stmt::Lane { dst, .. } if !wide.varies[dst.0 as usize] => self.once(stmt)?,
                _ => {}
            }
        }
        self.l.items.push(Item::Head);
        Some(wide)
    }

    /// What differs between the lanes of a wide loop, for the `part`-th vector of a turn.
    pub(super) fn varying(&mut self, body: &Block, wide: &WideBody, part: usize) -> Option<()> {
        for stmt in &body.stmts {
            match stmt {
                Stmt::Load { dst, from } if wide.varies[dst.0 as usize] => {
                    let is_bool = self.kernel.registers[dst.0 as usize] == DType::Bool;
                    let value = self.l.value(if is_bool { Class::Mask } else { Class::Vector });
                    self.l.items.push(Item::Load { dst: value, stream: wide.stream(from), part });
                    self.set(*dst, Arg::Value(value));
                }
                Stmt::Lane { dst, op, args } if wide.varies[dst.0 as usize] => self.lane_stmt(*dst, *op, args)?,
                Stmt::Store { to, value } => {
                    let value = self.operand(value)?;
                    self.l.items.push(Item::Store { value, stream: wide.stream(to), part });
                }
                _ => {}
            }
        }
        Some(())
    }

    fn lane_stmt(&mut self, dst: Reg, op: LaneOp, args: &[Operand]) -> Option<()> {
        let types: SmallVec<[DType; 3]> = args.iter().map(|arg| self.kernel.dtype(arg)).collect();
        let args = args.iter().map(|arg| self.operand(arg)).collect::<Option<SmallVec<[Arg; 3]>>>()?;
        let value = self.lane(op, &types, &args)?;
        self.set(dst, value);
        Some(())
    }

    /// An operation on values of these types.
    pub(super) fn lane(&mut self, op: LaneOp, types: &[DType], args: &[Arg]) -> Option<Arg> {
        let result = op.result_type(types).ok()?;
        let fits = |dtype: &DType| matches!(dtype, DType::F32 | DType::I32 | DType::U8 | DType::Bool);
        if !fits(&result) || !types.iter().all(fits) || op.support(types) != Support::Vector {
            return None;
        }
        let lanes: SmallVec<[LaneOf<Record<'_>>; 3]> =
            types.iter().zip(args).map(|(t, arg)| as_lane(*t, *arg)).collect();
        Some(match eval(&mut Record(&mut self.l), op, types, &lanes) {
            Lane::F(value) | Lane::I(value) | Lane::M(value) => value,
        })
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

    /// A size as a number that fits an instruction, or the slot it is in.
    pub(super) fn size(&self, dim: &Dim) -> Option<Size> {
        match dim.known() {
            Some(known) => i32::try_from(known.checked_mul(4)?).ok().map(|_| Size::Known(known)),
            None => {
                let n = self.abi.extents.iter().position(|extent| extent == dim)?;
                Some(Size::Slot(self.abi.extent_slot(n), dim.clone()))
            }
        }
    }

    /// The address of one number of 32 bits.
    fn word_address(&mut self, place: &Place) -> Option<Address> {
        let access = self.accesses.of(place);
        let address = self.address(&access, None)?;
        matches!(address.dtype, DType::F32 | DType::I32).then_some(address)
    }

    /// The address of an access, at the first lane of the loop over `wide`.
    fn address(&mut self, access: &Access, wide: Option<LoopVar>) -> Option<Address> {
        let Base::Param(param) = access.base else { return None };
        let dtype = self.kernel.params[param as usize].dtype;
        if !access.indirect.is_empty() || dtype.size() > 4 {
            return None;
        }
        let mut terms = smallvec![];
        for (var, step) in &access.terms {
            // Variables without a counter are those of loops merged into another one: they stay 0.
            if let (Some(counter), true) = (self.counters[var.0 as usize], Some(*var) != wide) {
                terms.push((counter, self.size(step)?));
            }
        }
        Some(Address { slot: self.abi.param_slot(param as usize), terms, offset: self.size(&access.offset)?, dtype })
    }
}

/// What is known of the body of a wide loop.
pub(super) struct WideBody {
    varies: Vec<bool>,
    /// The stream of each access, which is part of the kernel.
    streams: Vec<(*const Place, usize)>,
}

impl WideBody {
    fn differs(&self, operand: &Operand) -> bool {
        matches!(operand, Operand::Reg(reg) if self.varies[reg.0 as usize])
    }

    fn stream(&self, place: &Place) -> usize {
        let found = self.streams.iter().find(|(known, _)| std::ptr::eq(*known, place));
        found.expect("every access that varies has a stream").1
    }
}

fn as_lane(dtype: DType, arg: Arg) -> LaneOf<Record<'static>> {
    match dtype {
        DType::F32 => Lane::F(arg),
        DType::Bool => Lane::M(arg),
        _ => Lane::I(arg),
    }
}
