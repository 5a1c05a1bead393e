//! Statements of a body, one after the other.

use super::Emitter;
use super::lanes::Lanes;
use crate::clif::vector_type;
use cranelift_codegen::ir::{InstBuilder, Value};
use smallvec::SmallVec;
use tracelift_kernel::loops::{Affine, Block, Loop, LoopKind, Stmt};
use tracelift_tensor::{DType, Result};

impl Emitter<'_, '_> {
    /// Emits a block's statements.
    pub(super) fn stmts(&mut self, block: &Block) -> Result {
        for stmt in &block.stmts {
            match stmt {
                Stmt::Load { dst, from } => {
                    let value = self.load(from);
                    self.set(*dst, value);
                }
                Stmt::Store { to, value } => {
                    let value = self.operand(value);
                    self.store(to, &value);
                }
                Stmt::Lane { dst, op, args } => {
                    let types: SmallVec<[DType; 3]> = args.iter().map(|arg| self.kernel.dtype(arg)).collect();
                    let args: SmallVec<[Lanes; 3]> = args.iter().map(|arg| self.operand(arg)).collect();
                    let value = self.lane_op(*op, &types, &args)?;
                    self.set(*dst, value);
                }
                Stmt::Index { dst, value } => {
                    let value = self.index(value);
                    self.set(*dst, value);
                }
                Stmt::Loop(inner) => match &inner.kind {
                    LoopKind::Par => self.par(inner, None)?,
                    LoopKind::Seq => self.seq(inner)?,
                    LoopKind::Reduce { kinds, order } => self.reduce(inner, kinds, *order)?,
                },
            }
        }
        Ok(())
    }

    /// A sum of loop variables as an i64.
    fn index(&mut self, affine: &Affine) -> Lanes {
        let mut sum = self.dim(&affine.offset);
        for (var, coefficient) in &affine.terms {
            let value = match self.vars[var.0 as usize] {
                Some(value) => value,
                None => self.int(0),
            };
            let value = self.scaled(value, coefficient);
            sum = self.builder.ins().iadd(sum, value);
        }
        let Some(wide) = self.wide else { return Lanes::Uniform(sum) };
        let step = affine.coefficient(wide.var);
        if step.is_zero() {
            return Lanes::Uniform(sum);
        }
        let step = self.dim(&step);
        let lanes: SmallVec<[Value; 8]> = (0..wide.count as i64)
            .map(|lane| {
                let ahead = self.builder.ins().imul_imm_s(step, lane);
                self.builder.ins().iadd(sum, ahead)
            })
            .collect();
        Lanes::Packed(self.gathered(&lanes, DType::I64))
    }

    /// A `seq` loop: one iteration after the other, registers carried in values.
    fn seq(&mut self, inner: &Loop) -> Result {
        let (var, extent) = &inner.axes[0];
        let mut carried: SmallVec<[Lanes; 4]> = SmallVec::new();
        for (reg, first) in &inner.carried {
            let first = self.operand(first);
            let dtype = self.kernel.registers[reg.0 as usize];
            // What differs between lanes after the first iteration has to do so from the start.
            carried.push(if self.varies(*reg) { Lanes::Packed(self.vectors(&first, dtype)) } else { first });
        }
        let first: SmallVec<[Value; 8]> = carried.iter().flat_map(|lanes| lanes.values().iter().copied()).collect();
        let (start, end) = (self.int(0), self.dim(extent));
        self.nest.push(*var);
        let last = self.counted(start, end, 1, &first, &mut |this, i, values| {
            this.vars[var.0 as usize] = Some(i);
            let mut rest = values;
            for ((reg, _), form) in inner.carried.iter().zip(&carried) {
                let (mine, others) = rest.split_at(form.values().len());
                this.set(*reg, form.with(mine));
                rest = others;
            }
            this.stmts(&inner.body)?;
            let mut next = SmallVec::new();
            for ((value, (reg, _)), form) in inner.body.yields.iter().zip(&inner.carried).zip(&carried) {
                let value = this.operand(value);
                let dtype = this.kernel.registers[reg.0 as usize];
                match form {
                    Lanes::Uniform(_) => next.extend_from_slice(value.values()),
                    Lanes::Packed(_) => next.extend(this.vectors(&value, dtype)),
                }
            }
            Ok(next)
        })?;
        self.nest.pop();
        self.vars[var.0 as usize] = None;
        let mut rest = last.as_slice();
        for (reg, form) in inner.results.iter().zip(&carried) {
            let (mine, others) = rest.split_at(form.values().len());
            self.set(*reg, form.with(mine));
            rest = others;
        }
        Ok(())
    }

    /// All lanes of a value as vectors of the usual type of `dtype`.
    pub(super) fn vectors(&mut self, value: &Lanes, dtype: DType) -> super::lanes::Vectors {
        if dtype == DType::Bool { self.masks(value, vector_type(dtype)) } else { self.packed(value, dtype) }
    }
}
