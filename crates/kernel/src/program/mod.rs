//! The scheduled function: buffers, registers for rank-0 values, and steps in the order they run.
//!
//! Native code, and the program interpreter, are made from a [`Program`] and its kernels alone.

mod data;
mod interpret;
mod matmul;
mod of_kernel;
pub(crate) mod parse;
mod parse_steps;
mod print;
mod product;
mod renumber;
mod verify;
mod verify_head;
mod verify_library;
mod verify_names;
mod verify_plan;
mod verify_steps;

pub use data::*;
pub use interpret::Watch;
pub use verify_plan::verify_plan;
