//! Executables: buffers, variables, threads, library kernels.
