//! The text form of graphs: printing and reading.

mod names;
mod print;

pub(crate) use print::node_text;
