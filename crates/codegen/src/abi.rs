//! How native kernels are called: what stands in which slot of their argument array.

use crate::access::{Accesses, loop_extents};
use tracelift_kernel::loops::{Kernel, Stmt};
use tracelift_tensor::{DType, Dim};

/// A native kernel: `fn(args, begin, end) -> status`.
///
/// `args` points at an array of 8-byte slots laid out by [`KernelAbi`]. `begin..end` is a part of the kernel's
/// range ([`Kernel::range`]), of a reduction one that begins at a block border; it is ignored if there is none. The status is 0, or a `FAULT_*` code.
#[cfg(target_arch = "x86_64")]
pub type KernelFn = unsafe extern "sysv64" fn(args: *mut u64, begin: i64, end: i64) -> i32;

/// A native kernel: `fn(args, begin, end) -> status`.
///
/// `args` points at an array of 8-byte slots laid out by [`KernelAbi`]. `begin..end` is a part of the kernel's
/// range ([`Kernel::range`]), of a reduction one that begins at a block border; it is ignored if there is none. The status is 0, or a `FAULT_*` code.
#[cfg(not(target_arch = "x86_64"))]
pub type KernelFn = unsafe extern "C" fn(args: *mut u64, begin: i64, end: i64) -> i32;

/// The status of a kernel that has done all its work.
pub const STATUS_OK: i32 = 0;
/// The status of a kernel that met an integer division by zero; its place is in [`KernelAbi::fault_slot`].
pub const FAULT_DIVIDE_BY_ZERO: i32 = 1;

/// Which slots a native kernel reads and writes, in this order:
///
/// 1. the address of each parameter,
/// 2. the value of each of [`KernelAbi::extents`],
/// 3. each rank-0 argument, in the low bytes of its slot,
/// 4. each rank-0 result, written by the kernel, zero-extended,
/// 5. the address of each scratch row,
/// 6. the place of a fault, written by the kernel: the row-major position in the loops around the faulty operation.
///
/// Threads that run parts of one call need an array and scratch rows each.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelAbi {
    /// How many buffers it takes.
    pub params: usize,
    /// The distinct sizes with unknowns that the code needs, to be evaluated by the caller.
    pub extents: Vec<Dim>,
    /// The types of its rank-0 arguments.
    pub scalars: Vec<DType>,
    /// The types of its rank-0 results.
    pub results: Vec<DType>,
    /// Types and lengths of the scratch rows it needs.
    pub scratch: Vec<(DType, Dim)>,
}

impl KernelAbi {
    /// The layout for a kernel.
    pub fn of(kernel: &Kernel) -> KernelAbi {
        KernelAbi {
            params: kernel.params.len(),
            extents: unknown_dims(kernel),
            scalars: kernel.scalars.iter().map(|scalar| kernel.registers[scalar.reg.0 as usize]).collect(),
            results: kernel.results.clone(),
            scratch: kernel.scratch.iter().map(|row| (row.dtype, row.extent.clone())).collect(),
        }
    }

    /// The slot of the n-th parameter's address.
    pub fn param_slot(&self, n: usize) -> usize {
        n
    }

    /// The slot of the n-th extent.
    pub fn extent_slot(&self, n: usize) -> usize {
        self.params + n
    }

    /// The slot of the n-th rank-0 argument.
    pub fn scalar_slot(&self, n: usize) -> usize {
        self.extent_slot(self.extents.len()) + n
    }

    /// The slot that the n-th rank-0 result is written to.
    pub fn result_slot(&self, n: usize) -> usize {
        self.scalar_slot(self.scalars.len()) + n
    }

    /// The slot of the n-th scratch row's address.
    pub fn scratch_slot(&self, n: usize) -> usize {
        self.result_slot(self.results.len()) + n
    }

    /// The slot that the place of a fault is written to.
    pub fn fault_slot(&self) -> usize {
        self.scratch_slot(self.scratch.len())
    }

    /// How many slots there are.
    pub fn num_slots(&self) -> usize {
        self.fault_slot() + 1
    }
}

/// Every size with unknowns that emitting `kernel` asks for, once, in program order.
fn unknown_dims(kernel: &Kernel) -> Vec<Dim> {
    let mut dims = Vec::new();
    let mut need = |dim: &Dim| {
        if dim.known().is_none() && !dims.contains(dim) {
            dims.push(dim.clone());
        }
    };
    loop_extents(kernel).iter().for_each(&mut need);
    let mut accesses = Accesses::new(kernel);
    kernel.for_each_stmt(&mut |stmt| match stmt {
        Stmt::Load { from: place, .. } | Stmt::Store { to: place, .. } => {
            accesses.of(place).dims().for_each(&mut need);
        }
        Stmt::Index { value, .. } => {
            value.terms.iter().map(|(_, dim)| dim).chain([&value.offset]).for_each(&mut need);
        }
        Stmt::Lane { .. } | Stmt::Loop(_) => {}
    });
    dims
}
