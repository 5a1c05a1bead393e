//! Predicts house prices in California: one hidden layer, trained on 11,610 block groups of the 1990 census.
//!
//! `cargo run --release --example housing -- --epochs 2 --seed 42`

use std::path::{Path, PathBuf};

use clap::Parser;
use serde::Deserialize;
use tracelift::{
    data::{FEATURES, Housing, HousingRows, StandardScaler, housing, housing_rows, take_rows, to_f32},
    prelude::*,
};

/// Trains a network that predicts house prices.
#[derive(Parser)]
struct Arguments {
    /// How many times to go over the training rows.
    #[arg(long, default_value_t = 2)]
    epochs: usize,
    /// What first weights and the orders of the rows depend on.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// How many threads may work; 0 takes one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Evaluates op by op instead of compiling: slow, with the same results.
    #[arg(long)]
    eager: bool,
    /// A CSV file with the columns of the shipped one.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Ends with one line of JSON.
    #[arg(long)]
    json: bool,
}

/// The shipped rows for training, validation and testing, and the scaler that belongs to them.
#[derive(Deserialize)]
struct Recorded {
    train: Vec<usize>,
    valid: Vec<usize>,
    test: Vec<usize>,
    mean: Vec<f64>,
    scale: Vec<f64>,
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data")
}

fn recorded() -> Result<Recorded> {
    let path = shipped().join("housing_split.json");
    let wrong = |error: String| Error::new(ErrorKind::Io, format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}

/// The rows of the shipped table as they are recorded, else split by the seed; and the scaler of the training rows.
fn split(table: &Housing, seed: u64) -> Result<(HousingRows, StandardScaler)> {
    let recorded = recorded()?;
    let n_rows = table.x.shape()[0];
    if n_rows != recorded.train.len() + recorded.valid.len() + recorded.test.len() {
        let rows = housing_rows(n_rows, seed as u32)?;
        let scaler = StandardScaler::fit(&take_rows(&table.x, &rows.train)?)?;
        return Ok((rows, scaler));
    }
    let rows = HousingRows { train: recorded.train, valid: recorded.valid, test: recorded.test };
    let scaler = StandardScaler::fit(&take_rows(&table.x, &rows.train)?)?;
    let differs = |own: &[f64], other: &[f64]| own.iter().zip(other).any(|(a, b)| (a - b).abs() > 1e-9 * b.abs());
    if differs(&scaler.mean, &recorded.mean) || differs(&scaler.scale, &recorded.scale) {
        println!("note: the scaler of the training rows differs from the recorded one: is this another table?");
    }
    Ok((rows, scaler))
}

/// Scaled features and targets of some rows.
fn columns(table: &Housing, rows: &[usize], scaler: &StandardScaler) -> Result<(Tensor, Tensor)> {
    let x = scaler.transform(&take_rows(&table.x, rows)?)?;
    Ok((to_f32(&x)?.into(), to_f32(&take_rows(&table.y, rows)?)?.into()))
}

/// The mean squared error of rows whose scaled features are all within ±5: a few block groups are far out.
fn mse_of_inliers(x: &Tensor, y: &Tensor, predicted: &Tensor) -> Result<f32> {
    let inlier = x.abs().max_keep(-1).le(5.0).cast(F32);
    let squares = (y - predicted).square() * &inlier;
    (squares.sum(..) / inlier.sum(..)).item()
}

fn main() -> Result {
    let arguments = Arguments::parse();
    let table = housing(arguments.data.clone().unwrap_or_else(|| shipped().join("housing.csv")))?;
    let (rows, scaler) = split(&table, arguments.seed)?;
    let (x_train, y_train) = columns(&table, &rows.train, &scaler)?;
    let (x_valid, y_valid) = columns(&table, &rows.valid, &scaler)?;
    let (x_test, y_test) = columns(&table, &rows.test, &scaler)?;
    println!("{} rows for training, {} features: {}", rows.train.len(), FEATURES.len(), FEATURES.join(", "));

    random::set_seed(arguments.seed)?;
    let mut model = Model::new(
        Sequential::new()
            .input([FEATURES.len()])
            .add(Dense::new(30).activation("relu").kernel_initializer("he_normal"))
            .add(Dense::new(1)),
    );
    print!("{}", model.summary());
    let options = Options { threads: arguments.threads, ..Options::training() };
    let compile = Compile::new().loss("mse").optimizer("nadam").metric("mae");
    model.compile(compile.options(options).run_eagerly(arguments.eager))?;
    let fit = Fit::new().epochs(arguments.epochs).batch_size(32).validation_data(&x_valid, &y_valid);
    let history = model.fit(&x_train, &y_train, fit)?;

    let test = model.evaluate(&x_test, &y_test)?;
    println!("test: {test}");
    println!("predicted for three block groups:\n{}", model.predict(&x_test.slice(..3))?);
    println!("their true values:\n{}", y_test.slice(..3));
    let inliers = mse_of_inliers(&x_valid, &y_valid, &model.predict(&x_valid)?)?;

    if arguments.json {
        let last = |name: &str| history.get(name).and_then(|values| values.last().copied());
        let step_us = history.step_time.as_secs_f64() * 1e6 / history.steps.max(1) as f64;
        println!(
            "{}",
            serde_json::json!({
                "seed": arguments.seed,
                "loss": last("loss"),
                "val_loss": last("val_loss"),
                "val_mae": last("val_mae"),
                "val_mse_inliers": f64::from(inliers),
                "test_mae": test["mae"],
                "compile_ms": history.compile_time.as_secs_f64() * 1e3,
                "step_us": step_us,
            })
        );
    }
    Ok(())
}
