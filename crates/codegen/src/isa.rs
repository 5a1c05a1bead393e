//! The machine that code is made for: the one we run on, looked up once.

use cranelift_codegen::isa::{CallConv, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use std::sync::{Arc, OnceLock};
use tracelift_tensor::{Error, ErrorKind, Result};

/// How hard Cranelift optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OptLevel {
    /// Quick to compile, slower to run; for debugging the generator itself.
    None,
    /// The default: loop-invariant code motion, rewriting, good register allocation.
    #[default]
    Speed,
}

/// The instruction set of this machine, or why no code can be made for it.
///
/// Definitions of functions write fused multiply-adds, so a machine without them is refused: executables then fall
/// back to the interpreter.
pub(crate) fn host(level: OptLevel) -> Result<Arc<dyn TargetIsa>> {
    static NONE: OnceLock<Result<OwnedTargetIsa, String>> = OnceLock::new();
    static SPEED: OnceLock<Result<OwnedTargetIsa, String>> = OnceLock::new();
    let cell = match level {
        OptLevel::None => &NONE,
        OptLevel::Speed => &SPEED,
    };
    match cell.get_or_init(|| build(level)) {
        Ok(isa) => Ok(isa.clone()),
        Err(why) => Err(Error::new(ErrorKind::Internal, format!("no native code can be made here: {why}"))),
    }
}

fn build(level: OptLevel) -> Result<OwnedTargetIsa, String> {
    #[cfg(target_arch = "x86_64")]
    if !(std::is_x86_feature_detected!("avx") && std::is_x86_feature_detected!("fma")) {
        return Err("the processor lacks AVX or FMA".to_string());
    }
    let level = match level {
        OptLevel::None => "none",
        OptLevel::Speed => "speed",
    };
    let verifier = if cfg!(debug_assertions) { "true" } else { "false" };
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", level),
        ("regalloc_algorithm", "backtracking"),
        ("enable_verifier", verifier),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
    ] {
        flags.set(name, value).map_err(|error| error.to_string())?;
    }
    let isa = cranelift_native::builder()?;
    isa.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())
}

/// The convention of every function we make and of every helper it calls.
///
/// On x86-64 it is System V everywhere, Windows included: all vector registers are the callee's.
pub(crate) fn call_conv(isa: &dyn TargetIsa) -> CallConv {
    if cfg!(target_arch = "x86_64") { CallConv::SystemV } else { isa.default_call_conv() }
}
