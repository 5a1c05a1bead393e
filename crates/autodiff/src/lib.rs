//! Transformations of what a graph means: reverse-mode gradients, and graphs over a batch.
//!
//! A gradient is more graph: [`gradients`] appends the backward nodes to the builder that holds the forward ones, in
//! one walk back for any number of sources. A loop that is walked back over keeps, on stacks, what each iteration
//! started with; another loop takes it from there. Nothing is evaluated, and since the result is an ordinary graph, higher
//! orders are the same function applied again. [`value_and_grad`] does it for a finished graph.

mod batch;
mod changing_shapes;
mod graph;
mod loop_activity;
mod loop_body;
mod loops;
mod names;
mod regions;
mod replay;
mod reverse;
mod trip_count;

pub use batch::{BatchValue, batch, batch_nodes};
pub use graph::{grad, value_and_grad};
pub use reverse::{gradients, gradients_through};
