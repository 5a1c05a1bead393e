//! The loop-level IR of one kernel: a loop nest over buffers whose body is straight-line lane code.
//!
//! A kernel says *what* is computed for which index, and which loops may run in any order (`par`), which in the
//! defined order of a sum (`reduce`) and which one after the other (`seq`). How many lanes a loop is given is not
//! said here: that never changes a bit of the result.

mod kernel;
mod build;
pub(crate) mod print;
pub(crate) mod parse;
mod renumber;
mod verify;
mod range;
mod disjoint;
mod in_place;
pub(crate) mod bind;
mod interpret;

pub use build::KernelBuilder;
pub use kernel::*;
pub(crate) use range::sign;
