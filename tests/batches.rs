//! Graphs over a batch: they answer, bit for bit, what single runs answer one after the other.

use tracelift_autodiff::batch;
use tracelift_ir::{Evaluator, Graph, Op, ParamRole, Type};
use tracelift_tensor::{Array, Dim, Result};
use tracelift_testkit::engines::compare;
use tracelift_testkit::random::generate;
use tracelift_testkit::samples::case;

/// How many elements a batch has here.
const SIZE: usize = 3;

/// The array with its elements moved on by `n` places: another element of a batch, whose indices are in bounds, too.
fn moved(array: &Array, n: usize) -> Array {
    let mut moved = array.clone();
    if !array.is_empty() {
        let places = n * array.num_bytes() / array.len() % array.num_bytes().max(1);
        moved.bytes_mut().rotate_left(places);
    }
    moved
}

/// The arrays behind a new first axis.
fn stack(arrays: &[Array]) -> Array {
    let mut shape = vec![arrays.len()];
    shape.extend(arrays[0].shape());
    let mut all = Array::zeros(arrays[0].dtype(), shape).unwrap();
    let bytes = arrays[0].num_bytes();
    for (n, array) in arrays.iter().enumerate() {
        all.bytes_mut()[n * bytes..(n + 1) * bytes].copy_from_slice(array.bytes());
    }
    all
}

fn evaluate(graph: &Graph, arguments: &[Array]) -> Result<Vec<Array>> {
    Evaluator::with_print(|_| {}).evaluate(graph, arguments)
}

/// Whether a product of the graph has a right side of one column: over a batch it may be summed in another order.
fn has_column_product(graph: &Graph) -> bool {
    graph.nodes().any(|(_, node)| match &node.op {
        Op::DotGeneral(dot) => dot.columns(graph.ty(node.operands[1]).shape()).is_one(),
        op => op.regions().into_iter().any(|region| has_column_product(region)),
    })
}

/// What was found of one choice of batched parameters.
enum Found {
    Equal,
    /// The op has a named reason not to be batched, or single runs fail.
    Refused,
    Wrong(String),
}

fn check(graph: &Graph, arguments: &[Array], batched: &[bool], engines: bool) -> Found {
    let single: Vec<Vec<Array>> = (0..SIZE)
        .map(|n| {
            arguments.iter().zip(batched).map(|(x, batched)| if *batched { moved(x, n) } else { x.clone() }).collect()
        })
        .collect();
    let runs: Result<Vec<Vec<Array>>> = single.iter().map(|arguments| evaluate(graph, arguments)).collect();
    let Ok(runs) = runs else { return Found::Refused };
    let expected: Vec<Array> = (0..graph.results().len())
        .map(|result| match graph.states().iter().any(|state| state.result == result) {
            // Variables are the same for all elements.
            true => runs[0][result].clone(),
            false => stack(&runs.iter().map(|run| run[result].clone()).collect::<Vec<_>>()),
        })
        .collect();
    let all: Vec<Array> = (0..arguments.len())
        .map(|x| match batched[x] {
            true => stack(&single.iter().map(|arguments| arguments[x].clone()).collect::<Vec<_>>()),
            false => arguments[x].clone(),
        })
        .collect();
    for size in [Dim::from(SIZE), Dim::sym("Elements")] {
        let over = match batch(graph, batched, &size) {
            Ok(over) => over,
            Err(error) if error.to_string().contains("cannot be done for a batch: it ") => return Found::Refused,
            Err(error) if error.to_string().contains("a value for each element of a batch") => return Found::Refused,
            Err(error) => return Found::Wrong(error.to_string()),
        };
        if let Err(error) = tracelift_ir::verify(&over) {
            return Found::Wrong(format!("{error}\n{over}"));
        }
        match evaluate(&over, &all) {
            Ok(results) if results == expected => {}
            Ok(results) => {
                let wrong: Vec<usize> = (0..results.len()).filter(|n| results[*n] != expected[*n]).collect();
                return Found::Wrong(format!("{over}\nanswers other values as results {wrong:?}"));
            }
            Err(error) => return Found::Wrong(format!("{over}\nfails: {error}")),
        }
        if engines && let Err(fault) = compare(&over, &all) {
            return Found::Wrong(fault);
        }
    }
    Found::Equal
}

/// Each parameter alone, and all of them.
fn choices(params: usize) -> Vec<Vec<bool>> {
    let mut choices: Vec<Vec<bool>> = (0..params).map(|one| (0..params).map(|n| n == one).collect()).collect();
    if params > 1 {
        choices.push(vec![true; params]);
    }
    choices
}

#[test]
fn every_op_is_batched_or_says_why_not() {
    let (mut faults, mut equal, mut refused) =
        (vec![], std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for sample in Op::all_samples() {
        let case = case(&sample);
        let (false, Ok(graph)) = (sample.fails, case.graph) else { continue };
        for batched in choices(case.arguments.len()) {
            if has_column_product(&graph) && batched == [false, true] {
                continue;
            }
            match check(&graph, &case.arguments, &batched, false) {
                Found::Equal => drop(equal.insert(sample.op.name())),
                Found::Refused => drop(refused.insert(sample.op.name())),
                Found::Wrong(fault) => faults.push(format!("{} batched in {batched:?}: {fault}", case.name)),
            }
        }
    }
    assert!(faults.is_empty(), "{} samples fail:\n{}", faults.len(), faults.join("\n\n"));
    // What has no operands is never batched; the rest is, but for what says why not.
    let without: Vec<&str> = Op::names().filter(|name| !equal.contains(name)).collect();
    assert_eq!(
        without,
        [
            "parameter",
            "const",
            "iota",
            "random_bits",
            "random_uniform",
            "random_normal",
            "fusion",
            "stack_new",
            "token"
        ]
    );
    refused.retain(|name| !equal.contains(name));
    assert_eq!(refused.into_iter().collect::<Vec<_>>(), ["fusion", "random_bits", "random_normal", "random_uniform"]);
}

#[test]
fn batches_of_random_graphs_are_single_runs() {
    let (mut faults, mut equal) = (vec![], 0);
    for seed in 0..150u64 {
        let case = generate(seed);
        if has_column_product(&case.graph) {
            continue;
        }
        let params = case.arguments.len();
        let states: Vec<bool> = case.graph.roles().iter().map(|role| *role == ParamRole::State).collect();
        let bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mut batched: Vec<bool> = (0..params).map(|n| bits >> n & 1 == 1 && !states[n]).collect();
        if !batched.contains(&true) {
            batched[0] = true;
        }
        match check(&case.graph, &case.arguments, &batched, seed % 5 == 0) {
            Found::Equal => equal += 1,
            Found::Refused => {}
            Found::Wrong(fault) => faults.push(format!("seed {seed}, batched in {batched:?}: {}\n{fault}", case.graph)),
        }
    }
    assert!(faults.is_empty(), "{} graphs fail, the first:\n{}", faults.len(), faults[0]);
    assert!(equal > 60, "only {equal} graphs were compared");
}

fn parse(text: &str) -> Graph {
    Graph::parse(text).unwrap()
}

#[test]
fn elements_leave_a_loop_one_by_one() {
    // Euclid's algorithm: an element that has ended must not be divided by its zero.
    let gcd = parse(
        "func @gcd(%x: i32[], %y: i32[]) -> i32[] {
          %0, %1 = while (%a = %x, %b = %y) : i32[], i32[] {
            %2 = const 0 : i32[]
            %3 = ne %b, %2 : bool[]
            yield %3
          } do {
            %4 = rem %a, %b : i32[]
            yield %b, %4
          }
          return %0
        }",
    );
    let x = Array::vector([12i32, 7, 0, 100]).unwrap();
    let y = Array::vector([18i32, 0, 5, 75]).unwrap();
    let over = batch(&gcd, &[true, true], &Dim::sym("V")).unwrap();
    let run = compare(&over, &[x, y]).unwrap();
    assert_eq!(run.results.unwrap()[0].to_vec::<i32>().unwrap(), [6, 7, 5, 25]);
}

#[test]
fn an_index_is_used_only_by_elements_that_take_the_branch() {
    let pick = parse(
        "func @pick(%x: f32[3], %i: i32[]) -> f32[] {
          %0 = const 3 : i32[]
          %1 = lt %i, %0 : bool[]
          %2 = cond %1 captures (%x, %i) : f32[] {
            %3 = gather %x, %i {axis=0} : f32[]
            yield %3
          } else {
            %4 = const -1.0 : f32[]
            yield %4
          }
          return %2
        }",
    );
    let x = Array::vector([1.0f32, 2.0, 3.0]).unwrap();
    let over = batch(&pick, &[false, true], &Dim::sym("V")).unwrap();
    for (indices, expected) in [([9, 1, 0, 3], [-1.0f32, 2.0, 1.0, -1.0]), ([7, 7, 7, 7], [-1.0; 4])] {
        let run = compare(&over, &[x.clone(), Array::vector(indices).unwrap()]).unwrap();
        assert_eq!(run.results.unwrap()[0].to_vec::<f32>().unwrap(), expected);
    }
}

#[test]
fn a_vector_of_each_element_makes_one_product_of_matrices() {
    let product = parse(
        "func @f(%w: f32[4, 3], %x: f32[3]) -> f32[4] {
          %0 = dot_general %w, %x {lhs_contract=[1], rhs_contract=[0]} : f32[4]
          return %0
        }",
    );
    let over = batch(&product, &[false, true], &Dim::from(5)).unwrap();
    assert_eq!(over.nodes().filter(|(_, node)| matches!(node.op, Op::DotGeneral(_))).count(), 1);
    assert!(!over.nodes().any(|(_, node)| matches!(node.op, Op::Broadcast(_))), "{over}");
    let w = tracelift_ir::plain_values(tracelift_tensor::F32, &[4, 3]);
    let x = tracelift_ir::plain_values(tracelift_tensor::F32, &[5, 3]);
    let results = evaluate(&over, &[w.clone(), x.clone()]).unwrap();
    for n in 0..5 {
        let one = Array::vector(&x.as_slice::<f32>()[n * 3..n * 3 + 3]).unwrap();
        let expected = evaluate(&product, &[w.clone(), one]).unwrap();
        for i in 0..4 {
            let (a, b) = (results[0].get_f64(n * 4 + i), expected[0].get_f64(i));
            assert!((a - b).abs() <= 1e-5 * b.abs(), "{a} is not {b}");
        }
    }
}

#[test]
fn refusals_name_the_op_and_the_reason() {
    let draw = parse(
        "func @f(%k: i64[], %c: i64[]) -> f32[2] {
          %0 = random_uniform %k, %c {shape=[2], dtype=f32} : f32[2]
          return %0
        }",
    );
    let error = batch(&draw, &[false, true], &Dim::from(2)).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "`random_uniform` cannot be done for a batch: it draws from one generator, not from one per element"
        ),
        "{error}"
    );
    let wrong = batch(&draw, &[true], &Dim::from(2)).unwrap_err().to_string();
    assert_eq!(wrong, "`batch` @f has 2 parameters, not 1");
    let mut b = tracelift_ir::Builder::new("f");
    let v = b.param("v", Type::scalar(tracelift_tensor::F32), ParamRole::State);
    let x = b.param("x", Type::scalar(tracelift_tensor::F32), ParamRole::Input);
    let sum = b.add(v, x).unwrap();
    b.set_state(0, sum);
    let error = batch(&b.finish(&[x]).unwrap(), &[false, true], &Dim::from(2)).unwrap_err().to_string();
    assert!(error.starts_with("`batch` cannot give `v` a value for each element of a batch"), "{error}");
}
