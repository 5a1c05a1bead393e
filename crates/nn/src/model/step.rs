//! One training step, one evaluation step: each is one traced function for all batch sizes.

use std::{
    panic::Location,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tracelift_function::{
    __rt::flushing, Array, ConcreteFunction, Engine, Error, F32, Function, GradientTape, Options, Result, Shape,
    Tensor, TensorSpec, is_tracing, value_and_gradients,
};

use super::{columns::Columns, history::Logs, lock, options::Compile};
use crate::{
    AnyLayer, AnyLoss, AnyMetric, AnyOptimizer, Call, Metric, Module, apply_constraints, losses::reduce, metrics::Mean,
};

/// What a compiled model trains with, and its steps.
pub(super) struct Training {
    parts: Arc<Parts>,
    options: Options,
    /// Whether steps are run as they are written.
    eagerly: bool,
    built: Arc<Built>,
    steps: Mutex<Vec<Arc<Step>>>,
    /// How many epochs were trained, so that each has an order of its own.
    pub(super) epochs: Mutex<u64>,
}

/// What the traced closures hold.
struct Parts {
    layer: AnyLayer,
    loss: AnyLoss,
    optimizer: AnyOptimizer,
    metrics: Vec<AnyMetric>,
    weighted_metrics: Vec<AnyMetric>,
    /// The mean of the losses of an epoch, weighted by the sizes of the batches.
    mean_loss: Mean,
    /// The names of weights that the loss does not depend on.
    unreached: Mutex<Vec<String>>,
}

/// Whether a step changes the weights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Train,
    Evaluate,
}

impl Training {
    pub(super) fn new(layer: AnyLayer, built: Arc<Built>, how: Compile) -> Result<Training> {
        let missing = |what: &str| {
            let error = Error::value(format!("was given no {what}")).op("compile");
            error.help(format!("`Compile::new().{what}(…)`"))
        };
        let loss = how.loss.ok_or_else(|| missing("loss"))?;
        let optimizer = how.optimizer.ok_or_else(|| missing("optimizer"))?;
        let checks = [loss.check(), optimizer.optimizer().map(|_| ())].into_iter();
        let metrics = how.metrics.iter().chain(&how.weighted_metrics).map(|metric| metric.metric().map(|_| ()));
        Error::all(checks.chain(metrics).filter_map(Result::err))?;
        let parts = Parts {
            layer,
            loss,
            optimizer,
            metrics: how.metrics,
            weighted_metrics: how.weighted_metrics,
            mean_loss: Mean::new(),
            unreached: Mutex::default(),
        };
        Ok(Training {
            parts: Arc::new(parts),
            eagerly: how.eagerly,
            built,
            options: match how.eagerly {
                true => Options { engine: Engine::Reference, ..how.options.unwrap_or_else(Options::training) },
                false => how.options.unwrap_or_else(Options::training),
            },
            steps: Mutex::default(),
            epochs: Mutex::default(),
        })
    }

    pub(super) fn loss(&self) -> &AnyLoss {
        &self.parts.loss
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Warnings about weights that the loss does not depend on.
    pub(super) fn warnings(&self) -> Vec<String> {
        let text = |name: &String| format!("the loss does not depend on the weight `{name}`: it is not trained");
        lock(&self.parts.unreached).iter().map(text).collect()
    }

    /// Makes all weights, and looks at the targets before the first step.
    pub(super) fn prepare(&self, columns: &Columns, line: &'static Location<'static>) -> Result {
        let outputs = self.built.output(&self.parts.layer, &columns.x, line)?;
        match &columns.y {
            Some(y) => self.parts.loss.object()?.check_targets(y, &outputs),
            None => Ok(()),
        }
    }

    /// The step for rows of these types, traced and compiled if it is new.
    pub(super) fn step(&self, mode: Mode, columns: &Columns, line: &'static Location<'static>) -> Result<Arc<Step>> {
        let specs: Vec<TensorSpec> = columns.arrays().map(of_any_rows).collect();
        let mut steps = lock(&self.steps);
        if let Some(step) = steps.iter().find(|step| step.mode == mode && step.specs == specs) {
            return Ok(step.clone());
        }
        let made =
            if self.eagerly { Step::eager(mode, specs, self, line) } else { Step::new(mode, specs, self, line)? };
        let step = Arc::new(made);
        steps.push(step.clone());
        Ok(step)
    }

    /// A step as a traced function, also of a model whose steps are not.
    pub(super) fn traced(
        &self,
        mode: Mode,
        columns: &Columns,
        line: &'static Location<'static>,
    ) -> Result<Arc<ConcreteFunction>> {
        let step = self.step(mode, columns, line)?;
        match step.concrete() {
            Some(concrete) => Ok(concrete.clone()),
            None => {
                let traced = Step::new(mode, step.specs.clone(), self, line)?;
                traced.concrete().cloned().ok_or_else(|| Error::internal("a step that was traced is none"))
            }
        }
    }

    /// Whether steps are run as they are written.
    pub(super) fn is_eager(&self) -> bool {
        self.eagerly
    }

    /// What the layer gives for rows, op by op.
    pub(super) fn outputs(&self, x: &Tensor, line: &'static Location<'static>) -> Result<Tensor> {
        flushing(self.options.flush_subnormals, || Call::inference().apply_at(&self.parts.layer, x, line).ok())
    }

    /// Sets the loss and all metrics to zero.
    pub(super) fn reset(&self) -> Result {
        self.parts.mean_loss.reset_state()?;
        self.all_metrics().try_for_each(|metric| metric.metric()?.reset_state())
    }

    /// The loss and all metrics so far.
    pub(super) fn logs(&self) -> Result<Logs> {
        let mut logs = Logs::default();
        logs.set("loss", self.parts.mean_loss.result().item::<f32>()?.into());
        for metric in self.all_metrics() {
            logs.set(metric.name(), metric.metric()?.result().cast(F32).item::<f32>()?.into());
        }
        Ok(logs)
    }

    fn all_metrics(&self) -> impl Iterator<Item = &AnyMetric> {
        self.parts.metrics.iter().chain(&self.parts.weighted_metrics)
    }
}

/// The type of such rows, however many.
pub(super) fn of_any_rows(array: &Array) -> TensorSpec {
    let sizes: Vec<Option<usize>> = std::iter::once(None).chain(array.shape()[1..].iter().map(|&n| Some(n))).collect();
    TensorSpec::new(array.dtype(), sizes)
}

/// The rows for which a model has made its weights, and the shape of the output for one of them.
#[derive(Default)]
pub(super) struct Built(Mutex<Vec<(TensorSpec, Shape)>>);

impl Built {
    /// Makes all weights for inputs like these, unless that is done; gives the shape of the output for one row.
    fn output(&self, layer: &AnyLayer, x: &Array, line: &'static Location<'static>) -> Result<Shape> {
        let spec = of_any_rows(x);
        if let Some((_, shape)) = lock(&self.0).iter().find(|(known, _)| *known == spec) {
            return Ok(shape.clone());
        }
        let row: Vec<usize> = std::iter::once(1).chain(x.shape()[1..].iter().copied()).collect();
        let zeros = Tensor::from(Array::zeros(x.dtype(), row)?);
        let shape = Call::inference().apply_at(layer, &zeros, line).ok()?.shape();
        lock(&self.0).push((spec, shape.clone()));
        Ok(shape)
    }
}

type PlainStep = Function<fn(&Tensor, &Tensor) -> Result<()>>;
type WeightedStep = Function<fn(&Tensor, &Tensor, &Tensor) -> Result<()>>;

/// A step for rows of certain types.
pub(super) struct Step {
    mode: Mode,
    specs: Vec<TensorSpec>,
    run: Run,
    /// How long tracing and compiling took.
    pub(super) made_in: Duration,
}

enum Run {
    /// As it is written, op by op: layers and losses see the data of each batch.
    Eager {
        parts: Arc<Parts>,
        flush: bool,
        line: &'static Location<'static>,
    },
    Plain(PlainStep, Arc<ConcreteFunction>),
    Weighted(WeightedStep, Arc<ConcreteFunction>),
}

impl Step {
    fn new(mode: Mode, specs: Vec<TensorSpec>, training: &Training, line: &'static Location<'static>) -> Result<Step> {
        let began = Instant::now();
        let parts = training.parts.clone();
        let run = if let [x, y] = &specs[..] {
            let step: PlainStep = Function::new(move |x: &Tensor, y: &Tensor| parts.step(mode, x, y, None, line))
                .argument_names(&["x", "y"])
                .options(training.options.clone());
            let concrete = step.concrete([x, y])?;
            Run::Plain(step, concrete)
        } else if let [x, y, weight] = &specs[..] {
            let step: WeightedStep = Function::new(move |x: &Tensor, y: &Tensor, weight: &Tensor| {
                parts.step(mode, x, y, Some(weight), line)
            })
            .argument_names(&["x", "y", "sample_weight"])
            .options(training.options.clone());
            let concrete = step.concrete([x, y, weight])?;
            Run::Weighted(step, concrete)
        } else {
            return Err(Error::internal("a step takes inputs, targets and perhaps weights"));
        };
        let step = Step { mode, specs, run, made_in: Duration::ZERO };
        step.concrete().map_or(Ok(()), |concrete| concrete.compiled().map(|_| ()))?;
        Ok(Step { made_in: began.elapsed(), ..step })
    }

    fn eager(mode: Mode, specs: Vec<TensorSpec>, training: &Training, line: &'static Location<'static>) -> Step {
        let (parts, flush) = (training.parts.clone(), training.options.flush_subnormals);
        Step { mode, specs, run: Run::Eager { parts, flush, line }, made_in: Duration::ZERO }
    }

    /// Does the step on a batch: inputs, targets, perhaps weights.
    pub(super) fn run(&self, batch: &[Tensor]) -> Result {
        match (&self.run, batch) {
            (Run::Eager { parts, flush, line }, [x, y, weight @ ..]) => {
                flushing(*flush, || parts.step(self.mode, x, y, weight.first(), line))
            }
            (Run::Plain(_, concrete), [x, y]) if many(x) => concrete.call([x, y]).map(|_| ()),
            (Run::Weighted(_, concrete), [x, y, weight]) if many(x) => concrete.call([x, y, weight]).map(|_| ()),
            // A single row may need a trace of its own.
            (Run::Plain(step, _), [x, y]) => step(x, y),
            (Run::Weighted(step, _), [x, y, weight]) => step(x, y, weight),
            _ => Err(Error::internal("a batch has other columns than its step")),
        }
    }

    /// The compiled function, if it is one.
    fn concrete(&self) -> Option<&Arc<ConcreteFunction>> {
        match &self.run {
            Run::Plain(_, concrete) | Run::Weighted(_, concrete) => Some(concrete),
            Run::Eager { .. } => None,
        }
    }
}

fn many(x: &Tensor) -> bool {
    x.len().is_ok_and(|n| n > 1)
}

impl Parts {
    /// Forward, loss, and in training backward and update; then the running loss and metrics.
    fn step(
        &self,
        mode: Mode,
        x: &Tensor,
        y: &Tensor,
        weight: Option<&Tensor>,
        line: &'static Location<'static>,
    ) -> Result<()> {
        let (loss, y_pred) = match mode {
            Mode::Evaluate => self.forward(&Call::inference(), x, y, weight, line),
            Mode::Train => {
                let variables = self.layer.trainable_variables();
                let forward = || self.forward(&Call::training(), x, y, weight, line);
                // A tape sees single operations, so that the layers see data.
                let (values, gradients) = if is_tracing() {
                    value_and_gradients(forward, &variables)
                } else {
                    let tape = GradientTape::new();
                    let values = forward();
                    let gradients = tape.gradient(&values.0, &variables);
                    (values, gradients)
                };
                values.0.clone().ok()?;
                *lock(&self.unreached) = self.optimizer.apply(&gradients, &variables)?;
                apply_constraints(&self.layer)?;
                values
            }
        };
        let rows = x.dim(0).cast(F32);
        self.mean_loss.update_values(&loss.ok()?, Some(&rows))?;
        self.metrics.iter().try_for_each(|metric| metric.metric()?.update_state(y, &y_pred, None))?;
        self.weighted_metrics.iter().try_for_each(|metric| metric.metric()?.update_state(y, &y_pred, weight))
    }

    fn forward(
        &self,
        call: &Call,
        x: &Tensor,
        y: &Tensor,
        weight: Option<&Tensor>,
        line: &'static Location<'static>,
    ) -> (Tensor, Tensor) {
        let y_pred = call.apply_at(&self.layer, x, line);
        let reduction = self.loss.object().map_or_else(|_| Default::default(), |loss| loss.reduction());
        let loss = reduce(&self.loss.call(y, &y_pred), weight, reduction);
        let loss = if call.losses().is_empty() { loss } else { loss + call.loss() };
        (loss, y_pred)
    }
}

/// Inference for rows of one type.
pub(super) struct Inference {
    pub(super) spec: TensorSpec,
    pub(super) options: Options,
    pub(super) function: Function<fn(&Tensor) -> Tensor>,
    pub(super) concrete: Arc<ConcreteFunction>,
}

impl Inference {
    /// The outputs for a batch.
    pub(super) fn outputs(&self, x: &Tensor) -> Result<Tensor> {
        match many(x) {
            true => Ok(self.concrete.call([x])?.swap_remove(0)),
            // A single row may need a trace of its own.
            false => (self.function)(x).ok(),
        }
    }

    /// Whether it runs as these options say.
    pub(super) fn made_for(&self, options: &Options) -> bool {
        let key = |options: &Options| (options.engine, options.threads, options.flush_subnormals, options.max_bytes);
        key(&self.options) == key(options)
    }

    pub(super) fn new(
        layer: AnyLayer,
        built: &Built,
        x: &Array,
        options: &Options,
        line: &'static Location<'static>,
    ) -> Result<Inference> {
        built.output(&layer, x, line)?;
        let spec = of_any_rows(x);
        let function = Function::new(move |x: &Tensor| Call::inference().apply_at(&layer, x, line))
            .argument_names(&["x"])
            .options(options.clone());
        let concrete = function.concrete(&spec)?;
        Ok(Inference { spec, options: options.clone(), function, concrete })
    }
}
