//! The meaning of scalar operations and of sums; the loop-level IR of one kernel; the scheduled program.

pub mod meaning;
pub mod lane;
pub mod guard;
pub mod loops;
pub mod program;
pub mod text;
pub mod memory;
pub mod fault;
mod mistake;

pub use mistake::Mistake;
