//! Rows Z: what traces become, stage by stage, and that it means the same.

use std::sync::Arc;

use serde_json::json;
use tracelift_function::{
    ConcreteFunction, Engine, ErrorKind, Function, GradientTape, I32, Options, Result, Tensor, Variable, cond, random,
    select, spec, tensor, value_and_gradients, while_loop,
};
use tracelift_ir::Graph;

use crate::{
    golden::Golden,
    graphs::{body_kinds, operations, our_kind, own_kinds, same_graph},
    rows,
};

#[tracelift::function(name("add_10"))]
fn add_10(x: &Tensor) -> Tensor {
    let mut x = x.clone();
    for _ in tracelift::range_t(10) {
        x += 1;
    }
    x
}

/// A traced function of one tensor and its concrete function for a spec.
fn concrete(
    name: &str,
    f: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static,
    spec: tracelift_function::TensorSpec,
) -> Arc<ConcreteFunction> {
    Function::new(f).named(name).argument_names(&["x"]).concrete(spec).unwrap()
}

/// That a function gives equal bits at once and on every engine; the eager result.
fn everywhere(x: &Tensor, f: impl Fn(&Tensor) -> Tensor + Clone + Send + Sync + 'static) -> Vec<f64> {
    let eager = f(x).to_array().unwrap();
    for engine in Engine::ALL {
        let compiled = Function::new(f.clone()).options(Options { engine, ..Options::default() });
        let given = compiled(x).to_array().unwrap();
        assert!(eager.bit_eq(&given), "{eager} eager, {given} on {}", engine.name());
    }
    (0..eager.len()).map(|i| eager.get_f64(i)).collect()
}

/// The text after each stage that changes it, as one.
fn stages(concrete: &ConcreteFunction) -> String {
    let (mut shown, mut before) = (String::new(), String::new());
    for (stage, text) in concrete.stages().unwrap() {
        if text != before {
            shown += &format!("; after {stage}:\n{text}\n");
        }
        before = text;
    }
    shown
}

/// Two layers, as `mlp_forward` of the golden graphs.
struct Mlp {
    weights: [Variable; 4],
}

impl Mlp {
    fn new() -> Mlp {
        let full = |sizes: &[usize], value: f32| Variable::new(Tensor::full(sizes, value));
        Mlp {
            weights: [
                full(&[3, 4], 0.5).named("w1"),
                full(&[4], 0.25).named("b1"),
                full(&[4, 1], -0.5).named("w2"),
                full(&[1], 0.125).named("b2"),
            ],
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let [w1, b1, w2, b2] = &self.weights;
        (x.matmul(w1) + b1).relu().matmul(w2) + b2
    }
}

/// As `mlp_loss_and_gradients` of the golden graphs, with a tape.
fn mlp_step() -> Arc<ConcreteFunction> {
    let mlp = Arc::new(Mlp::new());
    let step = Function::new(move |x: &Tensor, y: &Tensor| {
        let tape = GradientTape::new();
        let loss = (mlp.forward(x) - y).square().mean(..);
        (loss.clone(), tape.gradient(&loss, &mlp.weights))
    });
    step.argument_names(&["x", "y"]).concrete([spec!(f32[None, 3]), spec!(f32[None, 1])]).unwrap()
}

/// The kinds of the operations that are compared: not what methods make, nor the identities of variables and closures.
fn left_in(graph: &Graph) -> Vec<&'static str> {
    let named = graph.operations();
    let inputs = |kind: &str| ["const", "broadcast", "cast", "dim"].contains(&kind);
    let results: Vec<_> = graph.results().iter().map(|result| result.node).collect();
    let own =
        named.iter().filter(|one| !inputs(one.kind()) && (one.kind() != "identity" || results.contains(&one.index())));
    own.map(|one| one.kind()).collect()
}

fn sorted(mut kinds: Vec<&str>) -> Vec<&str> {
    kinds.sort_unstable();
    kinds
}

/// That a training step is TensorFlow's: what goes forward, the products that go back, and what is given.
fn loss_and_gradients(golden: &Golden) {
    let key = "mlp_loss_and_gradients";
    let step = mlp_step();
    let all = golden.graph(key)["operations"].as_array().unwrap();
    let kind = |one: &serde_json::Value| one["type"].as_str().unwrap().to_owned();
    // Forward, the very operations; the mean is a sum and a division here.
    let forward = ["MatMul", "AddV2", "Relu", "MatMul", "AddV2", "Sub", "Square", "Mean"];
    let is_forward = |one: &&serde_json::Value| !one["name"].as_str().unwrap().starts_with("gradient_tape");
    let computes = |one: &&serde_json::Value| forward.contains(&kind(one).as_str());
    assert_eq!(all.iter().filter(is_forward).filter(computes).map(kind).collect::<Vec<_>>(), forward);
    let ours = ["dot_general", "add", "max", "dot_general", "add", "sub", "mul", "reduce_sum"];
    let kinds: Vec<&str> = left_in(step.graph()).into_iter().filter(|kind| *kind != "parameter").collect();
    assert_eq!(kinds[..ours.len()], ours);
    // Backward, after what nobody needs is gone: three products of these types, a sum for each bias, the mask of the relu.
    let ty = |one: &serde_json::Value| {
        let dims = one["outputs"][0][2].as_array().unwrap();
        let dims: Vec<String> = dims.iter().map(|n| n.as_u64().map_or("B".to_owned(), |n| n.to_string())).collect();
        format!("f32[{}]", dims.join(", "))
    };
    let mut theirs: Vec<String> = all.iter().filter(|one| one["type"] == "MatMul").map(ty).collect();
    let needed = Graph::parse(&step.text_after("cse").unwrap()).unwrap();
    let of = |kind: &str| {
        let found = needed.nodes().filter(|(_, node)| node.op.name() == kind);
        found.map(|(_, node)| node.types[0].to_string()).collect::<Vec<String>>()
    };
    let mut products = of("dot_general");
    theirs.sort();
    products.sort();
    assert_eq!(products, theirs);
    let biases = ["gradient_tape/add_1/Sum", "gradient_tape/add/Sum"];
    assert!(biases.iter().all(|name| all.iter().any(|one| one["name"] == *name)));
    assert_eq!(of("reduce_sum"), ["f32[]", "f32[1]", "f32[4]"]);
    assert_eq!((all.iter().filter(|one| one["type"] == "ReluGrad").count(), of("select").len()), (1, 1));
    // What is given, and which variables are read.
    let signature = step.signature();
    let given: Vec<String> = signature.outputs.iter().map(|one| one.spec.to_string()).collect();
    let results: Vec<String> = all.iter().filter(|one| one["type"] == "Identity").map(ty).collect();
    assert_eq!(given, results);
    let theirs = &golden.graph(key)["signature"];
    let names = |list: &serde_json::Value| {
        list.as_array().unwrap().iter().map(|one| one[0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(signature.outputs.iter().map(|one| one.name.clone()).collect::<Vec<_>>(), names(&theirs["outputs"]));
    assert_eq!(signature.inputs.len(), theirs["inputs"].as_array().unwrap().len());
    assert_eq!(
        json!(signature.inputs.iter().filter(|one| one.dtype_name() == "resource").count()),
        golden.graph(key)["captures"]
    );
}

rows! {
    t_z01_every_call_is_a_node_with_dtype_shape_and_name_unknown => |golden| {
        let cube = |x: &Tensor| x.powi(3);
        same_graph(golden, "cube.matrix_f32", concrete("cube", cube, spec!(f32[2, 2])).graph());
        same_graph(golden, "cube.unknown_batch_f32", concrete("cube", cube, spec!(f32[None, 3])).graph());
        let mlp = Mlp::new();
        same_graph(golden, "mlp_forward", concrete("mlp", move |x| mlp.forward(x), spec!(f32[None, 3])).graph());
        let softplus = |z: &Tensor| (1 + (-z.abs()).exp()).log() + tensor(0.0).maximum(z);
        let softplus = Function::new(softplus).argument_names(&["z"]).concrete(spec!(f32[None])).unwrap();
        same_graph(golden, "softplus_stable", softplus.graph());
        let huber = Function::new(|y: &Tensor, p: &Tensor| {
            let error = y - p;
            select(&error.abs().lt(1.0), error.square() / 2.0, error.abs() - 0.5)
        });
        let huber = huber.argument_names(&["y", "p"]).concrete([spec!(f32[None, 1]), spec!(f32[None, 1])]).unwrap();
        // Two unknown sizes that are assumed equal are one from there on.
        same_graph(golden, "huber_fn", huber.graph());
        // A documented difference: code is made for a rank, so that a spec of any rank is traced once for each.
        let any = Function::new(cube).argument_names(&["x"]).input_signature(spec!(f32[..]));
        for x in [tensor(2.0), tensor([2.0, 3.0]), tensor([2.0]), Tensor::ones([2, 3]), Tensor::ones([1, 1])] {
            assert_eq!(any(&x).to_vec::<f32>().unwrap(), cube(&x).to_vec::<f32>().unwrap());
        }
        assert_eq!(any.signatures().len(), 3);
        for of_a_rank in any.signatures() {
            same_graph(golden, "cube.unknown_rank_f32", of_a_rank.graph());
        }
        assert!(any(&tensor(2)).error().unwrap().to_string().contains("takes f32[..] by its input signature"));
        let error = Function::new(cube).concrete(spec!(f32[..])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Value, "{error}");
    };
    t_z02_one_compiled_function_per_signature_kept => |_| {
        let f = Function::new(|x: &Tensor| x + 1);
        let of = |x: &Tensor| f.concrete(x).unwrap();
        let (a, b, c) = (of(&tensor(1.0)), of(&tensor([1.0])), of(&tensor(2.0)));
        assert!(Arc::ptr_eq(&a, &c) && !Arc::ptr_eq(&a, &b));
        drop(f(&tensor(5.0)));
        assert_eq!((f.trace_count(), f.signatures().len()), (2, 2));
        assert!(Arc::ptr_eq(&f.signatures()[0], &a));
    };
    t_z03_fused_chains_give_the_bits_of_single_ops_nan => |_| {
        let hard = tensor([-1000.0, -100.0, -1.0, -0.0, 0.0, 1e-40, 1.0, 100.0, 1000.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        // The naive form overflows, on every engine in the same way.
        let naive = everywhere(&hard, |x| (x.exp() + 1.0).log());
        assert!(naive[8].is_infinite() && naive[9].is_infinite() && naive[11].is_nan() && naive[0] == 0.0);
        let chain = everywhere(&hard, |x| ((x * 2.0 - 1.0).tanh() + x.abs()).maximum(0.25) / (x.square() + 1.0));
        assert!(chain[11].is_nan());
        let kernels = concrete("chain", |x| (x.exp() + 1.0).log() * 2.0, spec!(f32[None])).kernels().unwrap().len();
        assert_eq!(kernels, 1, "the chain is one kernel");
    };
    t_z04_folding_dead_code_common_subexpressions => |golden| {
        let f = concrete("f", |x| {
            let _dead = x.exp();
            let (a, b) = (x * 2.0, x * 2.0);
            (a + b) * (tensor(2.0) + tensor(3.0))
        }, spec!(f32[]));
        let text = f.text_after("fold").unwrap();
        assert!(!text.contains("exp") && text.contains("const 5.0"), "{text}");
        assert_eq!(text.matches("mul %x").count(), 1, "{text}");
        let generator = random::Generator::new(1);
        let draws = Function::new(move || generator.uniform([4], 0.0, 1.0) - generator.uniform([4], 0.0, 1.0));
        assert!(draws().to_vec::<f32>().unwrap().iter().any(|x| *x != 0.0), "two draws are not one");
        let v = Variable::new(0.0);
        let order = Function::new(move || -> Result<(Tensor, Tensor, Tensor)> {
            Ok((v.assign(2.0)?, v.assign_add(5.0)?, v.assign(&v * 10.0)?))
        });
        let (a, b, c) = order().unwrap();
        golden.same_list("res.stateful_order_kept", &[&a, &b, &c]);
    };
    t_z05_loops_and_branches_become_steps_of_a_program => |golden| {
        let collatz = |x: &Tensor| {
            let next = |n: &Tensor| cond(&(n % 2).eq(0), || (n / 2).cast(I32), || n * 3 + 1);
            while_loop((x.clone(), tensor(0)), |(n, _)| n.gt(1), |(n, steps)| (next(&n), steps + 1)).1
        };
        assert_eq!(everywhere(&tensor(27), collatz), [111.0]);
        let text = concrete("collatz", collatz, spec!(i32[])).text_after("plan").unwrap();
        assert!(text.contains("loop ") && text.contains("if "), "{text}");
        let branch = concrete("cond", |x| cond(&x.gt(0.0), || x * 2.0, || -x), spec!(f32[]));
        same_graph(golden, "cond", branch.graph());
        let branch = branch.graph();
        let regions = branch.nodes().flat_map(|(_, node)| node.op.regions()).map(|body| own_kinds(body));
        assert_eq!(regions.collect::<Vec<_>>(), ["cond_true", "cond_false"].map(|body| body_kinds(golden, "cond", body)));
        let looped = |x: &Tensor| while_loop((tensor(0), x.clone()), |(i, _)| i.lt(10), |(i, x)| (i + 1, x + 1)).1;
        let ranged = |x: &Tensor| tracelift_function::for_range(10, x.clone(), |_, x| x + 1);
        for (key, f) in [("add_10_while", looped as fn(&Tensor) -> Tensor), ("add_10_dynamic", ranged)] {
            let traced = concrete(key, f, spec!(i32[]));
            let regions = traced.graph().nodes().flat_map(|(_, node)| node.op.regions()).map(|body| own_kinds(body));
            let theirs = ["while_cond", "while_body"].map(|body| body_kinds(golden, key, body));
            assert_eq!(regions.collect::<Vec<_>>(), theirs, "{key}");
        }
    };
    t_z06_gradients_are_graphs => |golden| {
        let second = |x: &Tensor| {
            let first = tracelift_function::grad(|x: &Tensor| (x.powi(3) * 2.0).sum(..));
            tracelift_function::grad(move |x: &Tensor| first(x).sum(..))(x)
        };
        assert_eq!(everywhere(&tensor([1.0, -2.0, 0.5]), second), [12.0, -24.0, 6.0]);
        let text = concrete("second", second, spec!(f32[None])).text_after("simplify").unwrap();
        assert!(!text.contains("grad"), "{text}");
        // Forward and backward in one graph. TensorFlow computes the exponent, which is an attribute here.
        let slope = concrete("slope", |x| tracelift_function::grad(|x: &Tensor| x.powi(3))(x), spec!(f32[]));
        let mut theirs: Vec<&str> = operations(golden, "cube.gradient.scalar_f32").iter().map(|one| our_kind(one)).collect();
        theirs.retain(|kind| *kind != "sub");
        assert_eq!(sorted(left_in(slope.graph())), sorted(theirs));
        loss_and_gradients(golden);
    };
    t_z07_sizes_that_are_no_multiple_of_the_lane_count_one_code => |_| {
        let f = |x: &Tensor| (x * 1.5 + 0.25).exp().tanh() + x;
        let one_code = Function::new(f).input_signature(spec!(f32[None]));
        for n in [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000] {
            let x = Tensor::from((0..n).map(|i| (i as f32 - 7.0) * 0.37).collect::<Vec<f32>>());
            everywhere(&x, f);
            assert!(f(&x).to_array().unwrap().bit_eq(&one_code(&x).to_array().unwrap()), "{n}");
        }
        assert_eq!(one_code.trace_count(), 1);
    };
    t_z08_no_fast_mathematics => |golden| {
        let x = tensor([1.0, -1.0, 0.0]);
        golden.everywhere("t.div_by_zero_float", &x, |x| x / Tensor::zeros([3]));
        let top = tensor(i32::MAX);
        golden.everywhere("t.int_overflow_wraps", &top, |x| x + 1);
        let zeros = everywhere(&tensor([-0.0, 0.0]), |x| x * 1.0 + -0.0);
        assert!(zeros[0].is_sign_negative() && zeros[1].is_sign_positive());
        assert_eq!(everywhere(&tensor([1e-40]), |x| x * 1.0), [f64::from(1e-40f32)]);
        assert!(everywhere(&tensor([f32::INFINITY, f32::NAN]), |x| x - x).iter().all(|x| x.is_nan()));
        let big = everywhere(&tensor([1e8]), |x| (x + 1.0) - x);
        assert_eq!(big, [0.0], "sums are not reordered");
    };
    t_z09_graphs_as_text_picture_and_json_always_the_same => |_| {
        let f = concrete("f", |x| cond(&x.gt(0.0), || x * 2.0, || -x), spec!(f32[]));
        let graph = f.graph();
        insta::assert_snapshot!("z09_text", graph.to_string());
        insta::assert_snapshot!("z09_dot", graph.to_dot());
        insta::assert_snapshot!("z09_json", serde_json::to_string_pretty(graph).unwrap());
        let again = concrete("f", |x| cond(&x.gt(0.0), || x * 2.0, || -x), spec!(f32[]));
        assert_eq!((graph.to_string(), graph.to_dot()), (again.graph().to_string(), again.graph().to_dot()));
        let origins = graph.text_with_origins();
        assert!(origins.contains("; tests/rows/machinery.rs:"), "{origins}");
        assert_eq!(tracelift_ir::Graph::parse(&origins).unwrap().to_string(), graph.to_string());
    };
    t_z10_the_graph_after_each_pass => |_| {
        insta::assert_snapshot!("z10_cube", stages(&concrete("cube", |x| x.powi(3), spec!(f32[None]))));
        let unrolled = |x: &Tensor| (0..10).fold(x.clone(), |x, _| x + 1);
        insta::assert_snapshot!("z10_add_10_unrolled", stages(&concrete("add_10", unrolled, spec!(i32[]))));
        let looped = |x: &Tensor| while_loop((tensor(0), x.clone()), |(i, _)| i.lt(10), |(i, x)| (i + 1, x + 1)).1;
        insta::assert_snapshot!("z10_add_10_while", stages(&concrete("add_10", looped, spec!(i32[]))));
        let ranged = |x: &Tensor| tracelift_function::for_range(10, x.clone(), |_, x| x + 1);
        insta::assert_snapshot!("z10_add_10_range", stages(&concrete("add_10", ranged, spec!(i32[]))));
        let rewritten = add_10::function().concrete(spec!(i32[])).unwrap();
        insta::assert_snapshot!("z10_add_10_rewritten", stages(&rewritten));
        let increment = Function::new(|counter: &Variable, c: &i32| -> Result<Tensor> { counter.assign_add(*c) });
        let increment = increment.named("increment").argument_names(&["counter", "c"]);
        let counter = Variable::new(0);
        insta::assert_snapshot!("z10_increment_argument", stages(&increment.concrete((&counter, 1)).unwrap()));
        let counter = counter.clone();
        let captured = Function::new(move |c: &i32| -> Result<Tensor> { counter.assign_add(*c) }).named("increment");
        insta::assert_snapshot!("z10_increment_captured", stages(&captured.concrete(1).unwrap()));
        let mlp = Arc::new(Mlp::new());
        let step = Function::new(move |x: &Tensor, y: &Tensor| {
            let [w1, b1, w2, b2] = &mlp.weights;
            let (loss, gradients) = value_and_gradients(|| (mlp.forward(x) - y).square().mean(..), [w1, b1, w2, b2]);
            (loss, gradients)
        });
        let step = step.named("mlp").argument_names(&["x", "y"]);
        let step = step.concrete([spec!(f32[None, 3]), spec!(f32[None, 1])]).unwrap();
        insta::assert_snapshot!("z10_mlp", stages(&step));
        assert_eq!(json!(step.signature().outputs.len()), json!(5));
    };
}
