//! What `fit` promises besides numbers: one trace, equal bits, mistakes as errors.

use tracelift::{Call, StopToken, prelude::*, value_and_gradients};

fn rows(n: usize) -> (Tensor, Tensor) {
    let x = random::Generator::new(5).normal([n, 3], 0.0, 1.0);
    let y = (&x * [1.0, -2.0, 0.5]).sum_keep(-1);
    (x, y)
}

fn network() -> Sequential {
    Sequential::new().input([3]).add(Dense::new(8).activation("relu")).add(Dense::new(1))
}

fn weights(model: &Model) -> Vec<Vec<f32>> {
    model.weights().iter().map(|weight| weight.to_vec().unwrap()).collect()
}

#[test]
fn fit_eager_fit_and_a_loop_by_hand_give_equal_bits() {
    let (x, y) = rows(50);
    let fitted = |eagerly: bool, threads: usize| {
        random::set_seed(3).unwrap();
        let mut model = Model::new(network());
        let options = Options { threads, ..Options::training() };
        let compile = Compile::new().loss("mse").optimizer("nadam").options(options).run_eagerly(eagerly);
        model.compile(compile).unwrap();
        let history = model.fit(&x, &y, Fit::new().epochs(3).batch_size(16).shuffle(false).silent()).unwrap();
        assert_eq!(history.steps, 12);
        (weights(&model), history["loss"].clone())
    };
    let compiled = fitted(false, 1);
    assert_eq!(compiled, fitted(true, 1));
    assert_eq!(compiled, fitted(false, 2));

    random::set_seed(3).unwrap();
    let model = Model::new(network());
    let optimizer = Nadam::default();
    let step = Function::new({
        let model = model.clone();
        move |x: &Tensor, y: &Tensor| {
            let variables = model.trainable_variables();
            let forward = || losses::mean_squared_error(y, &Call::training().apply(&model, x)).mean(..);
            let (loss, gradients) = value_and_gradients(forward, &variables);
            optimizer.apply(&gradients, &variables)?;
            loss.ok()
        }
    });
    let step = step.options(Options::training());
    for _ in 0..3 {
        for at in [0usize, 16, 32, 48] {
            let part = at..(at + 16).min(50);
            step(&x.slice(part.clone()), &y.slice(part)).unwrap();
        }
    }
    assert_eq!(compiled.0, weights(&model));
}

#[test]
fn one_step_serves_all_batch_sizes() {
    let (x, y) = rows(45);
    let mut model = Model::new(network());
    model.compile(Compile::new().loss("mse").optimizer("adam")).unwrap();
    for batch_size in [8, 16, 45] {
        model.fit(&x, &y, Fit::new().batch_size(batch_size).silent()).unwrap();
    }
    let step = model.training_step(&x, &y).unwrap();
    assert!(step.graph().to_string().contains("%x: f32[B, 3]"), "{}", step.graph());
    let second = model.training_step(&x, &y).unwrap();
    assert!(std::sync::Arc::ptr_eq(&step, &second));
    // Forty-five rows in batches of 44 leave one alone.
    let history = model.fit(&x, &y, Fit::new().batch_size(44).silent()).unwrap();
    assert_eq!(history.steps, 2);
}

#[test]
fn the_seed_decides_everything() {
    let (x, y) = rows(40);
    let trained = |seed: u64| {
        random::set_seed(seed).unwrap();
        let mut model = Model::new(network());
        model.compile(Compile::new().loss("mse").optimizer("sgd")).unwrap();
        model.fit(&x, &y, Fit::new().epochs(2).silent()).unwrap();
        weights(&model)
    };
    assert_eq!(trained(1), trained(1));
    assert_ne!(trained(1), trained(2));
}

#[test]
fn appending_a_layer_changes_no_other() {
    let kernel = |net: Sequential| {
        random::set_seed(9).unwrap();
        Model::new(net).weights()[0].to_vec::<f32>().unwrap()
    };
    assert_eq!(kernel(network()), kernel(network().add(Dense::new(4))));
}

#[test]
fn a_weight_that_the_loss_does_not_reach_is_a_warning() {
    #[derive(Module)]
    struct Half {
        used: Dense,
        unused: Dense,
    }
    impl Layer for Half {
        fn call(&self, x: &Tensor, _: &Call) -> Tensor {
            let _ = self.unused.apply(x);
            self.used.apply(x)
        }
    }
    let (x, y) = rows(8);
    let mut model = Model::new(Half { used: Dense::new(1), unused: Dense::new(1) });
    model.compile(Compile::new().loss("mse").optimizer("sgd")).unwrap();
    let history = model.fit(&x, &y, Fit::new().silent()).unwrap();
    assert_eq!(
        history.warnings,
        ["unused/kernel", "unused/bias"]
            .map(|name| format!("the loss does not depend on the weight `{name}`: it is not trained"))
    );
}

#[test]
fn mistakes_are_errors_that_say_what_to_do() {
    let (x, y) = rows(8);
    let fitted = |net: Sequential, x: &Tensor, y: &Tensor, fit: Fit| {
        let mut model = Model::new(net);
        model.compile(Compile::new().loss("mse").optimizer("sgd")).unwrap();
        model.fit(x, y, fit.silent()).unwrap_err().to_string()
    };
    let plain = |fit: Fit| fitted(network(), &x, &y, fit);
    for (message, expected) in [
        (plain(Fit::new().batch_size(0)), "cannot make batches of 0 rows"),
        (plain(Fit::new().validation_split(f64::NAN)), "cannot put a share of NaN of the rows aside"),
        (plain(Fit::new().validation_split(1.5)), "cannot put a share of 1.5 of the rows aside"),
        (fitted(network(), &x, &y.slice(..7), Fit::new()), "was given 8 rows of inputs and 7 rows of targets"),
        (fitted(network(), &x.slice(..0), &y.slice(..0), Fit::new()), "got no rows"),
        (fitted(network(), &Tensor::ones([8, 4]), &y, Fit::new()), "inner axes are 4 and 3"),
        (fitted(Sequential::new().add(Dense::new(0)), &x, &y, Fit::new()), "cannot have 0 units"),
        (fitted(network(), &tensor(1.0), &y, Fit::new()), "f32[] has no rows"),
    ] {
        assert!(message.contains(expected), "{expected:?} in {message}");
    }

    let mut classifier = Model::new(Sequential::new().add(Dense::new(2).activation("softmax")));
    classifier.compile(Compile::new().loss("sparse_categorical_crossentropy").optimizer("sgd")).unwrap();
    let error = classifier.fit(&Tensor::ones([3, 4]), &tensor([0, 1, 2]), Fit::new().silent()).unwrap_err();
    assert!(error.to_string().contains("the label 2 in row 2, which is not one of 2 classes"), "{error}");

    let mut model = Model::new(network());
    assert!(model.fit(&x, &y, Fit::new()).unwrap_err().to_string().contains("has not been told how to train"));
    let errors = model.compile(Compile::new().loss("mean_sqared_error").optimizer("adamm")).unwrap_err();
    assert!(errors.to_string().contains("did you mean \"mean_squared_error\"?"), "{errors}");
}

#[test]
fn a_failed_or_stopped_fit_leaves_weights_as_they_were() {
    let (x, y) = rows(8);
    let mut model = Model::new(network());
    model.compile(Compile::new().loss("mse").optimizer("sgd")).unwrap();
    let before = weights(&model);
    let stop = StopToken::new();
    stop.stop();
    let error = model.fit(&x, &y, Fit::new().silent().stop_token(&stop)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert!(model.fit(&x, &Tensor::ones([8, 5, 2]), Fit::new().silent()).is_err());
    assert_eq!(weights(&model), before);
}

#[test]
fn callbacks_see_epochs_and_may_stop() {
    struct AfterTwo;
    impl Callback for AfterTwo {
        fn on_epoch_end(&self, epoch: usize, _: &tracelift::Logs) -> Result<bool> {
            Ok(epoch == 1)
        }
    }
    let (x, y) = rows(8);
    let mut model = Model::new(network());
    model.compile(Compile::new().loss("mse").optimizer("sgd")).unwrap();
    let fit = Fit::new().epochs(9).silent().callback(AfterTwo).validation_split(0.25);
    let history = model.fit(&x, &y, fit).unwrap();
    assert_eq!((history["loss"].len(), history["val_loss"].len()), (2, 2));
}
