//! The activations by name, as functions that the compiler checks.
//!
//! ```
//! use tracelift_nn::{AnyActivation, activations, tensor};
//!
//! let x = tensor([-1., 0., 2.]);
//! assert_eq!(activations::relu(&x).to_vec::<f32>()?, [0., 0., 2.]);
//! assert_eq!(AnyActivation::from("relu").call(&x).to_vec::<f32>()?, [0., 0., 2.]);
//! # Ok::<(), tracelift_nn::Error>(())
//! ```

use tracelift_function::Tensor;

use crate::AnyActivation;

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident $(or $other:literal)* |$x:ident| $formula:expr;)*) => {
        $(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name($x: &Tensor) -> Tensor {
                $formula
            }
        )*

        /// The names of all.
        pub(crate) const KNOWN: &[&str] = &[$(stringify!($name)),*];

        /// The activation of a name.
        pub(crate) fn known(name: &str) -> Option<AnyActivation> {
            Some(match name {
                $(stringify!($name) $(| $other)* => AnyActivation::from($name),)*
                _ => return None,
            })
        }
    };
}

activations! {
    /// The input itself.
    linear |x| x.clone();
    /// The positive part.
    relu |x| x.relu();
    /// The positive part, at most 6.
    relu6 |x| x.ge(6).select(6.0, x.relu());
    /// `x` where positive, else `0.2 x`.
    leaky_relu |x| x.gt(0).select(x, x * 0.2);
    /// `x` where positive, else `exp(x) - 1`.
    elu |x| x.elu();
    /// The exponential linear unit with the scales that keep mean and variance.
    selu |x| x.selu();
    /// `x Φ(x)` with the normal distribution function Φ.
    gelu |x| x.gelu();
    /// `x` times its logistic function.
    silu or "swish" |x| x.silu();
    /// The hyperbolic tangent.
    tanh |x| x.tanh();
    /// The logistic function.
    sigmoid |x| x.sigmoid();
    /// `ln(1 + exp(x))`.
    softplus |x| x.softplus();
    /// `x / (1 + |x|)`.
    softsign |x| x / (x.abs() + 1);
    /// The exponential function.
    exponential |x| x.exp();
    /// Exponentials that sum to one along the last axis.
    softmax |x| x.softmax(-1);
    /// The logarithm of the softmax along the last axis.
    log_softmax |x| x.log_softmax(-1);
}
