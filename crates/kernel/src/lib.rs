//! The meaning of scalar operations and of sums; the loop-level IR of one kernel; the scheduled program.

pub mod fault;
pub mod guard;
pub mod lane;
pub mod loops;
pub mod meaning;
pub mod memory;
mod mistake;
pub mod program;
pub mod text;

pub use mistake::Mistake;
