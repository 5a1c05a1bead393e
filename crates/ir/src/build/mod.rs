//! Making graphs: the builder, its helpers, and expressions over it.

mod builder;
mod copy;
mod expr;
mod helpers;

pub use builder::{Builder, MAX_DEPTH};
pub(crate) use expr::local;
pub use expr::{Expr, Gradients, Scope, with_exprs};
