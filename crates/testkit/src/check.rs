//! What must hold of every graph: its text reads back, no pass changes what it means, all engines agree.

use crate::engines::{Run, compare, message};
use crate::random::Case;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracelift_ir::{Evaluator, Graph};
use tracelift_kernel::program::Program;
use tracelift_kernel::text::{Module, Source};
use tracelift_passes::{Made, Pipeline, simplify};
use tracelift_tensor::Array;

/// What came out of a case that is in order.
#[derive(Debug)]
pub struct Checked {
    /// What all engines have answered.
    pub run: Run,
    /// The graph when fusion is done.
    pub fused: Graph,
    /// The program when all is done.
    pub program: Program,
}

/// Everything that must hold of a graph; the first fault, if there is one.
pub fn check(case: &Case) -> Result<Checked, String> {
    let run = compare(&case.graph, &case.arguments)?;
    match catch_unwind(AssertUnwindSafe(|| stages(case, &run))) {
        Ok(checked) => checked.map(|(fused, program)| Checked { run, fused, program }),
        Err(panic) => Err(message(&*panic)),
    }
}

fn stages(case: &Case, run: &Run) -> Result<(Graph, Program), String> {
    reads_back(&case.graph)?;
    let mut fault = None;
    let (mut fused, mut planned) = (None, None);
    let lowered = Pipeline::default().lower(&case.graph, &mut |stage, made| {
        let checked = match made {
            Made::Graph(graph) => {
                fused = Some(graph.clone());
                keeps_meaning(&case.graph, graph, &case.arguments, run)
            }
            Made::Program(program) => {
                planned = Some(program.clone());
                program_reads_back(program)
            }
        };
        if let (None, Err(text)) = (&fault, checked) {
            fault = Some(format!("after {stage}: {text}\n{made}"));
        }
    });
    lowered.map_err(|error| error.to_string())?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let once = simplify(&case.graph).map_err(|error| error.to_string())?;
    let twice = simplify(&once).map_err(|error| error.to_string())?;
    if once != twice {
        return Err(format!("simplifying again changes\n{once}\nto\n{twice}"));
    }
    let (Some(fused), Some(planned)) = (fused, planned) else { return Err("a stage is missing".to_string()) };
    Ok((fused, planned))
}

/// Its text is that of the very same graph.
pub fn reads_back(graph: &Graph) -> Result<(), String> {
    let text = graph.to_string();
    match Graph::parse(&text) {
        Ok(again) if again == *graph => Ok(()),
        Ok(again) => Err(format!("reads back as\n{again}")),
        Err(mistake) => Err(format!("does not read back: {mistake}")),
    }
}

/// Its text is that of the very same program.
pub fn program_reads_back(program: &Program) -> Result<(), String> {
    let text = program.to_string();
    let mut read =
        Module::parse(Source::new("program", &text)).map_err(|mistake| format!("does not read back: {mistake}"))?;
    match read.programs.pop() {
        // Origins are not part of a text.
        Some(again) if again.to_string() == text => Ok(()),
        Some(again) => Err(format!("reads back as\n{again}")),
        None => Err("has a text without a program".to_string()),
    }
}

/// A pass keeps parameters, results and their types, and every bit of their values.
fn keeps_meaning(before: &Graph, after: &Graph, arguments: &[Array], run: &Run) -> Result<(), String> {
    if !before.param_types().eq(after.param_types()) || before.roles() != after.roles() {
        return Err("the parameters have changed".to_string());
    }
    if !before.result_types().eq(after.result_types()) || before.states() != after.states() {
        return Err("the results have changed".to_string());
    }
    reads_back(after)?;
    let results = Evaluator::with_print(|_| {}).evaluate(after, arguments);
    match (&run.results, results) {
        (Ok(expected), Ok(results)) if *expected == results => Ok(()),
        (Err(_), Err(_)) => Ok(()),
        (expected, results) => Err(format!("it answers {results:?} and should answer {expected:?}")),
    }
}
