//! What users do with tensors: methods, each of which becomes one op or a composition of a few.

mod activate;
mod broadcast;
mod create;
mod elementwise;
mod index;
mod join;
mod matmul;
mod reduce;
mod scatter;
mod shape;

pub use create::range;
pub use elementwise::select;
pub use join::{add_n, concat, stack};
pub(crate) use scatter::{scatter_nd, scatter_nd_add, scatter_rows, set_row, update};

pub(crate) use broadcast::broadcast_pair;
pub(crate) use elementwise::{combine, divide};
