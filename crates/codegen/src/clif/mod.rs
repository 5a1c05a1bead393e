//! Scalar operations as CLIF, one lane or one 128-bit vector at a time.

mod form;
mod ops;
mod cast;
mod lane;
mod helper;

pub(crate) use cast::masks;
pub(crate) use form::*;
pub(crate) use lane::{Operands, cost, scalar_op, vector_op};
