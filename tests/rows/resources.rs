//! Rows RS: variables in traced functions.

use tracelift::function;
use tracelift_function::{ErrorKind, Function, Result, Tensor, Variable, tensor};

use crate::{graphs::same_graph, rows};

#[function]
fn increment(counter: &Variable, c: i32) -> Result<Tensor> {
    counter.assign_add(c)
}

fn captured(counter: &Variable) -> Function<fn() -> Result<Tensor>> {
    let counter = counter.clone();
    Function::new(move || counter.assign_add(1))
}

rows! {
    t_rs01_a_variable_as_argument_is_changed_in_place => |golden| {
        let counter = Variable::new(0).named("counter");
        let given = [increment(&counter, 1).unwrap(), increment(&counter, 1).unwrap(), counter.value()];
        golden.same_list("res.counter_argument", &given.each_ref());
        // Another variable of the type is changed by the same trace.
        let other = Variable::new(5);
        assert_eq!(increment(&other, 1).unwrap().item::<i32>().unwrap(), 6);
        assert_eq!((increment::function().trace_count(), counter.item::<i32>().unwrap()), (1, 2));
        same_graph(golden, "increment_arg", increment::function().concrete((&counter, 1)).unwrap().graph());
    };
    t_rs02_a_variable_argument_is_a_resource_of_the_signature => |golden| {
        let concrete = increment::function().concrete((&Variable::new(0).named("counter"), 1)).unwrap();
        let signature = concrete.signature();
        let first = &signature.inputs[0];
        let expect = golden.output("res.counter_argument.input_arg0");
        assert_eq!([first.name.as_str(), &first.dtype_name()], [expect[0].as_str().unwrap(), expect[1].as_str().unwrap()]);
    };
    t_rs03_a_captured_variable_is_changed => |golden| {
        let counter = Variable::new(0);
        let increment = captured(&counter);
        let given = [increment().unwrap(), increment().unwrap(), counter.value()];
        golden.same_list("res.counter_captured", &given.each_ref());
        let inputs = increment.concrete(()).unwrap().signature().inputs.len();
        assert_eq!(golden.output("res.captured_inputs_count"), &serde_json::json!(inputs));
        same_graph(golden, "increment_captured", increment.concrete(()).unwrap().graph());
    };
    t_rs04_a_captured_variable_is_the_last_input_of_the_signature => |golden| {
        let scaled = {
            let counter = Variable::new(0).named("counter");
            Function::new(move |x: &Tensor| counter.assign_add(x))
        };
        let signature = scaled.concrete(&tensor(1)).unwrap().signature();
        let last = signature.inputs.last().unwrap();
        // TensorFlow calls it after the op that uses it; here it keeps its name.
        let expect = golden.output("res.counter_captured.input_arg0");
        assert_eq!((last.name.as_str(), last.dtype_name()), ("counter", expect[1].as_str().unwrap().to_owned()));
        assert_eq!(signature.inputs.len(), 2);
    };
    t_rs06_a_variable_made_at_each_call_is_refused => |golden| {
        let f = Function::new(|x: &Tensor| -> Result<Tensor> { (&Variable::new(1.) + x).ok() });
        // The first trace may make variables, for objects that make theirs when they are first used.
        f(&tensor(1.)).unwrap();
        let error = golden.fails("res.variable_created_inside_error", f(&tensor([1., 2.])));
        assert_eq!(error.kind, ErrorKind::Value);
    };
    t_rs07_reads_and_assignments_keep_their_order => |golden| {
        let body = |v: &Variable| -> Result<(Tensor, Tensor, Tensor)> {
            v.assign(2.)?;
            let a = v.value();
            v.assign_add(5)?;
            let b = v.value();
            v.assign(v * 10)?;
            Ok((a, b, v.value()))
        };
        for (a, b, c) in [
            body(&Variable::new(0.)).unwrap(),
            Function::new(body)(&Variable::new(0.)).unwrap(),
        ] {
            golden.same_list("res.stateful_order_kept", &[&a, &b, &c]);
        }
    };
}
