//! Bad shapes, dtypes, axes, indices and sizes are errors: no call panics, and a call that fails changes no variable.

use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracelift::prelude::*;
use tracelift::{WhileLoop, concat, cond, for_range, relax, stack, value_and_gradients};

/// Small shapes that often do not fit together, empty axes and unit axes among them.
fn shapes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0usize..4, 0..4)
}

fn dtypes() -> impl Strategy<Value = DType> {
    prop::sample::select(DType::ALL.to_vec())
}

/// Tensors of small numbers, of any dtype; some carry an error already.
fn tensors() -> impl Strategy<Value = Tensor> {
    (shapes(), dtypes(), prop::sample::select(vec![0.0, 1.0, -2.5, 3.0, 1e9]), 0u8..20).prop_map(
        |(shape, dtype, value, poison)| match poison {
            0 => tensor([1.0, 2.0]) + tensor([1.0, 2.0, 3.0]),
            _ => (Tensor::ones(shape) * value).cast(dtype),
        },
    )
}

fn axes() -> impl Strategy<Value = i32> {
    prop_oneof![-5i32..5, Just(i32::MIN), Just(i32::MAX)]
}

fn indices() -> impl Strategy<Value = i64> {
    prop_oneof![-5i64..5, Just(i64::MIN), Just(i64::MAX)]
}

/// What a random call is made with.
#[derive(Clone, Debug)]
struct Arguments {
    a: Tensor,
    b: Tensor,
    shape: Vec<usize>,
    axis: i32,
    other_axis: i32,
    index: i64,
    end: i64,
    step: i64,
    dtype: DType,
}

fn arguments() -> impl Strategy<Value = Arguments> {
    let axes = (axes(), axes());
    let slice = (indices(), indices(), indices());
    (tensors(), tensors(), shapes(), axes, slice, dtypes()).prop_map(|(a, b, shape, axes, slice, dtype)| Arguments {
        a,
        b,
        shape,
        axis: axes.0,
        other_axis: axes.1,
        index: slice.0,
        end: slice.1,
        step: slice.2,
        dtype,
    })
}

type Call = fn(&Arguments) -> Tensor;

/// Everything that is called with bad arguments, with its name for messages.
const CALLS: &[(&str, Call)] = &[
    ("add", |x| &x.a + &x.b),
    ("sub", |x| &x.a - 1),
    ("mul", |x| 0.5 * &x.a),
    ("div", |x| &x.a / &x.b),
    ("rem", |x| &x.a % &x.b),
    ("floor_div", |x| x.a.floor_div(&x.b)),
    ("neg", |x| -&x.a),
    ("not", |x| x.a.not()),
    ("exp", |x| x.a.exp()),
    ("abs", |x| x.a.abs()),
    ("sqrt", |x| x.a.sqrt()),
    ("powi", |x| x.a.powi(x.axis)),
    ("pow", |x| x.a.pow(&x.b)),
    ("maximum", |x| x.a.maximum(&x.b)),
    ("lt", |x| x.a.lt(&x.b)),
    ("eq", |x| x.a.eq(&x.b)),
    ("matmul", |x| x.a.matmul(&x.b)),
    ("sum", |x| x.a.sum(x.axis)),
    ("sum of two", |x| x.a.sum([x.axis, x.other_axis])),
    ("mean", |x| x.a.mean(x.axis)),
    ("max", |x| x.a.max(x.axis)),
    ("prod", |x| x.a.prod(x.axis)),
    ("argmax", |x| x.a.argmax(x.axis)),
    ("softmax", |x| x.a.softmax(x.axis)),
    ("reshape", |x| x.a.reshape(x.shape.clone())),
    ("broadcast_to", |x| x.a.broadcast_to(x.shape.clone())),
    ("transpose", |x| x.a.transpose(&[x.axis, x.other_axis])),
    ("slice one", |x| x.a.slice(x.index)),
    ("slice range", |x| x.a.slice(x.index..x.end)),
    ("slice steps", |x| x.a.slice(s![x.index..x.end;x.step, ..])),
    ("gather", |x| x.a.gather(&x.b)),
    ("select", |x| select(&x.a, &x.b, 1.0)),
    ("cast", |x| x.a.cast(x.dtype)),
    ("concat", |x| concat(&[&x.a, &x.b], x.axis)),
    ("stack", |x| stack(&[&x.a, &x.b], x.axis)),
    ("dim", |x| x.a.dim(x.axis)),
    ("cond", |x| cond(&x.a, || x.b.clone(), || &x.b + 1)),
    ("while", |x| while_loop((x.a.clone(), tensor(0)), |(_, i)| i.lt(2), |(a, i)| (a.sum(x.axis), i + 1)).0),
    ("while of changing shapes", |x| {
        let spec = tracelift::TensorSpec::new(x.dtype, vec![None; x.shape.len()]);
        let relaxed = WhileLoop::new().shape_invariants((spec, None));
        let state = (x.a.clone(), tensor(0));
        relaxed.run(state, |(a, i)| i.lt(3).and(a.dim(0).lt(50)), |(a, i)| (concat(&[&a, &x.b], x.axis), i + 1)).0
    }),
    ("relaxed for_range", |x| {
        let start = relax(&x.a, tracelift::TensorSpec::new(x.a.dtype(), vec![None; x.a.rank()]));
        for_range(x.b.minimum(3), start, |i, a| concat(&[&a, &(&a + i)], x.axis) + 1)
    }),
    // A loop does what it is told, so it is not told to go around a billion times.
    ("for_range", |x| for_range(x.b.minimum(50), x.a.clone(), |i, a| a + i)),
    ("zeros", |x| Tensor::zeros(x.shape.clone())),
    ("normal", |x| random::normal(x.shape.clone(), 0.0, 1.0)),
    ("loss", |x| AnyLoss::from("sparse_categorical_crossentropy").call(&x.a, &x.b)),
    ("dense", |x| Dense::new(2).activation("relu").apply(&x.a)),
    ("flatten", |x| Flatten::new().apply(&x.a)),
    ("conv1d", |x| Conv1D::new(2, 2).strides(x.shape.len()).kernel_initializer("ones").apply(&x.a)),
    ("max_pooling1d", |x| MaxPooling1D::new(x.shape.len()).strides(1).padding(Padding::Same).apply(&x.a)),
    ("average_pooling1d", |x| AveragePooling1D::new(x.shape.len()).apply(&x.a)),
    ("layer normalization", |x| LayerNormalization::new().axes([x.axis, x.other_axis]).apply(&x.a)),
    ("global average pooling", |x| GlobalAveragePooling1D::new().apply(&x.a)),
    ("lstm", |x| Lstm::new(2).return_sequences().apply(&x.a)),
    ("attention", |x| MultiHeadAttention::new(2, 1).use_causal_mask().apply((&x.a, &x.b, &x.b))),
];

/// The result of a call, or why it is none; an error if it panics or shows a fault of tracelift's own.
fn outcome<T>(name: &str, call: impl FnOnce() -> Result<T>) -> Result<Result<T>, TestCaseError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Err(error)) if error.kind == ErrorKind::Internal => {
            Err(TestCaseError::fail(format!("`{name}` fails by a fault of tracelift's own: {error}")))
        }
        Ok(result) => Ok(result),
        Err(_) => Err(TestCaseError::fail(format!("`{name}` panics"))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn calls_answer_or_refuse(x in arguments(), n in 0..CALLS.len()) {
        let (name, call) = CALLS[n];
        let result = outcome(name, || call(&x).ok())?;
        if let Ok(result) = &result {
            let shown = outcome(name, || Ok(format!("{result} {result:?}")))?;
            prop_assert!(!shown.unwrap_or_default().is_empty());
            let _ = outcome(name, || result.item::<f32>())?;
            let _ = outcome(name, || result.to_vec::<i64>())?;
            if let Some(poison) = x.a.error() {
                prop_assert!(!["add", "neg", "sum", "matmul"].contains(&name), "`{name}` loses an error: {poison}");
            }
        }
    }

    #[test]
    fn compiled_calls_answer_as_eager_ones_do(x in arguments(), n in 0..CALLS.len()) {
        let (name, call) = CALLS[n];
        // What draws random numbers, or makes weights from them, differs from call to call; labels are data, which a
        // trace does not see (`fit` looks at them before the first step); an eager branch that is not taken is not made.
        prop_assume!(!["normal", "dense", "lstm", "attention", "loss", "cond"].contains(&name) && x.a.error().is_none() && x.b.error().is_none());
        let eager = outcome(name, || call(&x).ok())?;
        let held = x.clone();
        let function = Function::new(move |a: &Tensor, b: &Tensor| {
            call(&Arguments { a: a.clone(), b: b.clone(), ..held.clone() })
        });
        let compiled = outcome(name, || function(&x.a, &x.b).ok())?;
        match (eager, compiled) {
            (Ok(eager), Ok(compiled)) => prop_assert_eq!(eager.to_array().unwrap(), compiled.to_array().unwrap(), "{}", name),
            (Err(eager), Err(compiled)) => prop_assert_eq!(eager.kind, compiled.kind, "{}: {} {}", name, eager, compiled),
            (eager, compiled) => prop_assert!(false, "`{}` answers {:?} eagerly and {:?} compiled", name, eager, compiled),
        }
    }

    #[test]
    fn variables_survive_failed_calls(x in arguments(), first in shapes(), n in 0..CALLS.len()) {
        let (name, call) = CALLS[n];
        let v = Variable::new(Tensor::ones(first) * 2.0);
        let before = v.value().to_array().unwrap();
        let held = x.clone();
        let change = {
            let v = v.clone();
            Function::new(move |a: &Tensor| -> Result<Tensor> {
                v.assign(&v + 1.0)?;
                let y = call(&Arguments { a: a.clone(), ..held.clone() }).ok()?;
                v.assign_add(y)
            })
        };
        match outcome(name, || change(&x.a))? {
            Ok(_) => prop_assert!(v.value().to_array().unwrap().shape() == before.shape()),
            Err(_) => prop_assert_eq!(v.value().to_array().unwrap(), before, "{}", name),
        }
        let steps: [(&str, &dyn Fn() -> Result<Tensor>); 2] =
            [("assign", &|| v.assign(&x.a)), ("assign_sub", &|| v.assign_sub(&x.b))];
        for (name, step) in steps {
            let before = v.value().to_array().unwrap();
            if outcome(name, step)?.is_err() {
                prop_assert_eq!(v.value().to_array().unwrap(), before, "{}", name);
            }
        }
    }

    #[test]
    fn gradients_and_training_refuse(x in arguments(), batch in 0usize..4, epochs in 0usize..3) {
        let w = Variable::new([1.0, 2.0, 3.0]);
        let _ = outcome("gradient", || {
            let (y, dw) = value_and_gradients(|| (&x.a * &w).sum(x.axis), &w);
            y.ok()?;
            dw.ok()
        })?;
        let _ = outcome("fit", || {
            let mut model = Model::new(Dense::new(2));
            model.compile(Compile::new().loss("mse").optimizer("adam"))?;
            model.fit(&x.a, &x.b, Fit::new().batch_size(batch).epochs(epochs).silent())?;
            model.evaluate(&x.a, &x.b)?;
            model.predict(&x.b)
        })?;
    }
}
