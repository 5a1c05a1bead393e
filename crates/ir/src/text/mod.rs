//! The text form of graphs: printing and reading.

mod names;
mod parse;
mod print;
mod print_region;
mod region;

pub use parse::Module;
pub(crate) use print::node_text;

#[cfg(test)]
mod tests;
