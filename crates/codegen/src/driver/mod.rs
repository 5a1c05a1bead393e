//! One native function per [`Program`](tracelift_kernel::program::Program): it launches the kernels, keeps rank-0 values
//! in registers, loops, branches, checks and asks its host for the rest.
//!
//! No offset is an immediate: addresses are read from a table and sizes from another, so one driver serves every binding
//! of the program's unknowns.

mod abi;
mod layout;
mod compile;
mod emit;
mod steps;
mod stacks;

pub use abi::{Context, DriverFn, Fault, FaultCode, HelperFn, Helpers, StackState};
pub use compile::{NativeDriver, compile_program, inspect_driver};
pub use layout::{LaunchPlace, Layout, LibraryPlace, PrintPlace, ScratchRow, Series, Size, StackPlace, Work};
