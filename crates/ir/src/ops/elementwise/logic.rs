//! Truth values and bits: none of these has a gradient.

use super::elementwise;
use crate::build::Gradients;
use crate::laws::Laws;
use tracelift_tensor::DType;

/// The value whose bits are all set.
fn ones(dtype: DType) -> f64 {
    match dtype {
        DType::Bool => 1.0,
        DType::U8 => 255.0,
        _ => -1.0,
    }
}

elementwise! {
    /// The opposite truth value; of an integer, all bits flipped.
    Not = "not" Not, laws: |_| Laws::NONE.involution(), vjp: |x, _, _| Gradients::none(x.len());

    /// Both.
    And = "and" And,
        laws: |dtype| Laws::NONE.commutative().associative().idempotent().identity(ones(dtype)).absorbing(0.0),
        vjp: |x, _, _| Gradients::none(x.len());

    /// Either.
    Or = "or" Or,
        laws: |dtype| Laws::NONE.commutative().associative().idempotent().identity(0.0).absorbing(ones(dtype)),
        vjp: |x, _, _| Gradients::none(x.len());

    /// One of both.
    Xor = "xor" Xor, laws: |_| Laws::NONE.commutative().associative().identity(0.0),
        vjp: |x, _, _| Gradients::none(x.len());

    /// Left shift by `y` modulo the width.
    Shl = "shl" Shl, laws: |_| Laws::NONE.right_identity(0.0), vjp: |x, _, _| Gradients::none(x.len());

    /// Right shift by `y` modulo the width; copies the sign of signed types.
    Shr = "shr" Shr, laws: |_| Laws::NONE.right_identity(0.0), vjp: |x, _, _| Gradients::none(x.len());
}
