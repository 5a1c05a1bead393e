//! `run`: calls on every engine, which must agree in every bit.

use crate::Answer;
use crate::arguments::Run;
use crate::input::{Input, mistake};
use std::fmt::Write;
use std::sync::Arc;
use tracelift_autodiff::grad;
use tracelift_ir::{Builder, Graph, ParamRole, Type, Value, evaluate};
use tracelift_kernel::program::Program;
use tracelift_kernel::text::{Expected, RunLine, Source, write_array};
use tracelift_passes::Pipeline;
use tracelift_runtime::{Engine, Executable, Options, Variable};
use tracelift_tensor::{Array, DType, Error, Result, Shape};

/// Runs a call, or the `run:` and `grad:` lines of a file.
pub(crate) fn run(run: &Run) -> Result<Answer> {
    let input = Input::load(&run.file)?;
    let engines = run.engine.map_or(Engine::ALL.to_vec(), |engine| vec![engine]);
    match &run.call {
        Some(call) => one_call(&input, call, &engines).map(Answer::good),
        None => all_lines(&input, &engines),
    }
}

/// What a call answers, one result a line.
fn one_call(input: &Input, call: &str, engines: &[Engine]) -> Result<String> {
    let text = format!("; run: {call}");
    let lines = RunLine::all(Source::new("call", &text), "run").map_err(mistake)?;
    let line = lines.first().ok_or_else(|| Error::format("the call is empty"))?;
    let callee = Callee::find(input, &line.function)?;
    let arguments = line.read_arguments(&callee.inputs()?).map_err(mistake)?;
    let results = callee.agree(&arguments, engines)?;
    let mut text = String::new();
    for array in &results {
        write_array(&mut text, array).map_err(|_| Error::internal("a result has no text"))?;
        let _ = writeln!(text, " : {}", array.type_text());
    }
    Ok(text)
}

/// Runs every `run:` and `grad:` line and compares with what it says.
fn all_lines(input: &Input, engines: &[Engine]) -> Result<Answer> {
    let (lines, gradients) = (input.lines("run")?, input.lines("grad")?);
    if lines.is_empty() && gradients.is_empty() {
        return Err(Error::format(format!("there is no `; run: @f(…) == …` line in {}", input.name))
            .help("give a call: graph-dump run FILE '@f([1.0, 2.0])'"));
    }
    let mut text = String::new();
    let mut wrong = 0;
    let gradients = gradients.iter().map(|line| (line, true));
    let all: Vec<(&RunLine<'_>, bool)> = lines.iter().map(|line| (line, false)).chain(gradients).collect();
    for (line, is_gradient) in &all {
        let callee = Callee::find(input, &line.function)?;
        let callee = if *is_gradient { callee.gradient()? } else { callee };
        let case = line.read(&callee.inputs()?, &callee.results()?).map_err(mistake)?;
        let answered = callee.agree(&case.inputs, engines);
        let good = match (&answered, &case.expected) {
            (Ok(results), Expected::Results(expected)) => results == expected,
            (Err(error), Expected::Error(part)) => error.to_string().contains(part),
            _ => false,
        };
        if !good {
            wrong += 1;
            let answered = answered.map_or_else(|error| format!("error: {error}"), |results| format!("{results:?}"));
            let what = if *is_gradient { "the gradient of " } else { "" };
            let _ = writeln!(text, "{}:{}: {what}@{} answers {answered}", input.name, line.position, line.function);
        }
    }
    let names: Vec<&str> = engines.iter().map(|engine| engine.name()).collect();
    let _ = writeln!(
        text,
        "{}: {} of {} calls as expected on {}",
        input.name,
        all.len() - wrong,
        all.len(),
        names.join(", ")
    );
    Ok(Answer { text, good: wrong == 0 })
}

/// Something that can be called.
enum Callee<'a> {
    Function(&'a Graph),
    /// The gradient of a function.
    Gradient(Box<Graph>),
    Program(Arc<Program>),
}

impl<'a> Callee<'a> {
    fn find(input: &'a Input, name: &str) -> Result<Callee<'a>> {
        if let Some(graph) = input.functions.iter().find(|graph| graph.name() == name) {
            return Ok(Callee::Function(graph));
        }
        if let Some(program) = input.programs.iter().find(|program| program.name == name) {
            return Ok(Callee::Program(Arc::new(program.clone())));
        }
        match input.kernels.iter().find(|kernel| kernel.name == name) {
            Some(kernel) => Ok(Callee::Program(Arc::new(Program::of_kernel(kernel)?))),
            None => Err(Error::key(format!("there is no `@{name}` in {}", input.name))),
        }
    }

    /// The function that answers the gradients of the sum of the first result by every parameter of floats.
    fn gradient(self) -> Result<Callee<'a>> {
        let Callee::Function(graph) = self else {
            return Err(Error::value("a `grad:` line names a program or kernel, which cannot be differentiated"));
        };
        let mut b = Builder::new(graph.name());
        let params: Vec<Value> = graph.param_types().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
        let made = b.splice(graph, &params)?;
        let first = graph.results().first().map(|result| made[*result]);
        let first = first.ok_or_else(|| Error::invalid("has no result").op(graph.name()))?;
        let axes: Vec<usize> = (0..b.ty(first).rank()).collect();
        let sum = if axes.is_empty() { first } else { b.sum(first, &axes, false)? };
        let floats: Vec<usize> =
            graph.param_types().enumerate().filter(|(_, ty)| ty.is_float()).map(|(n, _)| n).collect();
        Ok(Callee::Gradient(Box::new(grad(&b.finish(&[sum])?, &floats)?)))
    }

    /// The graph, if it has one.
    fn graph(&self) -> Option<&Graph> {
        match self {
            Callee::Function(graph) => Some(graph),
            Callee::Gradient(graph) => Some(graph),
            Callee::Program(_) => None,
        }
    }

    fn inputs(&self) -> Result<Vec<(DType, Shape)>> {
        match self {
            Callee::Function(graph) => tensors(graph.param_types()),
            Callee::Gradient(graph) => tensors(graph.param_types()),
            Callee::Program(program) => Ok(program.input_types()),
        }
    }

    fn results(&self) -> Result<Vec<(DType, Shape)>> {
        match self {
            Callee::Function(graph) => tensors(graph.result_types()),
            Callee::Gradient(graph) => tensors(graph.result_types()),
            Callee::Program(program) => Ok(program.result_types()),
        }
    }

    /// What all engines answer.
    fn agree(&self, arguments: &[Array], engines: &[Engine]) -> Result<Vec<Array>> {
        let mut first: Option<(Engine, Result<Vec<Array>>)> = None;
        for engine in engines {
            let answered = self.call(arguments, *engine);
            let Some((other, expected)) = &first else {
                first = Some((*engine, answered));
                continue;
            };
            let same = match (expected, &answered) {
                (Ok(expected), Ok(results)) => expected == results,
                (Err(expected), Err(error)) => expected.kind == error.kind,
                _ => false,
            };
            if !same {
                let (a, b) = (other.name(), engine.name());
                return Err(Error::internal(format!("{a} answers {expected:?}, but {b} answers {answered:?}")));
            }
        }
        first.map_or_else(|| Ok(vec![]), |(_, answered)| answered)
    }

    fn call(&self, arguments: &[Array], engine: Engine) -> Result<Vec<Array>> {
        let options = Options { engine, ..Options::default() };
        match (self.graph(), self) {
            (Some(graph), _) if engine == Engine::Reference => evaluate(graph, arguments),
            (Some(graph), _) => {
                let pipeline = Pipeline { fuse: engine != Engine::Unfused };
                if graph.finds_sizes() {
                    return evaluate(&pipeline.optimize(graph, &mut |_, _| {})?, arguments);
                }
                let program = pipeline.lower(graph, &mut |_, _| {})?;
                call_graph(graph, &Executable::compile(Arc::new(program), options)?, arguments)
            }
            // A program has no graph: its own interpreter is the reference.
            (None, Callee::Program(program)) => {
                Ok(Executable::compile(program.clone(), options)?.call(arguments, &[])?)
            }
            (None, _) => Err(Error::internal("functions and gradients have graphs")),
        }
    }
}

/// Calls a program as its graph is evaluated: with states among the arguments, and their new values among the results.
fn call_graph(graph: &Graph, executable: &Executable, arguments: &[Array]) -> Result<Vec<Array>> {
    let (mut inputs, mut states) = (vec![], vec![]);
    for (n, (argument, role)) in arguments.iter().zip(graph.roles()).enumerate() {
        match role {
            ParamRole::Input | ParamRole::Captured => inputs.push(argument.clone()),
            ParamRole::State => states.push((n, Variable::new(format!("state {n}"), argument.clone()))),
        }
    }
    let variables: Vec<Variable> = states.iter().map(|(_, variable)| variable.clone()).collect();
    let mut plain = executable.call(&inputs, &variables)?.into_iter();
    let result = |n: usize| {
        let pair = graph.states().iter().find(|pair| pair.result == n);
        match pair.and_then(|pair| states.iter().find(|(param, _)| *param == pair.param)) {
            Some((_, variable)) => variable.value(),
            None => plain.next().ok_or_else(|| Error::internal("a result is missing")),
        }
    };
    (0..graph.results().len()).map(result).collect()
}

fn tensors<'t>(types: impl Iterator<Item = &'t Type>) -> Result<Vec<(DType, Shape)>> {
    let tensor = |ty: &Type| match ty.as_tensor() {
        Some(tensor) => Ok((tensor.dtype, tensor.shape.clone())),
        None => Err(Error::type_(format!("a value of type {ty} cannot be written in a call"))),
    };
    types.map(tensor).collect()
}
