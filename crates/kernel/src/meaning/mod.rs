//! What scalar operations and sums mean, to the last bit.
//!
//! Every engine runs these definitions, so their results are equal and compared with `==`. Only here are results held to
//! an outside truth: each function states its error in units in the last place (ulp), and tests check it.

mod ops;
mod order;
mod scalar;
mod value;

pub use ops::{Cmp, Ops, Width};
pub use order::{ReduceKind, ReduceOrder};
pub use scalar::{Scalar32, Scalar64};
pub use value::{Fault, Scalar};
