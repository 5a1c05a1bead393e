//! Rows AG, F03 and RS05: control flow written as plain Rust, in the graphs it becomes.

use serde_json::{Value, json};
use tracelift::{Code, TensorArray, display_code, prelude::*};

use crate::{
    golden::{Golden, same},
    rows,
};

#[function]
fn add_10_static(x: &Tensor) -> Tensor {
    let mut x = x.clone();
    for _ in 0..10 {
        x += 1;
    }
    x
}

#[function]
fn add_10_while(x: &Tensor) -> Tensor {
    while_loop((tensor(0), x.clone()), |(i, _)| i.lt(10), |(i, x)| (i + 1, x + 1)).1
}

#[function]
fn add_10_dynamic(x: &Tensor) -> Tensor {
    let mut x = x.clone();
    for _ in range_t(10) {
        x += 1;
    }
    x
}

#[function]
fn cond_fn(x: &Tensor) -> Tensor {
    let mut y = x.clone();
    if x > 0.0 {
        y = x * 2.0;
    } else {
        y = -x;
    }
    y
}

#[function]
fn tf_cube(x: Tensor) -> Tensor {
    x.powi(3)
}

#[function]
fn magnitude(x: &Tensor) -> Tensor {
    if x > 0.0 { x.clone() } else { -x }
}

#[function]
fn collatz(n: &Tensor) -> Tensor {
    let mut n = n.clone();
    let mut steps = tensor(0);
    while n != 1 {
        if &n % 2 == 0 {
            n = n.floor_div(2);
        } else {
            n = 3 * n + 1;
        }
        steps += 1;
    }
    steps
}

/// The odd numbers whose squares are at most `n`.
#[function]
fn sum_of_odds(n: &Tensor) -> Tensor {
    let mut sum = tensor(0);
    for i in range_t(n) {
        if &i % 2 == 0 {
            continue;
        }
        if &i * &i > n {
            break;
        }
        sum += i;
    }
    sum
}

#[function]
fn step(x: &Tensor, up: bool) -> Tensor {
    if up { x + 1 } else { x - 1 }
}

#[function]
fn shape_changes(x: &Tensor) -> Tensor {
    let mut x = x.clone();
    for _ in range_t(3) {
        x = tracelift::concat(&[&x, &x], 0);
    }
    x
}

#[function]
fn dtype_changes(x: &Tensor) -> Tensor {
    let mut x = x.clone();
    for _ in range_t(3) {
        x = x.cast(F64);
    }
    x
}

#[function]
fn dtypes_differ(x: &Tensor) -> Tensor {
    let mut y = tensor(0);
    if x > 0 {
        y = tensor(1);
    } else {
        y = tensor(1.5);
    }
    y
}

#[derive(Module)]
struct Counter {
    counter: Variable,
}

impl Counter {
    #[function]
    fn increment(&self, c: i32) -> Result<Tensor> {
        self.counter.assign_add(c)
    }
}

/// The kinds of the operations of a graph of TensorFlow by our names, without the constants that its methods make.
fn kinds(golden: &Golden, key: &str) -> Vec<&'static str> {
    let operations = golden.graph(key)["operations"].as_array().expect("a graph has operations").clone();
    let names = operations.iter().filter_map(|operation| match operation["type"].as_str() {
        Some("Placeholder") => Some("parameter"),
        Some("AddV2") => Some("add"),
        Some("Identity") => Some("identity"),
        Some("While" | "StatelessWhile") => Some("while"),
        Some("Const") => None,
        other => panic!("{key}: no name for {other:?}"),
    });
    names.collect()
}

/// The kinds of the operations of a traced function, without constants.
fn traced(f: &tracelift::Function<fn(&Tensor) -> Tensor>) -> (Vec<String>, usize) {
    let concrete = f.concrete(spec!(i32[])).expect("it can be traced");
    let all: Vec<String> = concrete.graph().operations().iter().map(|op| op.kind().to_owned()).collect();
    let count = all.len();
    (all.into_iter().filter(|kind| kind != "const").collect(), count)
}

rows! {
    t_f03_function_on_a_function => |golden| {
        golden.same("fn.tf_cube_tensor", &tf_cube(tensor(2.0)));
        assert_eq!(tf_cube::function().trace_count(), 1);
    };
    t_ag01_a_loop_over_a_host_range_is_unrolled => |golden| {
        golden.same("autograph.static.result", &add_10_static(&tensor(5)));
        assert_eq!(golden.output("autograph.static.op_count"), &json!(traced(add_10_static::function()).1));
    };
    t_ag02_the_operations_of_an_unrolled_loop => |golden| {
        assert_eq!(traced(add_10_static::function()).0, kinds(golden, "add_10_static"));
    };
    t_ag03_while_loop_is_one_operation => |golden| {
        golden.same("autograph.while_loop.result", &add_10_while(&tensor(5)));
        let (ours, count) = traced(add_10_while::function());
        assert_eq!(ours, kinds(golden, "add_10_while"));
        // TensorFlow's loops have a counter and a bound of their own.
        assert_eq!(golden.output("autograph.while_loop.op_count"), &json!(count + 2));
    };
    t_ag04_for_over_range_t_is_one_loop_of_the_graph_however_often => |golden| {
        let (ours, count) = traced(add_10_dynamic::function());
        assert_eq!(ours, ["parameter", "while", "identity"]);
        assert!(golden.output("autograph.dynamic.op_count").as_u64().unwrap() > count as u64);
        let theirs = golden.graph("add_10_dynamic")["operations"].as_array().unwrap().clone();
        let loops = |op: &&Value| op["type"].as_str().is_some_and(|kind| kind.ends_with("While"));
        assert_eq!(theirs.iter().filter(loops).count(), 1);
    };
    t_ag05_the_counter_of_a_loop_keeps_its_dtype => |golden| {
        golden.same("autograph.dynamic.result", &add_10_dynamic(&tensor(5)));
    };
    t_ag06_to_code_shows_what_a_function_was_rewritten => |golden| {
        // The text is our own: it says what TensorFlow's says, that the loop is one call over `x`.
        assert!(golden.graph("to_code.add_10")["text"].as_str().unwrap().contains("ag__.for_stmt("));
        insta::assert_snapshot!("to_code_add_10", add_10_dynamic::function().to_code());
        // An `if` is one call over `y`, too.
        let theirs = golden.graph("to_code.cond")["text"].as_str().unwrap();
        assert!(theirs.contains("ag__.if_stmt(") && theirs.contains("('y',)"), "{theirs}");
        insta::assert_snapshot!("to_code_cond", cond_fn::function().to_code());
    };
    t_ag08_if_while_break_and_continue_on_tensors => |golden| {
        let given = [magnitude(&tensor(3.0)), magnitude(&tensor(-3.0))];
        golden.same_list("autograph.if_tensor", &given.each_ref());
        let given = [27, 1, 6].map(|n| collatz(&tensor(n)));
        golden.same_list("autograph.while_nested_if", &given.each_ref());
        let given = [30, 1000].map(|n| sum_of_odds(&tensor(n)));
        golden.same_list("autograph.break_continue", &given.each_ref());
    };
    t_ag09_an_if_on_a_host_bool_is_decided_while_tracing => |golden| {
        let expect = golden.output("autograph.python_if_resolved_at_trace");
        for (i, up) in [true, false].into_iter().enumerate() {
            same("autograph.python_if_resolved_at_trace", &expect[i], &step(&tensor(1), up), 0.0);
        }
        assert_eq!(expect[2], json!(step::function().trace_count()));
        let kinds: Vec<String> = step::function().concrete((spec!(i32[]), true)).unwrap().graph().operations().iter()
            .map(|op| op.kind().to_owned()).collect();
        assert!(!kinds.contains(&"cond".to_owned()), "{kinds:?}");
    };
    t_ag10_branches_and_rounds_that_do_not_agree_are_refused => |golden| {
        let error = golden.fails("autograph.loop_shape_change_error", shape_changes(&tensor([1.0])).ok());
        assert!(error.to_string().starts_with("`for` carries `x` as f32[1], which cannot become f32[2]"), "{error}");
        let error = golden.fails("autograph.loop_dtype_change_error", dtype_changes(&tensor(1.0)).ok());
        assert!(error.to_string().starts_with("`for` carries `x` as f32[], which cannot become f64[]"), "{error}");
        let error = golden.fails("autograph.branch_dtype_mismatch", dtypes_differ(&tensor(1)).ok());
        assert!(error.to_string().starts_with("`if` gives `y` as i32[] in its first branch, but as f32[] in the other"));
        // A variable set in one branch only is no program in Rust; the macro says so at the variable.
        assert_eq!(golden.error_class("autograph.undefined_in_one_branch"), "ValueError");
        let said = include_str!("../macros/ui/autograph_uninitialised.snap");
        assert!(said.contains("`y` has no value before the branch or loop that sets it"));
    };
    t_ag11_a_traced_tensor_is_no_bool_outside_of_rewritten_code => |golden| {
        assert_eq!(golden.error_class("autograph.off_tensor_as_bool"), "OperatorNotAllowedInGraphError");
        let f = Function::new(|x: &Tensor| -> Result<Tensor> {
            Ok(if x.gt(0).item::<bool>()? { x + 1 } else { x - 1 })
        });
        let error = f(&tensor(1)).unwrap_err().to_string();
        assert!(error.starts_with("`item` needs the data of a traced tensor of bool[]"), "{error}");
    };
    t_rs05_each_object_has_its_own_state_in_a_traced_method => |golden| {
        let counters = [Counter { counter: Variable::new(0) }, Counter { counter: Variable::new(0) }];
        let [c, other] = &counters;
        let mut given = vec![c.increment(1).unwrap(), c.increment(1).unwrap(), c.counter.value()];
        given.extend([other.increment(1).unwrap(), other.counter.value()]);
        golden.same_list("res.counter_class", &given.iter().collect::<Vec<_>>());
        assert_eq!(c.increment_function().trace_count(), 1);
    };
}

#[autograph]
fn helper(x: &Tensor) -> Tensor {
    if x > 0 { x * 2 } else { x.clone() }
}

#[test]
fn t_ag07_code_of_functions_and_of_plain_functions() {
    let shown: [String; 2] = [display_code(collatz::function()), display_code(&helper::code())];
    assert!(
        shown[0].starts_with("```rust\nfn collatz(n: &Tensor) -> Tensor {") && shown[0].contains("ag::While::new()")
    );
    let code: Code = helper::code();
    assert_eq!(helper(&tensor(2)).item::<i32>().unwrap(), 4);
    assert!(shown[1].contains(code.to_string().trim_end()) && shown[1].contains("ag::If::new("));
}

#[test]
fn arrays_of_tensors_are_carried() {
    #[function]
    fn squares(n: &Tensor) -> Tensor {
        let mut array = TensorArray::new(I32, 5).element_shape([0; 0]);
        for i in range_t(n) {
            if &i % 2 == 0 {
                array = array.write(&i, &i * &i);
            } else {
                array = array.write(&i, -&i);
            }
        }
        array.stack()
    }
    assert_eq!(squares(&tensor(5)).to_vec::<i32>().unwrap(), [0, -1, 4, -3, 16]);
}
