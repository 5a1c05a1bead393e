//! What is called while a model trains.

use tracelift_function::Result;

use super::history::Logs;

/// Called while a model trains; an error ends the training, `Ok(true)` after an epoch ends it early.
///
/// ```
/// use tracelift_nn::{Callback, Logs, Result};
///
/// struct Enough { loss: f64 }
///
/// impl Callback for Enough {
///     fn on_epoch_end(&self, _: usize, logs: &Logs) -> Result<bool> {
///         Ok(logs["loss"] < self.loss)
///     }
/// }
/// ```
pub trait Callback: Send + Sync + 'static {
    /// After each step, by its number in the epoch.
    fn on_batch_end(&self, step: usize) -> Result {
        let _ = step;
        Ok(())
    }

    /// After each epoch, with its losses and metrics; whether to stop.
    fn on_epoch_end(&self, epoch: usize, logs: &Logs) -> Result<bool> {
        let _ = (epoch, logs);
        Ok(false)
    }
}
