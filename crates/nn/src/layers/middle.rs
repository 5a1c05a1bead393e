//! What layers over `[batch, ..., channels]` have in common.

use tracelift_function::{Error, Result, Tensor};

use crate::{Layer, Weight, layer::origin, module::type_text};

/// That the input has so many axes between batch and channels.
pub(super) fn check_rank(layer: &impl Layer, x: &Tensor, axes: usize) -> Result {
    if let Some(error) = x.error() {
        return Err(error.clone());
    }
    let rank = x.shape().rank();
    if rank == axes + 2 {
        return Ok(());
    }
    let description = layer.description();
    let op = description.split(',').next().unwrap_or_default();
    let middle = match axes {
        1 => "steps",
        2 => "height, width",
        3 => "depth, height, width",
        _ => "...",
    };
    let message = format!("takes [batch, {middle}, channels], not {}", type_text(x));
    let help = if rank == axes + 1 {
        "if the channels are missing, add them: `x.expand_dims(-1)`".to_owned()
    } else {
        format!("give a tensor of {} axes", axes + 2)
    };
    Err(Error::invalid(message).op(op).at(origin(&description)).help(help))
}

/// Guesses that the layer was forgotten whose output came here when the kernel was built.
pub(super) fn skipped(kernel: &Weight) -> String {
    kernel.before().map_or_else(String::new, |layer| format!("; did you skip `{layer}`?"))
}
