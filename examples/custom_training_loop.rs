//! What `fit` does, written by hand: forward, loss, gradients, update and metrics are one compiled function.

use tracelift::{
    Call,
    data::{StandardScaler, housing, random_batch, to_f32, train_test_split},
    losses::mean_squared_error,
    metrics::{Mean, MeanAbsoluteError},
    prelude::*,
};

const EPOCHS: usize = 5;
const BATCH: usize = 32;

fn main() -> Result {
    let table = housing(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/housing.csv"))?;
    let split = train_test_split(&table.x, &table.y, 0.25, 42)?;
    let scaler = StandardScaler::fit(&split.x_train)?;
    let (x_train, y_train) = (to_f32(&scaler.transform(&split.x_train)?)?, to_f32(&split.y_train)?);

    random::set_seed(42)?;
    let model = Model::new(
        Sequential::new()
            .input([8])
            .add(Dense::new(30).activation("elu").kernel_initializer("he_normal").kernel_regularizer("l2"))
            .add(Dense::new(1).kernel_regularizer("l2")),
    );
    let optimizer = Nadam::new(0.01);
    let (mean_loss, mae) = (Mean::new(), MeanAbsoluteError::new());

    // Traced once; every further call runs native code.
    let step = Function::new({
        let (model, mean_loss, mae) = (model.clone(), mean_loss.share(), mae.share());
        move |x: &Tensor, y: &Tensor| -> Result<Tensor> {
            let variables = model.trainable_variables();
            let call = Call::training();
            let tape = GradientTape::new();
            let y_pred = call.apply(&model, x);
            // The penalties of the weights are the call's.
            let loss = mean_squared_error(y, &y_pred).mean(..) + call.loss();
            optimizer.apply(&tape.gradient(&loss, &variables), &variables)?;
            mean_loss.update_values(&loss, None)?;
            mae.update_state(y, &y_pred, None)?;
            loss.ok()
        }
    })
    .options(Options::training());

    let mut generator = data::Generator::new(42);
    let steps = x_train.shape()[0] / BATCH;
    for epoch in 1..=EPOCHS {
        for _ in 0..steps {
            let (x, y) = random_batch(&x_train, &y_train, BATCH, &mut generator)?;
            step(&x.into(), &y.into())?;
        }
        let (loss, mae_value) = (mean_loss.result().item::<f32>()?, mae.result().item::<f32>()?);
        println!("Epoch {epoch}/{EPOCHS} - {steps}/{steps} - mean: {loss:.4} - mean_absolute_error: {mae_value:.4}");
        mean_loss.reset_state()?;
        mae.reset_state()?;
    }
    println!("the step was traced {} time", step.trace_count());
    Ok(())
}
