//! Scalar operations as CLIF, one lane or one 128-bit vector at a time.

mod form;
mod ops;
mod cast;
mod lane;
mod near;
pub(crate) mod helper;
pub(crate) mod routine;

pub(crate) use cast::masks;
pub(crate) use form::*;
pub(crate) use lane::{Operands, all_near, cost, scalar_op, vector_op};
