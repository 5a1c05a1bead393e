//! Networks on housing rows: outputs, losses, gradients, weights after steps, `fit` and `evaluate`.

use serde_json::Value;
use tracelift::{Call, Verbose, losses::Huber, prelude::*, value_and_gradients};

use crate::golden::{File, assert_near, assert_tensor, number, numbers, read_tensor, values_of};

/// An entry with its network, its rows, and the weights to start from.
struct Case {
    entry: Value,
    x: Tensor,
    y: Tensor,
    weights: Vec<Tensor>,
}

impl Case {
    fn open(id: &str) -> Case {
        let file = File::open("models_mlp");
        let mut entry = file.entry(id).clone();
        let rows = file.entry("housing_rows");
        // Entries about whole trainings start where `mlp.mse` does.
        let start = if entry["weights"].is_array() {
            entry["weights"].clone()
        } else {
            file.entry("mlp.mse")["weights"].clone()
        };
        let part = |name: &str| {
            let own = &entry[name];
            read_tensor(if own.is_object() { own } else { &rows[name] })
        };
        let (x, y) = (part("x"), part("y"));
        let weights = start.as_array().unwrap().iter().map(|weight| {
            let shape: Vec<usize> = numbers(&weight["shape"]).into_iter().map(|n| n as usize).collect();
            let values: Vec<f32> = numbers(&weight["values"]).into_iter().map(|x| x as f32).collect();
            Tensor::from(Array::new(shape, values).unwrap())
        });
        let weights = weights.collect();
        if !entry["args"]["hidden"].is_array() {
            entry["args"] = file.entry("mlp.mse")["args"].clone();
        }
        Case { entry, x, y, weights }
    }

    fn network(&self) -> Sequential {
        let args = &self.entry["args"];
        let activation = args["act"].as_str().unwrap();
        let hidden = args["hidden"].as_array().unwrap();
        let net = hidden.iter().fold(Sequential::new().input([self.x.shape().last().unwrap()]), |net, units| {
            net.add(Dense::new(units.as_u64().unwrap() as usize).activation(activation))
        });
        net.add(Dense::new(args["out"].as_u64().unwrap_or(1) as usize))
    }

    fn loss(&self) -> AnyLoss {
        match self.entry["args"]["threshold"].as_f64() {
            Some(delta) => Huber::new(delta).into(),
            None => "mse".into(),
        }
    }

    /// A model at the start weights.
    fn model(&self, optimizer: AnyOptimizer, eagerly: bool) -> Model {
        let mut model = Model::new(self.network());
        model.set_weights(&self.weights).unwrap();
        let compile = Compile::new().loss(self.loss()).optimizer(optimizer).metric("mae");
        model.compile(compile.run_eagerly(eagerly)).unwrap();
        model
    }

    fn noise(&self, what: &str) -> f64 {
        number(&self.entry["noise"][what])
    }
}

fn whole(case: &Case) -> Fit {
    Fit::new().batch_size(case.x.len().unwrap()).shuffle(false).silent()
}

#[test]
fn outputs_losses_and_gradients() {
    for id in ["mlp.mse", "mlp.huber.1.0", "mlp.huber.2.0", "mlp.odd"] {
        let case = Case::open(id);
        let net = case.network();
        Call::inference().apply(&net, &case.x).ok().unwrap();
        net.set_weights(&case.weights).unwrap();
        let loss = case.loss();
        let traced = {
            let (net, loss) = (net.share(), loss.clone());
            Function::new(move |x: &Tensor, y: &Tensor| {
                let forward = || {
                    let output = net.apply(x);
                    (loss.call(y, &output).mean(..), output)
                };
                let ((loss, output), gradients) = value_and_gradients(forward, &net.trainable_variables());
                (loss, output, gradients)
            })
        };
        let at_once = || {
            let forward = || {
                let output = net.apply(&case.x);
                (loss.call(&case.y, &output).mean(..), output)
            };
            let ((loss, output), gradients) = value_and_gradients(forward, &net.trainable_variables());
            (loss, output, gradients)
        };
        for (engine, (loss, output, gradients)) in [("eager", at_once()), ("compiled", traced(&case.x, &case.y))] {
            assert_tensor(&format!("{id}, {engine}: loss"), &loss, &case.entry["loss"], case.noise("loss"));
            assert_tensor(&format!("{id}, {engine}: output"), &output, &case.entry["output"], case.noise("output"));
            assert_eq!(gradients.len(), case.weights.len());
            for (i, gradient) in gradients.iter().enumerate() {
                let expected = &case.entry["gradients"][i];
                assert_tensor(&format!("{id}, {engine}: gradient {i}"), gradient, expected, case.noise("gradients"));
            }
        }
    }
}

fn optimizer(name: &str) -> AnyOptimizer {
    match name {
        "sgd_momentum" => Sgd::new(0.01).momentum(0.9).into(),
        "sgd_nesterov" => Sgd::new(0.01).momentum(0.9).nesterov().into(),
        known => known.into(),
    }
}

#[test]
fn weights_after_steps() {
    for id in ["mlp.mse", "mlp.huber.1.0", "mlp.huber.2.0", "mlp.odd"] {
        let case = Case::open(id);
        let steps = case.entry["steps"].as_object().unwrap();
        for name in ["sgd", "sgd_momentum", "sgd_nesterov", "adam", "nadam"] {
            let Some(expected) = steps.get(name) else {
                assert!(id.starts_with("mlp.huber") && name != "nadam", "{id} has steps of {name}");
                continue;
            };
            for eagerly in [false, true] {
                let what = format!("{id}, {name}, eagerly: {eagerly}");
                let noise = number(&expected["noise"]);
                let mut model = case.model(optimizer(name), eagerly);
                let mut losses = Vec::new();
                for step in 1..=5 {
                    losses.extend(model.fit(&case.x, &case.y, whole(&case)).unwrap()["loss"].clone());
                    let Some(weights) = expected["weights_after"].get(step.to_string()) else { continue };
                    for (i, weight) in model.weights().iter().enumerate() {
                        assert_tensor(&format!("{what}: weight {i} after {step}"), weight, &weights[i], noise);
                    }
                }
                let recorded = numbers(&expected["loss_before_each_step"]);
                assert_near(&format!("{what}: losses"), &losses, &recorded, case.noise("loss"));
            }
        }
    }
}

#[test]
fn a_real_fit() {
    let case = Case::open("mlp.fit");
    let noise = 5e-8;
    for eagerly in [false, true] {
        let mut model = case.model("nadam".into(), eagerly);
        let fit = Fit::new().epochs(2).batch_size(8).shuffle(false).verbose(Verbose::Silent);
        let fit = fit.validation_data(&case.x.slice(..10), &case.y.slice(..10));
        let history = model.fit(&case.x, &case.y, fit).unwrap();
        let recorded = case.entry["history"].as_object().unwrap();
        assert_eq!(history.iter().count(), recorded.len());
        for (name, expected) in recorded {
            assert_near(name, &history[name.as_str()], &numbers(expected), noise);
        }
        for (i, weight) in model.weights().iter().enumerate() {
            assert_tensor(&format!("weight {i}"), weight, &case.entry["weights_after"][i], noise);
        }
        let predicted = model.predict(&case.x.slice(..3)).unwrap();
        assert_tensor("predictions", &predicted, &case.entry["predict_first_3"], noise);
    }
}

#[test]
fn evaluation_before_any_step() {
    let case = Case::open("mlp.evaluate");
    for eagerly in [false, true] {
        let logs = case.model("nadam".into(), eagerly).evaluate(&case.x, &case.y).unwrap();
        for (name, expected) in case.entry["output"].as_object().unwrap() {
            assert_near(name, &[logs[name.as_str()]], &[number(expected)], 0.0);
        }
    }
}

#[test]
fn batches_weigh_by_their_size() {
    let case = Case::open("mlp.fit_ragged_batches");
    for eagerly in [false, true] {
        let mut model = case.model(Sgd::new(0.0).into(), eagerly);
        let history = model.fit(&case.x, &case.y, Fit::new().batch_size(7).silent()).unwrap();
        for (name, expected) in case.entry["history"].as_object().unwrap() {
            assert_near(name, &history[name.as_str()], &numbers(expected), 0.0);
        }
        let before: Vec<Vec<f64>> = case.weights.iter().map(values_of).collect();
        assert_eq!(model.weights().iter().map(values_of).collect::<Vec<_>>(), before, "a rate of 0 changes nothing");
    }
}
