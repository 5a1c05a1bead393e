//! Layers one after the other.

use std::sync::{Arc, Mutex, PoisonError};

use tracelift_function::{Shape, Tensor};

use crate::{AnyLayer, Call, Layer, Module, Visitor, module::visit_field, name::Name};

/// Layers one after the other; itself a layer.
///
/// ```
/// use tracelift_nn::{Dense, Layer, Module, Sequential, Tensor};
///
/// let net = Sequential::new().add(Dense::new(30).activation("relu")).add(Dense::new(1));
/// assert_eq!(net.apply(&Tensor::ones([5, 8])).shape(), [5, 1]);
/// assert_eq!(net.trainable_variables()[0].name(), "0/kernel");
/// ```
#[derive(Default)]
pub struct Sequential {
    layers: Vec<AnyLayer>,
    input: Option<Shape>,
    name: Name,
    /// The shapes of the outputs at the last use, for summaries.
    outputs: Arc<Mutex<Vec<Shape>>>,
}

impl Sequential {
    /// Without layers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With the shape of one sample, so that a model of it is built at once.
    #[must_use]
    pub fn input(self, shape: impl Into<Shape>) -> Self {
        Sequential { input: Some(shape.into()), ..self }
    }

    /// With one more layer.
    #[expect(clippy::should_implement_trait, reason = "it is called what Keras calls it")]
    #[must_use]
    pub fn add(mut self, layer: impl Layer) -> Self {
        self.layers.push(layer.boxed());
        self
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[AnyLayer] {
        &self.layers
    }

    /// The shape of one sample, if it was given.
    pub(crate) fn sample_shape(&self) -> Option<&Shape> {
        self.input.as_ref()
    }

    /// The shapes of the layers' outputs at the last use.
    pub(crate) fn output_shapes(&self) -> Vec<Shape> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Module for Sequential {
    fn visit(&self, visitor: &mut dyn Visitor) {
        // Positions are names: `2/kernel`.
        self.layers.iter().enumerate().for_each(|(i, layer)| visit_field(visitor, &i.to_string(), layer));
    }

    fn share(&self) -> Self {
        Sequential {
            layers: self.layers.share(),
            input: self.input.clone(),
            name: self.name.clone(),
            outputs: self.outputs.clone(),
        }
    }
}

impl Layer for Sequential {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        let mut shapes = Vec::with_capacity(self.layers.len());
        let y = self.layers.iter().fold(x.clone(), |x, layer| {
            let y = layer.apply(&x);
            shapes.push(y.shape());
            y
        });
        *self.outputs.lock().unwrap_or_else(PoisonError::into_inner) = shapes;
        y
    }

    fn display_name(&self) -> String {
        self.name.or_numbered("sequential").to_owned()
    }

    fn is_container(&self) -> bool {
        true
    }
}
