//! Rows TR01, TR05, TR11: what a trace sees, host values in keys, random tensors.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tracelift_function::{Function, Tensor, random, spec, tensor};

use crate::rows;

rows! {
    t_tr01_a_trace_runs_the_host_body_once_and_sees_tensors_without => |golden| {
        // What is printed in the traced body is printed once per trace.
        let seen = Arc::new(Mutex::new(Vec::new()));
        let show = {
            let seen = seen.clone();
            move |text: String| seen.lock().unwrap().push(text)
        };
        let tensors = Function::new({
            let show = show.clone();
            move |x: &Tensor| {
                show(x.to_string());
                x.powi(3)
            }
        })
        .argument_names(&["x"]);
        let numbers = Function::new(move |n: &i32| {
            show(n.to_string());
            tensor(n.pow(3))
        });
        drop(tensors(&tensor(2.0)));
        for n in [2, 3] {
            drop(numbers(&n));
        }
        for x in [tensor([[1.0, 2.0]]), tensor([[3.0, 4.0], [5.0, 6.0]]), tensor([[7.0, 8.0], [9.0, 10.0]])] {
            drop(tensors(&x));
        }
        let seen = seen.lock().unwrap().clone();
        let theirs: Vec<String> = golden.output("trace.cube_seen").as_array().unwrap().iter().map(|x| x.as_str().unwrap().to_owned()).collect();
        assert_eq!(golden.output("trace.total"), &json!(seen.len()));
        for (own, their) in seen.iter().zip(&theirs) {
            match their.split_once("shape=(") {
                None => assert_eq!(own, their),
                Some((_, shape)) => {
                    // Theirs is `Tensor("x:0", shape=(), dtype=float32)`.
                    let shape = shape.split(')').next().unwrap().trim_end_matches(',');
                    assert_eq!(own, &format!("Tensor(x: f32[{shape}], traced)"));
                }
            }
        }
        let images = Arc::new(Mutex::new(Vec::new()));
        let list = images.clone();
        let shrink = Function::new(move |images: &Tensor| {
            list.lock().unwrap().push(images.to_string());
            images.slice(0)
        });
        let shrink = shrink.argument_names(&["images"]).input_signature(spec!(f32[None, 28, 28]));
        for n in [100, 50] {
            drop(shrink(&Tensor::ones([n, 28, 28])));
        }
        assert_eq!(golden.output("sig.shrink.seen").as_array().unwrap().len(), images.lock().unwrap().len());
        assert_eq!(*images.lock().unwrap(), ["Tensor(images: f32[B, 28, 28], traced)"]);
    };
    t_tr05_host_values_are_keyed_by_type_and_value_not_by_equality => |golden| {
        // A documented difference: TensorFlow takes 1, 1.0 and True for one value; here a type is part of the signature.
        let counts = |f: &dyn Fn() -> usize, before: usize| f() - before;
        let (ints, floats, bools) =
            (Function::new(|n: &i32| tensor(*n)), Function::new(|n: &f32| tensor(*n)), Function::new(|n: &bool| tensor(*n)));
        let total = || ints.trace_count() + floats.trace_count() + bools.trace_count();
        let mut made = Vec::new();
        let mut note = |call: &dyn Fn()| {
            let before = total();
            call();
            made.push(counts(&total, before));
        };
        note(&|| drop(ints(&1)));
        note(&|| drop(ints(&2)));
        note(&|| drop(ints(&1)));
        note(&|| drop(floats(&2.0)));
        note(&|| drop(floats(&1.0)));
        note(&|| drop(bools(&true)));
        note(&|| drop(floats(&1.0)));
        note(&|| drop(ints(&1)));
        let theirs = [golden.output("trace.py_value_retraces"), golden.output("trace.py_float_then_int")];
        assert_eq!(theirs, [&json!([1, 1, 0, 0, 0, 0]), &json!([1, 0])]);
        assert_eq!(made, [1, 1, 0, 1, 1, 1, 0, 0]);
    };
    t_tr11_random_tensors_of_a_seed_are_the_same_again_in_0_1 => |_| {
        let generator = random::Generator::new(0);
        let f = Function::new({
            let generator = generator.clone();
            move |n: &usize| generator.uniform([*n, 4, 4], 0.0, 1.0)
        });
        let drawn = |seed: u64| {
            generator.set_seed(seed).unwrap();
            [f(&100).to_vec::<f32>().unwrap(), f(&50).to_vec::<f32>().unwrap(), f(&100).to_vec::<f32>().unwrap()]
        };
        let (a, b, c) = (drawn(7), drawn(7), drawn(8));
        assert_eq!(a, b);
        assert_ne!(a[0], c[0]);
        assert_ne!(a[0], a[2]);
        assert_eq!(f.trace_count(), 2);
        assert!(a.iter().flatten().all(|x| (0.0..1.0).contains(x)));
        let mean = a[0].iter().sum::<f32>() / a[0].len() as f32;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    };
}
