//! What users do with tensors: methods, each of which becomes one op or a composition of a few.

mod activate;
mod broadcast;
mod conv;
mod create;
mod cumulate;
mod diagonal;
mod einsum;
mod elementwise;
mod index;
mod join;
mod matmul;
mod norm;
mod pieces;
mod pool;
mod reduce;
mod scatter;
mod shape;
mod sliding;
mod sort;
mod windows;

pub use create::range;
pub use cumulate::Cumulation;
pub use einsum::einsum;
pub use elementwise::select;
pub use join::{add_n, concat, stack};
pub use norm::{Norm, clip_by_global_norm};
pub(crate) use scatter::{scatter_nd, scatter_nd_add, scatter_rows, set_row, update};
pub use sliding::{Padding, PerAxis, Sliding};
pub use windows::Window;

pub(crate) use broadcast::broadcast_pair;
pub(crate) use elementwise::{combine, divide};
