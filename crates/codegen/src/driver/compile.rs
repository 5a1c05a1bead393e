//! From a program to the addresses of its driver and its kernels.

use super::emit::emit_driver;
use super::layout::Layout;
use crate::cache::{Key, Placed, provide};
use crate::compile::{Distinct, make_all};
use crate::isa;
use crate::unit::{Compiler, Texts, Unit, signature};
use crate::{CodegenOptions, Inspection, NativeKernel};
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::isa::TargetIsa;
use tracelift_kernel::program::Program;
use tracelift_tensor::Result;

/// The native form of a whole program.
#[derive(Debug)]
pub struct NativeDriver {
    /// Keeps the code in memory.
    placed: Placed,
}

impl NativeDriver {
    /// The address of a [`DriverFn`](super::DriverFn), valid as long as this value lives.
    pub fn address(&self) -> *const u8 {
        self.placed.entry.0 as *const u8
    }

    /// How many bytes of machine code it has.
    pub fn num_bytes(&self) -> usize {
        self.placed.bytes
    }
}

/// Compiles the driver of `program`, which is numbered by `layout`, and its kernels, side by side.
///
/// A function that this process has already, and somebody holds, is not compiled again.
pub fn compile_program(
    program: &Program,
    layout: &Layout,
    options: &CodegenOptions,
) -> Result<(NativeDriver, Vec<NativeKernel>)> {
    let distinct = Distinct::of(&program.kernels, options);
    let mut keys = distinct.keys.clone();
    let driver = keys.len();
    // The text says everything but where in the user's source faults are, which code does not know.
    keys.push(Key::new("driver", &program.to_string(), options));
    let make = |isa: &dyn TargetIsa, missing: &[usize]| {
        let quick = |n: usize| if n == driver { None } else { distinct.wide(n, options) };
        make_all(missing, options, &quick, &|compiler, n| match n == driver {
            true => driver_unit(compiler, program, layout, isa, None),
            false => distinct.narrow(n, compiler, isa, options),
        })
    };
    let mut placed = provide(&keys, options, &make)?;
    let driver = NativeDriver { placed: placed.pop().expect("the driver is the last of them") };
    Ok((driver, distinct.natives(&program.kernels, &placed)))
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
    let unit = driver_unit(&mut Compiler::new(), program, &Layout::of(program), &*isa, Some(&mut texts))?;
    Ok(Inspection { clif: texts.clif, optimized: texts.optimized, assembly: texts.assembly, code: unit.code })
}

fn driver_unit(
    compiler: &mut Compiler,
    program: &Program,
    layout: &Layout,
    isa: &dyn TargetIsa,
    texts: Option<&mut Texts>,
) -> Result<Unit> {
    let driver = signature(isa, &[I64], &[I32]);
    compiler.compile(isa, &program.name, driver, texts, &mut |builder| emit_driver(program, layout, builder, isa))
}
