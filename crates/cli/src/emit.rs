//! `--emit`: what functions become on their way to machine code.

use crate::arguments::Emit;
use crate::disassemble::disassemble;
use std::sync::Arc;
use tracelift_codegen::driver::inspect_driver;
use tracelift_codegen::{CodegenOptions, Inspection, inspect_kernel};
use tracelift_kernel::loops::Kernel;
use tracelift_kernel::program::Program;
use tracelift_tensor::Result;

/// A program's kernels, steps or code; `kernels` says whether those of its kernels are wanted, too.
pub(crate) fn program(program: &Program, what: Emit, kernels: bool) -> Result<String> {
    let mut parts = vec![];
    if kernels && what != Emit::Program {
        for kernel in &program.kernels {
            parts.push(self::kernel(kernel, what)?);
        }
    }
    match what {
        Emit::Kernel => {}
        Emit::Program => parts.push(program.steps_text()),
        Emit::Clif | Emit::Asm => {
            let inspection = inspect_driver(program, &options())?;
            parts.push(code(&format!("program @{}", program.name), &inspection, what)?);
        }
    }
    Ok(parts.join("\n"))
}

/// A kernel's text or code; a kernel alone makes a program that launches it.
pub(crate) fn kernel(kernel: &Arc<Kernel>, what: Emit) -> Result<String> {
    match what {
        Emit::Kernel => Ok(kernel.to_string()),
        Emit::Program => Ok(Program::of_kernel(kernel)?.steps_text()),
        Emit::Clif | Emit::Asm => {
            let inspection = inspect_kernel(kernel, &options())?;
            code(&format!("kernel @{}", kernel.name), &inspection, what)
        }
    }
}

fn code(title: &str, inspection: &Inspection, what: Emit) -> Result<String> {
    match what {
        Emit::Asm => Ok(format!("; {title}: {} bytes\n{}", inspection.code.len(), disassemble(&inspection.code)?)),
        _ => Ok(format!("; {title}\n{}", inspection.clif)),
    }
}

fn options() -> CodegenOptions {
    CodegenOptions::default()
}
