//! Where graphs come from: a file, or the shipped functions.

use crate::shipped;
use std::path::Path;
use std::sync::Arc;
use tracelift_ir::{Graph, Module};
use tracelift_kernel::loops::Kernel;
use tracelift_kernel::program::Program;
use tracelift_kernel::text::{self, RunLine, Source, SyntaxError};
use tracelift_tensor::{Error, Result};

/// A text is read whole; nothing that a person writes or a model makes is larger.
const MOST_BYTES: u64 = 256 << 20;

/// What a file holds.
pub(crate) struct Input {
    /// Its name as it was given.
    pub name: String,
    text: String,
    pub functions: Vec<Arc<Graph>>,
    pub kernels: Vec<Arc<Kernel>>,
    pub programs: Vec<Program>,
}

impl Input {
    /// Reads a file, or traces the shipped function of that name.
    pub(crate) fn load(name: &str) -> Result<Input> {
        if Path::new(name).exists() {
            return Input::parse(name, read(name)?);
        }
        match shipped::function(name) {
            Some(graph) => {
                let graph = graph?;
                let input = Input::parse(name, graph.to_string())?;
                // The graph itself knows the lines that its text does not have.
                Ok(Input { functions: vec![Arc::new(graph)], ..input })
            }
            None => Err(Error::io(format!("there is no file `{name}`"))
                .help(format!("functions that need no file are {}", shipped::names().join(", ")))),
        }
    }

    fn parse(name: &str, text: String) -> Result<Input> {
        let source = Source::new(name, &text);
        let functions = Module::parse(source).map_err(mistake)?.functions;
        let text::Module { kernels, programs } = text::Module::parse(source).map_err(mistake)?;
        if functions.is_empty() && kernels.is_empty() && programs.is_empty() {
            return Err(Error::format(format!("there is no `func`, `kernel` or `program` in {name}")));
        }
        Ok(Input { name: name.to_owned(), functions, kernels, programs, text })
    }

    /// The text and its name.
    pub(crate) fn source(&self) -> Source<'_> {
        Source::new(&self.name, &self.text)
    }

    /// The lines with a word such as `run:`.
    pub(crate) fn lines(&self, word: &str) -> Result<Vec<RunLine<'_>>> {
        RunLine::all(self.source(), word).map_err(mistake)
    }

    /// The functions that are shown: the one that is named, or all that no other one calls (a function's text has
    /// those that it calls in front).
    pub(crate) fn chosen(&self, name: Option<&str>) -> Result<Vec<&Graph>> {
        let Some(name) = name else {
            let called = |graph: &&Arc<Graph>| self.functions.iter().any(|other| calls(other, graph));
            return Ok(self.functions.iter().filter(|graph| !called(graph)).map(Arc::as_ref).collect());
        };
        match self.functions.iter().find(|graph| graph.name() == name) {
            Some(graph) => Ok(vec![graph]),
            None => {
                let names: Vec<String> = self.functions.iter().map(|graph| format!("@{}", graph.name())).collect();
                Err(Error::key(format!("there is no function `@{name}` in {}", self.name))
                    .help(format!("it has {}", names.join(", "))))
            }
        }
    }
}

/// A mistake in a text, which shows its place.
pub(crate) fn mistake(mistake: SyntaxError) -> Error {
    Error::format(mistake.to_string())
}

fn read(name: &str) -> Result<String> {
    let failed = |error: std::io::Error| Error::io(format!("cannot read `{name}`: {error}"));
    let size = std::fs::metadata(name).map_err(failed)?.len();
    if size > MOST_BYTES {
        return Err(Error::io(format!("`{name}` has {size} bytes; no more than {MOST_BYTES} are read")));
    }
    std::fs::read_to_string(name).map_err(failed)
}

/// Whether a graph calls a function, somewhere; nesting is bounded, so this may recurse.
fn calls(graph: &Graph, callee: &Arc<Graph>) -> bool {
    let mut regions = graph.nodes().flat_map(|(_, node)| node.op.regions());
    regions.any(|region| Arc::ptr_eq(region, callee) || calls(region, callee))
}
