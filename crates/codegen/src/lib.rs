//! Kernels and programs to machine code; the only crate that knows Cranelift.
//!
//! [`compile_kernels`] turns kernels into functions in executable memory. The functions read addresses and sizes from
//! the slots that [`KernelAbi`] lays out, so one code serves all sizes and all places in memory.

mod options;
mod caches;
mod isa;
mod abi;
mod access;
mod clif;
mod emit;
mod wide;
mod unit;
mod code;
mod cache;
mod compile;
pub mod driver;
mod run;

pub use abi::{FAULT_DIVIDE_BY_ZERO, KernelAbi, KernelFn, STATUS_OK};
pub use caches::second_cache;
pub use code::{Code, live_code_bytes};
pub use compile::{Inspection, NativeKernel, compile_kernels, inspect_kernel};
pub use options::{CodegenOptions, OptLevel, Wide};
