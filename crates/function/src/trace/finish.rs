//! The end of a trace: all its mistakes, or its graph and where the graph's hidden parameters come from.

use tracelift_ir::{Graph, ops};
use tracelift_tensor::{Error, Origin, Result};

use super::{Entered, Source, with_active};
use crate::Tensor;

/// A traced closure.
pub(crate) struct Finished {
    pub(crate) graph: Graph,
    /// How many parameters are inputs; the others come from `captures`.
    pub(crate) inputs: usize,
    pub(crate) captures: Vec<Source>,
}

/// Ends the trace of a closure that gave these tensors.
pub(crate) fn finish(entered: Entered, results: &[Tensor], origin: &Origin) -> Result<Finished> {
    let values = with_active(|stack| {
        let lifted: Vec<_> = results.iter().map(|result| stack.lift(result, origin)).collect();
        let mut values = Vec::with_capacity(lifted.len());
        for value in lifted {
            let frame = stack.top_frame();
            // Each result is a node of its own, so that the results of a graph are told apart whatever they are.
            match value.and_then(|value| frame.builder.at(origin.clone()).push(ops::Identity, &[value])) {
                Ok(value) => values.push(value),
                Err(error) if frame.errors.contains(&error) => {}
                Err(error) => frame.errors.push(error),
            }
        }
        values
    })
    .unwrap_or_default();
    let mut frame = *entered.leave();
    if frame.errors.is_empty() {
        frame.errors.extend(frame.left.take());
    }
    Error::all(std::mem::take(&mut frame.errors))?;
    let inputs = frame.builder.params().len() - frame.captures.len();
    for (position, capture) in frame.captures.iter().enumerate() {
        let Source::Variable(variable) = &capture.source else { continue };
        let slot = &frame.variables[&variable.id()];
        if slot.assigned {
            frame.builder.set_state(inputs + position, slot.current);
        }
    }
    let graph = frame.builder.finish(&values)?;
    let captures = frame.captures.into_iter().map(|capture| capture.source).collect();
    Ok(Finished { graph, inputs, captures })
}
