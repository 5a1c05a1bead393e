//! Executable memory and who owns it.
//!
//! Pages are written first and made executable at the end (`finalize_definitions`), never both at once.
#![expect(unsafe_code, reason = "executable memory is freed by hand: Cranelift leaks it by design")]

use crate::abi::KernelFn;
use crate::unit::Unit;
use cranelift_codegen::ir::{AbiParam, Signature, types::I64};
use cranelift_codegen::isa::TargetIsa;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module, ModuleError, ModuleReloc, ModuleRelocTarget, default_libcall_names};
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tracelift_tensor::{Error, Result};

/// Machine code in executable memory; freed when the last holder drops it.
///
/// Whoever keeps an address into it keeps an `Arc` of it, too.
pub struct Code {
    // `JITModule` is `Send` but not `Sync`; the lock is only ever taken to drop it.
    module: Mutex<Option<JITModule>>,
    bytes: usize,
}

/// Bytes of all code that is alive.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// How many bytes of generated code this process holds: what is dropped is freed.
pub fn live_code_bytes() -> usize {
    LIVE.load(Ordering::Relaxed)
}

impl Code {
    /// How many bytes of instructions and constants it holds.
    pub fn num_bytes(&self) -> usize {
        self.bytes
    }

    /// Says that it is never dropped, and so is not counted as anybody's.
    pub(crate) fn belongs_to_process(&self) {
        LIVE.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} bytes)", self.bytes)
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        let module = self.module.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(module) = module.take() {
            LIVE.fetch_sub(self.bytes, Ordering::Relaxed);
            // SAFETY: addresses into this memory are only kept together with an `Arc<Code>`, and this is the last one:
            // nothing can call into it any more.
            unsafe { module.free_memory() }
        }
    }
}

/// The address of a function of some [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry(pub usize);

impl Entry {
    /// The function at this address, which must have been compiled from a kernel.
    pub(crate) fn kernel(self) -> KernelFn {
        // SAFETY: entries come from `link`, so this is the address of a function; that of a kernel has this signature.
        // Calling it is unsafe: the caller keeps the `Code` alive and the slots right.
        unsafe { std::mem::transmute::<usize, KernelFn>(self.0) }
    }
}

/// Puts functions into one piece of executable memory; answers their addresses in the order given.
pub(crate) fn link<'u>(
    isa: Arc<dyn TargetIsa>,
    units: impl Iterator<Item = &'u Unit> + Clone,
) -> Result<(Arc<Code>, Vec<Entry>)> {
    let mut symbols: FxHashMap<&'static str, usize> = FxHashMap::default();
    for import in units.clone().flat_map(|unit| &unit.imports) {
        symbols.insert(import.name, import.address);
    }
    let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
    for (name, address) in &symbols {
        builder.symbol(*name, *address as *const u8);
    }
    let mut module = JITModule::new(builder);
    // Nothing in the module is called by name, so one signature does for all.
    let mut signature = Signature::new(module.isa().default_call_conv());
    signature.params.push(AbiParam::new(I64));
    let mut ids = Vec::new();
    for unit in units.clone() {
        let failed = |error: ModuleError| Error::internal(format!("linking `{}` failed: {error:?}", unit.name));
        let mut relocs = Vec::with_capacity(unit.relocs.len());
        for reloc in &unit.relocs {
            let name = unit.imports[reloc.import].name;
            let target = module.declare_function(name, Linkage::Import, &signature).map_err(failed)?;
            let name = ModuleRelocTarget::user(0, target.as_u32());
            relocs.push(ModuleReloc { offset: reloc.offset, kind: reloc.kind, name, addend: reloc.addend });
        }
        let id = module.declare_anonymous_function(&signature).map_err(failed)?;
        module.define_function_bytes(id, unit.align, &unit.code, &relocs).map_err(failed)?;
        ids.push(id);
    }
    module
        .finalize_definitions()
        .map_err(|error| Error::internal(format!("making native code executable failed: {error:?}")))?;
    let entries = ids.into_iter().map(|id| Entry(module.get_finalized_function(id) as usize)).collect();
    let bytes: usize = units.map(|unit| unit.code.len()).sum();
    LIVE.fetch_add(bytes, Ordering::Relaxed);
    Ok((Arc::new(Code { module: Mutex::new(Some(module)), bytes }), entries))
}
