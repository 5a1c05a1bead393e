//! The text form of graphs: printing and reading.

mod names;
mod print;

pub(crate) use print::{literal_text, node_text};
