//! Kernels as text.

use super::kernel::*;
use crate::text::write_name;
use std::fmt::{self, Write};

/// What a level of nesting is indented by.
const INDENT: &str = "  ";

impl fmt::Display for Kernel {
    /// The text that [`Module::parse`](crate::text::Module::parse) reads back as an equal kernel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        f.write_str(" {\n")?;
        for scratch in &self.scratch {
            write!(f, "{INDENT}scratch ")?;
            write_name(f, '%', &scratch.name)?;
            writeln!(f, ": {}[{}]", scratch.dtype, scratch.extent)?;
        }
        self.write_block(f, &self.body, 1)?;
        f.write_str("}\n")
    }
}

impl Kernel {
    fn write_head(&self, f: &mut dyn Write) -> fmt::Result {
        f.write_str("kernel ")?;
        write_name(f, '@', &self.name)?;
        f.write_str("(")?;
        let mut separator = "";
        for param in &self.params {
            f.write_str(separator)?;
            f.write_str(match param.access {
                Access::Read => "",
                Access::Write => "out ",
                Access::Update => "inout ",
            })?;
            write_name(f, '%', &param.name)?;
            write!(f, ": {}{}", param.dtype, param.shape)?;
            separator = ", ";
        }
        for scalar in &self.scalars {
            f.write_str(separator)?;
            write_name(f, '%', &scalar.name)?;
            write!(f, ": {}", self.registers[scalar.reg.0 as usize])?;
            separator = ", ";
        }
        f.write_str(")")?;
        if !self.results.is_empty() {
            f.write_str(" -> ")?;
            write_list(f, "(", &self.results, ")", &mut |f, dtype| write!(f, "{dtype}"))?;
        }
        Ok(())
    }

    fn write_block(&self, f: &mut dyn Write, block: &Block, depth: usize) -> fmt::Result {
        let indent = INDENT.repeat(depth);
        for stmt in &block.stmts {
            f.write_str(&indent)?;
            self.write_stmt(f, stmt)?;
            match stmt {
                Stmt::Loop(inner) => {
                    f.write_str(" {\n")?;
                    self.write_block(f, &inner.body, depth + 1)?;
                    writeln!(f, "{indent}}}")?;
                }
                _ => f.write_str("\n")?,
            }
        }
        if !block.yields.is_empty() {
            write_list(f, &format!("{indent}yield "), &block.yields, "\n", &mut |f, value| {
                self.write_operand(f, value)
            })?;
        }
        Ok(())
    }

    /// One statement on one line; of a loop the line before its body.
    pub(crate) fn stmt_text(&self, stmt: &Stmt) -> String {
        let mut text = String::new();
        self.write_stmt(&mut text, stmt).expect("writing to a string cannot fail");
        text
    }

    fn write_stmt(&self, f: &mut dyn Write, stmt: &Stmt) -> fmt::Result {
        match stmt {
            Stmt::Load { dst, from } => {
                self.write_reg(f, *dst)?;
                f.write_str(" = load ")?;
                self.write_place(f, from)
            }
            Stmt::Store { to, value } => {
                f.write_str("store ")?;
                self.write_place(f, to)?;
                f.write_str(", ")?;
                self.write_operand(f, value)
            }
            Stmt::Lane { dst, op, args } => {
                self.write_reg(f, *dst)?;
                write!(f, " = {op} ")?;
                write_list(f, "", args, "", &mut |f, arg| self.write_operand(f, arg))
            }
            Stmt::Index { dst, value } => {
                self.write_reg(f, *dst)?;
                f.write_str(" = index ")?;
                write_affine(f, value)
            }
            Stmt::Loop(inner) => self.write_loop_head(f, inner),
        }
    }

    fn write_loop_head(&self, f: &mut dyn Write, inner: &Loop) -> fmt::Result {
        if !inner.results.is_empty() {
            write_list(f, "", &inner.results, " = ", &mut |f, reg| self.write_reg(f, *reg))?;
        }
        match &inner.kind {
            LoopKind::Par => f.write_str("par ")?,
            LoopKind::Seq => f.write_str("seq ")?,
            LoopKind::Reduce { kinds, order } => {
                match kinds.as_slice() {
                    [kind] => write!(f, "reduce {kind}")?,
                    kinds => write_list(f, "reduce (", kinds, ")", &mut |f, kind| write!(f, "{kind}"))?,
                }
                write!(f, " {order} ")?;
            }
        }
        match inner.axes.as_slice() {
            [(var, extent)] => write!(f, "{} in 0..{extent}", LoopVarText(*var))?,
            axes => {
                write_list(f, "(", axes, ")", &mut |f, (var, _)| write!(f, "{}", LoopVarText(*var)))?;
                write_list(f, " in (", axes, ")", &mut |f, (_, extent)| write!(f, "0..{extent}"))?;
            }
        }
        if inner.carried.is_empty() {
            return Ok(());
        }
        write_list(f, " carry (", &inner.carried, ")", &mut |f, (reg, first)| {
            self.write_reg(f, *reg)?;
            f.write_str(" = ")?;
            self.write_operand(f, first)
        })
    }

    fn write_place(&self, f: &mut dyn Write, place: &Place) -> fmt::Result {
        let name = match place.base {
            Base::Param(n) => self.params.get(n as usize).map(|param| &param.name),
            Base::Scratch(n) => self.scratch.get(n as usize).map(|scratch| &scratch.name),
        };
        match name {
            Some(name) => write_name(f, '%', name)?,
            None => write!(f, "%\"{:?}\"", place.base)?,
        }
        write_list(f, "[", &place.index, "]", &mut |f, index| match index {
            Index::Affine(affine) => write_affine(f, affine),
            Index::Indirect(reg) => self.write_reg(f, *reg),
        })
    }

    pub(crate) fn write_operand(&self, f: &mut dyn Write, operand: &Operand) -> fmt::Result {
        match operand {
            Operand::Reg(reg) => self.write_reg(f, *reg),
            Operand::Const(value) => write!(f, "{value}"),
        }
    }

    /// `%lr` if it is a rank-0 argument, else its number.
    fn write_reg(&self, f: &mut dyn Write, reg: Reg) -> fmt::Result {
        match self.scalars.iter().find(|scalar| scalar.reg == reg) {
            Some(scalar) => write_name(f, '%', &scalar.name),
            None => write!(f, "%{}", reg.0),
        }
    }

    /// `%lr` or `%3`, for messages.
    pub(crate) fn reg_text(&self, reg: Reg) -> String {
        let mut text = String::new();
        self.write_reg(&mut text, reg).expect("writing to a string cannot fail");
        text
    }
}

/// What loop variables are called in texts: `%i0`, `%i1`.
pub(crate) const LOOP_VAR_PREFIX: &str = "i";

/// A loop variable in a text.
pub(crate) struct LoopVarText(pub LoopVar);

impl fmt::Display for LoopVarText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{LOOP_VAR_PREFIX}{}", self.0.0)
    }
}

/// `2*%i0 - (B + 1)*%i1 + 3`: the terms in their order, then the offset if it is not 0 or nothing else is there.
fn write_affine(f: &mut dyn Write, affine: &Affine) -> fmt::Result {
    for (n, (var, coefficient)) in affine.terms.iter().enumerate() {
        let plus = if n == 0 { "" } else { " + " };
        let var = LoopVarText(*var);
        match coefficient.known() {
            Some(1) => write!(f, "{plus}{var}")?,
            Some(-1) => write!(f, "{}{var}", if n == 0 { "-" } else { " - " })?,
            Some(c) if n > 0 && c < 0 && c != i64::MIN => write!(f, " - {}*{var}", -c)?,
            Some(c) => write!(f, "{plus}{c}*{var}")?,
            None if coefficient.as_sym().is_some() => write!(f, "{plus}{coefficient}*{var}")?,
            None if (-coefficient).as_sym().is_some() && n > 0 => write!(f, " - {}*{var}", -coefficient)?,
            None => write!(f, "{plus}({coefficient})*{var}")?,
        }
    }
    match affine.offset.known() {
        Some(0) if !affine.terms.is_empty() => Ok(()),
        _ if affine.terms.is_empty() => write!(f, "{}", affine.offset),
        Some(n) if n < 0 && n != i64::MIN => write!(f, " - {}", -n),
        _ => write!(f, " + {}", affine.offset),
    }
}

/// `open`, the items with commas between them, `close`.
pub(crate) fn write_list<'i, T: 'i>(
    f: &mut dyn Write,
    open: &str,
    items: impl IntoIterator<Item = &'i T>,
    close: &str,
    write: &mut dyn FnMut(&mut dyn Write, &'i T) -> fmt::Result,
) -> fmt::Result {
    f.write_str(open)?;
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    f.write_str(close)
}

impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_affine(f, self)
    }
}
