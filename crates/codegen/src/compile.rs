//! Kernels to machine code: many at a time, in parallel, linked into one piece of memory.

use crate::abi::{KernelAbi, KernelFn};
use crate::code::{Code, Entry, link};
use crate::emit::{PARAMS, RESULTS, emit_kernel};
use crate::isa::host;
use crate::options::CodegenOptions;
use crate::unit::{Compiler, Texts, Unit, signature};
use crate::wide::wide_unit;
use cranelift_codegen::isa::TargetIsa;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tracelift_kernel::loops::Kernel;
use tracelift_tensor::{Error, Result};

/// A thread for every so many kernels: starting one costs a fraction of what compiling a kernel does.
const WORTH_A_THREAD: usize = 3;

/// A compiled kernel: machine code and how it is called.
#[derive(Clone, Debug)]
pub struct NativeKernel {
    /// What it was made from.
    pub kernel: Arc<Kernel>,
    /// What stands in which slot.
    pub abi: Arc<KernelAbi>,
    code: Arc<Code>,
    entry: Entry,
}

impl NativeKernel {
    /// Its address; valid as long as [`NativeKernel::code`] is held.
    pub fn address(&self) -> usize {
        self.entry.0
    }

    /// The memory it lies in.
    pub fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// It as a function, to be called with slots laid out by its ABI while `self` lives.
    pub fn function(&self) -> KernelFn {
        self.entry.kernel()
    }
}

/// Compiles kernels. The result is in the order given; kernels that differ in names alone share their code.
///
/// ```
/// use std::sync::Arc;
/// use tracelift_codegen::{CodegenOptions, compile_kernels};
/// use tracelift_kernel::lane::LaneOp;
/// use tracelift_kernel::loops::{Access, Affine, Index, KernelBuilder};
/// use tracelift_tensor::{DType, Dim, Shape};
///
/// let n = Dim::sym("N");
/// let mut k = KernelBuilder::new("double");
/// let x = k.param("x", DType::F32, Shape::from([n.clone()]), Access::Read);
/// let y = k.param("y", DType::F32, Shape::from([n.clone()]), Access::Write);
/// let i = k.par(n);
/// let at = || [Index::Affine(Affine::var(i))];
/// let value = k.load(x, at());
/// let twice = k.lane(LaneOp::Add, &[value, value]);
/// k.store(y, at(), twice);
/// k.end();
/// let native = compile_kernels(&[Arc::new(k.finish(&[]))], &CodegenOptions::default())?;
/// assert_eq!(native[0].abi.extents, [Dim::sym("N")]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn compile_kernels(kernels: &[Arc<Kernel>], options: &CodegenOptions) -> Result<Vec<NativeKernel>> {
    let isa = host(options.opt_level)?;
    let (distinct, places) = without_repeats(kernels);
    let abis: Vec<Arc<KernelAbi>> = distinct.iter().map(|kernel| Arc::new(KernelAbi::of(kernel))).collect();
    let units = compile_all(&*isa, &distinct, &abis, options)?;
    let (code, entries) = link(isa, &units)?;
    let natives = kernels.iter().zip(places).map(|(kernel, place)| NativeKernel {
        kernel: kernel.clone(),
        abi: abis[place].clone(),
        code: code.clone(),
        entry: entries[place],
    });
    Ok(natives.collect())
}

/// The kernels that are not the same as an earlier one but for names, and where among them each kernel is found.
fn without_repeats(kernels: &[Arc<Kernel>]) -> (Vec<&Kernel>, Vec<usize>) {
    let mut known: FxHashMap<String, usize> = FxHashMap::default();
    let mut distinct: Vec<&Kernel> = Vec::new();
    let places = kernels.iter().map(|kernel| {
        *known.entry(nameless_text(kernel)).or_insert_with(|| {
            distinct.push(kernel);
            distinct.len() - 1
        })
    });
    let places = places.collect();
    (distinct, places)
}

/// A kernel's text with numbers for names: equal for two kernels whose code is.
fn nameless_text(kernel: &Kernel) -> String {
    let mut nameless = kernel.clone();
    nameless.name = "k".to_string();
    let params = nameless.params.iter_mut().map(|param| &mut param.name);
    let scalars = nameless.scalars.iter_mut().map(|scalar| &mut scalar.name);
    let scratch = nameless.scratch.iter_mut().map(|row| &mut row.name);
    for (n, name) in params.chain(scalars).chain(scratch).enumerate() {
        *name = format!("n{n}");
    }
    nameless.to_string()
}

/// Compiles each kernel; threads take the next one when they are done with one.
fn compile_all(
    isa: &dyn TargetIsa,
    kernels: &[&Kernel],
    abis: &[Arc<KernelAbi>],
    options: &CodegenOptions,
) -> Result<Vec<Unit>> {
    let one = |compiler: &mut Compiler, n: usize| match wide_unit(kernels[n], &abis[n], options) {
        Some(wide) => Ok(wide),
        None => unit(compiler, isa, kernels[n], &abis[n], options, None),
    };
    let threads = options.threads.min(kernels.len() / WORTH_A_THREAD);
    if threads <= 1 {
        let mut compiler = Compiler::new();
        return (0..kernels.len()).map(|n| one(&mut compiler, n)).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut compiler = Compiler::new();
        let mut done = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= kernels.len() {
                return done;
            }
            done.push((n, one(&mut compiler, n)));
        }
    };
    let mut units: Vec<Option<Result<Unit>>> = (0..kernels.len()).map(|_| None).collect();
    let finished = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut finished = vec![Ok(work())];
        finished.extend(others.into_iter().map(|thread| thread.join()));
        finished
    });
    for (n, unit) in finished.into_iter().flatten().flatten() {
        units[n] = Some(unit);
    }
    let lost = || Err(Error::internal("a compiling thread was lost"));
    units.into_iter().map(|unit| unit.unwrap_or_else(lost)).collect()
}

fn unit(
    compiler: &mut Compiler,
    isa: &dyn TargetIsa,
    kernel: &Kernel,
    abi: &KernelAbi,
    options: &CodegenOptions,
    texts: Option<&mut Texts>,
) -> Result<Unit> {
    let signature = signature(isa, &PARAMS, &RESULTS);
    compiler
        .compile(isa, &kernel.name, signature, texts, &mut |builder| emit_kernel(kernel, abi, options, isa, builder))
}

/// What becomes of a kernel on its way, for people to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// The CLIF that was emitted. A kernel in 512-bit vectors has some, too, for machines without them.
    pub clif: String,
    /// The CLIF after Cranelift's optimisation.
    pub optimized: String,
    /// The assembly as Cranelift writes it.
    pub assembly: String,
    /// The machine code, constants at its end included. Addresses of helpers are left 0.
    pub code: Vec<u8>,
}

/// Compiles one kernel only to look at it.
pub fn inspect_kernel(kernel: &Kernel, options: &CodegenOptions) -> Result<Inspection> {
    let isa = host(options.opt_level)?;
    let mut texts = Texts::default();
    let abi = KernelAbi::of(kernel);
    let unit = unit(&mut Compiler::new(), &*isa, kernel, &abi, options, Some(&mut texts))?;
    let unit = wide_unit(kernel, &abi, options).unwrap_or(unit);
    Ok(Inspection { clif: texts.clif, optimized: texts.optimized, assembly: texts.assembly, code: unit.code })
}
