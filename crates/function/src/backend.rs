//! Where a finished graph becomes something that can be called.

use std::sync::Arc;

use tracelift_ir::{Graph, evaluate};
use tracelift_tensor::{Array, Result};

use crate::variable::VariableData;

/// Which way a graph is evaluated. All give equal bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// The graph itself, op by op, by the definitions.
    #[default]
    Reference,
}

/// How a graph is made code and run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which way graphs are evaluated.
    pub engine: Engine,
}

/// Where the value of a hidden parameter comes from at a call.
pub(crate) enum Source<'a> {
    Array(&'a Array),
    Variable(&'a Arc<VariableData>),
}

/// A graph that can be called.
pub struct Compiled {
    graph: Arc<Graph>,
}

/// Makes a graph callable.
pub(crate) fn compile(graph: &Arc<Graph>, _: &Options) -> Result<Compiled> {
    Ok(Compiled { graph: graph.clone() })
}

/// Runs a graph without inputs on the reference engine.
pub(crate) fn evaluate_once(graph: &Graph, hidden: &[Source<'_>], assigned: &[usize]) -> Result<Vec<Array>> {
    reference(graph, Vec::new(), hidden, assigned)
}

impl Compiled {
    /// Calls it; the variables in `assigned`, by their place among the hidden parameters, get new values if it succeeds.
    pub(crate) fn call(&self, inputs: Vec<Array>, hidden: &[Source<'_>], assigned: &[usize]) -> Result<Vec<Array>> {
        reference(&self.graph, inputs, hidden, assigned)
    }
}

/// Evaluates the graph op by op, holding all variables until their new values are in place.
fn reference(graph: &Graph, mut inputs: Vec<Array>, hidden: &[Source<'_>], assigned: &[usize]) -> Result<Vec<Array>> {
    let mut variables: Vec<&Arc<VariableData>> = hidden.iter().filter_map(Source::variable).collect();
    variables.sort_by_key(|variable| variable.id());
    variables.dedup_by_key(|variable| variable.id());
    // In the order of their ids, so that two calls never wait for each other.
    let _held: Vec<_> = variables.iter().map(|variable| variable.hold()).collect();
    for source in hidden {
        inputs.push(match source {
            Source::Array(array) => (*array).clone(),
            Source::Variable(variable) => variable.load()?,
        });
    }
    let mut results = evaluate(graph, &inputs)?;
    let states = results.split_off(results.len() - assigned.len());
    for (place, state) in assigned.iter().zip(states) {
        if let Source::Variable(variable) = &hidden[*place] {
            variable.store(state);
        }
    }
    Ok(results)
}

impl<'a> Source<'a> {
    fn variable(&self) -> Option<&'a Arc<VariableData>> {
        match self {
            Source::Variable(variable) => Some(variable),
            Source::Array(_) => None,
        }
    }
}
