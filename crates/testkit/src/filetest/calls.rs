//! The `run:` and `grad:` lines of a test file.

use crate::engines::Prepared;
use std::sync::Arc;
use tracelift_autodiff::grad;
use tracelift_ir::{Graph, Type};
use tracelift_kernel::program::Program;
use tracelift_kernel::text::{Expected, Module, RunCase, RunLine, Source, SyntaxError};
use tracelift_runtime::{Engine, Executable, Options};
use tracelift_tensor::{Array, DType, Error, Result, Shape};

/// What the calls of a file do not answer as it says.
pub(super) fn faults(
    source: Source<'_>,
    functions: &[Arc<Graph>],
    programs: &Module,
    engines: &[Engine],
) -> Vec<String> {
    let mut faults = vec![];
    let mut count = 0;
    for word in ["run", "grad"] {
        let lines = match RunLine::all(source, word) {
            Ok(lines) => lines,
            Err(mistake) => return vec![mistake.to_string()],
        };
        count += lines.len();
        for line in lines {
            let place = format!("{}:{}: @{}", source.file, line.position, line.function);
            let function = functions.iter().find(|f| f.name() == line.function);
            let found = match (function, word) {
                (Some(graph), "run") => call_graph(&line, graph, engines),
                (Some(graph), _) => call_gradient(&line, graph, engines),
                (None, _) => call_program(&line, programs, engines),
            };
            match found {
                Ok(found) => faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}"))),
                Err(mistake) => faults.push(mistake.to_string()),
            }
        }
    }
    if count == 0 {
        faults.push(format!(
            "{}: has neither a `run:` nor a `grad:` line: text shows form, calls show meaning",
            source.file
        ));
    }
    faults
}

type Types = Vec<(DType, Shape)>;

fn types<'t>(types: impl Iterator<Item = &'t Type>) -> Types {
    types.filter_map(Type::as_tensor).map(|ty| (ty.dtype, ty.shape.clone())).collect()
}

fn call_graph(line: &RunLine<'_>, graph: &Graph, engines: &[Engine]) -> Result<Vec<String>, SyntaxError> {
    let case = line.read(&types(graph.param_types()), &types(graph.result_types()))?;
    Ok(on_engines(graph, &case, engines))
}

fn call_gradient(line: &RunLine<'_>, graph: &Graph, engines: &[Engine]) -> Result<Vec<String>, SyntaxError> {
    let floats: Vec<usize> = (0..graph.params().len()).filter(|n| graph.ty(graph.params()[*n]).is_float()).collect();
    let wanted = types(floats.iter().map(|n| graph.ty(graph.params()[*n])));
    let case = line.read(&types(graph.param_types()), &wanted)?;
    match crate::graphs::summed(graph).and_then(|sum| grad(&sum, &floats)) {
        Ok(gradient) => Ok(on_engines(&gradient, &case, engines)),
        Err(error) => Ok(difference(Err(error), &case).map(|text| format!("gradient: {text}")).into_iter().collect()),
    }
}

fn on_engines(graph: &Graph, case: &RunCase, engines: &[Engine]) -> Vec<String> {
    let fault = |engine: &Engine| {
        let results = Prepared::new(*engine, graph).and_then(|prepared| prepared.run(&case.inputs).results);
        difference(results, case).map(|difference| format!("{}: {difference}", engine.name()))
    };
    engines.iter().filter_map(fault).collect()
}

/// Kernels and programs are past the reference, and there is nothing left to fuse in them.
fn call_program(line: &RunLine<'_>, module: &Module, engines: &[Engine]) -> Result<Vec<String>, SyntaxError> {
    let program = match (module.program(&line.function), module.kernel(&line.function)) {
        (Some(program), _) => Ok(program.clone()),
        (None, Some(kernel)) => Program::of_kernel(kernel),
        (None, None) => return Ok(vec!["there is no such function, program or kernel".to_string()]),
    };
    let program = match program {
        Ok(program) => Arc::new(program),
        Err(error) => return Ok(vec![error.to_string()]),
    };
    let case = line.read(&program.input_types(), &program.result_types())?;
    let mut faults = vec![];
    for &engine in engines.iter().filter(|engine| matches!(engine, Engine::Interpreter | Engine::Fused)) {
        let options = Options { engine, ..Options::default() };
        let results = Executable::compile(program.clone(), options)
            .and_then(|executable| executable.call(&case.inputs, &[]).map_err(Error::from));
        faults.extend(difference(results, &case).map(|difference| format!("{}: {difference}", engine.name())));
    }
    Ok(faults)
}

fn difference(results: Result<Vec<Array>>, case: &RunCase) -> Option<String> {
    match (results, &case.expected) {
        (Ok(results), Expected::Results(expected)) if results == *expected => None,
        (Err(error), Expected::Error(part)) if error.to_string().contains(part.as_str()) => None,
        (Ok(results), Expected::Results(expected)) => Some(format!("answers {results:?}, not {expected:?}")),
        (Ok(results), Expected::Error(part)) => Some(format!("answers {results:?} and should fail with `{part}`")),
        (Err(error), Expected::Results(_)) => Some(format!("fails: {error}")),
        (Err(error), Expected::Error(part)) => Some(format!("fails with another message than `{part}`: {error}")),
    }
}
