//! The scheduled function: buffers, registers for rank-0 values, and steps in the order they run.
//!
//! Native code, and the program interpreter, are made from a [`Program`] and its kernels alone.

mod data;
mod matmul;
mod of_kernel;
mod print;
pub(crate) mod parse;
mod parse_steps;
mod renumber;
mod verify;
mod verify_head;
mod verify_names;
mod verify_steps;
mod verify_library;
mod verify_plan;
mod interpret;
mod product;
mod stacks;

pub use data::*;
pub use interpret::Watch;
pub use stacks::{StackItem, StackOp, StackStep};
pub use verify_plan::verify_plan;
