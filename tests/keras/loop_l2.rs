//! A training loop written by hand, with penalties on the weights: eagerly, compiled step by step, and as one loop of a
//! compiled function.

use serde_json::Value;
use tracelift::{for_range, prelude::*, value_and_gradients};

use crate::golden::{File, assert_near, assert_tensor, number, numbers, read_tensor};

/// Two layers, and the data.
#[derive(Clone)]
struct Setting {
    weights: [Variable; 4],
    x: Tensor,
    y: Tensor,
    l2: f64,
    rate: f64,
}

impl Setting {
    fn open(file: &File) -> Setting {
        let (entry, rows) = (file.entry("loop_l2"), file.entry("housing_rows"));
        let weight = |n: usize| {
            let weight = &entry["weights"][n];
            let shape: Vec<i64> = numbers(&weight["shape"]).into_iter().map(|n| n as i64).collect();
            Variable::new(read_tensor(&weight["values"]).reshape(shape))
        };
        let args = &entry["args"];
        Setting {
            weights: [0, 1, 2, 3].map(weight),
            x: read_tensor(&rows["x"]),
            y: read_tensor(&entry["y"]),
            l2: number(&args["l2"]),
            rate: number(&args["lr"]),
        }
    }

    fn output(&self) -> Tensor {
        let [kernel, bias, last, last_bias] = &self.weights;
        (self.x.matmul(kernel) + bias).relu().matmul(last) + last_bias
    }

    fn main_loss(&self) -> Tensor {
        (self.output() - &self.y).square().mean(..)
    }

    fn penalty(&self, n: usize) -> Tensor {
        &self.weights[n].square().sum(..) * self.l2
    }

    fn loss(&self) -> Tensor {
        self.main_loss() + self.penalty(0) + self.penalty(2)
    }

    fn gradients(&self) -> (Tensor, [Tensor; 4]) {
        let [a, b, c, d] = &self.weights;
        value_and_gradients(|| self.loss(), [a, b, c, d])
    }

    /// One step downhill; gives the loss before it.
    fn step(&self) -> Tensor {
        let (loss, gradients) = self.gradients();
        for (weight, gradient) in self.weights.iter().zip(gradients) {
            weight.assign_sub(gradient * self.rate).expect("a gradient has the shape of its weight");
        }
        loss
    }
}

fn check_weights(what: &str, setting: &Setting, steps: &Value, step: usize) {
    let Some(expected) = steps["weights_after"].get(step.to_string()) else { return };
    for (n, weight) in setting.weights.iter().enumerate() {
        let what = format!("{what}: weight {n} after {step}");
        assert_tensor(&what, &weight.value(), &expected[n], number(&steps["noise"]));
    }
}

#[test]
fn losses_penalties_and_gradients() {
    let file = File::open("models_mlp");
    let (setting, entry) = (Setting::open(&file), file.entry("loop_l2"));
    let noise = |what: &str| number(&entry["noise"][what]);
    assert_tensor("output", &setting.output(), &entry["output"], noise("output"));
    assert_tensor("main loss", &setting.main_loss(), &entry["main_loss"], noise("loss"));
    for (n, weight) in [0, 2].into_iter().enumerate() {
        assert_tensor("penalty", &setting.penalty(weight), &entry["added_losses"][n], noise("loss"));
    }
    let (loss, gradients) = setting.gradients();
    assert_tensor("loss", &loss, &entry["loss"], noise("loss"));
    for (n, gradient) in gradients.iter().enumerate() {
        assert_tensor(&format!("gradient {n}"), gradient, &entry["gradients"][n], noise("gradients"));
    }
}

#[test]
fn five_steps_by_hand() {
    let file = File::open("models_mlp");
    let steps = &file.entry("loop_l2")["steps"]["sgd"];
    let expected = numbers(&steps["loss_before_each_step"]);
    for compiled in [false, true] {
        let setting = Setting::open(&file);
        let own = setting.clone();
        let step = Function::new(move || own.step());
        let mut losses = vec![];
        for n in 1..=5 {
            let loss = if compiled { step() } else { setting.step() };
            losses.push(f64::from(loss.item::<f32>().unwrap()));
            check_weights(if compiled { "compiled" } else { "eager" }, &setting, steps, n);
        }
        assert_near("losses", &losses, &expected, number(&steps["noise"]));
    }
}

#[test]
fn five_steps_in_one_loop_of_a_compiled_function() {
    let file = File::open("models_mlp");
    let steps = &file.entry("loop_l2")["steps"]["sgd"];
    let setting = Setting::open(&file);
    let own = setting.clone();
    let train = Function::new(move |n: &Tensor| for_range(n, own.loss(), |_, _| own.step()));
    let last = train(&tensor(5)).item::<f32>().unwrap();
    check_weights("one loop", &setting, steps, 5);
    let expected = numbers(&steps["loss_before_each_step"]);
    assert_near("the last loss", &[f64::from(last)], &expected[4..], number(&steps["noise"]));
}
