//! A graph compiler for Rust.
//!
//! You write ordinary Rust over [`Tensor`]s. A tracer runs it once per input signature and records a typed graph;
//! passes differentiate, fuse and plan it; it becomes native SIMD code in milliseconds. Keras-style layers, losses,
//! optimizers and `fit` are built on top.
//!
//! ```
//! use tracelift::prelude::*;
//!
//! #[function]
//! fn cube(x: &Tensor) -> Tensor {
//!     x.powi(3)
//! }
//!
//! assert_eq!(cube(&tensor(2.0)).item::<f32>()?, 8.0);
//!
//! let mut model = Model::new(Sequential::new().add(Dense::new(8).activation("relu")).add(Dense::new(1)));
//! model.compile(Compile::new().loss("mse").optimizer("nadam").metric("mae"))?;
//! let history = model.fit(&Tensor::ones([64, 3]), &Tensor::ones([64, 1]), Fit::new().epochs(2).silent())?;
//! assert_eq!(history["loss"].len(), 2);
//! # Ok::<(), tracelift::Error>(())
//! ```

pub use tracelift_nn::*;

#[doc(hidden)]
pub use tracelift_nn::__rt;

/// Readers, splits, scalers and batches of data.
pub mod data {
    pub use tracelift_data::*;
    pub use tracelift_tensor::Generator;
}

/// What most programs need.
pub mod prelude {
    pub use crate::{
        Activation, AnyActivation, AnyLayer, AnyLoss, AnyMetric, AnyOptimizer, Array, Build, Call, Callback, Compile,
        Constraint, DType, Dense, Error, ErrorKind, F32, F64, Fit, Flatten, Function, GlobalAveragePooling1D,
        GradientTape, I32, I64, Initializer, Lambda, Late, Layer, LayerNormalization, Loss, Lstm, Metric, Model,
        Module, MultiHeadAttention, Optimizer, Options, Regularizer, Result, Sequential, Shape, Tensor, Tree, Variable,
        Weight, activations, autograph, data, eagerly, function, initializers, losses, metrics, random, range_t,
        regularizers, s, select, spec, tensor, while_loop,
    };
    pub use crate::{Adam, Nadam, Sgd};
    pub use crate::{
        AveragePooling1D, AveragePooling2D, AveragePooling3D, Conv1D, Conv2D, Conv2DTranspose, Conv3D, DepthwiseConv2D,
        GlobalAveragePooling2D, GlobalMaxPooling1D, GlobalMaxPooling2D, MaxPooling1D, MaxPooling2D, MaxPooling3D,
        Padding,
    };
}

/// The code on these pages runs.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/AUTOGRAPH.md")]
    struct Autograph;

    #[doc = include_str!("../../../docs/ERRORS.md")]
    struct Errors;

    #[doc = include_str!("../../../docs/GRADIENTS.md")]
    struct Gradients;

    #[doc = include_str!("../../../docs/LAYERS.md")]
    struct Layers;
}
