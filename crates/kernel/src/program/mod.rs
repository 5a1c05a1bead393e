//! The scheduled function: buffers, registers for rank-0 values, and steps in the order they run.
//!
//! Native code, and the program interpreter, are made from a [`Program`] and its kernels alone.

mod data;

pub use data::*;
