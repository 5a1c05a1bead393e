//! Small functions that are ordinary Rust: at once, traced, and on plain numbers they give the same.

mod branches;
mod check;
mod control;
mod corpus;
mod errors;
mod generate;
mod generated;
mod host;
mod host_jumps;
mod logic;
mod loops;
mod random;
