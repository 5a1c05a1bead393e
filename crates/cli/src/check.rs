//! `check`: everything that can be known about a file without running it.

use crate::input::Input;
use tracelift_passes::Pipeline;
use tracelift_tensor::{Error, Result};

/// One line for each good file; an error with all mistakes of the others.
pub(crate) fn check(files: &[String]) -> Result<String> {
    let mut text = String::new();
    let mut errors = vec![];
    for file in files {
        match Input::load(file).and_then(|input| check_input(&input).map(|()| input)) {
            Ok(input) => text += &summary(&input),
            Err(error) => errors.push(error),
        }
    }
    Error::all(errors).map(|()| text)
}

fn check_input(input: &Input) -> Result {
    let mut results = vec![];
    for graph in &input.functions {
        results.push(tracelift_ir::verify(graph));
        for fuse in [false, true] {
            if graph.finds_sizes() {
                results.push(Pipeline { fuse }.optimize(graph, &mut |_, _| {}).map(drop));
                continue;
            }
            let program = Pipeline { fuse }.lower(graph, &mut |_, _| {});
            results.push(program.and_then(|program| program.check()));
        }
    }
    results.extend(input.kernels.iter().map(|kernel| kernel.check()));
    results.extend(input.programs.iter().map(|program| program.check()));
    Error::all(results.into_iter().filter_map(Result::err))
}

fn summary(input: &Input) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let parts =
        [(input.functions.len(), "function"), (input.kernels.len(), "kernel"), (input.programs.len(), "program")];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| count(*n, what)).collect();
    format!("{}: {}, no mistakes\n", input.name, parts.join(", "))
}
