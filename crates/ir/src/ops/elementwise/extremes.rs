//! The larger and the smaller of two.

use super::elementwise;
use crate::build::local;
use crate::laws::Laws;
use tracelift_tensor::DType;

/// Laws of `max` and `min`: exact, but of 0.0 and -0.0 either may be answered.
fn lattice(dtype: DType, bottom: f64) -> Laws {
    match dtype.is_float() {
        true => Laws::NONE.idempotent().identity(bottom),
        false => Laws::NONE.idempotent().commutative().associative(),
    }
}

elementwise! {
    /// The larger; NaN if either is NaN.
    ///
    /// Where x ≥ y the gradient goes to x, else to y: at a tie the first operand gets all.
    Max = "max" Max, laws: |dtype| lattice(dtype, f64::NEG_INFINITY),
        vjp: |x, z, dy| {
            // x ≥ y where x ≥ max(x, y), NaN included; so a relu, whose x is a number, need not keep its operand.
            let (first, zero) = (x[0].ge(z), dy.number(0.0));
            local([first.select(dy, zero), first.select(zero, dy)])
        };

    /// The smaller; NaN if either is NaN.
    ///
    /// Where x ≤ y the gradient goes to x, else to y: at a tie the first operand gets all.
    Min = "min" Min, laws: |dtype| lattice(dtype, f64::INFINITY),
        vjp: |x, z, dy| {
            let (first, zero) = (x[0].le(z), dy.number(0.0));
            local([first.select(dy, zero), first.select(zero, dy)])
        };
}
