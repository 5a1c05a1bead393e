//! The verifier of kernels: registers, types, loops, names. Reports everything it finds.

use super::disjoint::shared_stores;
use super::kernel::*;
use super::print::LOOP_VAR_PREFIX;
use super::range::out_of_bounds;
use crate::mistake::{Mistake, refuse};
use crate::text::own_number;
use smallvec::SmallVec;
use tracelift_tensor::{DType, Dim, Result};

impl Kernel {
    /// All errors as one, if there are any.
    pub fn check(&self) -> Result {
        refuse(&self.verify())
    }

    /// Everything that is wrong with the kernel; nothing, if it is correct.
    ///
    /// Indices are found out of bounds only where that is certain for all sizes for which the loops run at all;
    /// what depends on the sizes of a call is checked when they are known.
    pub fn verify(&self) -> Vec<Mistake> {
        let mut verifier = Verifier {
            kernel: self,
            mistakes: vec![],
            path: vec![],
            set: vec![false; self.registers.len()],
            visible: vec![false; self.registers.len()],
            bound: vec![false; self.loop_vars as usize],
            scope: vec![],
        };
        verifier.head();
        verifier.block(&self.body);
        verifier.yields("the kernel", &self.body.yields, &self.results);
        verifier.unused();
        let sound = verifier.mistakes.is_empty();
        let mut mistakes = verifier.mistakes;
        // Only a kernel that makes sense so far has indices to speak of.
        if sound {
            mistakes.extend(shared_stores(self));
        }
        mistakes
    }

    /// A mistake at a statement.
    pub(super) fn mistake(&self, path: &[usize], stmt: &Stmt, message: String) -> Mistake {
        Mistake { of: self.name.clone(), path: path.to_vec(), text: self.stmt_text(stmt), message }
    }
}

struct Verifier<'k> {
    kernel: &'k Kernel,
    mistakes: Vec<Mistake>,
    path: Vec<usize>,
    /// Which registers have been set anywhere.
    set: Vec<bool>,
    /// Which registers may be read here.
    visible: Vec<bool>,
    /// Which loop variables have been bound anywhere.
    bound: Vec<bool>,
    /// The loops that are open, with their extents.
    scope: Vec<(LoopVar, Dim)>,
}

impl<'k> Verifier<'k> {
    fn report(&mut self, stmt: &Stmt, message: impl Into<String>) {
        self.mistakes.push(self.kernel.mistake(&self.path, stmt, message.into()));
    }

    fn report_whole(&mut self, message: String) {
        self.mistakes.push(Mistake { of: self.kernel.name.clone(), path: vec![], text: String::new(), message });
    }

    fn head(&mut self) {
        let kernel = self.kernel;
        let bases = kernel.params.iter().map(|p| &p.name).chain(kernel.scratch.iter().map(|s| &s.name));
        let mut seen: Vec<&String> = vec![];
        for name in bases {
            if seen.contains(&name) {
                self.report_whole(format!("there are two buffers called `%{name}`"));
            }
            seen.push(name);
        }
        let extents = kernel.params.iter().flat_map(|p| p.shape.iter()).chain(kernel.scratch.iter().map(|s| &s.extent));
        for extent in extents.filter(|extent| extent.why_undefined().is_some()) {
            self.report_whole(format!("a buffer has a size without a value: {extent}"));
        }
        for (n, scalar) in kernel.scalars.iter().enumerate() {
            let name = &scalar.name;
            let number = own_number(name, "").or_else(|| own_number(name, LOOP_VAR_PREFIX));
            if number.is_some() || kernel.scalars[..n].iter().any(|other| other.name == *name) {
                self.report_whole(format!("the rank-0 argument `%{name}` has the name of another value"));
            }
            if n > 0 && kernel.scalars[n - 1].reg >= scalar.reg {
                self.report_whole(format!("the register of `%{name}` is not numbered after the one before"));
            }
            match self.set.get_mut(scalar.reg.0 as usize) {
                Some(set) => (*set, self.visible[scalar.reg.0 as usize]) = (true, true),
                None => self.report_whole(format!("`%{name}` has a register that does not exist")),
            }
        }
    }

    /// A text cannot say the type of a register that nothing sets.
    fn unused(&mut self) {
        for n in (0..self.set.len()).filter(|n| !self.set[*n]).collect::<Vec<_>>() {
            self.report_whole(format!("the register `%{n}` is never set"));
        }
        for n in (0..self.bound.len()).filter(|n| !self.bound[*n]).collect::<Vec<_>>() {
            self.report_whole(format!("the loop variable `%{LOOP_VAR_PREFIX}{n}` belongs to no loop"));
        }
    }

    fn block(&mut self, block: &'k Block) {
        let visible = self.visible.clone();
        for (n, stmt) in block.stmts.iter().enumerate() {
            self.path.push(n);
            self.stmt(stmt);
            self.path.pop();
        }
        // What encloses the block still reads its yields: they are checked before this is undone.
        self.visible_in_yields(block);
        self.visible = visible;
    }

    fn visible_in_yields(&mut self, block: &Block) {
        for value in &block.yields {
            if let Operand::Reg(reg) = value
                && !self.visible.get(reg.0 as usize).copied().unwrap_or(false)
            {
                let text = format!("yield {}", self.kernel.reg_text(*reg));
                let message = format!("the register `%{}` is not set before this, or only inside a loop", reg.0);
                self.mistakes.push(Mistake { of: self.kernel.name.clone(), path: self.path.clone(), text, message });
            }
        }
    }

    fn stmt(&mut self, stmt: &'k Stmt) {
        match stmt {
            Stmt::Load { dst, from } => {
                if let Some((dtype, access)) = self.place(stmt, from) {
                    if access == Access::Write {
                        self.report(stmt, "an `out` buffer is not read; one that is read and written is `inout`");
                    }
                    self.define(stmt, *dst, Some(dtype));
                } else {
                    self.define(stmt, *dst, None);
                }
            }
            Stmt::Store { to, value } => {
                let value = self.operand(stmt, value);
                if let Some((dtype, access)) = self.place(stmt, to) {
                    if access == Access::Read {
                        self.report(stmt, "this buffer is only read; one that is written is `out` or `inout`");
                    }
                    if value.is_some_and(|value| value != dtype) {
                        self.report(stmt, format!("a value of type {} is stored to {dtype}", value.unwrap_or(dtype)));
                    }
                }
            }
            Stmt::Lane { dst, op, args } => {
                let types: Vec<Option<DType>> = args.iter().map(|arg| self.operand(stmt, arg)).collect();
                let types: Option<SmallVec<[DType; 3]>> = types.into_iter().collect();
                let dtype = types.and_then(|types| match op.result_type(&types) {
                    Ok(dtype) => Some(dtype),
                    Err(message) => {
                        self.report(stmt, message);
                        None
                    }
                });
                self.define(stmt, *dst, dtype);
            }
            Stmt::Index { dst, value } => {
                self.affine(stmt, value);
                self.define(stmt, *dst, Some(DType::I64));
            }
            Stmt::Loop(inner) => self.a_loop(stmt, inner),
        }
    }

    fn a_loop(&mut self, stmt: &Stmt, inner: &'k Loop) {
        if !matches!(inner.kind, LoopKind::Reduce { .. }) && inner.axes.len() != 1 {
            self.report(
                stmt,
                format!("only `reduce` runs over several axes at once, not {} of them", inner.axes.len()),
            );
        }
        if inner.kind != LoopKind::Seq && !inner.carried.is_empty() {
            self.report(stmt, "only `seq` carries registers");
        }
        let types: Vec<Option<DType>> = inner.carried.iter().map(|(_, first)| self.operand(stmt, first)).collect();
        let depth = self.scope.len();
        for (var, extent) in &inner.axes {
            match self.bound.get_mut(var.0 as usize) {
                None => self.report(stmt, format!("there is no loop variable {}", var.0)),
                Some(bound) if *bound => self.report(stmt, "its variable belongs to another loop already"),
                Some(bound) => *bound = true,
            }
            if extent.why_undefined().is_some() {
                self.report(stmt, format!("its extent has no value: {extent}"));
            }
            self.scope.push((*var, extent.clone()));
        }
        let outside = self.visible.clone();
        for ((reg, _), dtype) in inner.carried.iter().zip(types) {
            self.define(stmt, *reg, dtype);
        }
        self.block(&inner.body);
        self.visible = outside;
        self.scope.truncate(depth);
        let yielded: Vec<Option<DType>> = inner.body.yields.iter().map(|value| self.known_type(value)).collect();
        let wanted: Vec<Option<DType>> = match &inner.kind {
            LoopKind::Par => vec![],
            LoopKind::Seq => inner.carried.iter().map(|(reg, _)| self.register(*reg)).collect(),
            LoopKind::Reduce { kinds, .. } => {
                let mut results = vec![];
                for (n, kind) in kinds.iter().enumerate() {
                    results.push(match yielded.get(n).copied().flatten().map(|dtype| kind.result_type(dtype)) {
                        Some(Ok(dtype)) => Some(dtype),
                        Some(Err(message)) => {
                            self.report(stmt, message);
                            None
                        }
                        None => None,
                    });
                }
                results
            }
        };
        let (yields, results) = (inner.body.yields.len(), inner.results.len());
        if yields != wanted.len() {
            self.report(stmt, format!("its body yields {yields} values, not {}", wanted.len()));
        }
        if results != wanted.len() {
            self.report(stmt, format!("it sets {results} registers, not {}", wanted.len()));
        }
        if inner.kind == LoopKind::Seq {
            for ((yielded, wanted), (reg, _)) in yielded.iter().zip(&wanted).zip(&inner.carried) {
                if let (Some(yielded), Some(wanted)) = (yielded, wanted)
                    && yielded != wanted
                {
                    let reg = self.kernel.reg_text(*reg);
                    self.report(stmt, format!("its body yields {yielded} for `{reg}`, which is {wanted}"));
                }
            }
        }
        for (n, reg) in inner.results.iter().enumerate() {
            self.define(stmt, *reg, wanted.get(n).copied().flatten());
        }
    }

    /// The element type and the access of what is indexed.
    fn place(&mut self, stmt: &Stmt, place: &Place) -> Option<(DType, Access)> {
        let kernel = self.kernel;
        let (dtype, access, extents): (DType, Access, Vec<Dim>) = match place.base {
            Base::Param(n) => match kernel.params.get(n as usize) {
                Some(param) => (param.dtype, param.access, param.shape.to_vec()),
                None => {
                    self.report(stmt, format!("there is no buffer {n}"));
                    return None;
                }
            },
            Base::Scratch(n) => match kernel.scratch.get(n as usize) {
                Some(scratch) => (scratch.dtype, Access::Update, vec![scratch.extent.clone()]),
                None => {
                    self.report(stmt, format!("there is no scratch row {n}"));
                    return None;
                }
            },
        };
        if place.index.len() != extents.len() {
            self.report(stmt, format!("{} indices for {} axes", place.index.len(), extents.len()));
            return Some((dtype, access));
        }
        for (index, extent) in place.index.iter().zip(&extents) {
            match index {
                Index::Affine(affine) => {
                    if self.affine(stmt, affine)
                        && let Some(message) = out_of_bounds(affine, &self.scope, extent)
                    {
                        self.report(stmt, message);
                    }
                }
                Index::Indirect(reg) => {
                    let dtype = self.operand(stmt, &Operand::Reg(*reg));
                    if dtype.is_some_and(|dtype| !matches!(dtype, DType::I32 | DType::I64)) {
                        self.report(stmt, format!("`{}` is no index: it is not i32 or i64", kernel.reg_text(*reg)));
                    }
                }
            }
        }
        Some((dtype, access))
    }

    /// Whether all loop variables of an index are in scope and occur once.
    fn affine(&mut self, stmt: &Stmt, affine: &Affine) -> bool {
        let before = self.mistakes.len();
        for (n, (var, coefficient)) in affine.terms.iter().enumerate() {
            let name = super::print::LoopVarText(*var);
            if !self.scope.iter().any(|(open, _)| open == var) {
                self.report(stmt, format!("`{name}` is not the variable of a loop around this"));
            }
            if affine.terms[..n].iter().any(|(other, _)| other == var) {
                self.report(stmt, format!("`{name}` occurs twice in one index"));
            }
            if coefficient.why_undefined().is_some() {
                self.report(stmt, format!("the factor of `{name}` has no value: {coefficient}"));
            }
        }
        if affine.offset.why_undefined().is_some() {
            self.report(stmt, format!("the index has no value: {}", affine.offset));
        }
        self.mistakes.len() == before
    }

    /// The type of a value that is read here.
    fn operand(&mut self, stmt: &Stmt, operand: &Operand) -> Option<DType> {
        let Operand::Reg(reg) = operand else { return Some(self.kernel.dtype(operand)) };
        let text = self.kernel.reg_text(*reg);
        if self.register(*reg).is_none() {
            self.report(stmt, format!("there is no register `{text}`"));
        } else if !self.visible[reg.0 as usize] {
            let place =
                if self.set[reg.0 as usize] { "set only inside a loop that has ended" } else { "not set before this" };
            self.report(stmt, format!("the register `{text}` is {place}"));
        }
        self.register(*reg)
    }

    fn known_type(&self, operand: &Operand) -> Option<DType> {
        match operand {
            Operand::Reg(reg) => self.register(*reg),
            Operand::Const(value) => Some(value.dtype()),
        }
    }

    fn register(&self, reg: Reg) -> Option<DType> {
        self.kernel.registers.get(reg.0 as usize).copied()
    }

    /// Sets a register to a value of a type, if the type is known.
    fn define(&mut self, stmt: &Stmt, reg: Reg, dtype: Option<DType>) {
        let Some(declared) = self.register(reg) else {
            return self.report(stmt, format!("there is no register `%{}`", reg.0));
        };
        if self.set[reg.0 as usize] {
            self.report(stmt, format!("the register `{}` is set twice", self.kernel.reg_text(reg)));
        }
        if let Some(dtype) = dtype.filter(|dtype| *dtype != declared) {
            self.report(stmt, format!("the register `%{}` is {declared}, its value is {dtype}", reg.0));
        }
        (self.set[reg.0 as usize], self.visible[reg.0 as usize]) = (true, true);
    }

    fn yields(&mut self, what: &str, yields: &[Operand], wanted: &[DType]) {
        let yielded: Vec<Option<DType>> = yields.iter().map(|value| self.known_type(value)).collect();
        if yielded.len() != wanted.len() {
            self.report_whole(format!("{what} yields {} values, not {}", yielded.len(), wanted.len()));
        }
        for (n, (yielded, wanted)) in yielded.iter().zip(wanted).enumerate() {
            if let Some(yielded) = yielded.filter(|yielded| yielded != wanted) {
                self.report_whole(format!("{what} yields {yielded} as result {n}, which is {wanted}"));
            }
        }
    }
}
