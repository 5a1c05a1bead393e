//! Closures whose graph is run once: gradients and loops outside of any function.

use std::sync::Arc;

use tracelift_tensor::{ErrorKind, Origin, Result};

use crate::{
    Tensor, backend, tape,
    tensor::Handle,
    trace::{self, Frame, Kind, Source},
    tree::{Leaves, Tree, poisoned, with_tensors},
};

/// Runs a closure while tracing: in the trace under way, or in one of its own, whose graph is then run on the
/// reference engine.
pub(crate) fn in_trace<T: Tree>(name: &str, body: impl FnOnce() -> T) -> T {
    if trace::is_active() {
        return body();
    }
    let entered = match trace::enter(Frame::new(Kind::Once, name)) {
        Ok(entered) => entered,
        Err(error) => return poisoned(&trace::discarded(body), &error),
    };
    let tree = body();
    let leaves = Leaves::of(&tree).into_tensors();
    // A gradient that does not exist is a result like others.
    let (missing, traced): (Vec<&Tensor>, Vec<&Tensor>) = leaves.iter().partition(|leaf| is_unconnected(leaf));
    let traced: Vec<Tensor> = traced.into_iter().cloned().collect();
    match run(entered, &traced) {
        Ok(results) => {
            let (mut results, mut missing) = (results.into_iter(), missing.into_iter());
            let leaves = leaves.iter().map(|leaf| match is_unconnected(leaf) {
                true => missing.next().expect("they were counted").clone(),
                false => results.next().expect("there is a result for every traced leaf"),
            });
            with_tensors(&tree, leaves)
        }
        Err(error) => poisoned(&tree, &error),
    }
}

fn is_unconnected(tensor: &Tensor) -> bool {
    tensor.error().is_some_and(|error| error.kind == ErrorKind::Unconnected)
}

fn run(entered: trace::Entered, results: &[Tensor]) -> Result<Vec<Tensor>> {
    let finished = trace::finish(entered, results, &Origin::default())?;
    let recording = tape::is_recording();
    let (mut arrays, mut variables, mut operands) = (Vec::new(), Vec::new(), Vec::new());
    for source in &finished.captures {
        match source {
            Source::Array(array) => arrays.push(array.clone()),
            Source::Recorded(recorded) => arrays.push(recorded.array.clone()),
            Source::Variable(variable) => variables.push(variable.cell()?.clone()),
            Source::Outer(traced) => return Err(trace::leaked("a closure", traced, Origin::default())),
        }
        if recording {
            operands.push(match source {
                Source::Recorded(recorded) => Tensor { handle: Handle::Recorded(recorded.clone()) },
                Source::Variable(variable) => tape::read(variable)?,
                Source::Array(_) | Source::Outer(_) => Tensor::eager(arrays.last().cloned().expect("it was pushed")),
            });
        }
    }
    let graph = Arc::new(finished.graph);
    let results = backend::evaluate_once(&graph, &arrays, &variables)?;
    if recording {
        tape::note_call(&graph, &operands, results)
    } else {
        Ok(results.into_iter().map(Tensor::eager).collect())
    }
}
