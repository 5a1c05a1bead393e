//! A graph compiler for Rust.
