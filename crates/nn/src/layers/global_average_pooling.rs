//! The layer that takes the mean over time.

use tracelift_function::{Error, Tensor};

use crate::{Call, Layer, Module, layer, module::type_text, name::Name};

/// The mean over the steps of a sequence: `[B, steps, n]` becomes `[B, n]`.
///
/// ```
/// use tracelift_nn::{GlobalAveragePooling1D, Layer, tensor};
///
/// let y = GlobalAveragePooling1D::new().apply(&tensor([[[1., 2.], [3., 6.]]]));
/// assert_eq!(y.to_vec::<f32>()?, [2., 4.]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Module, Default)]
pub struct GlobalAveragePooling1D {
    name: Name,
}

impl GlobalAveragePooling1D {
    /// The layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Layer for GlobalAveragePooling1D {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        match sequences(x, "GlobalAveragePooling1D") {
            Ok(()) => x.mean(1),
            Err(error) => Tensor::failed(error.at(layer::origin("GlobalAveragePooling1D"))),
        }
    }

    fn display_name(&self) -> String {
        self.name.or_numbered("global_average_pooling1d").to_owned()
    }
}

/// That a tensor is a batch of sequences, `[B, steps, n]`.
pub(super) fn sequences(x: &Tensor, of: &str) -> Result<(), Error> {
    match x.error() {
        Some(error) => Err(error.clone()),
        None if x.rank() == 3 => Ok(()),
        None => {
            let error = Error::invalid(format!("wants sequences, [batch, steps, width], not {}", type_text(x)));
            Err(error.op(of).help("give it three axes: `x.expand_dims(-1)` makes width 1, `x.expand_dims(0)` batch 1"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_ranks_are_errors() {
        let layer = GlobalAveragePooling1D::new();
        assert_eq!(layer.apply(&Tensor::ones([2, 3, 4])).shape(), [2, 4]);
        let text = layer.apply(&Tensor::ones([2, 3])).ok().unwrap_err().to_string();
        assert!(text.contains("wants sequences, [batch, steps, width], not f32[2, 3]"), "{text}");
        assert!(text.contains("in layer `global_average_pooling1d"), "{text}");
    }
}
