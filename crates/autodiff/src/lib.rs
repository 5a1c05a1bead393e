//! Reverse-mode gradients, graph to graph.
//!
//! A gradient is more graph: [`gradients`] appends the backward nodes to the builder that holds the forward ones, in
//! one walk back for any number of sources. Nothing is evaluated, and since the result is an ordinary graph, higher
//! orders are the same function applied again. [`value_and_grad`] does it for a finished graph.

mod graph;
mod regions;
mod reverse;

pub use graph::{grad, value_and_grad};
pub use reverse::gradients;
