//! Executables: buffers, variables, threads, library kernels.

pub mod cpu;
pub mod float_mode;
pub mod matmul;
pub mod pool;
