//! Layers, losses, metrics, optimizers, models and training, as Keras has them.
//!
//! Everything is written with [`Tensor`] methods: what `fit` does can be written by hand with the same public pieces.
//!
//! ```
//! use tracelift_nn::{Compile, Dense, Fit, Model, Sequential, Tensor};
//!
//! let mut model = Model::new(Sequential::new().add(Dense::new(8).activation("relu")).add(Dense::new(1)));
//! model.compile(Compile::new().loss("mse").optimizer("sgd").metric("mae"))?;
//! let (x, y) = (Tensor::ones([64, 3]), Tensor::ones([64, 1]));
//! let history = model.fit(&x, &y, Fit::new().epochs(3).silent())?;
//! assert!(history["loss"][2] < history["loss"][0]);
//! # Ok::<(), tracelift_nn::Error>(())
//! ```

extern crate self as tracelift;

mod seed;
mod name;
mod suggest;
mod module;
mod weight;
mod paths;
mod inputs;
mod objects;
pub mod activations;
pub mod initializers;
pub mod regularizers;
pub mod constraints;
pub mod losses;
mod call;
mod layer;
mod layers;
pub mod metrics;
mod optimizers;
mod model;
#[doc(hidden)]
#[path = "rt.rs"]
pub mod __rt;

pub use call::{Call, apply_constraints};
pub use inputs::{Feed, Inputs};
pub use layer::{AnyLayer, Build, Layer};
pub use layers::{
    ActivationLayer, AveragePooling1D, AveragePooling2D, AveragePooling3D, Conv1D, Conv2D, Conv2DTranspose, Conv3D,
    Convolution, Dense, DepthwiseConv2D, Flatten, GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalMaxPooling1D,
    GlobalMaxPooling2D, GlobalPooling, Lambda, LayerNormalization, Lstm, MaxPooling1D, MaxPooling2D, MaxPooling3D,
    MultiHeadAttention, Pooling, Sequential,
};
pub use losses::Reduction;
pub use metrics::{AnyMetric, Metric};
pub use model::{Callback, Compile, Fit, History, Logs, Model, Verbose};
pub use module::Module;
#[doc(hidden)]
pub use module::Visitor;
pub use name::Name;
pub use objects::{
    Activation, AnyActivation, AnyConstraint, AnyInitializer, AnyLoss, AnyRegularizer, Constraint, Initializer,
    IntoAny, Loss, Regularizer, loss_fn,
};
pub use optimizers::{Adam, AnyOptimizer, Nadam, Optimizer, Rules, Schedule, Sgd, Slots};
pub use tracelift_function::*;
pub use tracelift_macros::{Module, Tree, autograph, function};
pub use weight::{Late, Weight};

/// Random numbers: functions of a seed.
pub mod random {
    pub use crate::seed::set_seed;
    pub use tracelift_function::random::{Generator, global, indices, normal, uniform};
}

const fn crosses_threads<T: Send + Sync>() {}
const _: () = {
    crosses_threads::<Weight>();
    crosses_threads::<AnyLayer>();
    crosses_threads::<AnyLoss>();
    crosses_threads::<AnyOptimizer>();
    crosses_threads::<Model>();
};
