//! Programs as text.

use super::data::*;
use crate::loops::print::write_list;
use crate::text::{quote, write_array, write_name};
use std::fmt::{self, Write};

const INDENT: &str = "  ";

impl fmt::Display for Program {
    /// Its kernels, then the program: a text that [`Module::parse`](crate::text::Module::parse) reads back as an equal
    /// program (apart from where in the user's source its sites are).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kernel in &self.kernels {
            writeln!(f, "{kernel}")?;
        }
        self.write_program(f)
    }
}

impl Program {
    /// The text without the kernels.
    pub fn steps_text(&self) -> String {
        let mut text = String::new();
        self.write_program(&mut text).expect("writing to a string cannot fail");
        text
    }

    /// One step on one line; of `if` and `loop` the line before the first body.
    pub(crate) fn step_text(&self, step: &Step) -> String {
        let mut text = String::new();
        self.write_step(&mut text, step).expect("writing to a string cannot fail");
        text
    }

    /// `$h`, for messages.
    pub(crate) fn buffer_text(&self, id: BufferId) -> String {
        let mut text = String::new();
        self.write_ref(&mut text, id).expect("writing to a string cannot fail");
        text
    }

    fn write_program(&self, f: &mut dyn Write) -> fmt::Result {
        f.write_str("program ")?;
        write_name(f, '@', &self.name)?;
        f.write_str(" {\n")?;
        self.write_head(f)?;
        for buffer in &self.buffers {
            write!(f, "{INDENT}buffer ")?;
            self.write_buffer(f, buffer)?;
            f.write_str("\n")?;
        }
        self.write_steps(f, &self.steps, 1)?;
        if !self.results.is_empty() {
            write_list(f, &format!("{INDENT}result "), &self.results, "\n", &mut |f, result| match result {
                ResultPlace::Buffer(buffer) => self.write_ref(f, *buffer),
                ResultPlace::Scalar(value) => write_scalar(f, value),
            })?;
        }
        f.write_str("}\n")
    }

    fn write_head(&self, f: &mut dyn Write) -> fmt::Result {
        if !self.kernels.is_empty() {
            write_list(f, &format!("{INDENT}kernels "), &self.kernels, "\n", &mut |f, kernel| {
                write_name(f, '@', &kernel.name)
            })?;
        }
        for Unknown { sym, index, state, axis } in &self.unknowns {
            let kind = if *state { "state" } else { "input" };
            writeln!(f, "{INDENT}unknown {sym} = {kind} {index} axis {axis}")?;
        }
        for guard in &self.guards {
            writeln!(f, "{INDENT}guard {guard}")?;
        }
        for State { name, written } in &self.states {
            writeln!(f, "{INDENT}state {}{}", quote(name), if *written { " written" } else { "" })?;
        }
        for site in &self.sites {
            write!(f, "{INDENT}site {}", quote(&site.op))?;
            writeln!(f, "{}", if site.origin.is_unknown() { String::new() } else { format!("  ; {}", site.origin) })?;
        }
        Ok(())
    }

    fn write_buffer(&self, f: &mut dyn Write, buffer: &Buffer) -> fmt::Result {
        write_name(f, '$', &buffer.name).and_then(|()| write!(f, " : {}{} ", buffer.dtype, buffer.shape))?;
        match &buffer.role {
            Role::Input(n) => write!(f, "input {n}"),
            Role::Output(n) => write!(f, "output {n}"),
            Role::State(n) => write!(f, "state {n}"),
            Role::NextState(n) => write!(f, "next {n}"),
            Role::Arena => f.write_str("arena"),
            Role::Stack(None) => f.write_str("stack"),
            Role::Stack(Some(capacity)) => write!(f, "stack of {capacity}"),
            Role::View(of) => f.write_str("view of ").and_then(|()| self.write_ref(f, *of)),
            Role::Constant(array) => f.write_str("const ").and_then(|()| write_array(f, array)),
        }
    }

    /// `$h`.
    pub(crate) fn write_ref(&self, f: &mut dyn Write, buffer: BufferId) -> fmt::Result {
        match self.buffers.get(buffer.0 as usize) {
            Some(buffer) => write_name(f, '$', &buffer.name),
            None => write!(f, "$\"buffer {}\"", buffer.0),
        }
    }

    fn write_steps(&self, f: &mut dyn Write, steps: &[Step], depth: usize) -> fmt::Result {
        let indent = INDENT.repeat(depth);
        for step in steps {
            f.write_str(&indent)?;
            self.write_step(f, step)?;
            match step {
                Step::If { then, otherwise, .. } => {
                    self.write_block(f, then, depth)?;
                    if *otherwise != StepBlock::default() {
                        f.write_str(" else")?;
                        self.write_block(f, otherwise, depth)?;
                    }
                }
                Step::Loop(inner) => {
                    self.write_block(f, &inner.condition, depth)?;
                    f.write_str(" do")?;
                    self.write_block(f, &inner.body, depth)?;
                }
                _ => {}
            }
            f.write_str("\n")?;
        }
        Ok(())
    }

    fn write_block(&self, f: &mut dyn Write, block: &StepBlock, depth: usize) -> fmt::Result {
        f.write_str(" {\n")?;
        self.write_steps(f, &block.steps, depth + 1)?;
        let indent = INDENT.repeat(depth);
        if !block.yields.is_empty() {
            write_list(f, &format!("{indent}{INDENT}yield "), &block.yields, "\n", &mut |f, v| write_scalar(f, v))?;
        }
        write!(f, "{indent}}}")
    }

    fn write_step(&self, f: &mut dyn Write, step: &Step) -> fmt::Result {
        match step {
            Step::Launch(launch) => {
                write_targets(f, &launch.results)?;
                f.write_str("launch ")?;
                self.write_call(f, launch.kernel, &launch.buffers, &launch.scalars)?;
                write_site(f, launch.site)
            }
            Step::Library(call) => self.write_library(f, call),
            Step::Scalar { dst, op, args, site } => {
                write!(f, "%{} = scalar {op} ", dst.0)?;
                write_list(f, "", args, "", &mut |f, arg| write_scalar(f, arg))?;
                write_site(f, *site)
            }
            Step::Dim { dst, dim } => write!(f, "%{} = dim {dim}", dst.0),
            Step::Read { dst, from } => {
                write!(f, "%{} = read ", dst.0)?;
                self.write_ref(f, *from)
            }
            Step::Write { to, value } => {
                f.write_str("write ")?;
                self.write_ref(f, *to)?;
                f.write_str(", ")?;
                write_scalar(f, value)
            }
            Step::Check { check, site } => {
                self.write_check(f, check)?;
                write_site(f, Some(*site))
            }
            Step::Copy { from, to } => self.write_pair(f, "copy ", *from, " -> ", *to),
            Step::Swap { a, b } => self.write_pair(f, "swap ", *a, ", ", *b),
            Step::Commit { to, from } => self.write_pair(f, "commit ", *to, " <- ", *from),
            Step::If { condition, results, .. } => {
                write_targets(f, results)?;
                f.write_str("if ")?;
                write_scalar(f, condition)
            }
            Step::Loop(inner) => {
                write_targets(f, &inner.results)?;
                write_list(f, "loop (", &inner.carried, ") while", &mut |f, (register, first)| {
                    write!(f, "%{} = ", register.0)?;
                    write_scalar(f, first)
                })
            }
            Step::Stack(stack) => {
                self.write_stack_step(f, stack)?;
                write_site(f, stack.site)
            }
            Step::Print { message, values } => {
                write!(f, "print {}", quote(message))?;
                for value in values {
                    f.write_str(", ")?;
                    match value {
                        PrintArg::Buffer(buffer) => self.write_ref(f, *buffer)?,
                        PrintArg::Scalar(value) => write_scalar(f, value)?,
                    }
                }
                Ok(())
            }
        }
    }

    fn write_pair(&self, f: &mut dyn Write, word: &str, a: BufferId, between: &str, b: BufferId) -> fmt::Result {
        f.write_str(word)?;
        self.write_ref(f, a)?;
        f.write_str(between)?;
        self.write_ref(f, b)
    }

    /// `@k0($x, $y, %a, 1.0)`.
    fn write_call(&self, f: &mut dyn Write, id: KernelId, buffers: &[BufferId], scalars: &[ScalarArg]) -> fmt::Result {
        match self.kernels.get(id.0 as usize) {
            Some(kernel) => write_name(f, '@', &kernel.name)?,
            None => write!(f, "@\"kernel {}\"", id.0)?,
        }
        write_list(f, "(", buffers, "", &mut |f, buffer| self.write_ref(f, *buffer))?;
        let between = if buffers.is_empty() || scalars.is_empty() { "" } else { ", " };
        write_list(f, between, scalars, ")", &mut |f, value| write_scalar(f, value))
    }

    fn write_library(&self, f: &mut dyn Write, call: &LibraryCall) -> fmt::Result {
        let spec = match &call.op {
            LibraryOp::MatMul(spec) => spec,
            LibraryOp::ArgSort { descending } => {
                write_list(f, "lib argsort ", &call.operands, " -> ", &mut |f, buffer| self.write_ref(f, *buffer))?;
                self.write_ref(f, call.result)?;
                return if *descending { f.write_str(" {descending=true}") } else { Ok(()) };
            }
        };
        write_list(f, "lib matmul ", &call.operands, " -> ", &mut |f, buffer| self.write_ref(f, *buffer))?;
        self.write_ref(f, call.result)?;
        let usual = self.written_matmul(&call.operands, call.result);
        let mut unusual: Vec<String> = vec![];
        if spec.dtype != usual.dtype {
            unusual.push(format!("dtype={}", spec.dtype));
        }
        for ((name, size), (_, usual)) in spec.sizes().into_iter().zip(usual.sizes()) {
            if size != usual {
                unusual.push(format!("{name}={size}"));
            }
        }
        for (name, strides, usual) in [("a", &spec.a, &usual.a), ("b", &spec.b, &usual.b)] {
            if strides != usual {
                unusual.push(format!("{name}=[{}, {}, {}]", strides[0], strides[1], strides[2]));
            }
        }
        if spec.vector != usual.vector {
            unusual.push(format!("vector={}", spec.vector));
        }
        if let Some(spread) = &spec.spread {
            for (name, axes) in [("rows", &spread.rows), ("steps", &spread.steps)] {
                let axes: Vec<String> = axes.iter().map(|(size, stride)| format!("[{size}, {stride}]")).collect();
                unusual.push(format!("{name}=[{}]", axes.join(", ")));
            }
        }
        if !unusual.is_empty() {
            write!(f, " {{{}}}", unusual.join(", "))?;
        }
        let Some(epilogue) = &call.epilogue else { return Ok(()) };
        f.write_str(" epilogue ")?;
        self.write_call(f, epilogue.kernel, &epilogue.buffers, &epilogue.scalars)
    }

    /// The product that a text without attributes means.
    pub(crate) fn written_matmul(&self, operands: &[BufferId], result: BufferId) -> MatMulSpec {
        let dtype = self.buffer(result).dtype;
        match operands {
            [a, b] => MatMulSpec::written(dtype, &self.buffer(*a).shape, &self.buffer(*b).shape),
            _ => MatMulSpec::written(dtype, &Default::default(), &Default::default()),
        }
    }

    fn write_check(&self, f: &mut dyn Write, check: &Check) -> fmt::Result {
        match check {
            Check::Bounds { indices, extent } => {
                f.write_str("check bounds ")?;
                self.write_ref(f, *indices)?;
                write!(f, " in 0..{extent}")
            }
            Check::IndexBounds { index, extent } => {
                f.write_str("check index ")?;
                write_scalar(f, index)?;
                write!(f, " in 0..{extent}")
            }
            Check::Assert { condition, message } => {
                f.write_str("check assert ")?;
                write_scalar(f, condition)?;
                write!(f, " {}", quote(message))
            }
            Check::AssertAll { conditions, message } => {
                f.write_str("check all ")?;
                self.write_ref(f, *conditions)?;
                write!(f, " {}", quote(message))
            }
        }
    }
}

/// `%0, %1 = `, or nothing.
fn write_targets(f: &mut dyn Write, results: &[RegisterId]) -> fmt::Result {
    if results.is_empty() {
        return Ok(());
    }
    write_list(f, "", results, " = ", &mut |f, register| write!(f, "%{}", register.0))
}

pub(super) fn write_scalar(f: &mut dyn Write, arg: &ScalarArg) -> fmt::Result {
    match arg {
        ScalarArg::Register(register) => write!(f, "%{}", register.0),
        ScalarArg::Const(value) => write!(f, "{value}"),
    }
}

fn write_site(f: &mut dyn Write, site: Option<SiteId>) -> fmt::Result {
    match site {
        Some(site) => write!(f, " at {}", site.0),
        None => Ok(()),
    }
}
