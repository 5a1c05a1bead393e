//! What users read when branches or rounds of loops do not agree.

use tracelift::prelude::*;

/// The message of a call, without the column.
fn message(f: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static, x: &Tensor) -> String {
    let error = Function::new(f)(x).ok().expect_err("this must fail");
    let text = format!("{}: {error}", error.kind);
    let mut parts = text.split("errors.rs:");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
        shown += &format!("errors.rs:L:C{rest}");
    }
    shown
}

macro_rules! refused {
    ($name:ident: |$x:ident| $body:block) => {
        #[test]
        fn $name() {
            #[autograph]
            fn f($x: &Tensor) -> Tensor $body
            insta::assert_snapshot!(message(f, &tensor(1.0)));
        }
    };
}

refused! { branches_of_two_dtypes: |x| {
    let mut y = tensor(0);
    if x > 0 {
        y = tensor(1);
    } else {
        y = tensor(1.5);
    }
    y
}}

refused! { branches_of_two_shapes: |x| {
    if x > 0 { x.clone() } else { x.expand_dims(0) }
}}

refused! { rounds_that_change_a_shape: |x| {
    let mut state = (tensor(0), x.expand_dims(0));
    while &state.0 < 3 {
        state.0 += 1;
        state.1 = tracelift::concat(&[&state.1, &state.1], 0);
    }
    state.1
}}

refused! { rounds_that_change_a_dtype: |x| {
    let mut sum = tensor(0.0);
    for i in range_t(3) {
        sum = i;
    }
    x + sum
}}

refused! { a_host_value_that_depends_on_a_tensor: |x| {
    let mut n = 0;
    if x > 0 {
        n = 1;
    }
    x + n
}}

refused! { a_host_value_that_a_round_changes: |x| {
    let mut n = 0;
    let mut y = x.clone();
    while &y < 10 {
        n += 1;
        y = y + 1;
    }
    y + n
}}

refused! { text_that_depends_on_a_tensor: |x| {
    let mut label = std::collections::BTreeMap::new();
    if x > 0 {
        label = std::collections::BTreeMap::from([(1, 2)]);
    }
    let _ = label;
    x.clone()
}}

refused! { a_list_that_grows: |x| {
    let mut list = vec![x.clone()];
    if x > 0 {
        list = vec![x.clone(), x.clone()];
    }
    list.swap_remove(0)
}}

refused! { a_condition_of_many: |x| {
    let y = x.broadcast_to([3]);
    if y > 0 { x.clone() } else { -x }
}}

refused! { a_condition_that_is_a_mistake: |x| {
    if x + tensor(1) > 0.0 { x.clone() } else { -x }
}}

refused! { left_by_a_question_mark: |x| {
    fn inner(x: &Tensor) -> Option<Tensor> {
        helper(x, None)
    }
    inner(x).unwrap_or_else(|| x.clone())
}}

#[autograph]
fn helper(x: &Tensor, nothing: Option<i32>) -> Option<Tensor> {
    let mut y = x.clone();
    if x > 0 {
        y = x * nothing?;
    }
    Some(y)
}

refused! { a_number_for_steps: |x| {
    let mut y = x.clone();
    for i in range_t(x) {
        y = y + i;
    }
    y
}}

refused! { rows_of_a_scalar: |x| {
    let mut y = x.clone();
    for row in x {
        y = y + row;
    }
    y
}}

#[test]
fn an_error_cannot_depend_on_a_tensor() {
    #[autograph]
    fn f(x: &Tensor) -> Result<Tensor> {
        if x < 0 {
            return Err(Error::value("negative"));
        }
        Ok(x.sqrt())
    }
    let error = Function::new(f)(&tensor(4.0)).expect_err("this must fail");
    assert!(error.to_string().starts_with("`if` depends on a tensor and returns an error"), "{error}");
    assert_eq!(f(&tensor(4.0)).and_then(|root| root.item::<f32>()).ok(), Some(2.0));
    assert!(f(&tensor(-4.0)).is_err());
}

#[test]
fn assertions_fail_the_call() {
    #[autograph]
    fn root(x: &Tensor) -> Tensor {
        assert!(x >= 0, "roots are of positive numbers");
        assert!(x < 1e6);
        x.sqrt()
    }
    let traced = Function::new(root);
    assert_eq!(traced(&tensor([4.0, 9.0])).to_vec::<f32>().ok(), Some(vec![2.0, 3.0]));
    let failed = |x: f32| traced(&tensor([x])).ok().expect_err("this must fail").to_string();
    assert!(failed(-1.0).contains("roots are of positive numbers"), "{}", failed(-1.0));
    assert!(failed(1e7).contains("assertion failed: x < 1e6"), "{}", failed(1e7));
    assert_eq!(traced.trace_count(), 2, "one for each length");
}

#[test]
fn a_trace_that_failed_leaves_nothing_behind() {
    #[autograph]
    fn f(x: &Tensor) -> Tensor {
        let mut y = x.clone();
        for i in range_t(3) {
            if &y > 0 {
                panic!("in the middle of {i}");
            }
            y = y + 1;
        }
        y
    }
    let panicked = std::panic::catch_unwind(|| Function::new(f)(&tensor(1.0)));
    assert!(panicked.is_err());
    assert!(!tracelift::is_tracing());
    assert_eq!((tensor(1) + 1).item::<i32>().ok(), Some(2));
}
