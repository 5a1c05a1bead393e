//! The scheduled function: buffers, registers for rank-0 values, and steps in the order they run.
//!
//! Native code, and the program interpreter, are made from a [`Program`] and its kernels alone.

mod data;
mod matmul;
pub(crate) mod parse;
mod parse_steps;
mod print;
mod renumber;

pub use data::*;
