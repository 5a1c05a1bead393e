//! W1, W2 and W3: training steps through plain `fit`.

use crate::measure::{Settings, Times, cpu_seconds};
use crate::roofline;
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tracelift_data::{StandardScaler, housing as read_housing, housing_rows, take_rows, to_f32};
use tracelift_nn::{
    AnyOptimizer, Call, Callback, Compile, Dense, Fit, Function, I32, Layer, Logs, Model, Module, Nadam, Options,
    Result, Sequential, Tensor, random,
};

/// The training rows of the housing table, scaled.
pub(crate) fn housing_data() -> Result<(Tensor, Tensor)> {
    let table = read_housing(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/housing.csv"))?;
    let rows = housing_rows(table.x.shape()[0], 42)?;
    let x = take_rows(&table.x, &rows.train)?;
    let y = take_rows(&table.y, &rows.train)?;
    let x = StandardScaler::fit(&x)?.transform(&x)?;
    Ok((to_f32(&x)?.into(), to_f32(&y)?.into()))
}

/// Of these units, with He's kernel.
pub(crate) fn relu_layer(units: usize) -> Dense {
    Dense::new(units).activation("relu").kernel_initializer("he_normal")
}

/// 8 → 30 relu → 1.
pub(crate) fn housing_model() -> Sequential {
    Sequential::new().add(relu_layer(30)).add(Dense::new(1))
}

/// 784 → 100 relu → 10 softmax.
pub(crate) fn fashion_model() -> Sequential {
    Sequential::new().add(relu_layer(100)).add(Dense::new(10).activation("softmax"))
}

/// 24 layers of 64, then one number.
pub(crate) fn deep_model() -> Sequential {
    (0..24).fold(Sequential::new(), |model, _| model.add(relu_layer(64))).add(Dense::new(1))
}

/// `x + relu(D2(relu(D1(x))))`.
#[derive(Module)]
struct Block {
    first: Dense,
    second: Dense,
}

impl Block {
    fn new() -> Block {
        Block { first: relu_layer(30), second: relu_layer(30) }
    }
}

impl Layer for Block {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        x + self.second.apply(&self.first.apply(x))
    }
}

/// 8 → 30 relu → one block four times → another block → 1.
#[derive(Module)]
struct Residual {
    hidden: Dense,
    shared: Block,
    last: Block,
    output: Dense,
}

impl Residual {
    fn new() -> Residual {
        Residual { hidden: relu_layer(30), shared: Block::new(), last: Block::new(), output: Dense::new(1) }
    }
}

impl Layer for Residual {
    fn call(&self, x: &Tensor, _: &Call) -> Tensor {
        let mut z = self.hidden.apply(x);
        for _ in 0..4 {
            z = self.shared.apply(&z);
        }
        self.output.apply(&self.last.apply(&z))
    }
}

/// W1.
pub(crate) fn housing(settings: &Settings) {
    let (x, y) = housing_data().expect("the shipped table is read");
    let plain = Training::new("W1.housing-fit", "fit", settings);
    for training in [Training { ..plain.clone() }, Training { variant: "fit-eager", eagerly: true, ..plain }] {
        training.run(settings, &|| Model::new(housing_model()), &x, &y);
    }
}

/// W3.
pub(crate) fn residual(settings: &Settings) {
    let (x, y) = housing_data().expect("the shipped table is read");
    Training::new("W3.residual-mlp", "fit", settings).run(settings, &|| Model::new(Residual::new()), &x, &y);
}

/// W2 on random images, in batches of 32 and of 512: labels by chance (with subnormals flushed, as `fit` does unasked,
/// and kept), and as W2b labels that can be learned.
pub(crate) fn fashion(settings: &Settings) {
    random::set_seed(0).expect("no trace is under way");
    for (name, batch, rows) in [("b32", 32, 16_000), ("b512", 512, 54_784)] {
        let [by_chance, learnable] = ["W2", "W2b"].map(|group| format!("{group}.fashion-mlp.{name}"));
        if !settings.wants(&by_chance) && !settings.wants(&learnable) {
            continue;
        }
        let x = random::uniform([rows, 784], 0.0, 1.0);
        let make = || Model::new(fashion_model());
        let loss = "sparse_categorical_crossentropy";
        let flushed = Training { batch, loss, rate: 0.01, ..Training::new(&by_chance, "fit", settings) };
        let y = random::indices(rows, 10).cast(I32);
        flushed.run(settings, &make, &x, &y);
        let options = Options { flush_subnormals: false, ..settings.options() };
        Training { variant: "fit-keep-subnormals", options, ..flushed.clone() }.run(settings, &make, &x, &y);
        if settings.wants(&learnable) {
            let y = learnable_labels(&x);
            Training { workload: &learnable, rate: 0.001, ..flushed }.run(settings, &make, &x, &y);
        }
    }
}

/// Which of ten directions each row lies in most.
fn learnable_labels(x: &Tensor) -> Tensor {
    let (columns, n) = (10, 784 * 10);
    let a: Vec<f32> = (0..n).map(|i| (0.1 * (i / columns) as f32 + 0.7 * (i % columns) as f32).sin()).collect();
    let a = Tensor::from(a).reshape([784, 10]);
    let label: Function<fn(&Tensor) -> Tensor> = Function::new(move |x: &Tensor| x.matmul(&a).argmax(1).cast(I32));
    label(x)
}

/// One way to train, which is one result line.
#[derive(Clone)]
pub(crate) struct Training<'a> {
    pub(crate) workload: &'a str,
    pub(crate) variant: &'static str,
    pub(crate) loss: &'static str,
    /// Made of a learning rate.
    pub(crate) optimizer: fn(f64) -> AnyOptimizer,
    pub(crate) rate: f64,
    pub(crate) batch: usize,
    pub(crate) eagerly: bool,
    pub(crate) options: Options,
}

impl<'a> Training<'a> {
    /// Batches of 32, Nadam, mean squared error.
    pub(crate) fn new(workload: &'a str, variant: &'static str, settings: &Settings) -> Training<'a> {
        Training {
            workload,
            variant,
            loss: "mse",
            optimizer: |rate| Nadam::new(rate).into(),
            rate: 1e-3,
            batch: 32,
            eagerly: false,
            options: settings.options(),
        }
    }

    pub(crate) fn run(&self, settings: &Settings, make: &dyn Fn() -> Model, x: &Tensor, y: &Tensor) {
        if !settings.wants(self.workload) || (settings.only_fit && self.variant != "fit") {
            return;
        }
        let mut model = make();
        let how = Compile::new().loss(self.loss).optimizer((self.optimizer)(self.rate)).run_eagerly(self.eagerly);
        model.compile(how.options(self.options.clone())).expect("the model compiles");
        let ends = Arc::new(Mutex::new(vec![]));
        // Passes are the unit here, so each result gets a few times the budget of calls.
        let clock = Clock { budget: settings.budget * 2, began: Instant::now(), ends: ends.clone() };
        let fit = Fit::new().epochs(400).batch_size(self.batch).silent().callback(clock);
        let history = model.fit(x, y, fit).expect("the model trains");
        let ends = ends.lock().expect("nobody panics while holding it");
        let steps = x.len().expect("there are rows").div_ceil(self.batch);
        // The first two passes warm up.
        let passes: Vec<f64> = ends[1..].windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64()).collect();
        let cpu = ends[ends.len() - 1].1 - ends[1].1;
        let per_step = passes.iter().map(|seconds| seconds / steps as f64).collect();
        let array_bytes = [x, y].map(|array| array.to_array().map_or(0, |array| array.num_bytes()));
        let extra = json!({
            "steps_timed": steps,
            "passes": passes.len(),
            "compile_s": history.compile_time.as_secs_f64(),
            "loss_first_pass": ends[0].2,
            "loss_last_pass": ends[ends.len() - 1].2,
            "array_bytes": array_bytes.iter().sum::<usize>(),
        });
        let times = Times::of_repetitions(per_step, passes.len() * steps, cpu);
        times.report(settings, self.workload, self.variant, extra);
        if settings.profile && !self.eagerly {
            let (x, y) = (x.slice(..self.batch as i64), y.slice(..self.batch as i64));
            let step = model.training_step(&x, &y).expect("the model has its step");
            roofline::show(settings, self.workload, &step, &[&x, &y]);
        }
    }
}

/// Notes when each epoch ended, and says when the time is over.
struct Clock {
    budget: std::time::Duration,
    began: Instant,
    ends: Arc<Mutex<Vec<(Instant, f64, f64)>>>,
}

impl Callback for Clock {
    fn on_epoch_end(&self, _: usize, logs: &Logs) -> Result<bool> {
        let mut ends = self.ends.lock().expect("nobody panics while holding it");
        ends.push((Instant::now(), cpu_seconds(), logs["loss"]));
        Ok(ends.len() >= 8 && self.began.elapsed() > self.budget)
    }
}
