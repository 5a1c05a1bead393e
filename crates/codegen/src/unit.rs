//! One function: from CLIF to machine code, not yet linked.

use crate::isa;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{
    AbiParam, ExtFuncData, ExternalName, FuncRef, Function, Signature, Type, UserExternalName, UserFuncName,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_codegen::{Context, FinalizedRelocTarget};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracelift_tensor::{Error, Result};

/// A function outside of the code that code calls: its name in texts and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// Its name.
    pub name: &'static str,
    /// Its address.
    pub address: usize,
}

/// The functions that one function under construction calls.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    list: Vec<(Import, FuncRef)>,
}

impl Imports {
    /// A reference to `import` for use in `call`, made on first use.
    pub(crate) fn func(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        conv: CallConv,
        import: Import,
        params: &[Type],
        results: &[Type],
    ) -> FuncRef {
        if let Some((_, func)) = self.list.iter().find(|(known, _)| *known == import) {
            return *func;
        }
        let mut signature = Signature::new(conv);
        signature.params.extend(params.iter().map(|ty| AbiParam::new(*ty)));
        signature.returns.extend(results.iter().map(|ty| AbiParam::new(*ty)));
        let signature = builder.func.import_signature(signature);
        let index = self.list.len() as u32;
        let name = builder.func.declare_imported_user_function(UserExternalName { namespace: 0, index });
        let data = ExtFuncData { name: ExternalName::user(name), signature, colocated: false, patchable: false };
        let func = builder.func.import_function(data);
        self.list.push((import, func));
        func
    }
}

/// Machine code of one function.
#[derive(Debug)]
pub(crate) struct Unit {
    /// Its name.
    pub name: String,
    /// Its bytes, constants included.
    pub code: Vec<u8>,
    /// The alignment its first byte needs.
    pub align: u64,
    /// Where addresses of [`Unit::imports`] have to be written.
    pub relocs: Vec<UnitReloc>,
    /// What it calls.
    pub imports: Vec<Import>,
}

/// A place in a [`Unit`]'s bytes that holds an address.
#[derive(Debug)]
pub(crate) struct UnitReloc {
    /// Where.
    pub offset: u32,
    /// In which form.
    pub kind: Reloc,
    /// What is added to the address.
    pub addend: i64,
    /// Whose address: the n-th of [`Unit::imports`].
    pub import: usize,
}

/// Cranelift's workspace, reused from function to function.
pub(crate) struct Compiler {
    context: Context,
    builder: FunctionBuilderContext,
}

/// The text of a function before and after optimisation, and the assembly Cranelift believes in.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub clif: String,
    pub optimized: String,
    pub assembly: String,
}

impl Compiler {
    pub(crate) fn new() -> Self {
        Compiler { context: Context::new(), builder: FunctionBuilderContext::new() }
    }

    /// Builds a function with `build` and compiles it; `texts` asks for its CLIF.
    ///
    /// Everything of Cranelift happens here, so that its panics end as errors.
    pub(crate) fn compile(
        &mut self,
        isa: &dyn TargetIsa,
        name: &str,
        signature: Signature,
        texts: Option<&mut Texts>,
        build: &mut dyn FnMut(FunctionBuilder<'_>) -> Result<Imports>,
    ) -> Result<Unit> {
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            self.context.clear();
            self.context.func = Function::with_name_signature(UserFuncName::user(0, 0), signature);
            let imports = build(FunctionBuilder::new(&mut self.context.func, &mut self.builder))?;
            self.finish(isa, name, imports, texts)
        }));
        attempt.unwrap_or_else(|panic| {
            // A half-built function leaves the workspace dirty.
            *self = Compiler::new();
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(Error::internal(format!("the code generator gave up on `{name}`: {said}")))
        })
    }

    fn finish(
        &mut self,
        isa: &dyn TargetIsa,
        name: &str,
        imports: Imports,
        mut texts: Option<&mut Texts>,
    ) -> Result<Unit> {
        let mut control = ControlPlane::default();
        if let Some(texts) = &mut texts {
            texts.clif = self.context.func.display().to_string();
            let mut copy = Context::for_function(self.context.func.clone());
            copy.optimize(isa, &mut control).map_err(|error| failed(name, &error))?;
            texts.optimized = copy.func.display().to_string();
        }
        self.context.set_disasm(texts.is_some());
        self.context.compile(isa, &mut control).map_err(|error| failed(name, &error.inner))?;
        let compiled = self.context.compiled_code().expect("compilation has just succeeded");
        if let Some(texts) = &mut texts {
            texts.assembly = compiled.vcode.clone().unwrap_or_default();
        }
        let names = self.context.func.params.user_named_funcs();
        let relocs = compiled.buffer.relocs().iter().map(|reloc| {
            let FinalizedRelocTarget::ExternalName(ExternalName::User(target)) = reloc.target else {
                return Err(Error::internal(format!(
                    "`{name}` refers to {:?}, which is no helper of ours",
                    reloc.target
                )));
            };
            let import = names[target].index as usize;
            Ok(UnitReloc { offset: reloc.offset, kind: reloc.kind, addend: reloc.addend, import })
        });
        Ok(Unit {
            name: name.to_string(),
            code: compiled.code_buffer().to_vec(),
            align: u64::from(compiled.buffer.alignment).max(16),
            relocs: relocs.collect::<Result<_>>()?,
            imports: imports.list.iter().map(|(import, _)| *import).collect(),
        })
    }
}

fn failed(name: &str, error: &cranelift_codegen::CodegenError) -> Error {
    Error::internal(format!("Cranelift refused `{name}`: {error:?}"))
}

/// A signature in our convention.
pub(crate) fn signature(isa: &dyn TargetIsa, params: &[Type], results: &[Type]) -> Signature {
    let mut signature = Signature::new(isa::call_conv(isa));
    signature.params.extend(params.iter().map(|ty| AbiParam::new(*ty)));
    signature.returns.extend(results.iter().map(|ty| AbiParam::new(*ty)));
    signature
}
