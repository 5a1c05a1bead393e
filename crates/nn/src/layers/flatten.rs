//! The layer that makes one axis of all but the first.

use tracelift_function::{Shape, Tensor};

use crate::{Call, Layer, Module, name::Name};

/// Makes one axis of all but the first: `[B, 28, 28]` becomes `[B, 784]`, and `[B]` becomes `[B, 1]`.
///
/// ```
/// use tracelift_nn::{Flatten, Layer, Tensor};
///
/// assert_eq!(Flatten::new().apply(&Tensor::ones([2, 3, 4])).shape(), [2, 12]);
/// ```
#[derive(Module, Default)]
pub struct Flatten {
    name: Name,
}

impl Flatten {
    /// The layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Layer for Flatten {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        let shape = x.shape();
        let Some((batch, rest)) = shape.split_first() else {
            return x.reshape([1, 1]);
        };
        let width = Shape::from(rest.to_vec()).num_elements();
        x.reshape(Shape::from([batch.clone(), width]))
    }

    fn display_name(&self) -> String {
        self.name.or_numbered("flatten").to_owned()
    }
}
