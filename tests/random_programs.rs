//! Random programs with loops and branches: every engine and pass keeps every bit, of their gradients too, and the
//! gradients are those of the same work written out without loops.
//!
//! `TRACELIFT_RANDOM_PROGRAMS=2000` asks for more of them, `TRACELIFT_RANDOM_SEED=7` for one.

use tracelift_autodiff::grad;
use tracelift_ir::{Graph, evaluate};
use tracelift_tensor::Array;
use tracelift_testkit::check::check;
use tracelift_testkit::programs::{Features, ProgramCounts, generate, unroll};
use tracelift_testkit::random::Case;
use tracelift_testkit::seeds::{seeds, try_all};
use tracelift_testkit::shrink::shrink;

/// The gradient by all floats, as a case of its own.
fn gradient(case: &Case) -> Result<Case, String> {
    let floats: Vec<usize> = (0..case.graph.params().len()).filter(|n| is_float(&case.graph, *n)).collect();
    let graph = grad(&case.graph, &floats).map_err(|error| error.to_string())?;
    tracelift_ir::verify(&graph).map_err(|error| format!("{error}\n{graph}"))?;
    Ok(Case { graph, arguments: case.arguments.clone() })
}

fn is_float(graph: &Graph, n: usize) -> bool {
    graph.param_types().nth(n).is_some_and(|ty| ty.is_float())
}

/// Whether results agree but for the order of their sums.
fn agree(given: &[Array], expect: &[Array]) -> Result<(), String> {
    for (n, (given, expect)) in given.iter().zip(expect).enumerate() {
        for i in 0..expect.len() {
            let (a, b) = (given.get_f64(i), expect.get_f64(i));
            if (a - b).abs() > 1e-10 * (1.0 + b.abs()) {
                return Err(format!("the gradient by parameter {n} is {a} at element {i}; without loops it is {b}"));
            }
        }
    }
    Ok(())
}

fn check_program(seed: u64, case: &Case) -> Result<Features, String> {
    check(case)?;
    let first = gradient(case)?;
    let given = check(&first).map_err(|fault| format!("gradient: {fault}\n{}", first.graph))?;
    let given = given.run.results.map_err(|error| error.to_string())?;
    if case.graph.unknowns().is_empty() {
        let straight = unroll(&case.graph, &case.arguments).map_err(|error| error.to_string())?;
        let straight = Case { graph: straight, arguments: case.arguments.clone() };
        let expect = evaluate(&gradient(&straight)?.graph, &case.arguments).map_err(|error| error.to_string())?;
        agree(&given, &expect).map_err(|fault| format!("{fault}\n{}", first.graph))?;
        // The second order costs much: one in eight, on numbers.
        if seed.is_multiple_of(8) && given.iter().all(|array| array.rank() == 0) {
            second_order(&first, &straight)?;
        }
    }
    let is_zero = |array: &Array| (0..array.len()).all(|i| array.get_f64(i) == 0.0);
    Ok(Features::of(case, !given.iter().all(is_zero)))
}

fn second_order(first: &Case, straight: &Case) -> Result<(), String> {
    let second = gradient(first).map_err(|fault| format!("second order: {fault}"))?;
    let given = check(&second).map_err(|fault| format!("second order: {fault}"))?;
    let given = given.run.results.map_err(|error| error.to_string())?;
    let expect = gradient(&gradient(straight)?)?;
    let expect = evaluate(&expect.graph, &expect.arguments).map_err(|error| error.to_string())?;
    agree(&given, &expect).map_err(|fault| format!("second order: {fault}"))
}

#[test]
fn gradients_of_programs_are_those_of_straight_graphs() {
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = seeds("TRACELIFT_RANDOM_PROGRAMS", 120);
    let (parts, reports) = try_all(seeds.clone(), |seed, counts: &mut ProgramCounts| {
        let case = generate(seed);
        counts.add(check_program(seed, &case).map_err(|fault| report(seed, &case, &fault))?);
        Ok(())
    });
    let _ = std::panic::take_hook();
    assert!(reports.is_empty(), "{}", reports.join("\n\n"));
    let mut counts = ProgramCounts::default();
    parts.iter().for_each(|part| counts.join(part));
    let rare = counts.too_rare();
    assert!(seeds.end - seeds.start < 100 || rare.is_empty(), "too rare:\n{}\n{counts}", rare.join("\n"));
}

fn report(seed: u64, case: &Case, fault: &str) -> String {
    let small = shrink(case, &|case| check_program(seed, case).is_err());
    let still = check_program(seed, &small).err().unwrap_or_default();
    format!("seed {seed}: {fault}\n\nshrunk:\n{}\non {:?}\n{still}", small.graph, small.arguments)
}
