//! From a program to the address of its driver.

use super::emit::emit_driver;
use super::layout::Layout;
use crate::code::{Code, link};
use crate::isa;
use crate::unit::{Compiler, Texts, Unit, signature};
use crate::{CodegenOptions, Inspection, code::Entry};
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::isa::TargetIsa;
use std::sync::Arc;
use tracelift_kernel::program::Program;
use tracelift_tensor::Result;

/// The native form of a whole program.
#[derive(Debug)]
pub struct NativeDriver {
    /// Keeps the code in memory.
    code: Arc<Code>,
    entry: Entry,
}

impl NativeDriver {
    /// The address of a [`DriverFn`](super::DriverFn), valid as long as this value lives.
    pub fn address(&self) -> *const u8 {
        self.entry.0 as *const u8
    }

    /// How many bytes of machine code it has.
    pub fn num_bytes(&self) -> usize {
        self.code.num_bytes()
    }
}

/// Compiles the driver of `program`, which is numbered by `layout`.
pub fn compile_driver(program: &Program, layout: &Layout, options: &CodegenOptions) -> Result<NativeDriver> {
    let isa = isa::host(options.opt_level)?;
    let unit = driver_unit(program, layout, &*isa, None)?;
    let (code, entries) = link(isa, &[unit])?;
    Ok(NativeDriver { code, entry: entries[0] })
}

/// Compiles the driver of `program` only to look at it.
///
/// ```
/// use tracelift_codegen::{CodegenOptions, driver::inspect_driver};
/// use tracelift_kernel::text::{Module, Source};
/// let text = "program @size { unknown B = input 0 axis 0 buffer $x : f32[B] input 0 %n = dim B result %n }";
/// let module = Module::parse(Source::new("size.tl", text)).expect("the text is a program");
/// let inspection = inspect_driver(&module.programs[0], &CodegenOptions::default())?;
/// assert!(inspection.clif.contains("return") && !inspection.code.is_empty());
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn inspect_driver(program: &Program, options: &CodegenOptions) -> Result<Inspection> {
    let isa = isa::host(options.opt_level)?;
    let mut texts = Texts::default();
    let unit = driver_unit(program, &Layout::of(program), &*isa, Some(&mut texts))?;
    Ok(Inspection { clif: texts.clif, optimized: texts.optimized, assembly: texts.assembly, code: unit.code })
}

fn driver_unit(program: &Program, layout: &Layout, isa: &dyn TargetIsa, texts: Option<&mut Texts>) -> Result<Unit> {
    let driver = signature(isa, &[I64], &[I32]);
    Compiler::new()
        .compile(isa, &program.name, driver, texts, &mut |builder| emit_driver(program, layout, builder, isa))
}
