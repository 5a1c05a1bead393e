//! The kernel interpreter: every loop runs as the text says, one element after the other, in the defined order.
//!
//! It is the plainest engine, and what the native ones are compared with.

use super::bind::{Address, BoundBlock, BoundKernel, BoundLoop, BoundStmt};
use super::kernel::*;
use crate::fault::Fault;
use crate::lane::Scalar;
use crate::meaning::{ScalarFold, Subnormals};
use crate::memory::Memory;
use smallvec::SmallVec;
use std::ops::Range;
use tracelift_tensor::{Array, Binding, DType, Error, Result};

impl Kernel {
    /// Runs the kernel on arrays, one for each of [`Kernel::params`]; those it writes are changed in place.
    ///
    /// ```
    /// use tracelift_kernel::text::{Module, Source};
    /// use tracelift_tensor::{Array, Binding};
    /// let text = "kernel @double(%x: f32[B], out %y: f32[B]) {
    ///     par %i in 0..B { %0 = load %x[%i] %1 = mul %0, 2.0 store %y[%i], %1 }
    /// }";
    /// let kernel = Module::parse(Source::new("double.tl", text)).unwrap().kernels[0].clone();
    /// let mut buffers = [Array::vector([1.0f32, 2.5])?, Array::vector([0.0f32, 0.0])?];
    /// kernel.interpret(&mut buffers, &[], &Binding::from_iter([("B", 2)]))?;
    /// assert_eq!(buffers[1].as_slice::<f32>(), [2.0, 5.0]);
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn interpret(&self, buffers: &mut [Array], scalars: &[Scalar], sizes: &Binding) -> Result<Vec<Scalar>> {
        self.check()?;
        let bound = BoundKernel::new(self, sizes)?;
        let given = buffers.iter().map(|array| (array.dtype(), array.len()));
        if !given.eq(self.params.iter().zip(&bound.lengths).map(|(param, length)| (param.dtype, *length))) {
            let wanted: Vec<String> = self.params.iter().map(|p| format!("{}{}", p.dtype, p.shape)).collect();
            let given: Vec<String> = buffers.iter().map(Array::type_text).collect();
            let (wanted, given) = (wanted.join(", "), given.join(", "));
            return Err(Error::invalid(format!(
                "kernel `@{}` takes ({wanted}) with {sizes}, not ({given})",
                self.name
            )));
        }
        let wanted = self.scalars.iter().map(|scalar| self.registers[scalar.reg.0 as usize]);
        if !wanted.eq(scalars.iter().map(|value| value.dtype())) {
            return Err(Error::invalid(format!("kernel `@{}` takes other rank-0 arguments", self.name)));
        }
        let mut memories = buffers.iter().map(Memory::of).collect::<Result<Vec<Memory>>>()?;
        let slots: Vec<usize> = (0..memories.len()).collect();
        let results =
            bound.run(Subnormals::Keep, &mut memories, &slots, scalars, None)?.map_err(|fault| fault.error(None))?;
        for ((array, memory), param) in buffers.iter_mut().zip(&memories).zip(&self.params) {
            if param.access != Access::Read {
                *array = memory.to_array(array.shape())?;
            }
        }
        Ok(results)
    }
}

impl BoundKernel<'_> {
    /// Runs on memories: the n-th buffer is `memories[slots[n]]`. With `rows`, only these iterations of the outermost
    /// loop.
    pub(crate) fn run(
        &self,
        rule: Subnormals,
        memories: &mut [Memory],
        slots: &[usize],
        scalars: &[Scalar],
        rows: Option<Range<i64>>,
    ) -> Result<Result<Vec<Scalar>, Fault>> {
        let mut scratch = vec![];
        for (row, length) in self.kernel.scratch.iter().zip(&self.scratch) {
            scratch.push(Memory::zeros(row.dtype, *length)?);
        }
        let unset = |dtype: &_| Scalar::from_bits(*dtype, 0);
        let mut machine = Machine {
            rule,
            registers: self.kernel.registers.iter().map(unset).collect(),
            vars: vec![0; self.kernel.loop_vars as usize],
            memories,
            slots,
            scratch,
            rows,
            depth: 0,
        };
        for (scalar, value) in self.kernel.scalars.iter().zip(scalars) {
            machine.set(scalar.reg, *value);
        }
        Ok(machine.block(&self.body).map(|()| self.body.yields.iter().map(|value| machine.operand(value)).collect()))
    }
}

struct Machine<'m> {
    rule: Subnormals,
    registers: Vec<Scalar>,
    vars: Vec<i64>,
    memories: &'m mut [Memory],
    slots: &'m [usize],
    scratch: Vec<Memory>,
    /// The iterations of the outermost loop that run, if not all do.
    rows: Option<Range<i64>>,
    /// How many loops are open.
    depth: u32,
}

impl Machine<'_> {
    fn block(&mut self, block: &BoundBlock<'_>) -> Result<(), Fault> {
        for stmt in &block.stmts {
            match stmt {
                BoundStmt::Load { dst, base, at } => {
                    let n = self.address(at)?;
                    let value = match base {
                        Base::Param(p) => self.memories[self.slots[*p as usize]].get(n),
                        Base::Scratch(s) => self.scratch[*s as usize].get(n),
                    };
                    self.set(*dst, value);
                }
                BoundStmt::Store { base, at, value } => {
                    let n = self.address(at)?;
                    let value = self.operand(value);
                    match base {
                        Base::Param(p) => self.memories[self.slots[*p as usize]].set(n, value),
                        Base::Scratch(s) => self.scratch[*s as usize].set(n, value),
                    }
                }
                BoundStmt::Lane { dst, op, args } => {
                    let args: SmallVec<[Scalar; 3]> = args.iter().map(|arg| self.operand(arg)).collect();
                    let value = self.rule.eval(*op, &args).map_err(Fault::from)?;
                    self.set(*dst, value);
                }
                BoundStmt::Index { dst, at } => {
                    let value = Scalar::I64(self.affine(at));
                    self.set(*dst, value);
                }
                BoundStmt::Loop(inner) => {
                    self.depth += 1;
                    self.a_loop(inner)?;
                    self.depth -= 1;
                }
            }
        }
        Ok(())
    }

    fn a_loop(&mut self, inner: &BoundLoop<'_>) -> Result<(), Fault> {
        let source = inner.source;
        match &source.kind {
            LoopKind::Par => {
                let all = 0..inner.extents[0];
                let range = if self.depth == 1 { self.rows.clone().unwrap_or(all) } else { all };
                for i in range {
                    self.vars[source.axes[0].0.0 as usize] = i;
                    self.block(&inner.body)?;
                }
            }
            LoopKind::Seq => {
                for (reg, first) in &source.carried {
                    let first = self.operand(first);
                    self.set(*reg, first);
                }
                for i in 0..inner.extents[0] {
                    self.vars[source.axes[0].0.0 as usize] = i;
                    self.block(&inner.body)?;
                    // All are read before the first is set.
                    let next: SmallVec<[Scalar; 4]> = inner.body.yields.iter().map(|v| self.operand(v)).collect();
                    for ((reg, _), value) in source.carried.iter().zip(next) {
                        self.set(*reg, value);
                    }
                }
                for (result, (reg, _)) in source.results.iter().zip(&source.carried) {
                    let last = self.registers[reg.0 as usize];
                    self.set(*result, last);
                }
            }
            LoopKind::Reduce { kinds, order } => {
                let (mut folds, mut types) = (SmallVec::<[ScalarFold; 2]>::new(), SmallVec::<[DType; 2]>::new());
                for (kind, value) in kinds.iter().zip(inner.body.yields) {
                    let dtype = match value {
                        Operand::Reg(reg) => self.registers[reg.0 as usize].dtype(),
                        Operand::Const(value) => value.dtype(),
                    };
                    folds.push(ScalarFold::by_rule(self.rule, *kind, *order, dtype));
                    types.push(dtype);
                }
                self.every(inner, 0, &mut folds)?;
                for ((result, fold), (kind, dtype)) in source.results.iter().zip(folds).zip(kinds.iter().zip(types)) {
                    // Guards keep extents of 0 away from kinds without a value for them; a kernel does not fail.
                    let none = || kind.identity(dtype).unwrap_or(Scalar::I64(i64::MAX));
                    let value = fold.finish().unwrap_or_else(none);
                    self.set(*result, value);
                }
            }
        }
        Ok(())
    }

    /// Runs a reduction over its axes from `axis` on, the last one fastest.
    fn every(&mut self, inner: &BoundLoop<'_>, axis: usize, folds: &mut [ScalarFold]) -> Result<(), Fault> {
        if axis == inner.extents.len() {
            self.block(&inner.body)?;
            for (fold, value) in folds.iter_mut().zip(inner.body.yields) {
                fold.push(self.operand(value));
            }
            return Ok(());
        }
        for i in 0..inner.extents[axis] {
            self.vars[inner.source.axes[axis].0.0 as usize] = i;
            self.every(inner, axis + 1, folds)?;
        }
        Ok(())
    }

    fn address(&self, at: &Address) -> Result<usize, Fault> {
        let mut n = self.affine(at);
        for indirect in &at.indirect {
            let index = match self.registers[indirect.reg.0 as usize] {
                Scalar::I32(index) => i64::from(index),
                Scalar::I64(index) => index,
                other => unreachable!("the verifier knows that {other} is no index"),
            };
            if !(0..indirect.extent).contains(&index) {
                return Err(Fault::OutOfBounds { position: None, index, bound: indirect.extent });
            }
            n += index * indirect.stride;
        }
        Ok(n as usize)
    }

    fn affine(&self, at: &Address) -> i64 {
        at.terms
            .iter()
            .fold(at.offset, |sum, (var, stride)| sum.wrapping_add(self.vars[var.0 as usize].wrapping_mul(*stride)))
    }

    fn operand(&self, operand: &Operand) -> Scalar {
        match operand {
            Operand::Reg(reg) => self.registers[reg.0 as usize],
            Operand::Const(value) => *value,
        }
    }

    fn set(&mut self, reg: Reg, value: Scalar) {
        self.registers[reg.0 as usize] = value;
    }
}
