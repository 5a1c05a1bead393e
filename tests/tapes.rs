//! Training steps written with tapes: at once, compiled, and as closures they leave the same weights, to the bit.

use tracelift::{Call, losses::mean_squared_error, prelude::*, value_and_gradients};

/// A small network and its optimizer, always from the same seed.
fn beginning() -> (Model, Adam) {
    random::set_seed(7).unwrap();
    let layers = Sequential::new()
        .input([3])
        .add(Dense::new(8).activation("elu").kernel_regularizer("l2"))
        .add(Dense::new(1).kernel_constraint("non_neg"));
    (Model::new(layers), Adam::new(0.05))
}

fn data() -> (Tensor, Tensor) {
    let x = tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [-2.0, 1.0, 0.0], [0.1, 0.2, 0.3]]);
    (x, tensor([[1.0], [-1.0], [0.5], [2.0]]))
}

fn loss(model: &Model, call: &Call, x: &Tensor, y: &Tensor) -> Tensor {
    mean_squared_error(y, &call.apply(model, x)).mean(..) + call.loss()
}

fn by_tape(model: &Model, optimizer: &Adam, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let variables = model.trainable_variables();
    let tape = GradientTape::new();
    let loss = loss(model, &Call::training(), x, y);
    optimizer.apply(&tape.gradient(&loss, &variables), &variables)?;
    loss.ok()
}

fn by_closure(model: &Model, optimizer: &Adam, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let variables = model.trainable_variables();
    let (loss, gradients) = value_and_gradients(|| loss(model, &Call::training(), x, y), &variables);
    optimizer.apply(&gradients, &variables)?;
    loss.ok()
}

/// The losses of three steps, then all weights.
fn train(step: impl Fn(&Model, &Adam, &Tensor, &Tensor) -> Result<Tensor>) -> Vec<Array> {
    let (model, optimizer) = beginning();
    let (x, y) = data();
    let mut seen: Vec<Array> = (0..3).map(|_| step(&model, &optimizer, &x, &y).unwrap().to_array().unwrap()).collect();
    seen.extend(model.variables().iter().map(|variable| variable.to_array().unwrap()));
    seen
}

#[test]
fn steps_by_tape_and_by_closure_are_the_same_at_once_and_compiled() {
    let compiled = |step: fn(&Model, &Adam, &Tensor, &Tensor) -> Result<Tensor>| {
        let (model, optimizer) = beginning();
        let (x, y) = data();
        let function = Function::new({
            let model = model.clone();
            move |x: &Tensor, y: &Tensor| step(&model, &optimizer, x, y)
        });
        let mut seen: Vec<Array> = (0..3).map(|_| function(&x, &y).unwrap().to_array().unwrap()).collect();
        assert_eq!(function.trace_count(), 1);
        seen.extend(model.variables().iter().map(|variable| variable.to_array().unwrap()));
        seen
    };
    let expected = train(by_tape);
    assert!(expected[2].item::<f32>().unwrap() < expected[0].item::<f32>().unwrap());
    for (name, given) in [
        ("closure at once", train(by_closure)),
        ("tape compiled", compiled(by_tape)),
        ("closure compiled", compiled(by_closure)),
    ] {
        assert_eq!(given.len(), expected.len(), "{name}");
        for (n, (a, b)) in expected.iter().zip(&given).enumerate() {
            assert!(a.bit_eq(b), "{name}, {n}: {a} and {b}");
        }
    }
}

#[test]
fn optimizers_skip_what_the_loss_does_not_depend_on() {
    let (used, unused) = (Variable::new(3.0), Variable::new(5.0));
    let sgd = Sgd::new(0.1);
    let tape = GradientTape::persistent();
    let loss = used.square();
    let gradients = tape.gradient(&loss, [&used, &unused]);
    sgd.apply(&gradients, &[used.clone(), unused.clone()]).unwrap();
    assert_eq!((used.item::<f32>().unwrap(), unused.item::<f32>().unwrap()), (2.4, 5.0));
    let missing = tape.gradient(&loss, [&unused]);
    let error = sgd.apply(&missing, std::slice::from_ref(&unused)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Value);
    assert!(error.message.contains("no gradient for any variable"), "{error}");
}
