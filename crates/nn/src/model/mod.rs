//! Models: a layer with compile, fit, evaluate and predict.

mod options;
mod history;
mod progress;
mod callback;
mod columns;
mod batches;
mod step;
mod fit;
mod summary;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracelift_function::{Error, Result, Shape, Tensor};

pub use callback::Callback;
pub use history::{History, Logs};
pub use options::{Compile, Fit, Verbose};

use crate::{AnyLayer, AnyLoss, Build, Call, Layer, Module, Visitor};
use step::Training;

/// A layer that can be trained; clones are the same model.
///
/// ```
/// use tracelift_nn::{Compile, Dense, Fit, Model, Tensor};
///
/// let mut model = Model::new(Dense::new(1));
/// model.compile(Compile::new().loss("mse").optimizer("sgd"))?;
/// model.fit(&Tensor::ones([8, 2]), &Tensor::ones([8, 1]), Fit::new().epochs(2).silent())?;
/// assert_eq!(model.predict(&Tensor::ones([3, 2]))?.shape(), [3, 1]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    layer: AnyLayer,
    training: Mutex<Option<Arc<Training>>>,
    inference: Mutex<Option<Arc<step::Inference>>>,
    built: Arc<step::Built>,
}

impl Model {
    /// A model of any layer: a `Sequential` or your own.
    #[must_use]
    pub fn new(layer: impl Layer) -> Self {
        crate::paths::give(&layer);
        let layer = layer.boxed();
        // An error of building comes again, and is returned, when the model is used.
        if let Some(shape) = layer.get::<crate::Sequential>().and_then(crate::Sequential::sample_shape) {
            let batch: Shape = [1usize.into()].into_iter().chain(shape.iter().cloned()).collect();
            let _ = layer.apply(&Tensor::zeros(batch));
        }
        Model(Arc::new(Inner { layer, training: Mutex::default(), inference: Mutex::default(), built: Arc::default() }))
    }

    /// Says how the model is trained; unknown names are reported here.
    pub fn compile(&mut self, how: Compile) -> Result {
        let training = Training::new(self.0.layer.share(), self.0.built.clone(), how)?;
        *lock(&self.0.training) = Some(Arc::new(training));
        Ok(())
    }

    /// The loss it was compiled with.
    pub fn loss(&self) -> Option<AnyLoss> {
        lock(&self.0.training).as_ref().map(|training| training.loss().clone())
    }

    /// The layer it was made of.
    pub fn layer(&self) -> &AnyLayer {
        &self.0.layer
    }

    /// The layer it was made of, if it is an `L`.
    pub fn get<L: Layer>(&self) -> Option<&L> {
        self.0.layer.get()
    }

    /// Layers, output shapes and numbers of parameters, as a table.
    pub fn summary(&self) -> String {
        summary::of(&self.0.layer)
    }

    fn training(&self, what: &str) -> Result<Arc<Training>> {
        lock(&self.0.training).clone().ok_or_else(|| {
            let error = Error::runtime("was called on a model that has not been told how to train").op(what);
            error.help("call `model.compile(Compile::new().loss(…).optimizer(…))` first")
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Module for Model {
    fn visit(&self, visitor: &mut dyn Visitor) {
        self.0.layer.visit(visitor);
    }

    fn share(&self) -> Self {
        self.clone()
    }
}

impl Layer for Model {
    fn build(&self, input: &Shape, cx: &mut Build) -> Result {
        self.0.layer.build(input, cx)
    }

    fn call(&self, x: &Tensor, cx: &Call) -> Tensor {
        self.0.layer.call(x, cx)
    }

    fn display_name(&self) -> String {
        self.0.layer.display_name()
    }

    fn description(&self) -> String {
        self.0.layer.description()
    }

    fn is_container(&self) -> bool {
        self.0.layer.is_container()
    }
}
