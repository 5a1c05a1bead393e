//! Where a finished graph becomes something that can be called: by its engine, on arrays and variables.

use std::sync::Arc;

use tracelift_ir::{Evaluator, Graph, ParamRole};
use tracelift_passes::{Made, Pipeline, Stage};
use tracelift_runtime::{
    CallError, Engine, Executable, Options, PrintSink, Variable as Cell,
    exec::{Lease, with_variables},
    float_mode::FloatMode,
};
use tracelift_tensor::{Array, Error, ErrorKind, Result};

use crate::eager;

/// A graph that can be called.
pub struct Compiled {
    machine: Machine,
}

enum Machine {
    /// Op by op.
    Reference(Reference),
    /// As a scheduled program.
    Program(Box<Executable>),
}

/// A graph that is evaluated op by op.
struct Reference {
    name: Arc<str>,
    graph: Arc<Graph>,
    options: Options,
    /// For each variable, in the order of the graph's parameters, whether it gets a new value.
    written: Vec<bool>,
}

/// Makes a graph callable.
pub(crate) fn compile(graph: &Arc<Graph>, options: &Options) -> Result<Compiled> {
    let machine = match options.engine {
        // A program's memory is planned from the sizes of arguments.
        _ if graph.finds_sizes() => Machine::Reference(Reference::new(graph.clone(), options.clone())),
        Engine::Reference => Machine::Reference(Reference::new(graph.clone(), options.clone())),
        Engine::Interpreter | Engine::Unfused | Engine::Fused => match executable(graph, options) {
            Ok(executable) => Machine::Program(Box::new(executable)),
            // What is no mistake of the user's must not keep a program from running.
            Err(error) if error.kind == ErrorKind::Internal => {
                tracing::warn!(function = graph.name(), %error, "is evaluated op by op: it could not be compiled");
                Machine::Reference(Reference::new(graph.clone(), options.clone()))
            }
            Err(error) => return Err(error),
        },
    };
    Ok(Compiled { machine })
}

fn executable(graph: &Graph, options: &Options) -> Result<Executable> {
    let pipeline = pipeline(options);
    let program = pipeline.lower(graph, &mut |_, _| {})?;
    Executable::compile(Arc::new(program), options.clone())
}

/// The passes that an engine wants.
fn pipeline(options: &Options) -> Pipeline {
    Pipeline { fuse: options.engine == Engine::Fused }
}

/// The text of what a stage makes of a graph.
pub(crate) fn text_after(graph: &Graph, options: &Options, wanted: Stage) -> Result<String> {
    let mut text = None;
    pipeline(options).lower_to(wanted, graph, &mut |stage, made| {
        if stage == wanted {
            text = Some(match made {
                Made::Graph(graph) => graph.to_string(),
                Made::Program(program) => program.to_string(),
            });
        }
    })?;
    text.ok_or_else(|| Error::internal(format!("the pipeline has no stage `{wanted}`")))
}

/// Runs a graph once, op by op.
pub(crate) fn evaluate_once(graph: &Arc<Graph>, captured: &[Array], variables: &[Cell]) -> Result<Vec<Array>> {
    let options = Options { flush_subnormals: eager::flushes(), ..Options::default() };
    Reference::new(graph.clone(), options).call(captured, variables)
}

impl Compiled {
    /// Whether it is native code, rather than evaluated op by op or interpreted.
    pub fn is_native(&self) -> bool {
        matches!(&self.machine, Machine::Program(executable) if executable.is_native())
    }

    /// The program that runs, unless the graph is evaluated op by op.
    pub fn program(&self) -> Option<&tracelift_kernel::program::Program> {
        self.executable().map(|executable| &**executable.program())
    }

    /// The executable program, unless the graph is evaluated op by op.
    pub fn executable(&self) -> Option<&Executable> {
        match &self.machine {
            Machine::Program(executable) => Some(executable),
            Machine::Reference(_) => None,
        }
    }

    /// Calls it, and writes the results over given arrays where they fit. Variables change if it succeeds; a call that
    /// fails leaves all as they were.
    pub(crate) fn call_into(
        &self,
        inputs: &[&Array],
        variables: &[Cell],
        results: &mut Vec<Array>,
    ) -> Result<(), CallError> {
        match &self.machine {
            Machine::Reference(reference) => *results = reference.call_by_reference(inputs, variables)?,
            Machine::Program(executable) => executable.call_by_reference(inputs, variables, results)?,
        }
        Ok(())
    }

    /// Calls it, in the memory of a lease if there is one, and hands over the results one after the other.
    #[inline]
    pub(crate) fn call_each(
        &self,
        inputs: &[&Array],
        variables: &[Cell],
        lease: Option<&mut Lease>,
        give: &mut dyn FnMut(Array),
    ) -> Result<(), CallError> {
        match &self.machine {
            Machine::Reference(reference) => {
                reference.call_by_reference(inputs, variables)?.into_iter().for_each(give);
                Ok(())
            }
            Machine::Program(executable) => executable.call_each(inputs, variables, lease, give),
        }
    }
}

impl Reference {
    fn new(graph: Arc<Graph>, options: Options) -> Self {
        let states = graph.roles().iter().enumerate().filter(|(_, role)| **role == ParamRole::State);
        let written = states.map(|(param, _)| graph.states().iter().any(|pair| pair.param == param)).collect();
        Reference { name: graph.name().into(), graph, options, written }
    }

    fn call_by_reference(&self, inputs: &[&Array], variables: &[Cell]) -> Result<Vec<Array>> {
        let inputs: Vec<Array> = inputs.iter().map(|&input| input.clone()).collect();
        self.call(&inputs, variables)
    }

    fn call(&self, inputs: &[Array], variables: &[Cell]) -> Result<Vec<Array>> {
        with_variables(&self.name, variables, &self.written, |values| {
            let (mut inputs, mut values) = (inputs.iter().cloned(), values.iter().cloned());
            let roles = self.graph.roles().iter();
            let arguments: Vec<Array> = roles
                .filter_map(|role| if *role == ParamRole::State { values.next() } else { inputs.next() })
                .collect();
            let _mode = self.options.flush_subnormals.then(|| FloatMode::Flush.enter());
            let mut results = self.evaluator().evaluate(&self.graph, &arguments)?;
            let next = results.split_off(results.len() - self.graph.states().len());
            // New values come in the order of their parameters.
            let mut next: Vec<(usize, Array)> = self.graph.states().iter().map(|pair| pair.param).zip(next).collect();
            next.sort_by_key(|(param, _)| *param);
            Ok((results, next.into_iter().map(|(_, value)| value).collect()))
        })
    }

    fn evaluator(&self) -> Evaluator {
        let evaluator = match self.options.print.clone() {
            PrintSink::Stdout => Evaluator::new(),
            PrintSink::Function(show) => Evaluator::with_print(move |line| show(line, &[])),
        };
        match self.options.stop.clone() {
            Some(stop) => evaluator.stopping_when(move || stop.is_stopped()),
            None => evaluator,
        }
    }
}
