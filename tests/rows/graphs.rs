//! Rows GR: the operations of a traced function, compared with TensorFlow's by `tf_names.toml`.

use serde_json::{Value, json};
use tracelift_function::{ConcreteFunction, Function, Tensor, spec, tensor};
use tracelift_ir::{Graph, NamedTensor, ParamRole};

use crate::{golden::Golden, rows};

fn cube() -> std::sync::Arc<ConcreteFunction> {
    Function::new(|x: &Tensor| x.powi(3)).concrete(spec!(f32[])).unwrap()
}

rows! {
    t_gr01_the_graph_of_a_concrete_function_has_the_operations => |golden| {
        let concrete = cube();
        same_graph(golden, "cube.scalar_f32", concrete.graph());
        same_graph(golden, "cube.scalar_i32", Function::new(|x: &Tensor| x.powi(3)).concrete(&tensor(2)).unwrap().graph());
        let x = concrete.graph().params()[0];
        assert_eq!(concrete.graph().users(x).len(), 1);
    };
    t_gr02_operations_in_the_order_of_their_creation => |golden| {
        let concrete = cube();
        let names: Vec<String> = concrete.operations().iter().map(|operation| operation.name().to_owned()).collect();
        // TensorFlow's Pow takes its exponent as a constant operand; ours is an attribute.
        let theirs = operations(golden, "cube.scalar_f32");
        let theirs: Vec<String> = theirs.iter().map(|operation| our_name(operation)).collect();
        assert_eq!(names, theirs);
    };
    t_gr03_what_an_operation_is_applied => |golden| {
        let concrete = cube();
        let theirs = &operations(golden, "cube.scalar_f32")[1];
        let inputs: Vec<String> = concrete.operation("powi").unwrap().inputs().iter().map(|x| x.name.clone()).collect();
        assert_eq!(json!(inputs), json!([theirs["inputs"][0]]));
    };
    t_gr04_what_an_operation_computes => |golden| {
        let concrete = cube();
        let theirs = &operations(golden, "cube.scalar_f32")[1]["outputs"];
        let outputs = concrete.operation("powi").unwrap().outputs();
        assert_eq!(theirs.as_array().unwrap().len(), outputs.len());
        assert_eq!(outputs[0].ty.to_string(), type_text(&theirs[0]));
    };
    t_gr05_an_operation_is_found_by_its_name => |golden| {
        let concrete = cube();
        assert_eq!(golden.output("fn.op_by_name")[0], concrete.operation("x").unwrap().name());
        let error = golden.fails("fn.op_by_name_missing", concrete.operation("nope").map(|_| ()));
        assert!(error.to_string().contains("its operations are x, powi, identity"), "{error}");
    };
    t_gr06_a_tensor_is_found_by_its_name => |golden| {
        let concrete = cube();
        let tensor = concrete.tensor("identity:0").unwrap();
        assert_eq!(golden.output("fn.tensor_by_name")[0].as_str().unwrap().to_lowercase(), tensor.name);
        golden.fails("fn.tensor_by_name_missing", concrete.tensor("identity:7").map(|_| ()));
        golden.fails("fn.tensor_by_name_malformed", concrete.tensor("identity").map(|_| ()));
    };
    t_gr07_the_signature_names_inputs_and_outputs_with_their_types => |golden| {
        let signature = cube().signature();
        let list = |arguments: &[tracelift_function::SignatureArgument]| {
            let list: Vec<Value> = arguments.iter().map(|one| json!([one.name, one.spec.dtype.to_string().replace('f', "float")])).collect();
            json!(list)
        };
        for expect in [golden.output("fn.signature"), &golden.graph("cube.scalar_f32")["signature"]] {
            assert_eq!((&list(&signature.inputs), &list(&signature.outputs)), (&expect["inputs"], &expect["outputs"]));
        }
    };
    t_gr08_names_are_made_unique_by_counting => |golden| {
        let add_10 = Function::new(|x: &Tensor| (0..10).fold(x.clone(), |x, _| x + 1)).concrete(&tensor(0)).unwrap();
        same_graph(golden, "add_10_static", add_10.graph());
        assert_eq!(add_10.operation("add_9").unwrap().inputs()[0].name, "add_8:0");
        let renamed = Function::new(|x: &Tensor, y: &Tensor| x + y).argument_names(&["add", "add"]);
        let renamed = renamed.concrete((&tensor(0), &tensor(0))).unwrap();
        let names: Vec<String> = renamed.operations().iter().map(|operation| operation.name().to_owned()).collect();
        assert_eq!(names, ["add", "add_1", "add_2", "identity"]);
    };
}

/// TensorFlow's operations that have a counterpart.
pub(crate) fn operations<'g>(golden: &'g Golden, key: &str) -> Vec<&'g Value> {
    let list = golden.graph(key)["operations"].as_array().unwrap();
    let own =
        |operation: &&Value| !our_kind(operation).is_empty() && !is_resource(operation) && !is_of_a_method(operation);
    list.iter().filter(own).collect()
}

/// The identity behind a branch is made by `tf.cond`, not by the user.
fn is_of_a_method(operation: &Value) -> bool {
    operation["type"] == "Identity" && operation["name"].as_str().unwrap().contains('/')
}

fn is_resource(operation: &Value) -> bool {
    operation["outputs"][0][1] == "resource"
}

pub(crate) fn our_kind(operation: &Value) -> &'static str {
    named(operation["type"].as_str().unwrap())
}

/// What an operation of TensorFlow is called here.
pub(crate) fn named(theirs: &str) -> &'static str {
    let lines = include_str!("tf_names.toml").lines().filter_map(|line| line.split_once(" = "));
    let mut found = lines.filter(|(name, _)| *name == theirs).map(|(_, kind)| kind.trim_matches('"'));
    found.next().unwrap_or_else(|| panic!("tf_names.toml lacks {theirs}"))
}

/// An argument's name is kept; other operations are called by their kind, with TensorFlow's number.
fn our_name(operation: &Value) -> String {
    let (kind, name) = (our_kind(operation), operation["name"].as_str().unwrap());
    let number = name.rsplit_once('_').filter(|(_, n)| n.bytes().all(|b| b.is_ascii_digit()));
    match (kind, number) {
        ("parameter", _) => name.to_owned(),
        (_, Some((_, n))) => format!("{kind}_{n}"),
        (_, None) => kind.to_owned(),
    }
}

/// `f32[None, 3]` of `["x:0", "float32", [null, 3]]`.
fn type_text(output: &Value) -> String {
    let dtype = match output[1].as_str().unwrap() {
        "float32" => "f32",
        "int32" => "i32",
        "bool" => "bool",
        other => panic!("{other}"),
    };
    let Some(dims) = output[2].as_array() else { return format!("{dtype}[..]") };
    let dims: Vec<String> = dims.iter().map(|n| n.as_u64().map_or("None".to_owned(), |n| n.to_string())).collect();
    format!("{dtype}[{}]", dims.join(", "))
}

/// That a graph has TensorFlow's operations: kinds, names, what feeds what, types.
pub(crate) fn same_graph(golden: &Golden, key: &str, graph: &Graph) {
    let theirs = operations(golden, key);
    let left_out = ["const", "broadcast", "cast"];
    let ours = graph.operations();
    let variables = graph.params().iter().zip(graph.roles()).filter(|(_, role)| **role == ParamRole::State);
    let variables: Vec<_> = variables.map(|(param, _)| param.node).collect();
    let state = |name: &str| ours.iter().any(|one| one.name() == name && variables.contains(&one.index()));
    let kept: Vec<_> =
        ours.iter().filter(|operation| !left_out.contains(&operation.kind()) && !state(operation.name())).collect();
    let kinds: Vec<&str> = kept.iter().map(|operation| operation.kind()).collect();
    assert_eq!(kinds, theirs.iter().map(|operation| our_kind(operation)).collect::<Vec<_>>(), "{key}");
    // What a value is, looking through what methods insert.
    let source = |input: &NamedTensor| -> Option<String> {
        let mut input = input.clone();
        loop {
            let name = input.name.rsplit_once(':').unwrap().0.to_owned();
            let operation = ours.iter().find(|operation| operation.name() == name).unwrap();
            match operation.kind() {
                "const" => return None,
                "broadcast" | "cast" => input = operation.inputs()[0].clone(),
                _ => return (!state(&name)).then_some(input.name),
            }
        }
    };
    for (own, their) in kept.iter().zip(&theirs) {
        assert_eq!(own.name(), our_name(their), "{key}");
        let inputs: Vec<String> = own.inputs().iter().filter_map(source).collect();
        let from = |name: &Value| {
            let (operation, result) = name.as_str().unwrap().rsplit_once(':').unwrap();
            let found = theirs.iter().find(|other| other["name"] == behind_methods(golden, key, operation))?;
            Some(format!("{}:{result}", our_name(found)))
        };
        let mut expect: Vec<String> = their["inputs"].as_array().unwrap().iter().filter_map(from).collect();
        if their["type"] == "Square" {
            // A product with itself.
            expect.extend(expect.clone());
        }
        assert_eq!(inputs, expect, "{key}: {}", own.name());
        let any_rank = |expect: &String| expect.ends_with("[..]");
        let expect: Vec<String> = their["outputs"].as_array().unwrap().iter().map(type_text).collect();
        let outputs = own.outputs();
        let outputs = outputs.iter().zip(&expect).map(|(own, expect)| match any_rank(expect) {
            true => format!("{}[..]", own.ty.dtype()),
            false => named_type(own),
        });
        assert_eq!(outputs.collect::<Vec<_>>(), expect, "{key}: {}", own.name());
    }
}

/// The operation whose value another one gives on: the branch behind an identity, the assignment before a read.
fn behind_methods(golden: &Golden, key: &str, name: &str) -> String {
    let all = golden.graph(key)["operations"].as_array().unwrap();
    let Some(operation) = all.iter().find(|operation| operation["name"] == name) else { return name.to_owned() };
    if is_of_a_method(operation) {
        return operation["inputs"][0].as_str().unwrap().rsplit_once(':').unwrap().0.to_owned();
    }
    let before = operation["control_inputs"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let mut assignments = before.filter(|name| name.starts_with("Assign"));
    match operation["type"].as_str() {
        Some("ReadVariableOp") => assignments.next_back().unwrap_or(name).to_owned(),
        _ => name.to_owned(),
    }
}

/// The kinds of the operations in a body of a loop or branch of TensorFlow's, without constants and identities.
pub(crate) fn body_kinds(golden: &Golden, key: &str, name: &str) -> Vec<&'static str> {
    let bodies = golden.graph(key)["library"].as_array().unwrap();
    let body = bodies.iter().find(|body| body["name"] == name).unwrap_or_else(|| panic!("{key} has no {name}"));
    let own = |node: &&Value| node["op"] != "Const" && node["op"] != "Identity" && !is_counter(body, node);
    body["nodes"].as_array().unwrap().iter().filter(own).map(|node| named(node["op"].as_str().unwrap())).collect()
}

/// The addition that counts the rounds of each loop of TensorFlow's, which no one asked for.
fn is_counter(body: &Value, node: &Value) -> bool {
    let mut inputs = node["inputs"].as_array().unwrap().iter();
    body["name"].as_str().unwrap().starts_with("while") && inputs.any(|x| x == "while_while_loop_counter")
}

/// The kinds of the operations in a body of ours, without constants.
pub(crate) fn own_kinds(body: &Graph) -> Vec<String> {
    let kinds = body.operations().iter().map(|operation| operation.kind().to_owned()).collect::<Vec<_>>();
    kinds.into_iter().filter(|kind| kind != "const" && kind != "parameter").collect()
}

/// The type with `None` for unknown sizes.
fn named_type(output: &NamedTensor) -> String {
    let ty = output.ty.as_tensor().unwrap();
    let dims: Vec<String> =
        ty.shape.iter().map(|dim| dim.known().map_or("None".to_owned(), |n| n.to_string())).collect();
    format!("{}[{}]", ty.dtype, dims.join(", "))
}
