//! `fit`, `evaluate` and `predict`.

use std::{panic::Location, sync::Arc, time::Instant};

use tracelift_data::{BatchIndices, epoch_permutation};
use tracelift_function::{Array, ConcreteFunction, Error, ErrorKind, Options, Result, StopToken, Tensor};

use super::{
    Model,
    batches::Batches,
    columns::Columns,
    history::{History, Logs},
    lock,
    options::Fit,
    progress::Progress,
    step::{Inference, Mode, Step, Training, of_any_rows},
};
use crate::seed;

/// How many rows `evaluate` and `predict` take at once.
const ROWS_AT_ONCE: usize = 4096;

impl Model {
    /// Trains.
    ///
    /// Each step, forward, loss, backward, update and metrics, is one compiled function for all batch sizes. The order
    /// of the rows depends on the seed and the epoch only.
    #[track_caller]
    pub fn fit(&mut self, x: &Tensor, y: &Tensor, how: Fit) -> Result<History> {
        let line = Location::caller();
        let training = self.training("fit")?;
        let columns = Columns::new("fit", x, Some(y), how.sample_weight.as_ref())?;
        if how.batch_size == 0 {
            return Err(Error::value("cannot make batches of 0 rows")
                .op("fit")
                .help("the batch size must be at least 1"));
        }
        let validation = how.validation.as_ref().map(|(x, y)| Columns::new("fit", x, Some(y), None)).transpose()?;
        let (columns, validation) = match (how.validation_split, validation) {
            (Some(share), None) => {
                let (columns, last) = split_off(&columns, share)?;
                (columns, Some(last))
            }
            (_, validation) => (columns, validation),
        };
        training.prepare(&columns, line)?;
        if let Some(validation) = &validation {
            training.prepare(validation, line)?;
        }
        let step = training.step(Mode::Train, &columns, line)?;
        let mut history = History::new(step.made_in);
        let validation = match &validation {
            Some(validation) => Some(Validation::new(&training, validation, &how, line)?),
            None => None,
        };
        run(&training, &step, &columns, validation, &how, &mut history)?;
        history.warnings = training.warnings();
        Ok(history)
    }

    /// The loss and metrics on these rows, which are not trained on.
    #[track_caller]
    pub fn evaluate(&self, x: &Tensor, y: &Tensor) -> Result<Logs> {
        let line = Location::caller();
        let training = self.training("evaluate")?;
        let columns = Columns::new("evaluate", x, Some(y), None)?;
        training.prepare(&columns, line)?;
        let step = training.step(Mode::Evaluate, &columns, line)?;
        Evaluation::new(&training, &columns, ROWS_AT_ONCE)?.run(&training, &step, &columns)
    }

    /// The outputs for these rows.
    #[track_caller]
    pub fn predict(&self, x: &Tensor) -> Result<Tensor> {
        let line = Location::caller();
        let columns = Columns::new("predict", x, None, None)?;
        let training = lock(&self.0.training).clone();
        let options = training.as_ref().map_or_else(Options::training, |training| training.options().clone());
        let apply: Box<dyn Fn(&Tensor) -> Result<Tensor>> = match training.filter(|training| training.is_eager()) {
            Some(training) => Box::new(move |x| training.outputs(x, line)),
            None => {
                let inference = self.inference(&columns.x, &options, line)?;
                Box::new(move |x| inference.outputs(x))
            }
        };
        let indices = BatchIndices::in_order(columns.n_rows(), ROWS_AT_ONCE)?;
        let mut batches = Batches::new(&columns, ROWS_AT_ONCE, options.thread_count())?;
        let mut outputs: Option<(Vec<usize>, Vec<u8>, Array)> = None;
        for rows in &indices {
            let [x] = batches.gather(&columns, rows)? else {
                return Err(Error::internal("prediction takes inputs only"));
            };
            let y = apply(x)?.to_array()?;
            let (shape, bytes, _) = outputs.get_or_insert_with(|| (y.shape().to_vec(), Vec::new(), y.clone()));
            if !bytes.is_empty() {
                shape[0] += y.shape()[0];
            }
            bytes.extend_from_slice(y.bytes());
        }
        let (shape, bytes, first) = outputs.ok_or_else(|| Error::internal("there is at least one batch"))?;
        let mut all = Array::zeros(first.dtype(), shape)?;
        all.bytes_mut().copy_from_slice(&bytes);
        Ok(all.into())
    }

    /// The compiled training step for these rows, once the model has been fitted on such rows: for inspection.
    pub fn training_step(&self, x: &Tensor, y: &Tensor) -> Result<Arc<ConcreteFunction>> {
        let training = self.training("training_step")?;
        let columns = Columns::new("training_step", x, Some(y), None)?;
        training.prepare(&columns, Location::caller())?;
        training.traced(Mode::Train, &columns, Location::caller())
    }

    fn inference(&self, x: &Array, options: &Options, line: &'static Location<'static>) -> Result<Arc<Inference>> {
        let mut known = lock(&self.0.inference);
        if let Some(known) = known.as_ref().filter(|known| known.spec == of_any_rows(x) && known.made_for(options)) {
            return Ok(known.clone());
        }
        let made = Arc::new(Inference::new(crate::Module::share(&self.0.layer), &self.0.built, x, options, line)?);
        *known = Some(made.clone());
        Ok(made)
    }
}

/// Puts the last rows aside.
fn split_off(columns: &Columns, share: f64) -> Result<(Columns, Columns)> {
    let wrong = |message: String| {
        let error = Error::value(message).op("fit");
        Err(error.help("`validation_split` is a share of the rows above 0 and below 1, such as 0.2"))
    };
    if !(share > 0.0 && share < 1.0) {
        return wrong(format!("cannot put a share of {share} of the rows aside for validation"));
    }
    let n_rows = columns.n_rows();
    let at = (n_rows as f64 * (1.0 - share)).floor() as usize;
    if at == 0 || at == n_rows {
        return wrong(format!("a share of {share} of {n_rows} rows leaves none on one side"));
    }
    columns.split(at)
}

/// All epochs.
fn run(
    training: &Training,
    step: &Step,
    columns: &Columns,
    mut validation: Option<Validation<'_>>,
    how: &Fit,
    history: &mut History,
) -> Result {
    let n_rows = columns.n_rows();
    let mut batches = Batches::new(columns, how.batch_size, training.options().thread_count())?;
    for epoch in 0..how.epochs {
        let order = order(training, how, epoch, n_rows)?;
        let mut progress = Progress::new(how.verbose, epoch, how.epochs, order.num_batches());
        training.reset()?;
        let began = Instant::now();
        for (i, rows) in order.iter().enumerate() {
            if how.stop.as_ref().is_some_and(StopToken::is_stopped) {
                let message = format!("was stopped in epoch {}, before step {}", epoch + 1, i + 1);
                return Err(Error::new(ErrorKind::Cancelled, message).op("fit"));
            }
            step.run(batches.gather(columns, rows)?)?;
            if progress.is_bar() {
                progress.step(i + 1, || training.logs())?;
            }
            how.callbacks.iter().try_for_each(|callback| callback.on_batch_end(i))?;
        }
        history.step_time += began.elapsed();
        history.steps += order.num_batches();
        let mut logs = training.logs()?;
        if let Some(validation) = &mut validation {
            logs.extend(validation.run(training)?.prefixed("val_"));
        }
        history.push(&logs);
        progress.finish(&logs);
        let mut stop = false;
        for callback in &how.callbacks {
            stop |= callback.on_epoch_end(epoch, &logs)?;
        }
        if stop {
            break;
        }
    }
    Ok(())
}

/// The order of the rows in an epoch.
fn order(training: &Training, how: &Fit, epoch: usize, n_rows: usize) -> Result<BatchIndices> {
    if !how.shuffle {
        return BatchIndices::in_order(n_rows, how.batch_size);
    }
    let mut trained = lock(&training.epochs);
    let (seed, number) = match how.seed {
        Some(seed) => (seed, epoch as u64),
        // A second `fit` goes on with other orders.
        None => (seed::seed(), *trained),
    };
    *trained += 1;
    BatchIndices::of(epoch_permutation(n_rows, seed as i64, number), how.batch_size)
}

/// The rows by which epochs are evaluated, and the step that does it.
struct Validation<'a> {
    columns: &'a Columns,
    step: Arc<Step>,
    evaluation: Evaluation,
}

impl<'a> Validation<'a> {
    fn new(
        training: &Training,
        columns: &'a Columns,
        how: &Fit,
        line: &'static Location<'static>,
    ) -> Result<Validation<'a>> {
        let step = training.step(Mode::Evaluate, columns, line)?;
        Ok(Validation {
            columns,
            step,
            evaluation: Evaluation::new(training, columns, how.batch_size.max(ROWS_AT_ONCE))?,
        })
    }

    fn run(&mut self, training: &Training) -> Result<Logs> {
        self.evaluation.run(training, &self.step, self.columns)
    }
}

/// All rows in order, in large batches.
struct Evaluation {
    order: BatchIndices,
    batches: Batches,
}

impl Evaluation {
    fn new(training: &Training, columns: &Columns, batch_size: usize) -> Result<Evaluation> {
        Ok(Evaluation {
            order: BatchIndices::in_order(columns.n_rows(), batch_size)?,
            batches: Batches::new(columns, batch_size, training.options().thread_count())?,
        })
    }

    fn run(&mut self, training: &Training, step: &Step, columns: &Columns) -> Result<Logs> {
        training.reset()?;
        for rows in &self.order {
            step.run(self.batches.gather(columns, rows)?)?;
        }
        training.logs()
    }
}
