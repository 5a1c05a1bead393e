//! What users read when they make a mistake: what, with which shapes, where, and how to mend it.
//!
//! `INSTA_UPDATE=always cargo test --test messages` rewrites the texts; read them as if a stranger had written them.

use std::sync::Mutex;
use tracelift::data::{Csv, Missing, StandardScaler, parse_idx};
use tracelift::prelude::*;
use tracelift::{
    GradientTape, TensorArray, WhileLoop, concat, cond, custom_gradient, for_range, grad, jacobian, relax,
    value_and_gradients, vmap,
};

/// The message, with `L:C` for lines and columns of this file.
fn text(error: &Error) -> String {
    let text = format!("{}: {error}", error.kind);
    let mut parts = text.split("messages.rs:");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
        shown += &format!("messages.rs:L:C{rest}");
    }
    shown
}

/// The message of something that must fail.
fn of<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("this must fail"),
        Err(error) => text(&error),
    }
}

/// The message of a tensor that carries an error.
fn carried(tensor: &Tensor) -> String {
    text(tensor.error().expect("this tensor carries an error"))
}

/// Several messages as one snapshot.
fn list(messages: &[String]) -> String {
    messages.join("\n\n")
}

#[test]
fn shapes_that_do_not_fit() {
    let (a, b) = (Tensor::ones([2, 3]), Tensor::ones([4, 5]));
    insta::assert_snapshot!(list(&[
        carried(&(&a + &b)),
        carried(&a.matmul(&b)),
        carried(&a.reshape([7])),
        carried(&a.sum(2)),
        carried(&a.slice((.., 9))),
        carried(&tracelift::concat(&[&a, &b], 0)),
        carried(&a.broadcast_to([3, 3])),
        carried(&a.transpose(&[0, 0])),
    ]));
}

#[test]
fn types_are_not_promoted() {
    insta::assert_snapshot!(list(&[
        carried(&(tensor(2.0) + tensor(40))),
        carried(&(tensor([1.0, 2.0]) + Tensor::from(vec![1.0f64, 2.0]))),
        carried(&(tensor([1, 2]) * 0.5)),
        carried(&tensor([1, 2]).exp()),
        carried(&tensor([1.0, 2.0]).not()),
        of(tensor([1, 2]).to_vec::<f32>()),
        of(tensor([1, 2]).item::<i32>()),
    ]));
}

#[test]
fn values_that_are_refused() {
    insta::assert_snapshot!(list(&[
        carried(&tensor([1, 2]).floor_div(tensor([1, 0]))),
        carried(&tensor([1.0, 2.0]).gather(&tensor([2]))),
        carried(&Tensor::zeros([0]).max(..)),
    ]));
}

#[test]
fn a_shape_error_in_a_layer() {
    random::set_seed(0).unwrap();
    let model = Sequential::new().add(Dense::new(300).activation("relu")).add(Dense::new(10));
    model.apply(&Tensor::ones([2, 784])).ok().unwrap();
    let bare = Dense::new(4);
    bare.apply(&Tensor::ones([2, 3])).ok().unwrap();
    insta::assert_snapshot!(list(&[
        carried(&model.apply(&Tensor::ones([2, 28]))),
        carried(&bare.apply(&Tensor::ones([2, 5]))),
        carried(&bare.apply(&tensor([[1, 2, 3]]))),
        carried(&Dense::new(4).apply(&tensor(1.0))),
    ]));
}

#[test]
fn what_convolutions_and_pooling_refuse() {
    random::set_seed(0).unwrap();
    let image = Tensor::ones([2, 8, 8, 3]);
    let (first, second) = (Conv2D::new(8, 3).name("first"), Conv2D::new(4, [3, 5]).name("second"));
    second.apply(&first.apply(&image)).ok().unwrap();
    insta::assert_snapshot!(list(&[
        carried(&second.apply(&image)),
        carried(&Conv2D::new(8, 3).name("conv").apply(&Tensor::ones([2, 28, 28]))),
        carried(&Conv2D::new(8, 3).name("conv").apply(&Tensor::ones([2, 784]))),
        carried(&Conv2D::new(8, 9).name("conv").apply(&image)),
        carried(&Conv2D::new(0, 3).name("conv").apply(&image)),
        carried(&Conv2D::new(8, [0, 3]).name("conv").apply(&image)),
        carried(&Conv2D::new(8, [3]).name("conv").apply(&image)),
        carried(&Conv2D::new(8, 3).groups(2).name("conv").apply(&image)),
        carried(&Conv2D::new(8, 3).strides([1, 0]).name("conv").apply(&image)),
        carried(&Conv2D::new(8, 3).padding(Padding::Causal).name("conv").apply(&image)),
        carried(&Conv2DTranspose::new(8, 3).padding(Padding::Causal).name("conv").apply(&image)),
        carried(&DepthwiseConv2D::new(3).depth_multiplier(0).name("conv").apply(&image)),
        carried(&MaxPooling2D::new(2).name("pool").apply(&Tensor::ones([2, 28, 28]))),
        carried(&MaxPooling2D::new(9).name("pool").apply(&image)),
        carried(&AveragePooling2D::new([2, 0]).name("pool").apply(&image)),
        carried(&GlobalMaxPooling1D::new().name("pool").apply(&image)),
    ]));
}

#[test]
fn names_that_are_not_known() {
    let mut model = Model::new(Dense::new(1));
    insta::assert_snapshot!(list(&[
        of(model.compile(Compile::new().loss("mse").optimizer("nadm"))),
        of(model.compile(Compile::new().loss("msee").optimizer("sgd").metric("may"))),
        of(model.compile(Compile::new().optimizer("sgd"))),
        carried(&Dense::new(1).activation("rellu").apply(&Tensor::ones([1, 1]))),
        of(model.fit(&Tensor::ones([1, 1]), &Tensor::ones([1, 1]), Fit::new().silent())),
    ]));
}

#[test]
fn data_that_does_not_fit_the_model() {
    random::set_seed(0).unwrap();
    let mut model = Model::new(Dense::new(1));
    model.compile(Compile::new().loss("mse").optimizer("sgd")).unwrap();
    insta::assert_snapshot!(list(&[
        of(model.fit(&Tensor::ones([4, 2]), &Tensor::ones([3, 1]), Fit::new().silent())),
        of(model.fit(&Tensor::ones([4, 2]), &Tensor::ones([4, 1]), Fit::new().batch_size(0).silent())),
    ]));
}

#[test]
fn a_bad_row_of_a_table() {
    let table = Csv::parse("a,b\n1,2\n3,x\n").unwrap();
    insta::assert_snapshot!(list(&[
        of(Csv::parse("a,b\n1,2\n3\n")),
        of(table.column("b", Missing::Error)),
        of(table.column("c", Missing::Error)),
        of(parse_idx(&[0, 0, 8, 1, 0, 0, 0, 9, 1])),
        of(StandardScaler::fit(&Array::zeros(F32, [0, 2]).unwrap())),
    ]));
}

#[test]
fn a_traced_tensor_that_leaks() {
    let kept: &'static Mutex<Option<Tensor>> = Box::leak(Box::new(Mutex::new(None)));
    let leak = Function::new(move |x: &Tensor| {
        let y = x + 1.0;
        *kept.lock().unwrap() = Some(y.clone());
        y
    });
    leak(&tensor(1.0)).ok().unwrap();
    let leaked = kept.lock().unwrap().take().unwrap();
    insta::assert_snapshot!(list(&[carried(&(&leaked * 2.0)), of(leaked.item::<f32>())]));
}

#[test]
fn mistakes_inside_a_trace_are_all_told() {
    let f = Function::new(|x: &Tensor| {
        let _unused = x + tensor([1.0, 2.0, 3.0]);
        x.reshape([7])
    });
    let fixed = Function::new(|x: &Tensor| x + 1.0).input_signature([spec!(f32[None, 2])]);
    let once = Function::new(|x: &Tensor| x + 1.0).no_retrace();
    once(&tensor([1.0, 2.0])).ok().unwrap();
    insta::assert_snapshot!(list(&[
        carried(&f(&tensor([1.0, 2.0]))),
        carried(&fixed(&Tensor::ones([1, 3]))),
        carried(&once(&tensor([1.0, 2.0, 3.0]))),
    ]));
}

#[test]
fn gradients_that_do_not_exist() {
    let (w, unused) = (Variable::new(1.0).named("w"), Variable::new(1.0).named("unused"));
    let (_, [_, of_unused]) = value_and_gradients(|| &w * 2.0, [&w, &unused]);
    insta::assert_snapshot!(list(&[carried(&of_unused), carried(&grad(|x: &Tensor| x.cast(I32))(&tensor(1.0))),]));
}

#[test]
fn variables_keep_their_type() {
    let v = Variable::new([1.0, 2.0]).named("v");
    insta::assert_snapshot!(list(&[
        of(v.assign([1.0, 2.0, 3.0])),
        of(v.assign(tensor([1, 2]))),
        of(v.assign_add(tensor(2)))
    ]));
    assert_eq!(v.to_vec::<f32>().unwrap(), [1.0, 2.0]);
}

#[test]
fn what_tapes_refuse() {
    let (w, x) = (Variable::new(2.0), tensor([1.0, 2.0]));
    let leaked = std::cell::RefCell::new(None);
    let _ = grad(|x: &Tensor| {
        *leaked.borrow_mut() = Some(GradientTape::new());
        x.square()
    })(&tensor(1.0));
    let tape = GradientTape::persistent();
    tape.watch(&x);
    let y = x.square();
    let in_a_branch = Function::new(|x: &Tensor| {
        let tape = GradientTape::persistent();
        tape.watch(x);
        let y = x.square();
        cond(&x.gt(0), || tape.gradient(&y, x), || x.clone())
    });
    let from_outside = Function::new({
        let w = w.clone();
        move |x: &Tensor| {
            // A tape of the caller's, found again while tracing.
            let tape = eagerly(GradientTape::persistent);
            tape.gradient(&(x * &w), &w)
        }
    });
    insta::assert_snapshot!(list(&[
        of(leaked.into_inner().unwrap().gradient(&w.square(), &w).ok()),
        carried(&tape.gradient(&y, &w)),
        carried(&tape.gradient(&tensor([1, 2]), &x)),
        carried(&tape.output_gradients([&x, &x]).gradient(&y, &x)),
        carried(&tape.output_gradients(&tensor(1.0)).gradient(&y, &x)),
        carried(&tape.gradient(&(&y + tensor([1.0, 2.0, 3.0])), &x)),
        carried(&tape.batch_jacobian(&y.sum(..), &x)),
        of(in_a_branch(&tensor(1.0)).ok()),
        of(from_outside(&tensor(1.0)).ok()),
        of(Function::new(|x: &Tensor| jacobian(Tensor::square)(x)).input_signature([spec!(f32[None])])(&x).ok()),
    ]));
}

#[test]
fn what_custom_gradients_refuse() {
    let (x, v) = (tensor([1.0, 2.0]), Variable::new(0.0).named("total"));
    let wrong = |backward: fn(&Tensor, &Tensor, &Tensor) -> Tensor| {
        carried(&grad(move |x: &Tensor| custom_gradient(x, Tensor::square, backward))(&x))
    };
    let assigns = Function::new({
        let v = v.clone();
        move |x: &Tensor| {
            let forward = |x: &Tensor| {
                let _ = v.assign_add(x.sum(..));
                x * 2
            };
            custom_gradient(x, forward, |_, _, dy| dy * 2)
        }
    });
    insta::assert_snapshot!(list(&[
        wrong(|_, _, dy| dy.sum(..)),
        wrong(|x, _, dy| dy * x + tensor([1.0, 2.0, 3.0])),
        of(assigns(&x).ok()),
    ]));
}

#[test]
fn what_arrays_of_tensors_refuse() {
    let array = || TensorArray::new(F32, 2).write(0, [1.0, 2.0]);
    let mut read = array();
    let _ = read.read(0);
    let unknown = Function::new(|n: &Tensor| {
        for_range(n, TensorArray::new(F32, 2), |i, array| array.write(i, i.cast(F32))).stack()
    });
    let behind = Function::new(|n: &Tensor| {
        for_range(n, TensorArray::new(F32, 2).element_shape(()), |i, array| array.write(i, i.cast(F32))).stack()
    });
    insta::assert_snapshot!(list(&[
        of(array().write(2, [1.0, 2.0]).ok()),
        of(array().write(1, tensor([1, 2])).ok()),
        of(array().write(1, [1.0, 2.0, 3.0]).ok()),
        of(array().write(tensor(0.5), [1.0, 2.0]).ok()),
        carried(&read.read(0)),
        carried(&read.read(7)),
        carried(&TensorArray::new(F32, 2).stack()),
        of(array().unstack([[1.0, 2.0]]).ok()),
        of(unknown(&tensor(2)).ok()),
        of(behind(&tensor(3)).ok()),
        of(Function::new(|i: &Tensor| TensorArray::new(F32, 0).dynamic(true).write(i, 1.0).stack())(&tensor(0)).ok()),
    ]));
}

#[test]
fn what_variables_refuse() {
    let v = Variable::new([[1.0, 2.0], [3.0, 4.0]]).named("kernel");
    let made = Function::new(|x: &Tensor| -> Result<Tensor> { (&Variable::new(1.0) + x).ok() });
    made(&tensor(1.0)).unwrap();
    insta::assert_snapshot!(list(&[
        of(v.assign([1.0, 2.0])),
        of(v.assign(tensor([[1, 2], [3, 4]]))),
        of(Variable::new(0).assign(1.5)),
        of(v.assign_add([1.0, 2.0, 3.0])),
        of(v.at((0, 7)).assign(1)),
        of(v.at(0).assign([1.0, 2.0, 3.0])),
        of(v.scatter_nd_update([[9, 9]], [1.0])),
        of(v.scatter_nd_add([[9, 9]], [1.0])),
        of(v.scatter_nd_add([[0]], [1.0])),
        of(made(&tensor([1.0, 2.0]))),
    ]));
    assert_eq!(v.to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn functions_say_why_they_are_traced_again() {
    let f = Function::new(|x: &Tensor, layers: &Vec<Tensor>, n: &i32, mode: &Option<&'static str>| {
        let sum = layers.iter().fold(x.clone(), |sum, layer| sum + layer);
        if mode.is_some() { sum * *n } else { sum }
    });
    let f = f.argument_names(&["x", "layers", "n", "mode"]);
    let one = tensor(1.0);
    let call = |x: &Tensor, layers: usize, n: i32, mode: Option<&'static str>| {
        f(x, &vec![one.clone(); layers], &n, &mode).ok().unwrap();
    };
    call(&one, 1, 2, None);
    call(&tensor([1.0, 2.0]), 1, 2, None);
    call(&tensor([1.0, 2.0, 3.0]), 1, 2, None);
    call(&one, 3, 2, None);
    call(&one, 1, 5, None);
    call(&one, 1, 2, Some("fast"));
    let told: Vec<String> = f.retraces().iter().map(|retrace| retrace.to_string()).collect();
    let told: Vec<String> = told.iter().map(|told| unplaced(told)).collect();
    insta::assert_snapshot!(list(&told));
    let explained = f.explain().to_string();
    let head: Vec<&str> = explained.lines().take(3).collect();
    assert!(head[0].ends_with("6 traces, 6 signatures") && head[2].contains("signature"), "{explained}");
}

/// `tests/messages.rs:L:C` for lines and columns of this file.
fn unplaced(told: &str) -> String {
    let parts: Vec<&str> = told.split("tests/messages.rs:").collect();
    let rest = parts[1..].iter().map(|part| {
        format!("tests/messages.rs:L:C{}", part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':'))
    });
    parts[0].to_owned() + &rest.collect::<String>()
}

#[test]
fn concrete_functions_refuse_other_arguments_and_names() {
    let cube = Function::new(|x: &Tensor| x.powi(3)).argument_names(&["x"]);
    let concrete = cube.concrete(spec!(f32[])).unwrap();
    let reference = Function::new(|x: &Tensor| x.powi(3));
    let reference = reference.options(Options { engine: tracelift_function::Engine::Reference, ..Options::default() });
    let reference = reference.concrete(spec!(f32[])).unwrap();
    let shrink = Function::new(|x: &Tensor| x.slice((.., ..2))).input_signature([spec!(f32[None, 28])]);
    insta::assert_snapshot!(list(&[
        of(concrete.call([&tensor(2)])),
        of(concrete.call([&tensor([1.0, 2.0])])),
        of(concrete.call([])),
        of(concrete.operation("nope").map(|_| ())),
        of(concrete.tensor("identity:7")),
        of(concrete.tensor("identity")),
        of(reference.profile(&[&tensor(1.0)], 1)),
        carried(&shrink(&Tensor::ones([2, 2]))),
        carried(&shrink(&Tensor::full([2, 28], 1))),
        of(cube.concrete((spec!(f32[]), spec!(f32[])))),
        of(cube.concrete(3)),
    ]));
}

/// A loop that grows a tensor, under a spec or without.
fn grown(x: &Tensor, spec: Option<tracelift::TensorSpec>, next: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let options = match spec {
        Some(spec) => WhileLoop::new().shape_invariants((None, spec)),
        None => WhileLoop::new(),
    };
    options.run((tensor(0), x.clone()), |(i, _)| i.lt(3), |(i, x)| (i + 1, next(&x))).1
}

#[test]
fn loops_that_change_shapes() {
    let x = Tensor::ones([2, 3]);
    let twice = |x: &Tensor| concat(&[x, x], 0);
    let wide = |x: &Tensor| concat(&[x, x], 1);
    let rows = || Some(spec!(f32[None, 3]));
    let few = WhileLoop::new().shape_invariants(spec!(f32[None, 3]));
    insta::assert_snapshot!(list(&[
        carried(&grown(&x, None, twice)),
        carried(&grown(&x, rows(), wide)),
        carried(&grown(&x, rows(), |x| x.sum([0]))),
        carried(&grown(&x, rows(), |x| twice(x).cast(F64))),
        carried(&grown(&x, Some(spec!(f32[None])), twice)),
        carried(&grown(&x, Some(spec!(f64[None, 3])), twice)),
        carried(&grown(&x, Some(spec!(f32[None, 4])), twice)),
        carried(&few.run((tensor(0), x.clone()), |(i, _)| i.lt(3), |(i, x)| (i + 1, twice(&x))).1),
        carried(&relax(&x, spec!(f32[None]))),
        carried(&relax(&x, spec!(f32[None, 2]))),
        // What no longer fits only while the loop runs.
        carried(&grown(&x, rows(), |x| twice(&(x + Tensor::ones([2, 3]))))),
        carried(&(grown(&x, rows(), twice).slice(1..) + &x)),
        of(Function::new(move |y: &Tensor| grown(y, rows(), twice) + y)(&x).ok()),
        // What such a loop cannot do.
        carried(&vmap(move |x: &Tensor| grown(x, Some(spec!(f32[None])), twice))(&x)),
    ]));
}

#[function]
fn growing(x: &Tensor) -> Tensor {
    let mut list = relax(x, spec!(f32[None]));
    for _ in range_t(3) {
        list = concat(&[&list, &list], 0);
    }
    list
}

#[function]
fn misgrowing(x: &Tensor) -> Tensor {
    let mut list = relax(x, spec!(f32[None, 2]));
    while list.dim(0) < 5 {
        list = concat(&[&list, &list], 1);
    }
    list
}

#[test]
fn rewritten_loops_that_change_shapes() {
    insta::assert_snapshot!(list(&[
        of(misgrowing(&Tensor::ones([1, 2])).ok()),
        of(Function::new(|x: &Tensor| vmap(growing)(x))(&Tensor::ones([2, 3])).ok()),
    ]));
}
