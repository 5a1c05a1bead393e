//! Layers without weights: a closure, an activation.

use std::sync::Arc;

use tracelift_function::{Result, Shape, Tensor};

use crate::{AnyActivation, Build, Call, Layer, Module, Visitor, name::Name, objects::IntoAny};

/// A layer from a function of one tensor.
///
/// ```
/// use tracelift_nn::{Lambda, Layer, tensor};
///
/// let exponential = Lambda::new(|x| x.exp());
/// assert_eq!(exponential.apply(&tensor([0.])).to_vec::<f32>()?, [1.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
pub struct Lambda {
    function: Arc<dyn Fn(&Tensor) -> Tensor + Send + Sync>,
    name: Name,
}

impl Lambda {
    /// The layer that a function computes.
    #[must_use]
    pub fn new(function: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static) -> Self {
        Lambda { function: Arc::new(function), name: Name::default() }
    }
}

impl Module for Lambda {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visitor.host(&Arc::as_ptr(&self.function).addr());
    }

    fn share(&self) -> Self {
        Lambda { function: self.function.clone(), name: self.name.clone() }
    }
}

impl Layer for Lambda {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        (self.function)(x)
    }

    fn display_name(&self) -> String {
        self.name.or_numbered("lambda").to_owned()
    }
}

/// An activation as a layer of its own.
///
/// ```
/// use tracelift_nn::{ActivationLayer, Layer, tensor};
///
/// assert_eq!(ActivationLayer::new("relu").apply(&tensor([-1., 2.])).to_vec::<f32>()?, [0., 2.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Module)]
pub struct ActivationLayer {
    activation: AnyActivation,
    name: Name,
}

impl ActivationLayer {
    /// The layer of a name, function, closure or struct.
    #[must_use]
    pub fn new(activation: impl IntoAny<AnyActivation>) -> Self {
        ActivationLayer { activation: activation.into_any(), name: Name::default() }
    }
}

impl Layer for ActivationLayer {
    fn build(&self, _: &Shape, _: &mut Build) -> Result {
        self.activation.check()
    }

    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        self.activation.call(x)
    }

    fn display_name(&self) -> String {
        self.name.or_numbered("activation").to_owned()
    }

    fn description(&self) -> String {
        format!("Activation, {}", self.activation.name())
    }
}
