//! Kernels and programs to machine code; the only crate that knows Cranelift.
