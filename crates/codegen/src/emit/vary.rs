//! Which registers differ between the iterations of a loop, and whether running several at once pays.

use super::Emitter;
use crate::access::Accesses;
use crate::clif::cost;
use tracelift_kernel::loops::{Base, Block, Kernel, Loop, LoopKind, LoopVar, Operand, Reg, Stmt};
use tracelift_kernel::meaning::ReduceOrder;
use tracelift_tensor::DType;

/// What emitting several iterations of a loop at once would look like.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    /// The registers that differ between iterations.
    pub varying: Vec<bool>,
    /// Whether a varying value has 32 bits or less, so that a vector has four lanes.
    pub narrow: bool,
    /// About how many instructions one vector's worth of the body is.
    pub cost: usize,
    /// How many loads and stores touch elements that are no neighbours.
    pub scattered: usize,
    /// Whether the body is a plain list of statements.
    pub straight: bool,
}

impl Survey {
    /// How many lanes all values of the body come in at least.
    pub(super) fn unit(&self) -> usize {
        if self.narrow { 4 } else { 2 }
    }
}

impl Emitter<'_, '_> {
    /// Whether a register differs between the lanes being emitted.
    pub(super) fn varies(&self, reg: Reg) -> bool {
        self.wide.is_some() && self.varying.as_ref().is_some_and(|varying| varying[reg.0 as usize])
    }

    /// Looks at running several iterations of `body` over `var` at once; `None` if that cannot be done.
    pub(super) fn survey(&mut self, body: &Block, var: LoopVar) -> Option<Survey> {
        let varying = varying_registers(self.kernel, &mut self.accesses, body, var);
        let mut survey = Survey { varying, narrow: false, cost: 0, scattered: 0, straight: true };
        let mut visit = Visit { kernel: self.kernel, accesses: &mut self.accesses, var, survey: &mut survey };
        visit.block(body).then_some(survey)
    }
}

struct Visit<'v, 'k> {
    kernel: &'v Kernel,
    accesses: &'v mut Accesses<'k>,
    var: LoopVar,
    survey: &'v mut Survey,
}

impl Visit<'_, '_> {
    fn dtype(&mut self, dtype: DType) {
        self.survey.narrow |= !matches!(dtype, DType::F64 | DType::I64 | DType::Bool);
    }

    /// Whether the block can be run for several iterations at once.
    fn block(&mut self, block: &Block) -> bool {
        block.stmts.iter().all(|stmt| self.stmt(stmt))
    }

    fn stmt(&mut self, stmt: &Stmt) -> bool {
        match stmt {
            Stmt::Load { dst, from } => {
                self.survey.cost += 1;
                if self.survey.varying[dst.0 as usize] {
                    self.dtype(self.kernel.registers[dst.0 as usize]);
                    // Bools come from memory four at a time.
                    self.survey.narrow |= self.kernel.registers[dst.0 as usize] == DType::Bool;
                    self.survey.scattered += usize::from(!self.contiguous(from));
                }
                true
            }
            Stmt::Store { to, value } => {
                self.survey.cost += 1;
                self.dtype(self.kernel.dtype(value));
                self.survey.narrow |= self.kernel.dtype(value) == DType::Bool;
                self.survey.scattered += usize::from(!self.contiguous(to));
                // A row of scratch belongs to one iteration: two of them at once would share it.
                let access = self.accesses.of(to);
                !(matches!(access.base, Base::Scratch(_)) && access.coefficient(self.var).is_zero())
            }
            Stmt::Lane { dst, op, args } => {
                if self.survey.varying[dst.0 as usize] {
                    let dtype = self.kernel.dtype(args.last().expect("operations have operands"));
                    self.survey.cost += cost(*op, dtype);
                    self.dtype(self.kernel.registers[dst.0 as usize]);
                }
                true
            }
            Stmt::Index { .. } => {
                self.survey.cost += 2;
                true
            }
            Stmt::Loop(inner) => {
                self.survey.straight = false;
                let carried = inner.carried.iter().map(|(reg, _)| *reg).chain(inner.results.iter().copied());
                for reg in carried {
                    // Truth values that loops carry are masks of 32 bits.
                    let dtype = self.kernel.registers[reg.0 as usize];
                    self.survey.narrow |= dtype == DType::Bool;
                    self.dtype(dtype);
                }
                self.inner(inner) && self.block(&inner.body)
            }
        }
    }

    fn inner(&self, inner: &Loop) -> bool {
        match &inner.kind {
            LoopKind::Par | LoopKind::Seq => true,
            // 32 lanes of a reduction beside the lanes of this loop would be too many.
            LoopKind::Reduce { order, .. } => *order == ReduceOrder::Chain,
        }
    }

    fn contiguous(&mut self, place: &tracelift_kernel::loops::Place) -> bool {
        let access = self.accesses.of(place);
        let straight = !access.indirect.iter().any(|(reg, _)| self.survey.varying[reg.0 as usize]);
        straight && access.coefficient(self.var).is_one()
    }
}

/// The registers set inside `body` that differ between iterations of `var`.
fn varying_registers(kernel: &Kernel, accesses: &mut Accesses<'_>, body: &Block, var: LoopVar) -> Vec<bool> {
    let mut varying = vec![false; kernel.registers.len()];
    // What a `seq` loop carries may start to differ only after an iteration: repeat until nothing is new.
    loop {
        let before = varying.clone();
        mark(accesses, body, var, &mut varying);
        if varying == before {
            return varying;
        }
    }
}

fn mark(accesses: &mut Accesses<'_>, block: &Block, var: LoopVar, varying: &mut Vec<bool>) {
    let differs = |operand: &Operand, varying: &Vec<bool>| match operand {
        Operand::Reg(reg) => varying[reg.0 as usize],
        Operand::Const(_) => false,
    };
    for stmt in &block.stmts {
        match stmt {
            Stmt::Load { dst, from } => {
                let access = accesses.of(from);
                let indirect = access.indirect.iter().any(|(reg, _)| varying[reg.0 as usize]);
                varying[dst.0 as usize] |= indirect || !access.coefficient(var).is_zero();
            }
            Stmt::Lane { dst, args, .. } => {
                varying[dst.0 as usize] |= args.iter().any(|arg| differs(arg, varying));
            }
            Stmt::Index { dst, value } => varying[dst.0 as usize] |= !value.coefficient(var).is_zero(),
            Stmt::Store { .. } => {}
            Stmt::Loop(inner) => {
                for (reg, first) in &inner.carried {
                    varying[reg.0 as usize] |= differs(first, varying);
                }
                mark(accesses, &inner.body, var, varying);
                for ((reg, _), next) in inner.carried.iter().zip(&inner.body.yields) {
                    varying[reg.0 as usize] |= differs(next, varying);
                }
                // Results differ as what is carried does: that may differ before the first yield is seen to.
                for (n, result) in inner.results.iter().enumerate() {
                    let mut result_differs = differs(&inner.body.yields[n], varying);
                    if let Some((reg, _)) = inner.carried.get(n) {
                        result_differs |= varying[reg.0 as usize];
                    }
                    varying[result.0 as usize] |= result_differs;
                }
            }
        }
    }
}
