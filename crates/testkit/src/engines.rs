//! One graph on every engine: all must answer the same bits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use tracelift_ir::{Evaluator, Graph, ParamRole};
use tracelift_passes::Pipeline;
use tracelift_runtime::cpu::Path;
use tracelift_runtime::{Engine, Executable, Options, PrintSink, Variable, print_line};
use tracelift_tensor::{Array, Error, Result};

/// What a run has answered and shown.
#[derive(Debug)]
pub struct Run {
    /// One array per result of the graph, states included.
    pub results: Result<Vec<Array>>,
    /// The lines that it has printed.
    pub printed: Vec<String>,
}

/// A graph made ready for one engine.
///
/// ```
/// use tracelift_ir::{Builder, ParamRole, Type};
/// use tracelift_runtime::Engine;
/// use tracelift_tensor::{Array, Dim, F32};
/// use tracelift_testkit::engines::Prepared;
///
/// let mut b = Builder::new("square");
/// let x = b.param("x", Type::tensor(F32, [Dim::sym("B")]), ParamRole::Input);
/// let y = b.mul(x, x)?;
/// let graph = b.finish(&[y])?;
/// for engine in Engine::ALL {
///     let run = Prepared::new(engine, &graph)?.run(&[Array::vector([1.0f32, -3.0])?]);
///     assert_eq!(run.results?, [Array::vector([1.0f32, 9.0])?]);
/// }
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub struct Prepared {
    graph: Graph,
    machine: Machine,
    printed: Arc<Mutex<Vec<String>>>,
}

enum Machine {
    Evaluator,
    Executable(Box<Executable>),
}

impl Prepared {
    /// Takes a graph as far as the engine needs it.
    pub fn new(engine: Engine, graph: &Graph) -> Result<Prepared> {
        let printed = Arc::new(Mutex::new(vec![]));
        let mut graph = graph.clone();
        let machine = match engine {
            Engine::Reference => Machine::Evaluator,
            // There is no program of it, but the passes must keep what it means.
            _ if graph.finds_sizes() => {
                graph = Pipeline { fuse: engine != Engine::Unfused }.optimize(&graph, &mut |_, _| {})?;
                Machine::Evaluator
            }
            Engine::Interpreter | Engine::Unfused | Engine::Fused => {
                let pipeline = Pipeline { fuse: engine != Engine::Unfused };
                let program = pipeline.lower(&graph, &mut |_, _| {})?;
                let executable = Executable::compile(Arc::new(program), options(engine, &printed))?;
                // Where native code cannot be made a user gets the interpreter; a test wants to know.
                if engine != Engine::Interpreter && !executable.is_native() {
                    return Err(Error::internal(format!("no native code for:\n{}", executable.program())));
                }
                Machine::Executable(Box::new(executable))
            }
        };
        Ok(Prepared { graph, machine, printed })
    }

    /// Runs it on arrays: one per parameter, states included.
    pub fn run(&self, arguments: &[Array]) -> Run {
        self.printed().clear();
        let results = match &self.machine {
            Machine::Evaluator => {
                let printed = self.printed.clone();
                let mut evaluator = Evaluator::with_print(move |line| lines(&printed).push(line.to_string()));
                evaluator.evaluate(&self.graph, arguments)
            }
            Machine::Executable(executable) => call(executable, &self.graph, arguments),
        };
        Run { results, printed: self.printed().clone() }
    }

    fn printed(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        lines(&self.printed)
    }
}

fn lines(printed: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    printed.lock().expect("nothing panics while lines are noted")
}

fn options(engine: Engine, printed: &Arc<Mutex<Vec<String>>>) -> Options {
    let printed = printed.clone();
    let note = move |message: &str, values: &[Array]| lines(&printed).push(print_line(message, values));
    // One of the two native engines is kept to narrower vectors than the other, so that both kinds of code are compared.
    let narrower = if Path::best() == Path::Avx512 { Path::Avx2 } else { Path::Scalar };
    let path = (engine == Engine::Unfused).then_some(narrower);
    Options { engine, path, print: PrintSink::Function(Arc::new(note)), ..Options::default() }
}

/// Calls a program as its graph would be evaluated: states are among the arguments and results.
fn call(executable: &Executable, graph: &Graph, arguments: &[Array]) -> Result<Vec<Array>> {
    let (mut inputs, mut states) = (vec![], vec![]);
    let mut state_of = vec![None; arguments.len()];
    for (n, (argument, role)) in arguments.iter().zip(graph.roles()).enumerate() {
        match role {
            ParamRole::Input | ParamRole::Captured => inputs.push(argument.clone()),
            ParamRole::State => {
                state_of[n] = Some(states.len());
                states.push(Variable::new(format!("state {n}"), argument.clone()));
            }
        }
    }
    let called = executable.call(&inputs, &states).map_err(Error::from);
    if called.is_err() {
        for (argument, state) in arguments.iter().zip(&state_of) {
            let Some(state) = state else { continue };
            assert_eq!(*argument, states[*state].value()?, "a call that fails leaves variables as they were");
        }
    }
    let mut plain = called?.into_iter();
    let results = (0..graph.results().len()).map(|n| match graph.states().iter().find(|pair| pair.result == n) {
        Some(pair) => states[state_of[pair.param].expect("a state is read as a state")].value(),
        None => plain.next().ok_or_else(|| Error::internal("a result is missing")),
    });
    results.collect()
}

/// What all engines answer; an error if one disagrees with the reference, panics or makes something invalid.
///
/// All NaNs are equal. Runs that fail must fail with the same kind of error everywhere.
pub fn compare(graph: &Graph, arguments: &[Array]) -> Result<Run, String> {
    let run = |engine: Engine| -> Result<Run, String> {
        let attempt = AssertUnwindSafe(|| Prepared::new(engine, graph).map(|prepared| prepared.run(arguments)));
        match catch_unwind(attempt) {
            Ok(Ok(run)) => Ok(run),
            Ok(Err(error)) => Err(format!("{}: cannot be made: {error}", engine.name())),
            Err(panic) => Err(format!("{}: {}", engine.name(), message(&*panic))),
        }
    };
    let reference = run(Engine::Reference)?;
    for engine in &Engine::ALL[1..] {
        let given = run(*engine)?;
        difference(&reference, &given).map_err(|difference| format!("{}: {difference}", engine.name()))?;
    }
    Ok(reference)
}

/// The text of a panic.
pub fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

fn difference(reference: &Run, given: &Run) -> Result<(), String> {
    match (&reference.results, &given.results) {
        (Ok(expected), Ok(results)) => {
            for (n, (expected, result)) in expected.iter().zip(results).enumerate() {
                if expected != result {
                    return Err(format!("result {n} is\n{result:?}\nand should be\n{expected:?}"));
                }
            }
        }
        (Err(expected), Err(error)) if expected.kind == error.kind => {}
        (expected, results) => return Err(format!("answers {results:?} and should answer {expected:?}")),
    }
    if reference.printed != given.printed {
        return Err(format!("prints {:?} and should print {:?}", given.printed, reference.printed));
    }
    Ok(())
}
