//! Kernels to machine code: those that are not there yet many at a time, in parallel.

use crate::abi::{KernelAbi, KernelFn};
use crate::cache::{Key, Placed, provide};
use crate::code::Code;
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

/// A compiled kernel: machine code and how it is called.
#[derive(Clone, Debug)]
pub struct NativeKernel {
    /// What it was made from.
    pub kernel: Arc<Kernel>,
    /// What stands in which slot.
    pub abi: Arc<KernelAbi>,
    placed: Placed,
}

impl NativeKernel {
    /// Its address; valid as long as [`NativeKernel::code`] is held.
    pub fn address(&self) -> usize {
        self.placed.entry.0
    }

    /// The memory it lies in.
    pub fn code(&self) -> &Arc<Code> {
        &self.placed.code
    }

    /// How many bytes its own code has.
    pub fn num_bytes(&self) -> usize {
        self.placed.bytes
    }

    /// It as a function, to be called with slots laid out by its ABI while `self` lives.
    pub fn function(&self) -> KernelFn {
        self.placed.entry.kernel()
    }
}

/// Compiles kernels. The result is in the order given; kernels that differ in names alone share their code, also with
/// those that were compiled before and are still held.
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
    let distinct = Distinct::of(kernels, options);
    let make = |isa: &dyn TargetIsa, missing: &[usize]| {
        let quick = |n: usize| distinct.wide(n, options);
        make_all(missing, options, &quick, &|compiler, n| distinct.narrow(n, compiler, isa, options))
    };
    let placed = provide(&distinct.keys, options, &make)?;
    Ok(distinct.natives(kernels, &placed))
}

/// The kernels that are not the same as an earlier one but for names.
pub(crate) struct Distinct<'k> {
    kernels: Vec<&'k Kernel>,
    abis: Vec<Arc<KernelAbi>>,
    pub(crate) keys: Vec<Key>,
    /// Where among them each of all kernels is found.
    places: Vec<usize>,
}

impl<'k> Distinct<'k> {
    pub(crate) fn of(kernels: &'k [Arc<Kernel>], options: &CodegenOptions) -> Self {
        let mut known: FxHashMap<Key, usize> = FxHashMap::default();
        let mut distinct = Distinct { kernels: vec![], abis: vec![], keys: vec![], places: vec![] };
        for kernel in kernels {
            let key = Key::new("kernel", &nameless_text(kernel), options);
            let place = *known.entry(key).or_insert_with_key(|key| {
                distinct.keys.push(key.clone());
                distinct.kernels.push(kernel);
                distinct.abis.push(Arc::new(KernelAbi::of(kernel)));
                distinct.kernels.len() - 1
            });
            distinct.places.push(place);
        }
        distinct
    }

    /// The n-th in wide vectors, if it has such a form.
    pub(crate) fn wide(&self, n: usize, options: &CodegenOptions) -> Option<Unit> {
        wide_unit(self.kernels[n], &self.abis[n], options)
    }

    /// The n-th as Cranelift makes it.
    pub(crate) fn narrow(
        &self,
        n: usize,
        compiler: &mut Compiler,
        isa: &dyn TargetIsa,
        options: &CodegenOptions,
    ) -> Result<Unit> {
        unit(compiler, isa, self.kernels[n], &self.abis[n], options, None)
    }

    /// All kernels again, each with its code.
    pub(crate) fn natives(&self, kernels: &[Arc<Kernel>], placed: &[Placed]) -> Vec<NativeKernel> {
        let native = |(kernel, place): (&Arc<Kernel>, &usize)| NativeKernel {
            kernel: kernel.clone(),
            abi: self.abis[*place].clone(),
            placed: placed[*place].clone(),
        };
        kernels.iter().zip(&self.places).map(native).collect()
    }
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

/// Makes what is missing: `quick` tries first; what Cranelift has to do is shared out among threads, the last first,
/// as a program's driver is the last and takes longest. The result is in the order of `missing`.
pub(crate) fn make_all(
    missing: &[usize],
    options: &CodegenOptions,
    quick: &dyn Fn(usize) -> Option<Unit>,
    slow: &(dyn Fn(&mut Compiler, usize) -> Result<Unit> + Sync),
) -> Result<Vec<Unit>> {
    let mut units: Vec<Option<Result<Unit>>> = missing.iter().map(|n| quick(*n).map(Ok)).collect();
    let left: Vec<usize> = (0..missing.len()).rev().filter(|place| units[*place].is_none()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut compiler = Compiler::new();
        let mut done = Vec::new();
        // Takes the next one when it is done with one.
        while let Some(&place) = left.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((place, slow(&mut compiler, missing[place])));
        }
        done
    };
    let others = options.threads.min(left.len()).saturating_sub(1);
    let finished = match others {
        // Even for nothing, a scope costs a little.
        0 => vec![Ok(work())],
        _ => std::thread::scope(|scope| {
            let others: Vec<_> = (0..others).map(|_| scope.spawn(work)).collect();
            let mut finished = vec![Ok(work())];
            finished.extend(others.into_iter().map(|thread| thread.join()));
            finished
        }),
    };
    for (place, unit) in finished.into_iter().flatten().flatten() {
        units[place] = Some(unit);
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
    /// The CLIF that was emitted. A kernel in wide vectors has some, too, for machines without them.
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
