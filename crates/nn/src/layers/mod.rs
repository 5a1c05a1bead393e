//! The built-in layers.

mod dense;
mod flatten;
mod lambda;
mod sequential;

pub use dense::Dense;
pub use flatten::Flatten;
pub use lambda::{ActivationLayer, Lambda};
pub use sequential::Sequential;
