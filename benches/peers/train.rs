//! W1 and W2: training steps through plain `fit`.

use crate::measure::{Settings, Times, cpu_seconds};
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tracelift_data::{StandardScaler, housing as read_housing, housing_rows, take_rows, to_f32};
use tracelift_nn::{Callback, Compile, Dense, Fit, Logs, Model, Nadam, Result, Sequential, Tensor, random};

/// The training rows of the housing table, scaled.
pub(crate) fn housing_data() -> Result<(Tensor, Tensor)> {
    let table = read_housing(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/housing.csv"))?;
    let rows = housing_rows(table.x.shape()[0], 42)?;
    let x = take_rows(&table.x, &rows.train)?;
    let y = take_rows(&table.y, &rows.train)?;
    let x = StandardScaler::fit(&x)?.transform(&x)?;
    Ok((to_f32(&x)?.into(), to_f32(&y)?.into()))
}

/// 8 → 30 relu → 1, batch 32, Nadam, mse.
pub(crate) fn housing_model() -> Sequential {
    Sequential::new().add(Dense::new(30).activation("relu").kernel_initializer("he_normal")).add(Dense::new(1))
}

/// W1.
pub(crate) fn housing(settings: &Settings) {
    let (x, y) = housing_data().expect("the shipped table is read");
    for (variant, eagerly) in [("fit", false), ("fit-eager", true)] {
        let make = || Model::new(housing_model());
        fit(settings, "W1.housing-fit", variant, make, ("mse", 1e-3), (&x, &y), 32, eagerly);
    }
}

/// W2: 784 → 100 relu → 10 softmax on random images, batches of 32 and of 512.
pub(crate) fn fashion(settings: &Settings) {
    random::set_seed(0).expect("no trace is under way");
    for (name, batch, rows) in [("b32", 32, 16_000), ("b512", 512, 54_784)] {
        let workload = format!("W2.fashion-mlp.{name}");
        if !settings.wants(&workload) {
            continue;
        }
        let x = random::uniform([rows, 784], 0.0, 1.0);
        let y = random::indices(rows, 10).cast(tracelift_nn::I32);
        let make = || {
            let hidden = Dense::new(100).activation("relu").kernel_initializer("he_normal");
            Model::new(Sequential::new().add(hidden).add(Dense::new(10).activation("softmax")))
        };
        fit(settings, &workload, "fit", make, ("sparse_categorical_crossentropy", 0.01), (&x, &y), batch, false);
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

#[expect(clippy::too_many_arguments, reason = "a workload is that many facts")]
fn fit(
    settings: &Settings,
    workload: &str,
    variant: &str,
    make: impl Fn() -> Model,
    (loss, rate): (&str, f64),
    (x, y): (&Tensor, &Tensor),
    batch: usize,
    eagerly: bool,
) {
    if !settings.wants(workload) {
        return;
    }
    let mut model = make();
    let how = Compile::new().loss(loss).optimizer(Nadam::new(rate)).run_eagerly(eagerly).options(settings.options());
    model.compile(how).expect("the model compiles");
    let ends = Arc::new(Mutex::new(vec![]));
    // Passes are the unit here, so each result gets a few times the budget of calls.
    let clock = Clock { budget: settings.budget * 2, began: Instant::now(), ends: ends.clone() };
    let fit = Fit::new().epochs(400).batch_size(batch).silent().callback(clock);
    let history = model.fit(x, y, fit).expect("the model trains");
    let ends = ends.lock().expect("nobody panics while holding it");
    let steps = x.len().expect("there are rows").div_ceil(batch);
    // The first two passes warm up.
    let passes: Vec<f64> = ends[1..].windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64()).collect();
    let cpu = ends[ends.len() - 1].1 - ends[1].1;
    let per_step = passes.iter().map(|seconds| seconds / steps as f64).collect();
    let extra = json!({
        "steps_timed": steps,
        "passes": passes.len(),
        "compile_s": history.compile_time.as_secs_f64(),
        "loss_first_pass": ends[0].2,
        "loss_last_pass": ends[ends.len() - 1].2,
    });
    Times::of_repetitions(per_step, passes.len() * steps, cpu).report(settings, workload, variant, extra);
}
