//! Mistakes: what they say, that they wait in the tensor, and that they leave things as they were.

use tracelift_function::{ErrorKind, Function, Result, Tensor, Variable, push_layer, spec, tensor};

fn message(t: Tensor) -> String {
    let text = t.ok().unwrap_err().to_string();
    // Lines and columns change with every edit of this file.
    text.split("errors.rs:")
        .enumerate()
        .map(|(i, part)| {
            if i == 0 {
                part.to_owned()
            } else {
                let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
                format!("HERE{rest}")
            }
        })
        .collect::<String>()
        .replace("crates/function/tests/", "")
}

#[test]
fn shapes_dtypes_and_places_are_named() {
    let (a, b) = (Tensor::ones([2, 3]), Tensor::ones([5]));
    assert_eq!(
        message(&a + &b),
        "`add` cannot combine f32[2, 3] with f32[5]: sizes 3 and 5 at axis -1 are neither equal nor 1\n  at HERE"
    );
    assert_eq!(
        message(tensor(2.0) + tensor(40)),
        "`add` takes operands of one dtype, got f32[] and i32[]\n  at HERE\n  help: cast one of them: `.cast(F32)`"
    );
    assert_eq!(
        message(a.matmul(&a)),
        "`matmul` cannot multiply f32[2, 3] by f32[2, 3]: inner axes are 3 and 2\n  at HERE"
    );
    assert_eq!(
        message(tensor(40) + 2.5),
        "the float 2.5 cannot stand beside a tensor of i32\n  at HERE\n  help: cast the tensor first: `.cast(F32)`"
    );
    assert_eq!(
        message(a.slice(7)),
        "`slice` takes index 7 of axis 0, which is out of bounds: its size is 2 (operands: f32[2, 3])\n  at HERE"
    );
    let _layer = push_layer("dense_1", "Dense, units=10");
    assert_eq!(
        message(a.matmul(Tensor::ones([300, 10]))),
        "`matmul` cannot multiply f32[2, 3] by f32[300, 10]: inner axes are 3 and 300\n  in layer `dense_1` (Dense, units=10), called at HERE"
    );
}

#[test]
fn the_first_mistake_is_carried_along() {
    let bad = tensor(2.0) + tensor(40);
    let later = (&bad * 2).exp().sum(..).matmul(Tensor::ones([2]));
    assert_eq!(later.error(), bad.error());
    assert_eq!(later.dtype(), tracelift_function::F32);
    assert!(later.item::<f32>().is_err() && later.to_vec::<f32>().is_err());
    let v = Variable::new(1.0);
    assert_eq!(v.assign(&bad).err().as_ref(), bad.error());
    assert_eq!(v.item::<f32>().unwrap(), 1.0);
    let f = Function::new(|x: &Tensor| x + 1);
    assert_eq!(f(&bad).error(), bad.error());
    assert_eq!(f.trace_count(), 0);
}

#[test]
fn a_trace_fails_with_all_its_mistakes() {
    let f = Function::new(|x: &Tensor| {
        let _unused = x.matmul(tensor([[1.0]]));
        let _also = x + tensor(1);
        x * 2
    });
    let error = f(&tensor([1.0, 2.0])).ok().unwrap_err();
    assert_eq!(error.op.as_deref(), Some("matmul"));
    assert_eq!(error.others.len(), 1);
    assert_eq!(error.others[0].op.as_deref(), Some("add"));
    assert_eq!(f.trace_count(), 0);
    assert!(f.concrete(spec!(f32[2])).is_err());
}

#[test]
fn leaked_traced_tensors_say_where_they_were_made() {
    let leak = std::sync::Arc::new(std::sync::Mutex::new(None));
    let slot = leak.clone();
    let f = Function::new(move |x: &Tensor| {
        *slot.lock().unwrap() = Some(x * 2);
        x + 1
    });
    assert_eq!(f(&tensor(1.0)).item::<f32>().unwrap(), 2.0);
    let leaked: Tensor = leak.lock().unwrap().take().unwrap();
    for error in [(&leaked + 1).ok().unwrap_err(), leaked.item::<f32>().unwrap_err(), f(&leaked).ok().unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("outside of its trace: it was made at crates/function/tests/errors.rs:"), "{text}");
    }
    let inside = Function::new(move |x: &Tensor| x + &leaked);
    assert!(inside(&tensor(1.0)).error().unwrap().message.contains("outside of its trace"));
}

#[test]
fn data_cannot_be_read_while_tracing() {
    let f = Function::new(|x: &Tensor| -> Result<Tensor> {
        let n = x.item::<f32>()?;
        Ok(x * n)
    });
    let error = f(&tensor(1.0)).unwrap_err();
    assert!(error.message.contains("needs the data of a traced tensor of f32[]"), "{error}");
}

#[test]
fn a_panic_while_tracing_leaves_no_trace_behind() {
    let f = Function::new(|x: &Tensor| {
        assert!(x.rank() > 0, "told to panic");
        x + 1
    });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(&tensor(1.0)))).is_err());
    assert!(!tracelift_function::is_tracing());
    assert_eq!((tensor(1) + 1).item::<i32>().unwrap(), 2);
    assert_eq!(f(&tensor([1.0])).to_vec::<f32>().unwrap(), [2.0]);
}

#[test]
fn assignments_are_checked_and_undone() {
    let v = Variable::new([[1., 2., 3.], [4., 5., 6.]]).named("kernel");
    let error = v.assign([1., 2.]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Value);
    assert!(
        error.to_string().contains("`assign` cannot put f32[2] into the variable `kernel` of f32[2, 3]"),
        "{error}"
    );
    assert!(v.at((9, 9)).assign(1.0).is_err());
    assert!(
        v.scatter_nd_update([[9, 9]], [1.0])
            .unwrap_err()
            .message
            .contains("indices[0] = [9, 9] does not index into f32[2, 3]")
    );
    assert_eq!(Variable::new(0).assign(1.5).unwrap_err().kind, ErrorKind::Type);
    assert_eq!(v.to_vec::<f32>().unwrap(), [1., 2., 3., 4., 5., 6.]);
    // A call that fails while it runs changes no variable.
    let n = Variable::new(1);
    let captured = n.clone();
    let f = Function::new(move |d: &Tensor| -> Result<Tensor> {
        captured.assign_add(1)?;
        Ok(captured.floor_div(d))
    });
    assert_eq!(f(&tensor(2)).unwrap().item::<i32>().unwrap(), 1);
    let error = f(&tensor(0)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert_eq!(n.item::<i32>().unwrap(), 2);
}

#[test]
fn errors_of_assignments_fail_the_trace_even_if_ignored() {
    let v = Variable::new([1.0, 2.0]);
    let captured = v.clone();
    let f = Function::new(move |x: &Tensor| {
        let _ = captured.assign(x);
        x + 1
    });
    let error = f(&tensor(1.0)).ok().unwrap_err();
    assert_eq!(error.op.as_deref(), Some("assign"));
    assert_eq!(v.to_vec::<f32>().unwrap(), [1.0, 2.0]);
}
