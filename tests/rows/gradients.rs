//! Rows G: gradients.

use tracelift_function::{
    Engine, F32, F64, Function, GradientTape, Options, Tensor, Unconnected, Variable, concat, custom_gradient, grad,
    jacobian, select, tensor, value_and_grad, value_and_gradients,
};

use crate::{golden::same, rows};

fn f(w1: &Tensor, w2: &Tensor) -> Tensor {
    3 * w1.powi(2) + 2 * w1 * w2
}

fn weights() -> (Variable, Variable) {
    (Variable::new(5.), Variable::new(3.))
}

fn t() -> Tensor {
    tensor([[1., 2., 3.], [4., 5., 6.]])
}

/// That gradients are what TensorFlow gives: taken at once, and inside a traced function on every engine.
fn everywhere(gradients: impl Fn() -> Vec<Tensor> + Clone + Send + Sync + 'static, check: impl Fn(&[&Tensor])) {
    let eager = gradients();
    check(&eager.iter().collect::<Vec<_>>());
    for engine in Engine::ALL {
        let traced = Function::new(gradients.clone()).options(Options { engine, ..Options::default() })();
        check(&traced.iter().collect::<Vec<_>>());
        for (eager, traced) in eager.iter().zip(&traced) {
            assert!(eager.to_array().unwrap().bit_eq(&traced.to_array().unwrap()), "{}", engine.name());
        }
    }
}

rows! {
    t_g01_finite_differences_of_a_host_function => |golden| {
        let f = |w1: f64, w2: f64| 3. * w1.powi(2) + 2. * w1 * w2;
        let expect = golden.output("grad.finite_difference").as_array().unwrap();
        let eps = 1e-6;
        assert_eq!(expect[0].as_f64().unwrap(), (f(5. + eps, 3.) - f(5., 3.)) / eps);
        assert_eq!(expect[1].as_f64().unwrap(), (f(5., 3. + eps) - f(5., 3.)) / eps);
    };
    t_g02_gradients_by_two_variables => |golden| {
        let (w1, w2) = weights();
        let (_, [d1, d2]) = value_and_gradients(|| f(&w1, &w2), [&w1, &w2]);
        golden.same_list("grad.two_vars", &[&d1, &d2]);
        everywhere(move || {
            let tape = GradientTape::new();
            let z = f(&w1, &w2);
            tape.gradient(&z, [&w1, &w2]).to_vec()
        }, |given| golden.same_list("grad.two_vars", given));
    };
    t_g03_a_tape_gives_one_gradient => |golden| {
        // That a tape which was asked cannot be asked again is a compile error, shown on the type's page; types cannot
        // tell that a tape outlives the trace it was made in.
        let leaked = std::cell::RefCell::new(None);
        let (w, _) = weights();
        let _ = grad(|x: &Tensor| {
            *leaked.borrow_mut() = Some(GradientTape::new());
            x.square()
        })(&tensor(1.));
        let tape = leaked.into_inner().unwrap();
        golden.fails("grad.second_call_runtime_error", tape.gradient(&w.square(), &w).ok());
    };
    t_g04_a_persistent_tape_gives_several => |golden| {
        let (w1, w2) = weights();
        everywhere(move || {
            let tape = GradientTape::persistent();
            let z = f(&w1, &w2);
            let gradients = vec![tape.gradient(&z, &w1), tape.gradient(&z, &w2)];
            drop(tape);
            gradients
        }, |given| golden.same_list("grad.persistent", given));
    };
    t_g05_tensors_that_nobody_watches_have_no_gradient => |golden| {
        let (c1, c2) = (tensor(5.), tensor(3.));
        let tape = GradientTape::new();
        let z = f(&c1, &c2);
        let gradients = tape.gradient(&z, [&c1, &c2]);
        golden.same_options("grad.constants_unwatched_none", gradients);
        let tape = GradientTape::new();
        tape.watch(&c1);
        let z = f(&c1, &c2);
        golden.same_options("grad.one_watched", tape.gradient(&z, [&c1, &c2]));
    };
    t_g06_watched_tensors_have => |golden| {
        let (c1, c2) = (tensor(5.), tensor(3.));
        let tape = GradientTape::new();
        tape.watch(&c1);
        tape.watch(&c2);
        let z = f(&c1, &c2);
        golden.same_options("grad.constants_watched", tape.gradient(&z, [&c1, &c2]));
        // Equal constants are told apart.
        let (a, b) = (tensor(4.), tensor(4.));
        let tape = GradientTape::new();
        tape.watch(&a);
        tape.watch(&b);
        let (da, db) = tape.gradient(&(&a * 2 + &b * 3), (&a, &b));
        assert_eq!((da.item::<f32>().unwrap(), db.item::<f32>().unwrap()), (2., 3.));
    };
    t_g07_several_targets_are_summed => |golden| {
        let (w1, w2) = weights();
        everywhere(move || {
            let tape = GradientTape::new();
            let z = [2., 5., 7.].map(|shift| f(&w1, &(&w2 + shift)));
            tape.gradient(&z, [&w1, &w2]).to_vec()
        }, |given| golden.same_list("grad.list_of_targets_summed", given));
    };
    t_g08_the_gradient_of_several_targets_or_of_several_elements => |golden| {
        let (w1, w2) = weights();
        everywhere(move || {
            let tape = GradientTape::new();
            let z: Tensor = [2., 5., 7.].iter().map(|shift| f(&w1, &(&w2 + *shift))).sum();
            tape.gradient(&z, [&w1, &w2]).to_vec()
        }, |given| golden.same_list("grad.explicit_sum_same", given));
        golden.same("grad.vector_target_is_sum", &grad(Tensor::square)(&tensor([1., 2., 3.])));
    };
    t_g09_second_derivatives_and_none_where_there_is_no_path => |golden| {
        let (w1, w2) = weights();
        let output = golden.output("grad.hessians");
        let hessians = || {
            let outer = GradientTape::persistent();
            let inner = GradientTape::new();
            let z = f(&w1, &w2);
            let jacobians = inner.gradient(&z, [&w1, &w2]);
            let hessians = jacobians.each_ref().map(|j| outer.gradient(j, [&w1, &w2]));
            (jacobians, hessians)
        };
        let check = |(jacobians, hessians): ([Tensor; 2], [[Tensor; 2]; 2])| {
            for (row, (jacobian, hessian)) in jacobians.iter().zip(hessians).enumerate() {
                same("grad.hessians", &output["jacobians"][row], jacobian, 0.0);
                for (column, entry) in hessian.into_iter().enumerate() {
                    let expect = &output["hessians"][row][column];
                    match entry.connected() {
                        Some(entry) => same("grad.hessians", expect, &entry, 0.0),
                        None => assert!(expect.is_null(), "hessian {row} {column}"),
                    }
                }
            }
        };
        check(hessians());
        for pick in [0, 1] {
            let (jacobian, hessian) = value_and_gradients(
                || value_and_gradients(|| f(&w1, &w2), [&w1, &w2]).1[pick].clone(),
                [&w1, &w2],
            );
            let (jacobians, mut all) = hessians();
            all[pick] = hessian;
            let mut both = jacobians.clone();
            both[pick] = jacobian;
            check((both, all));
        }
    };
    t_g10_stop_gradient => |golden| {
        let (w1, w2) = weights();
        let f = || 3 * w1.powi(2) + (2 * &w1 * &w2).stop_gradient();
        let (z, [d1, d2]) = value_and_gradients(f, [&w1, &w2]);
        let output = golden.output("grad.stop_gradient");
        same("grad.stop_gradient", &output["z"], &z, 0.0);
        same("grad.stop_gradient", &output["gradients"][0], &d1, 0.0);
        assert!(output["gradients"][1].is_null() && d2.connected().is_none());
        let tape = GradientTape::new();
        let z = f();
        let [d1, d2] = tape.gradient(&z, [&w1, &w2]);
        same("grad.stop_gradient", &output["gradients"][0], &d1, 0.0);
        assert!(d2.connected().is_none());
    };
    t_g11_nothing_is_recorded_in_a_pause => |golden| {
        let (w1, w2) = weights();
        let tape = GradientTape::new();
        let y = w1.square() + tape.stop_recording(|| w2.square());
        golden.same_options("grad.stop_recording", tape.gradient(&y, [&w1, &w2]));
        // What was computed in the pause stays a constant.
        let tape = GradientTape::new();
        let paused = tape.pause(|| w2.square());
        golden.same_options("grad.stop_recording", tape.gradient(&(w1.square() + paused * 3), [&w1, &w2]));
    };
    t_g12_the_root_of_a_number_that_underflows => |golden| {
        let (tiny, tiny64) = (Variable::new(1e-50), Variable::new(Tensor::from(1e-50_f64)));
        let (_, d) = value_and_gradients(|| tiny.sqrt(), &tiny);
        same("grad.sqrt_tiny", &golden.output("grad.sqrt_tiny")["gradient"][0], &d, 0.0);
        let (_, d) = value_and_gradients(|| tiny64.sqrt(), &tiny64);
        // One rounding more or less: 0.5 / sqrt(x) and 0.5 * (1 / sqrt(x)) differ in the last bit.
        same("grad.sqrt_tiny_f64", &golden.output("grad.sqrt_tiny_f64")["gradient"][0], &d, 2.0 * f64::EPSILON);
    };
    t_g13_ln => |golden| golden.everywhere("grad.log_exp_30", &tensor(30.), |x| (x.exp() + 1).log());
    t_g14_a_naive_softplus_overflows_to_nan => |golden| {
        let (z, d) = value_and_grad(|z: &Tensor| (1 + z.exp()).log())(&tensor([1e30]));
        let output = golden.output("grad.naive_softplus_big_nan");
        same("grad.naive_softplus_big_nan", &output["z"], &z, 0.0);
        same("grad.naive_softplus_big_nan", &output["gradient"][0], &d, 0.0);
        // It overflows from some 89 on, and its gradient is NaN there.
        let x = tensor([-1000., -100., -50., -20., -5., -1., -0.5, 0., 0.5, 1., 5., 15., 20., 50., 80., 100., 1000.]);
        let (z, d) = value_and_grad(|z: &Tensor| (1 + z.exp()).log())(&x);
        same("softplus.naive.values", golden.output("softplus.naive.values"), &z, 1e-6);
        // TensorFlow's exp, its reciprocal and their product are rounded three times: 1.0000666 at 80.
        same("softplus.naive.gradients", golden.output("softplus.naive.gradients"), &d, 1e-4);
    };
    t_g15_a_stable_softplus_and_its_gradient_at_0 => |golden| {
        let softplus = |z: &Tensor| (1 + (-z.abs()).exp()).log() + tensor(0.).maximum(z);
        for (key, x) in [("grad.stable_softplus_autodiff", 1000.), ("grad.stable_softplus_autodiff_at_0", 0.)] {
            let (z, d) = value_and_grad(softplus)(&tensor([x]));
            same(key, &golden.output(key)["z"], &z, 0.0);
            same(key, &golden.output(key)["gradient"][0], &d, 0.0);
        }
        let x = tensor([-1000., -100., -50., -20., -5., -1., -0.5, 0., 0.5, 1., 5., 15., 20., 50., 80., 100., 1000.]);
        let (z, d) = value_and_grad(softplus)(&x);
        // Both libraries' exp and ln are within an ulp or so of the truth, on different sides.
        same("softplus.stable.values", golden.output("softplus.stable.values"), &z, 1e-6);
        same("softplus.stable.gradients", golden.output("softplus.stable.gradients"), &d, 1e-6);
        let (z, d) = value_and_grad(Tensor::softplus)(&x);
        same("softplus.builtin.values", golden.output("softplus.builtin.values"), &z, 1e-6);
        same("softplus.builtin.gradients", golden.output("softplus.builtin.gradients"), &d, 1e-6);
    };
    t_g16_a_function_may_say_itself_what_flows_back_through => |golden| {
        let softplus = |z: &Tensor| {
            custom_gradient(z, |z: &Tensor| (1 + (-z.abs()).exp()).log() + tensor(0.).maximum(z), |z: &Tensor, _: &Tensor, dy: &Tensor| dy * (1 - 1 / (1 + z.exp())))
        };
        let x = tensor([-1000., -100., -50., -20., -5., -1., -0.5, 0., 0.5, 1., 5., 15., 20., 50., 80., 100., 1000.]);
        let (values, gradients) = (golden.output("softplus.custom.values"), golden.output("softplus.custom.gradients"));
        let big = golden.output("grad.custom_gradient_softplus");
        let by_tape = move |x: &Tensor| {
            let tape = GradientTape::new();
            tape.watch(x);
            let z = softplus(x);
            (z.clone(), tape.gradient(&z, x))
        };
        let traced = Function::new(by_tape);
        let all: [&dyn Fn(&Tensor) -> (Tensor, Tensor); 3] = [&by_tape, &*traced, &value_and_grad(softplus)];
        for f in all {
            let (z, d) = f(&x);
            // Both libraries' exp and ln are within an ulp or so of the truth, on different sides.
            same("softplus.custom.values", values, &z, 1e-6);
            same("softplus.custom.gradients", gradients, &d, 1e-6);
            let (z, d) = f(&tensor([1000.]));
            same("grad.custom_gradient_softplus", &big["z"], &z, 0.0);
            same("grad.custom_gradient_softplus", &big["gradient"][0], &d, 0.0);
        }
    };
    t_g17_no_path_is_none_zeros_on_request => |golden| {
        let (w1, w2) = weights();
        let (_, gradients) = value_and_gradients(|| &w1 * 2, [&w1, &w2]);
        golden.same_options("grad.unconnected_none", gradients);
        let tape = GradientTape::persistent();
        let z = &w1 * 2;
        golden.same_options("grad.unconnected_none", tape.gradient(&z, [&w1, &w2]));
        let zeros = tape.unconnected(Unconnected::Zero).gradient(&z, [&w1, &w2]);
        golden.same_list("grad.unconnected_zero", &zeros.each_ref());
        let n = Variable::new(3);
        let (_, d) = value_and_gradients(|| n.cast(F32).square(), &n);
        assert!(golden.output("grad.int_variable").is_null() && d.connected().is_none());
        let tape = GradientTape::new();
        let y = n.cast(F32).square();
        assert!(tape.gradient(&y, &n).connected().is_none());
    };
    t_g18_gradients_start_from_given_ones => |golden| {
        let f = |x: &Tensor| x.slice(..2) * x.slice(1..);
        let x = tensor([1., 2., 3.]);
        everywhere({
            let x = x.clone();
            move || {
                let tape = GradientTape::persistent();
                tape.watch(&x);
                let (y, z) = (f(&x), x.square());
                let weighted = tape.output_gradients(&tensor([1., 10., 100.])).gradient(&z, &x);
                vec![tape.jacobian(&y, &x), weighted]
            }
        }, |given| {
            golden.same("grad.jacobian", given[0]);
            golden.same("grad.output_gradients", given[1]);
        });
        golden.same("grad.jacobian", &jacobian(f)(&x));
    };
    t_g19_ties_and_kinks => |golden| {
        let output = golden.output("grad.ties");
        let checks: [(&str, Tensor); 4] = [
            ("reduce_max", grad(|x: &Tensor| x.max(..))(&tensor([3., 3., 1.]))),
            ("maximum_tie", grad(|x: &Tensor| x.maximum(2.))(&tensor([2., 3., 1.]))),
            ("abs_at_0", grad(Tensor::abs)(&tensor([0., -0., -1.]))),
            ("relu_at_0", grad(Tensor::relu)(&tensor([0., -0., -1.]))),
        ];
        for (name, given) in checks {
            same(name, &output[name], &given, 0.0);
        }
    };
    t_g20_branches_not_taken_that_are_infinite => |golden| {
        let x = tensor([-1., 0., 4.]);
        let positive = |x: &Tensor| select(&x.gt(0), x, 1.);
        let roots = golden.output("grad.where_sqrt");
        same("plain", &roots["plain"], &grad(|x: &Tensor| select(&x.gt(0), x.sqrt(), 0.))(&x), 0.0);
        same("double", &roots["double_where"], &grad(|x: &Tensor| select(&x.gt(0), positive(x).sqrt(), 0.))(&x), 0.0);
        let logs = golden.output("grad.where_log_nan_trap");
        same("plain", &logs["plain"], &grad(|x: &Tensor| select(&x.gt(0), x.log(), 0.))(&x), 0.0);
        same("double", &logs["double_where"], &grad(|x: &Tensor| select(&x.gt(0), positive(x).log(), 0.))(&x), 0.0);
    };
    t_g21_one_walk_back_serves_any_number_of_sources => |_| {
        // Nodes of the gradients of a chain of 40 products by some of its factors.
        let nodes = |sources: usize| {
            let factors: Vec<Variable> = (0..40).map(|_| Variable::new(1.5)).collect();
            let step = Function::new(move |x: &Tensor| {
                let tape = GradientTape::new();
                let y = factors.iter().fold(x.clone(), |y, w| (y * w).tanh());
                tape.gradient(&y, &factors[..sources])
            });
            step.concrete(&tensor(0.5)).unwrap().graph().len()
        };
        let (one, ten, forty) = (nodes(1), nodes(10), nodes(40));
        // The walk is the same; a further source is one identity among the results.
        assert!(ten - one <= 9 * 2 && forty - ten <= 30 * 2, "{one}, {ten}, {forty}");
    };
    t_g22_gradients_of_structural_ops => |golden| {
        let output = golden.output("grad.structural_ops");
        let weights = || tensor([[10., 20., 30.], [40., 50., 60.]]);
        let checks: [(&str, Tensor); 5] = [
            ("matmul_self_t", grad(|t: &Tensor| t.matmul(t.t()))(&t())),
            ("slice_square", grad(|t: &Tensor| t.slice((.., 1..)).square())(&t())),
            ("concat", grad(move |t: &Tensor| concat(&[t, t], 0) * concat(&[&(weights() * 0.5), &(weights() * 0.5)], 0))(&t())),
            ("mean_of_row_max", grad(|t: &Tensor| t.max(-1).mean(..))(&t())),
            ("gather_repeats", grad(|t: &Tensor| t.gather(&tensor([0, 1, 0])))(&t())),
        ];
        for (name, given) in checks {
            same(name, &output[name], &given, 0.0);
        }
        assert_eq!(Tensor::from(1.0_f64).dtype(), F64);
    };
}
