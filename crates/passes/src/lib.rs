//! Graph rewriting, fusion, scheduling and memory planning.

mod fuse;
mod plan;
mod schedule;

pub use fuse::fuse;
pub use plan::plan;
pub use schedule::schedule;
