//! Graph rewriting, fusion, scheduling and memory planning.
//!
//! Passes take a graph and answer a new one; [`schedule`] makes a program of a graph, and [`plan`] improves it.
//! [`Pipeline`] is the ordered list of all.

mod pipeline;
mod rewrite;
mod sizes;
mod cse;
mod simplify;
mod fold;
mod inline;
mod hoist;
mod fuse;
mod schedule;
mod epilogue;
mod plan;

pub use cse::cse;
pub use epilogue::epilogues;
pub use fold::fold;
pub use fuse::fuse;
pub use hoist::hoist;
pub use inline::inline;
pub use pipeline::{Made, Observer, Pipeline, Stage};
pub use plan::plan;
pub use schedule::schedule;
pub use simplify::{RULES, Rule, Site, simplify};
pub use sizes::sizes;
