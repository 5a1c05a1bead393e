//! Other numbers for the registers and loop variables of a kernel.

use super::kernel::*;

/// Register n becomes `registers[n]`, loop variable n becomes `loop_vars[n]`; both are permutations.
pub(crate) fn renumber(kernel: &mut Kernel, registers: &[u32], loop_vars: &[u32]) {
    let numbers = Numbers { registers, loop_vars };
    let old = std::mem::take(&mut kernel.registers);
    kernel.registers = old.clone();
    for (n, dtype) in old.into_iter().enumerate() {
        kernel.registers[registers[n] as usize] = dtype;
    }
    kernel.scalars.iter_mut().for_each(|scalar| numbers.reg(&mut scalar.reg));
    numbers.block(&mut kernel.body);
}

impl Kernel {
    /// Forgets loop variables that nothing mentions any more; the others keep their order.
    pub fn forget_loop_vars(&mut self, gone: &[LoopVar]) {
        let registers: Vec<u32> = (0..self.registers.len() as u32).collect();
        let is_gone = |n: &u32| gone.contains(&LoopVar(*n));
        let (mut kept, mut last) = (0, self.loop_vars - gone.len() as u32);
        let numbers = (0..self.loop_vars).map(|n| {
            let next = if is_gone(&n) { &mut last } else { &mut kept };
            *next += 1;
            *next - 1
        });
        let numbers: Vec<u32> = numbers.collect();
        renumber(self, &registers, &numbers);
        self.loop_vars = kept;
    }
}

struct Numbers<'n> {
    registers: &'n [u32],
    loop_vars: &'n [u32],
}

impl Numbers<'_> {
    fn reg(&self, reg: &mut Reg) {
        reg.0 = self.registers[reg.0 as usize];
    }

    fn var(&self, var: &mut LoopVar) {
        var.0 = self.loop_vars[var.0 as usize];
    }

    fn operand(&self, operand: &mut Operand) {
        if let Operand::Reg(reg) = operand {
            self.reg(reg);
        }
    }

    fn affine(&self, affine: &mut Affine) {
        affine.terms.iter_mut().for_each(|(var, _)| self.var(var));
    }

    fn place(&self, place: &mut Place) {
        for index in &mut place.index {
            match index {
                Index::Affine(affine) => self.affine(affine),
                Index::Indirect(reg) => self.reg(reg),
            }
        }
    }

    fn block(&self, block: &mut Block) {
        for stmt in &mut block.stmts {
            match stmt {
                Stmt::Load { dst, from } => {
                    self.reg(dst);
                    self.place(from);
                }
                Stmt::Store { to, value } => {
                    self.place(to);
                    self.operand(value);
                }
                Stmt::Lane { dst, args, .. } => {
                    self.reg(dst);
                    args.iter_mut().for_each(|arg| self.operand(arg));
                }
                Stmt::Index { dst, value } => {
                    self.reg(dst);
                    self.affine(value);
                }
                Stmt::Loop(inner) => {
                    inner.axes.iter_mut().for_each(|(var, _)| self.var(var));
                    for (reg, first) in &mut inner.carried {
                        self.reg(reg);
                        self.operand(first);
                    }
                    inner.results.iter_mut().for_each(|reg| self.reg(reg));
                    self.block(&mut inner.body);
                }
            }
        }
        block.yields.iter_mut().for_each(|value| self.operand(value));
    }
}
