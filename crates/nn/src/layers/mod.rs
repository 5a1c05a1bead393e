//! The built-in layers.

mod dense;
mod flatten;
mod global_average_pooling;
mod lambda;
mod layer_normalization;
mod lstm;
mod multi_head_attention;
mod sequential;

pub use dense::Dense;
pub use flatten::Flatten;
pub use global_average_pooling::GlobalAveragePooling1D;
pub use lambda::{ActivationLayer, Lambda};
pub use layer_normalization::LayerNormalization;
pub use lstm::Lstm;
pub use multi_head_attention::MultiHeadAttention;
pub use sequential::Sequential;
