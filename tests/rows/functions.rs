//! Rows F, TR and the like: traced functions and when they are traced.

use std::sync::Arc;

use serde_json::{Value, json};
use tracelift_function::{ErrorKind, Function, Tensor, Variable, range, s, spec, tensor};

use crate::{golden::same, graphs::same_graph, rows};

fn cube() -> Function<fn(&Tensor) -> Tensor> {
    Function::new(|x: &Tensor| x.powi(3))
}

/// How many traces each of these calls made.
fn counts<const N: usize>(f: &Function<fn(&Tensor) -> Tensor>, calls: [Tensor; N]) -> Value {
    let counts = calls.map(|x| {
        let before = f.trace_count();
        let _ = f(&x);
        f.trace_count() - before
    });
    json!(counts.to_vec())
}

fn ones(sizes: &[usize]) -> Tensor {
    Tensor::ones(sizes)
}

rows! {
    t_f01_a_plain_function_of_numbers_and_tensors => |golden| {
        assert_eq!(golden.output("fn.cube_py_int"), &json!(2i32.pow(3)));
        golden.same("fn.cube_tensor", &tensor(2.0).powi(3));
    };
    t_f02_a_traced_function_of_integers_and_floats => |golden| {
        golden.same("fn.tf_cube_py_int", &cube()(&tensor(2)));
        golden.same("fn.tf_cube_tensor", &cube()(&tensor(2.0)));
    };
    t_f04_a_concrete_function_prints_its_arguments_results => |golden| {
        let concrete = cube().argument_names(&["x"]).concrete(&tensor(2.0)).unwrap();
        let repr = golden.output("fn.concrete_repr");
        for theirs in [&repr["repr"], &repr["str"]] {
            assert!(theirs.as_str().unwrap().contains("TensorSpec(shape=(), dtype=tf.float32"));
        }
        let name = concrete.graph().name().to_owned();
        assert_eq!(format!("{concrete:?}"), format!("ConcreteFunction {name}(x: f32[]) -> (f32[])"));
        let head = format!(
            "ConcreteFunction {name}\n  arguments:\n    x: f32[]\n  results:\n    identity: f32[]\n  captures: none\n"
        );
        assert_eq!(concrete.to_string(), head + &concrete.graph().to_string());
    };
    t_f05_a_concrete_function_is_called => |golden| {
        let concrete = cube().concrete(&tensor(2.0)).unwrap();
        golden.same("fn.concrete_call", &concrete.call([&tensor(2.0)]).unwrap()[0]);
    };
    t_f06_one_signature_has_one_concrete_function => |golden| {
        let f = cube();
        let (a, b) = (f.concrete(&tensor(2.0)).unwrap(), f.concrete(spec!(f32[])).unwrap());
        assert_eq!(golden.output("fn.concrete_cached_same_object"), &json!(Arc::ptr_eq(&a, &b)));
        let other = f.concrete(&tensor(3.0)).unwrap();
        assert_eq!(golden.output("fn.concrete_other_value_same_object"), &json!(Arc::ptr_eq(&a, &other)));
    };
    t_f07_a_concrete_function_refuses_other_types => |golden| {
        let concrete = cube().concrete(spec!(f32[])).unwrap();
        golden.fails("fn.concrete_wrong_dtype", concrete.call([&tensor(2)]));
        // A documented difference: another shape is refused, too.
        golden.output("fn.concrete_wrong_shape");
        assert_eq!(concrete.call([&tensor([1.0, 2.0])]).unwrap_err().kind, ErrorKind::InvalidArgument);
    };
    t_tr02_each_new_host_value_dtype_and_shape_is_a_new_trace => |golden| {
        let (tensors, numbers) = (cube(), Function::new(|n: &i32| tensor(n.pow(3))));
        for call in golden.output("trace.cube_sequence").as_array().unwrap() {
            let before = tensors.trace_count() + numbers.trace_count();
            let value = &call["arg"]["value"];
            let result = match (call["arg"]["kind"].as_str().unwrap(), value) {
                ("python", n) => numbers(&(n.as_i64().unwrap() as i32)),
                (_, Value::Array(rows)) => {
                    let row = |row: &Value| row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect::<Vec<_>>();
                    tensors(&Tensor::from(rows.iter().map(row).collect::<Vec<_>>()))
                }
                (_, x) => tensors(&tensor(x.as_f64().unwrap() as f32)),
            };
            same("trace.cube_sequence", &call["result"], &result, 0.0);
            let made = tensors.trace_count() + numbers.trace_count() - before;
            assert_eq!(call["traces"], json!(made), "{call}");
        }
        // A host number is computed with while tracing: its graph has a constant and no argument.
        let two = numbers.concrete(2).unwrap();
        same_graph(golden, "cube.python_2", two.graph());
        let theirs = &golden.graph("cube.python_2")["operations"][0];
        let result = two.graph().results()[0];
        let operation = two.operation("identity").unwrap().inputs()[0].name.clone();
        assert_eq!(two.graph().ty(result).to_string(), "i32[]");
        let constant = two.operations().iter().find(|one| format!("{}:0", one.name()) == operation).unwrap().kind();
        assert_eq!((constant, &json!([8])), ("const", &theirs["attrs"]["value"]["values"]));
        assert_eq!(two.call([]).unwrap()[0].item::<i32>().unwrap(), 8);
        assert!(two.signature().inputs.is_empty());
    };
    t_tr03_each_new_shape_is_a_new_trace => |golden| {
        let shapes: [&[usize]; 5] = [&[1, 2], &[2, 2], &[3], &[4], &[]];
        assert_eq!(golden.output("trace.rank_retraces"), &counts(&cube(), shapes.map(ones)));
    };
    t_tr04_each_new_dtype_is_a_new_trace_and_old_ones_stay => |golden| {
        let calls = [tensor(1.0), tensor(2.0), tensor(1), Tensor::from(1.0_f64), tensor(3.0)];
        assert_eq!(golden.output("trace.dtype_retraces"), &counts(&cube(), calls));
    };
    t_tr06_host_data_counts_as_tensors_lists_by_structure_text => |golden| {
        let calls = [tensor([1., 2.]), Tensor::from([3.0_f32, 4.0]), tensor([5., 6.])];
        assert_eq!(golden.output("trace.numpy_array_like_tensor"), &counts(&cube(), calls));
        let sum = Function::new(|xs: &Vec<Tensor>| xs.iter().cloned().sum::<Tensor>());
        let made = [2, 2, 1].map(|n| {
            let before = sum.trace_count();
            let _ = sum(&vec![tensor(1.0); n]);
            sum.trace_count() - before
        });
        assert_eq!(golden.output("trace.list_arg"), &json!(made.to_vec()));
        let texts = Function::new(|x: &&'static str| tensor(x.len() as i32));
        let made = ["a", "b", "a"].map(|text| {
            let before = texts.trace_count();
            let _ = texts(&text);
            texts.trace_count() - before
        });
        assert_eq!(golden.output("trace.string_py_arg"), &json!(made.to_vec()));
        let nothing = Function::new(|x: &Option<Tensor>| x.clone().unwrap_or_else(|| tensor(0.0)));
        let made = [None, None].map(|x| {
            let before = nothing.trace_count();
            let _ = nothing(&x);
            nothing.trace_count() - before
        });
        assert_eq!(golden.output("trace.none_arg"), &json!(made.to_vec()));
        // Variables count by their type, not by which they are.
        let doubled = Function::new(|v: &Variable| v * 2.0);
        let variables = [Variable::new(1.0), Variable::new(2.0), Variable::new([1.0, 2.0])];
        let made = variables.map(|v| {
            let before = doubled.trace_count();
            let _ = doubled(&v);
            doubled.trace_count() - before
        });
        assert_eq!(golden.output("trace.variable_arg"), &json!(made.to_vec()));
        // Tensors count by their type, host numbers, here of a function of its own, by value.
        let tensors = Function::new(|a: &Tensor, b: &Tensor| a + b);
        let numbers = Function::new(|a: &i32, b: &i32| tensor(a + b));
        let total = || tensors.trace_count() + numbers.trace_count();
        let calls: [&dyn Fn(); 4] = [
            &|| drop(tensors(&tensor(1), &tensor(2))),
            &|| drop(tensors(&tensor(3), &tensor(4))),
            &|| drop(numbers(&1, &2)),
            &|| drop(numbers(&3, &4)),
        ];
        let made = calls.map(|call| {
            let before = total();
            call();
            total() - before
        });
        assert_eq!(golden.output("trace.kwargs"), &json!(made.to_vec()));
    };
    t_tr07_retracing_is_reduced_at_the_second_size => |golden| {
        let sizes = [[1], [2], [3], [4]];
        assert_eq!(golden.output("trace.reduce_retracing"), &counts(&cube().reduce_retracing(), sizes.map(|n| ones(&n))));
        assert_eq!(golden.output("trace.default_many_shapes"), &counts(&cube(), [[1], [2], [3], [4], [2]].map(|n| ones(&n))));
    };
    t_tr08_an_input_signature_is_traced_once => |golden| {
        let one = cube().input_signature(spec!(f32[None]));
        assert_eq!(golden.output("trace.input_signature.0"), &counts(&one, [ones(&[2]), ones(&[3])]));
        let two = cube().input_signature(spec!(f32[None, None]));
        assert_eq!(golden.output("trace.input_signature.1"), &counts(&two, [ones(&[2, 3]), ones(&[3, 1])]));
        let rows = cube().input_signature(spec!(f32[None, 3]));
        assert_eq!(golden.output("trace.input_signature.2"), &counts(&rows, [ones(&[2, 3]), ones(&[3, 3])]));
    };
    t_tr09_strided_slices_of_an_unknown_batch => |golden| {
        let f = shrink();
        for (key, batch) in [("sig.shrink.0", 100), ("sig.shrink.1", 50)] {
            let shape = f(&ones(&[batch, 28, 28])).shape().known().unwrap().to_vec();
            assert_eq!(golden.output(key), &json!([shape, f.trace_count()]));
        }
        let image = range(2 * 28 * 28).cast(tracelift_function::F32).reshape([2, 28, 28]);
        golden.same("sig.shrink.values", &f(&image).slice((0, ..2, ..4)));
        let output = &f.signatures()[0].signature().outputs[0];
        assert_eq!(golden.output("sig.shrink.output_spec"), &json!(output.spec.dims));
        same_graph(golden, "shrink", f.signatures()[0].graph());
    };
    t_tr10_an_input_signature_refuses_other_shapes_dtypes_and_ranks => |golden| {
        let f = shrink();
        golden.fails("sig.shrink.2", f(&ones(&[2, 2, 2])).ok());
        golden.fails("sig.shrink.wrong_dtype", f(&Tensor::full([100, 28, 28], 1)).ok());
        golden.fails("sig.shrink.wrong_rank", f(&ones(&[28, 28])).ok());
    };
    t_tr12_host_effects_happen_while_tracing_only => |golden| {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let list = seen.clone();
        let f = Function::new(move |x: &Tensor| {
            list.lock().unwrap().push(x.to_string());
            x + 1
        });
        (0..3).for_each(|_| drop(f(&tensor(1.0))));
        assert_eq!(golden.output("res.python_side_effects_only_at_trace"), &json!(seen.lock().unwrap().len()));
    };
}

fn shrink() -> Function<fn(&Tensor) -> Tensor> {
    Function::new(|images: &Tensor| images.slice(s![.., ..;2, ..;2]))
        .argument_names(&["images"])
        .input_signature([spec!(f32[None, 28, 28])])
}
