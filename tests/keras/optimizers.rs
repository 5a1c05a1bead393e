//! Two variables under fixed gradients, and the options around updates.

use serde_json::Value;
use tracelift::prelude::*;

use crate::golden::{File, assert_near, numbers, read_tensor, values_of};

fn optimizer(id: &str, config: &Value) -> AnyOptimizer {
    let number = |name: &str| config[name].as_f64();
    let rate = number("learning_rate").unwrap_or(0.1);
    macro_rules! shared {
        ($optimizer:expr) => {{
            let mut optimizer = $optimizer;
            if let Some(norm) = number("clipnorm") {
                optimizer = optimizer.clip_norm(norm);
            }
            if let Some(norm) = number("global_clipnorm") {
                optimizer = optimizer.global_clip_norm(norm);
            }
            if let Some(value) = number("clipvalue") {
                optimizer = optimizer.clip_value(value);
            }
            if let Some(decay) = number("weight_decay") {
                optimizer = optimizer.weight_decay(decay);
            }
            optimizer.into()
        }};
    }
    if id == "schedule.exponential" {
        let halved_every_other_step = |step: &Tensor| 0.1 * Tensor::from(0.5).pow(step.cast(F64) / 2);
        Sgd::new(halved_every_other_step).into()
    } else if id.starts_with("nadam") {
        shared!(Nadam::new(rate))
    } else if id.contains("adam") {
        shared!(Adam::new(rate))
    } else {
        let sgd = Sgd::new(rate).momentum(number("momentum").unwrap_or(0.0));
        shared!(if config["nesterov"] == true { sgd.nesterov() } else { sgd })
    }
}

#[test]
fn values_after_each_step() {
    let file = File::open("optimizers");
    let ids = [
        "sgd",
        "sgd.lr0.1",
        "sgd.momentum",
        "sgd.nesterov",
        "adam",
        "adam.lr0.1",
        "nadam",
        "nadam.lr0.01",
        "clip.clipnorm",
        "clip.clipvalue",
        "clip.global_clipnorm",
        "weight_decay.sgd",
        "weight_decay.adam",
        "schedule.exponential",
    ];
    for id in ids {
        let entry = file.entry(id);
        let (f32s, f64s) = (numbers(&entry["after_each_step_f32"]), numbers(&entry["after_each_step_f64"]));
        let noise = f32s.iter().zip(&f64s).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        for compiled in [false, true] {
            let optimizer = optimizer(id, &entry["config"]);
            let start = entry["v0"].as_array().unwrap().iter().map(|v| Variable::new(read_tensor(v)));
            let variables: Vec<Variable> = start.collect();
            let step = {
                let (optimizer, variables) = (optimizer.clone(), variables.clone());
                move |a: &Tensor, b: &Tensor| optimizer.apply(&[a.clone(), b.clone()], &variables).map(|_| ())
            };
            let traced = Function::new(step.clone());
            for (i, gradients) in entry["gradients"].as_array().unwrap().iter().enumerate() {
                let (a, b) = (read_tensor(&gradients[0]), read_tensor(&gradients[1]));
                if compiled {
                    traced(&a, &b).unwrap()
                } else {
                    step(&a, &b).unwrap()
                }
                for (variable, expected) in variables.iter().zip(entry["after_each_step_f32"][i].as_array().unwrap()) {
                    let what = format!("{id}, compiled: {compiled}, step {i}");
                    assert_near(&what, &values_of(variable), &numbers(expected), noise);
                }
            }
            let steps = optimizer.optimizer().unwrap().rules().steps().item::<i64>().unwrap();
            assert_eq!(steps as usize, entry["gradients"].as_array().unwrap().len());
        }
    }
}

#[test]
fn missing_gradients() {
    let unconnected = || Tensor::failed(Error::new(ErrorKind::Unconnected, "has no gradient"));
    let variables = [Variable::new([1.0]), Variable::new([2.0])];
    let sgd = Sgd::new(0.1);
    sgd.apply(&[tensor([1.0]), unconnected()], &variables).unwrap();
    let file = File::open("optimizers");
    let expected = &file.entry("errors.one_gradient_none")["output"];
    for (variable, expected) in variables.iter().zip(expected.as_array().unwrap()) {
        assert_near("one missing", &values_of(variable), &numbers(&expected["values"]), 0.0);
    }
    let error = sgd.apply(&[unconnected(), unconnected()], &variables).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Value);
    let unknown = AnyOptimizer::from("nope").optimizer().err().unwrap();
    assert_eq!(unknown.kind, ErrorKind::Value);
    let error = sgd.apply(&[tensor([1.0])], &variables).unwrap_err();
    assert!(error.to_string().contains("got 1 gradients for 2 variables"));
}
