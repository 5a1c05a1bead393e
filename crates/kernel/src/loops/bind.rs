//! A kernel with the sizes of one call: extents are numbers, indices are offsets, and every affine index is known to
//! stay inside of its buffer.

use super::kernel::*;
use crate::lane::LaneOp;
use smallvec::SmallVec;
use tracelift_tensor::{Binding, Dim, Error, Result, count_elements};

/// A kernel whose sizes are known.
pub(crate) struct BoundKernel<'k> {
    pub(super) kernel: &'k Kernel,
    pub(super) body: BoundBlock<'k>,
    /// The number of elements of each buffer.
    pub(crate) lengths: Vec<usize>,
    /// The number of elements of each scratch row.
    pub(super) scratch: Vec<usize>,
}

pub(super) struct BoundBlock<'k> {
    pub(super) stmts: Vec<BoundStmt<'k>>,
    pub(super) yields: &'k [Operand],
}

pub(super) enum BoundStmt<'k> {
    Load { dst: Reg, base: Base, at: Address },
    Store { base: Base, at: Address, value: Operand },
    Lane { dst: Reg, op: LaneOp, args: &'k [Operand] },
    Index { dst: Reg, at: Address },
    Loop(BoundLoop<'k>),
}

pub(super) struct BoundLoop<'k> {
    pub(super) source: &'k Loop,
    pub(super) extents: SmallVec<[i64; 1]>,
    pub(super) body: BoundBlock<'k>,
}

/// `offset + Σ stride · loop variable + Σ stride · register`.
#[derive(Default)]
pub(super) struct Address {
    pub(super) offset: i64,
    pub(super) terms: SmallVec<[(LoopVar, i64); 4]>,
    pub(super) indirect: SmallVec<[Indirect; 1]>,
}

/// An index that is a value.
pub(super) struct Indirect {
    pub(super) reg: Reg,
    pub(super) stride: i64,
    pub(super) extent: i64,
}

impl<'k> BoundKernel<'k> {
    /// Puts the sizes in. The kernel has passed its verifier.
    pub(crate) fn new(kernel: &'k Kernel, sizes: &Binding) -> Result<Self> {
        let mut shapes = vec![];
        for param in &kernel.params {
            shapes.push(param.shape.eval(sizes)?.iter().map(|n| *n as i64).collect::<Vec<_>>());
        }
        let mut scratch = vec![];
        for row in &kernel.scratch {
            scratch.push(extent(kernel, &row.extent, sizes)? as usize);
        }
        let lengths: Result<Vec<usize>> =
            shapes.iter().map(|shape| count_elements(&shape.iter().map(|n| *n as usize).collect::<Vec<_>>())).collect();
        let lengths = lengths?;
        let rows = scratch.iter().map(|n| vec![*n as i64]).collect();
        let mut binder = Binder { kernel, sizes, shapes, rows, scope: vec![] };
        let body = binder.block(&kernel.body)?;
        Ok(BoundKernel { kernel, body, lengths, scratch })
    }
}

fn extent(kernel: &Kernel, extent: &Dim, sizes: &Binding) -> Result<i64> {
    let n = extent.eval(sizes)?;
    match n {
        0.. => Ok(n),
        _ => Err(Error::invalid(format!("the size `{extent}` in kernel `@{}` is {n} for {sizes}", kernel.name))),
    }
}

struct Binder<'k, 's> {
    kernel: &'k Kernel,
    sizes: &'s Binding,
    shapes: Vec<Vec<i64>>,
    rows: Vec<Vec<i64>>,
    /// The loops that are open, with their extents.
    scope: Vec<(LoopVar, i64)>,
}

impl<'k> Binder<'k, '_> {
    fn block(&mut self, block: &'k Block) -> Result<BoundBlock<'k>> {
        let stmts: Result<Vec<_>> = block.stmts.iter().map(|stmt| self.stmt(stmt)).collect();
        Ok(BoundBlock { stmts: stmts?, yields: &block.yields })
    }

    fn stmt(&mut self, stmt: &'k Stmt) -> Result<BoundStmt<'k>> {
        Ok(match stmt {
            Stmt::Load { dst, from } => BoundStmt::Load { dst: *dst, base: from.base, at: self.place(stmt, from)? },
            Stmt::Store { to, value } => BoundStmt::Store { base: to.base, at: self.place(stmt, to)?, value: *value },
            Stmt::Lane { dst, op, args } => BoundStmt::Lane { dst: *dst, op: *op, args },
            Stmt::Index { dst, value } => {
                let mut at = Address::default();
                self.add(&mut at, value, 1)?;
                BoundStmt::Index { dst: *dst, at }
            }
            Stmt::Loop(inner) => {
                let depth = self.scope.len();
                let mut extents = SmallVec::new();
                for (var, size) in &inner.axes {
                    let n = extent(self.kernel, size, self.sizes)?;
                    extents.push(n);
                    self.scope.push((*var, n));
                }
                let body = self.block(&inner.body)?;
                self.scope.truncate(depth);
                BoundStmt::Loop(BoundLoop { source: inner, extents, body })
            }
        })
    }

    fn place(&mut self, stmt: &Stmt, place: &Place) -> Result<Address> {
        let shape = match place.base {
            Base::Param(n) => self.shapes[n as usize].clone(),
            Base::Scratch(n) => self.rows[n as usize].clone(),
        };
        let mut at = Address::default();
        let mut stride = 1i64;
        for (index, extent) in place.index.iter().zip(shape).rev() {
            match index {
                Index::Affine(affine) => {
                    self.verify_bounds(stmt, affine, extent)?;
                    self.add(&mut at, affine, stride)?;
                }
                Index::Indirect(reg) => at.indirect.push(Indirect { reg: *reg, stride, extent }),
            }
            stride = stride.saturating_mul(extent);
        }
        Ok(at)
    }

    /// Loops that never run reach nothing.
    fn verify_bounds(&self, stmt: &Stmt, affine: &Affine, extent: i64) -> Result {
        if self.scope.iter().any(|(_, n)| *n == 0) {
            return Ok(());
        }
        let offset = i128::from(affine.offset.eval(self.sizes)?);
        let (mut least, mut greatest) = (offset, offset);
        for (var, coefficient) in &affine.terms {
            let (_, n) = self.scope.iter().find(|(open, _)| open == var).expect("the verifier knows the scope");
            let last = i128::from(coefficient.eval(self.sizes)?) * i128::from(n - 1);
            if last < 0 { least += last } else { greatest += last }
        }
        if least >= 0 && greatest < i128::from(extent) {
            return Ok(());
        }
        let (name, text) = (&self.kernel.name, self.kernel.stmt_text(stmt));
        let reach = format!("the index `{affine}` reaches from {least} to {greatest}, the axis has {extent} elements");
        Err(Error::internal(format!("@{name}: `{text}`: {reach} for {}", self.sizes)))
    }

    fn add(&self, at: &mut Address, affine: &Affine, stride: i64) -> Result {
        at.offset = at.offset.wrapping_add(affine.offset.eval(self.sizes)?.wrapping_mul(stride));
        for (var, coefficient) in &affine.terms {
            let step = coefficient.eval(self.sizes)?.wrapping_mul(stride);
            match at.terms.iter_mut().find(|(other, _)| other == var) {
                Some((_, sum)) => *sum = sum.wrapping_add(step),
                None => at.terms.push((*var, step)),
            }
        }
        Ok(())
    }
}
