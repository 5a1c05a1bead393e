//! What scalar operations and sums mean, to the last bit.
//!
//! Every engine runs these definitions, so their results are equal and compared with `==`. Only here are results held to
//! an outside truth: each function states its error in units in the last place (ulp), and tests check it.
//!
//! Most functions are written once over [`Ops`], for both widths of floats; no engine may fuse or reorder their steps. A
//! few are plain functions of scalars, which engines call for each lane ([`Support`] says which).

mod ops;
mod scalar;
mod flush;
mod value;
mod float;
mod exp;
mod quotient;
mod log;
mod double;
mod pow;
mod hyperbolic;
mod erf;
mod trig;
mod inverse;
mod power;
mod division;
mod select;
mod cast;
mod random;
mod definitions;
mod eval;
mod order;
mod fold;
mod reduce;
mod dot;
mod sort;

pub use cast::cast_scalar;
pub use division::{floor_div_f32, floor_div_f64, floor_div_i64, rem_f32, rem_f64, rem_i64};
pub use dot::{DOT_LANES, Flushed, Multiply, dot_chain, dot_lanes};
pub use erf::{erf, erf_inv};
pub use eval::{Lane, LaneOf, Support, eval, eval_scalar};
pub use exp::{exp, expm1};
pub use flush::{Flush32, Flush64, Subnormals};
pub use fold::{BLOCK, Best, Fold, LANES, combine_blocks, fold, join_lanes};
pub use hyperbolic::{acosh, asinh, atanh, cosh, sinh};
pub use inverse::{acos, asin, atan, atan2};
pub use log::{ln, ln_1p, ln_1p_unit, ln_octave};
pub use ops::{Cmp, Ops, Width};
pub use order::{ReduceKind, ReduceOrder};
pub use pow::pow;
pub use power::{pow_i64, powi, powi_i, rsqrt};
pub use quotient::{logistic, tanh};
pub use random::{random_bits, random_normal_f32, random_normal_f64, random_uniform_f32, random_uniform_f64};
pub use reduce::ScalarFold;
pub use scalar::{Scalar32, Scalar64};
pub use select::{
    is_finite, is_nan, maximum, maximum_i, maximum_of_number, minimum, minimum_i, minimum_of_number, sign,
};
pub use sort::{Ordered, SortRoom, argsort};
pub use trig::{TRIG_BOUND, cos, is_near, sin, tan};
pub use value::{Fault, Scalar};
