//! The built-in layers.

mod conv_kinds;
mod convolution;
mod dense;
mod flatten;
mod lambda;
mod layer_normalization;
mod lstm;
mod middle;
mod multi_head_attention;
mod pooling;
mod sequential;

pub use convolution::{Conv1D, Conv2D, Conv2DTranspose, Conv3D, Convolution, DepthwiseConv2D};
pub use dense::Dense;
pub use flatten::Flatten;
pub use lambda::{ActivationLayer, Lambda};
pub use layer_normalization::LayerNormalization;
pub use lstm::Lstm;
pub use multi_head_attention::MultiHeadAttention;
pub use pooling::{
    AveragePooling1D, AveragePooling2D, AveragePooling3D, GlobalAveragePooling1D, GlobalAveragePooling2D,
    GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalPooling, MaxPooling1D, MaxPooling2D, MaxPooling3D, Pooling,
};
pub use sequential::Sequential;
