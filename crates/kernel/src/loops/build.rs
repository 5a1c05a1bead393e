//! Writing kernels: a small builder that numbers registers and loop variables and nests blocks.

use super::kernel::*;
use super::print::LOOP_VAR_PREFIX;
use crate::lane::{LaneOp, Scalar};
use crate::meaning::{ReduceKind, ReduceOrder};
use crate::text::own_number;
use smallvec::SmallVec;
use tracelift_tensor::{DType, Dim, Shape};

/// Writes one [`Kernel`] statement by statement.
///
/// Loops are opened and closed in pairs: [`par`](Self::par) … [`end`](Self::end),
/// [`reduce`](Self::reduce) … [`end_reduce`](Self::end_reduce), [`seq`](Self::seq) … [`end_seq`](Self::end_seq).
/// Types of lane operations are computed; the checks are the verifier's. Names that are taken get a number behind them.
pub struct KernelBuilder {
    kernel: Kernel,
    open: Vec<(Loop, Block)>,
    block: Block,
}

impl KernelBuilder {
    /// An empty kernel.
    pub fn new(name: impl Into<String>) -> Self {
        let kernel = Kernel {
            name: name.into(),
            params: vec![],
            scalars: vec![],
            scratch: vec![],
            results: vec![],
            registers: vec![],
            loop_vars: 0,
            body: Block::default(),
        };
        KernelBuilder { kernel, open: vec![], block: Block::default() }
    }

    /// One more buffer.
    pub fn param(&mut self, name: impl Into<String>, dtype: DType, shape: Shape, access: Access) -> Base {
        let name = self.buffer_name(name.into());
        self.kernel.params.push(Param { name, dtype, shape, access });
        Base::Param(self.kernel.params.len() as u32 - 1)
    }

    /// One more rank-0 argument.
    pub fn scalar(&mut self, name: impl Into<String>, dtype: DType) -> Operand {
        let reg = self.reg(dtype);
        let mut name = name.into();
        // In texts numbers are registers, `i0` and the like are loop variables.
        if own_number(&name, "").or_else(|| own_number(&name, LOOP_VAR_PREFIX)).is_some() {
            name.insert(0, 'v');
        }
        let name = distinct(name, |name| self.kernel.scalars.iter().any(|scalar| scalar.name == name));
        self.kernel.scalars.push(ScalarParam { name, reg });
        Operand::Reg(reg)
    }

    /// A scratch row.
    pub fn scratch(&mut self, name: impl Into<String>, dtype: DType, extent: Dim) -> Base {
        let name = self.buffer_name(name.into());
        self.kernel.scratch.push(Scratch { name, dtype, extent });
        Base::Scratch(self.kernel.scratch.len() as u32 - 1)
    }

    fn buffer_name(&self, name: String) -> String {
        let Kernel { params, scratch, .. } = &self.kernel;
        distinct(name, |name| params.iter().any(|p| p.name == name) || scratch.iter().any(|s| s.name == name))
    }

    fn reg(&mut self, dtype: DType) -> Reg {
        self.kernel.registers.push(dtype);
        Reg(self.kernel.registers.len() as u32 - 1)
    }

    fn loop_var(&mut self) -> LoopVar {
        self.kernel.loop_vars += 1;
        LoopVar(self.kernel.loop_vars - 1)
    }

    /// The element type of an operand.
    pub fn dtype(&self, operand: &Operand) -> DType {
        self.kernel.dtype(operand)
    }

    /// A literal.
    pub fn literal(&self, value: Scalar) -> Operand {
        Operand::Const(value)
    }

    /// `load base[index]`.
    pub fn load(&mut self, base: Base, index: impl IntoIterator<Item = Index>) -> Operand {
        let dtype = match base {
            Base::Param(n) => self.kernel.params[n as usize].dtype,
            Base::Scratch(n) => self.kernel.scratch[n as usize].dtype,
        };
        let dst = self.reg(dtype);
        self.block.stmts.push(Stmt::Load { dst, from: Place { base, index: index.into_iter().collect() } });
        Operand::Reg(dst)
    }

    /// `store base[index], value`.
    pub fn store(&mut self, base: Base, index: impl IntoIterator<Item = Index>, value: Operand) {
        self.block.stmts.push(Stmt::Store { to: Place { base, index: index.into_iter().collect() }, value });
    }

    /// A scalar operation; the types must fit (`LaneOp::result_type`).
    pub fn lane(&mut self, op: LaneOp, args: &[Operand]) -> Operand {
        let types: SmallVec<[DType; 3]> = args.iter().map(|a| self.dtype(a)).collect();
        let dtype = op.result_type(&types).expect("lane operations are built from checked types");
        let dst = self.reg(dtype);
        self.block.stmts.push(Stmt::Lane { dst, op, args: args.iter().copied().collect() });
        Operand::Reg(dst)
    }

    /// A loop variable, or a sum of them, as an i64 value.
    pub fn index(&mut self, value: Affine) -> Operand {
        let dst = self.reg(DType::I64);
        self.block.stmts.push(Stmt::Index { dst, value });
        Operand::Reg(dst)
    }

    fn open(&mut self, kind: LoopKind, axes: SmallVec<[(LoopVar, Dim); 1]>, carried: SmallVec<[(Reg, Operand); 1]>) {
        let opened = Loop { kind, axes, carried, body: Block::default(), results: SmallVec::new() };
        self.open.push((opened, std::mem::take(&mut self.block)));
    }

    fn close(&mut self, yields: &[Operand], results: SmallVec<[Reg; 1]>) {
        let (mut closed, outer) = self.open.pop().expect("every loop that is closed was opened");
        closed.body = std::mem::replace(&mut self.block, outer);
        closed.body.yields = yields.iter().copied().collect();
        closed.results = results;
        self.block.stmts.push(Stmt::Loop(closed));
    }

    /// Opens a `par` loop.
    pub fn par(&mut self, extent: Dim) -> LoopVar {
        let var = self.loop_var();
        self.open(LoopKind::Par, SmallVec::from_iter([(var, extent)]), SmallVec::new());
        var
    }

    /// Closes a `par` loop.
    pub fn end(&mut self) {
        self.close(&[], SmallVec::new());
    }

    /// Opens a `reduce` loop over one or more axes.
    pub fn reduce(&mut self, kinds: &[ReduceKind], order: ReduceOrder, extents: &[Dim]) -> SmallVec<[LoopVar; 2]> {
        let axes: SmallVec<[(LoopVar, Dim); 1]> = extents.iter().map(|e| (self.loop_var(), e.clone())).collect();
        let vars = axes.iter().map(|(v, _)| *v).collect();
        let kinds = kinds.iter().copied().collect();
        self.open(LoopKind::Reduce { kinds, order }, axes, SmallVec::new());
        vars
    }

    /// Closes a `reduce` loop: one value per kind; answers the reductions.
    pub fn end_reduce(&mut self, values: &[Operand]) -> SmallVec<[Operand; 1]> {
        let kinds = match &self.open.last().expect("a `reduce` loop is open").0.kind {
            LoopKind::Reduce { kinds, .. } => kinds.clone(),
            other => panic!("the innermost loop is {other:?}, not `reduce`"),
        };
        let types: SmallVec<[DType; 2]> = kinds
            .iter()
            .zip(values)
            .map(|(kind, value)| kind.result_type(self.dtype(value)).expect("reductions are built from checked types"))
            .collect();
        let results: SmallVec<[Reg; 1]> = types.into_iter().map(|dtype| self.reg(dtype)).collect();
        self.close(values, results.clone());
        results.into_iter().map(Operand::Reg).collect()
    }

    /// Opens a `seq` loop; answers its variable and the carried values.
    pub fn seq(&mut self, extent: Dim, first: &[Operand]) -> (LoopVar, SmallVec<[Operand; 1]>) {
        let var = self.loop_var();
        let carried: SmallVec<[(Reg, Operand); 1]> = first
            .iter()
            .map(|value| {
                let dtype = self.dtype(value);
                (self.reg(dtype), *value)
            })
            .collect();
        let regs = carried.iter().map(|(reg, _)| Operand::Reg(*reg)).collect();
        self.open(LoopKind::Seq, SmallVec::from_iter([(var, extent)]), carried);
        (var, regs)
    }

    /// Closes a `seq` loop: the next values of what it carries; answers the last ones.
    pub fn end_seq(&mut self, next: &[Operand]) -> SmallVec<[Operand; 1]> {
        let results: SmallVec<[Reg; 1]> = next
            .iter()
            .map(|value| {
                let dtype = self.dtype(value);
                self.reg(dtype)
            })
            .collect();
        self.close(next, results.clone());
        results.into_iter().map(Operand::Reg).collect()
    }

    /// The kernel; `results` are its rank-0 results.
    pub fn finish(mut self, results: &[Operand]) -> Kernel {
        assert!(self.open.is_empty(), "kernel `{}` was finished inside a loop", self.kernel.name);
        self.kernel.results = results.iter().map(|r| self.kernel.dtype(r)).collect();
        self.block.yields = results.iter().copied().collect();
        self.kernel.body = self.block;
        self.kernel
    }
}

/// The name itself, or with the first number behind it that makes it new.
fn distinct(name: String, taken: impl Fn(&str) -> bool) -> String {
    if !taken(&name) {
        return name;
    }
    let mut numbered = (2u32..).map(|n| format!("{name}_{n}"));
    numbered.find(|name| !taken(name)).expect("some number is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_distinct() {
        let mut b = KernelBuilder::new("k");
        b.param("x", DType::F32, Shape::scalar(), Access::Read);
        b.scratch("x", DType::F32, Dim::ONE);
        b.param("x", DType::F32, Shape::scalar(), Access::Read);
        b.scalar("0", DType::F32);
        b.scalar("i7", DType::F32);
        b.scalar("v0", DType::F32);
        let kernel = b.finish(&[]);
        let text = "kernel @k(%x: f32[], %x_3: f32[], %v0: f32, %vi7: f32, %v0_2: f32) {\n  scratch %x_2: f32[1]\n}\n";
        assert_eq!(kernel.to_string(), text);
        assert_eq!(kernel.verify(), []);
    }
}
