//! The meaning of scalar operations and of sums; the loop-level IR of one kernel; the scheduled program.

pub mod lane;
pub mod meaning;
pub mod text;
