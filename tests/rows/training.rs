//! Rows K: how often `fit` runs what the user wrote.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::Value;
use tracelift::{Lambda, prelude::*};

use crate::{golden::Golden, rows};

/// How often the bodies of a model, its three layers, its loss and its metric ran.
#[derive(Clone, Default)]
struct Runs(Arc<[AtomicUsize; 4]>);

const NAMES: [&str; 4] = ["model", "layer", "loss", "metric"];

impl Runs {
    fn note(&self, which: usize) {
        self.0[which].fetch_add(1, Relaxed);
    }

    /// Since this was asked last.
    fn take(&self) -> [usize; 4] {
        [0, 1, 2, 3].map(|which| self.0[which].swap(0, Relaxed))
    }
}

/// A layer that notes its calls.
fn noting(runs: &Runs, which: usize) -> Lambda {
    let runs = runs.clone();
    Lambda::new(move |x| {
        runs.note(which);
        x * 1.0
    })
}

/// The mean squared error, noted.
fn loss(runs: &Runs, which: usize) -> impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + 'static {
    let runs = runs.clone();
    move |y: &Tensor, p: &Tensor| {
        runs.note(which);
        losses::mean_squared_error(y, p)
    }
}

/// What ran in two epochs with validation, an evaluation, another epoch, and a prediction; and the weights.
fn body_runs(rows: usize, batch: usize, eagerly: bool) -> ([[usize; 4]; 4], Vec<Vec<f32>>) {
    random::set_seed(4).unwrap();
    let runs = Runs::default();
    let network = Sequential::new().add(noting(&runs, 0)).add(noting(&runs, 1));
    let network = network.add(Dense::new(4).activation("relu")).add(noting(&runs, 1)).add(noting(&runs, 1));
    let mut model = Model::new(network.add(Dense::new(1)));
    let compile = Compile::new().loss(loss(&runs, 2)).optimizer("sgd").metric_fn(loss(&runs, 3));
    model.compile(compile.run_eagerly(eagerly)).unwrap();
    let x = random::Generator::new(1).normal([rows, 3], 0.0, 1.0);
    let y = x.sum_keep(-1);
    let fit = || Fit::new().batch_size(batch).silent();
    model.fit(&x, &y, fit().epochs(2).validation_data(&x, &y)).unwrap();
    let first = runs.take();
    model.evaluate(&x, &y).unwrap();
    let evaluated = runs.take();
    model.fit(&x, &y, fit()).unwrap();
    let second = runs.take();
    model.predict(&x).unwrap();
    let weights = model.weights().iter().map(|weight| weight.to_vec().unwrap()).collect();
    ([first, evaluated, second, runs.take()], weights)
}

/// The numbers of TensorFlow's runs; what is not named did not run.
fn theirs(golden: &Golden, key: &str) -> [[usize; 4]; 4] {
    let runs = &golden.graph(key)["body_runs"];
    ["fit_2_epochs", "evaluate", "second_fit", "predict"]
        .map(|call| NAMES.map(|name| runs[call].get(name).and_then(Value::as_u64).unwrap_or(0) as usize))
}

rows! {
    t_k01_traced_bodies_run_a_few_times_however_many_batches => |golden| {
        let theirs = theirs(golden, "keras_trace_counts.graph");
        let (few, _) = body_runs(64, 32, false);
        let (many, _) = body_runs(640, 8, false);
        assert_eq!(few, many, "the number of batches does not matter");
        // One trace of training and one of evaluation, and one run that makes the weights: no more than Keras's.
        for (own, their) in few.iter().zip(&theirs) {
            assert!(own.iter().zip(their).all(|(own, their)| own <= their), "{few:?}, {theirs:?}");
        }
        assert_eq!((few[1], few[2]), ([0; 4], [0; 4]), "everything is traced in the first call");
        assert_eq!((few[3][0], few[3][1]), (theirs[3][0], theirs[3][1]));
    };
    t_k05_run_eagerly_runs_the_bodies_for_every_batch => |golden| {
        let theirs = theirs(golden, "keras_trace_counts.eager");
        let (runs, weights) = body_runs(64, 32, true);
        // Keras evaluates 32 rows at a time; here it is as many as there are, up to 4096, so that validation, evaluation
        // and prediction have one batch where Keras has two.
        let larger = [2, 1, 0, 1];
        for ((own, their), fewer) in runs.iter().zip(&theirs).zip(larger) {
            let their = [their[0] - fewer, their[1] - 3 * fewer, their[2].saturating_sub(fewer), their[3].saturating_sub(fewer)];
            assert_eq!(*own, their, "{runs:?}");
        }
        assert_eq!(weights, body_runs(64, 32, false).1, "with equal bits");
        let (more, _) = body_runs(640, 32, true);
        assert_eq!(more[2][2], 20);
        // Bodies see data.
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let note = {
            let seen = seen.clone();
            move |y: &Tensor, p: &Tensor| {
                seen.lock().unwrap().push(y.sum(..).item::<f32>().unwrap());
                losses::mean_squared_error(y, p)
            }
        };
        let mut model = Model::new(Dense::new(1));
        model.compile(Compile::new().loss(note).optimizer("sgd").run_eagerly(true)).unwrap();
        let y = tensor([[1.0], [2.0], [3.0], [4.0]]);
        model.fit(&Tensor::ones([4, 2]), &y, Fit::new().batch_size(2).shuffle(false).silent()).unwrap();
        assert_eq!(*seen.lock().unwrap(), [3.0, 7.0]);
    };
}
