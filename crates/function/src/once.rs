//! Closures whose graph is run once: gradients and loops outside of any function.

use tracelift_tensor::{ErrorKind, Origin, Result};

use crate::{
    Tensor, backend,
    trace::{self, Frame, Kind},
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
    let (mut arrays, mut variables) = (Vec::new(), Vec::new());
    for source in &finished.captures {
        match source {
            trace::Source::Array(array) => arrays.push(array.clone()),
            trace::Source::Variable(variable) => variables.push(variable.cell()?.clone()),
            trace::Source::Outer(traced) => return Err(trace::leaked("a closure", traced, Origin::default())),
        }
    }
    let arrays = backend::evaluate_once(finished.graph, &arrays, &variables)?;
    Ok(arrays.into_iter().map(Tensor::eager).collect())
}
