//! What `compile` and `fit` are told.

use std::sync::Arc;

use tracelift_function::{Options, StopToken, Tensor};

use super::callback::Callback;
use crate::{AnyLoss, AnyMetric, AnyOptimizer, objects::IntoAny};

/// How a model is trained: loss, optimizer, metrics.
///
/// ```
/// use tracelift_nn::{Compile, Dense, Model};
///
/// let mut model = Model::new(Dense::new(1));
/// let error = model.compile(Compile::new().loss("mse").optimizer("adaam")).unwrap_err();
/// assert!(error.to_string().contains("did you mean \"adam\"?"));
/// ```
#[derive(Clone, Default)]
#[must_use = "give it to `model.compile`"]
pub struct Compile {
    pub(super) loss: Option<AnyLoss>,
    pub(super) optimizer: Option<AnyOptimizer>,
    pub(super) metrics: Vec<AnyMetric>,
    pub(super) weighted_metrics: Vec<AnyMetric>,
    pub(super) eagerly: bool,
    pub(super) options: Option<Options>,
}

impl Compile {
    /// Nothing yet: a loss and an optimizer must be given.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a loss: a name, function, closure or struct.
    pub fn loss(self, loss: impl IntoAny<AnyLoss>) -> Self {
        Compile { loss: Some(loss.into_any()), ..self }
    }

    /// With an optimizer: a name or struct.
    pub fn optimizer(self, optimizer: impl IntoAny<AnyOptimizer>) -> Self {
        Compile { optimizer: Some(optimizer.into_any()), ..self }
    }

    /// With one more metric: a name or struct.
    pub fn metric(mut self, metric: impl IntoAny<AnyMetric>) -> Self {
        self.metrics.push(metric.into_any());
        self
    }

    /// With one more metric: the mean of a loss.
    pub fn metric_fn(self, loss: impl IntoAny<AnyLoss>) -> Self {
        self.metric(AnyMetric::mean_of(loss))
    }

    /// With one more metric, which takes the samples' weights into account.
    pub fn weighted_metric(mut self, metric: impl IntoAny<AnyMetric>) -> Self {
        self.weighted_metrics.push(metric.into_any());
        self
    }

    /// Whether steps are run as they are written, op by op, rather than traced and compiled: slow, with the same bits.
    /// Layers, losses and metrics are called for each batch then, and see its data.
    pub fn run_eagerly(self, eagerly: bool) -> Self {
        Compile { eagerly, ..self }
    }

    /// With other options for compiled code than those that training takes by default.
    pub fn options(self, options: Options) -> Self {
        Compile { options: Some(options), ..self }
    }
}

/// What training prints.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Verbose {
    /// A bar on a terminal, else one line per epoch.
    #[default]
    Auto,
    /// One line per epoch.
    Lines,
    /// Nothing.
    Silent,
}

/// What `fit` is told besides the data.
#[derive(Clone)]
#[must_use = "give it to `model.fit`"]
pub struct Fit {
    pub(super) epochs: usize,
    pub(super) batch_size: usize,
    pub(super) shuffle: bool,
    pub(super) seed: Option<u64>,
    pub(super) verbose: Verbose,
    pub(super) validation: Option<(Tensor, Tensor)>,
    pub(super) validation_split: Option<f64>,
    pub(super) sample_weight: Option<Tensor>,
    pub(super) stop: Option<StopToken>,
    pub(super) callbacks: Vec<Arc<dyn Callback>>,
}

impl Default for Fit {
    /// One epoch, batches of 32 rows, shuffled.
    fn default() -> Self {
        Fit {
            epochs: 1,
            batch_size: 32,
            shuffle: true,
            seed: None,
            verbose: Verbose::Auto,
            validation: None,
            validation_split: None,
            sample_weight: None,
            stop: None,
            callbacks: Vec::new(),
        }
    }
}

impl Fit {
    /// One epoch, batches of 32 rows, shuffled.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many times over all rows.
    pub fn epochs(self, epochs: usize) -> Self {
        Fit { epochs, ..self }
    }

    /// So many rows a step.
    pub fn batch_size(self, batch_size: usize) -> Self {
        Fit { batch_size, ..self }
    }

    /// Whether rows come in another order each epoch.
    pub fn shuffle(self, shuffle: bool) -> Self {
        Fit { shuffle, ..self }
    }

    /// The seed of the orders; by default that of the run.
    pub fn seed(self, seed: u64) -> Self {
        Fit { seed: Some(seed), ..self }
    }

    /// What is printed.
    pub fn verbose(self, verbose: Verbose) -> Self {
        Fit { verbose, ..self }
    }

    /// Nothing is printed.
    pub fn silent(self) -> Self {
        self.verbose(Verbose::Silent)
    }

    /// Rows by which the model is evaluated after each epoch.
    pub fn validation_data(self, x: &Tensor, y: &Tensor) -> Self {
        Fit { validation: Some((x.clone(), y.clone())), ..self }
    }

    /// The share of the rows, the last ones, by which the model is evaluated rather than trained.
    pub fn validation_split(self, share: f64) -> Self {
        Fit { validation_split: Some(share), ..self }
    }

    /// How much each row counts.
    pub fn sample_weight(self, weights: &Tensor) -> Self {
        Fit { sample_weight: Some(weights.clone()), ..self }
    }

    /// Ends the training with an error before the next step, once the token says so.
    pub fn stop_token(self, token: &StopToken) -> Self {
        Fit { stop: Some(token.clone()), ..self }
    }

    /// Called at epochs and steps, and able to stop the training.
    pub fn callback(mut self, callback: impl Callback) -> Self {
        self.callbacks.push(Arc::new(callback));
        self
    }
}
