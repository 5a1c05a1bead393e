//! The way of a graph to its program: one ordered list of stages.

use std::fmt;
use std::str::FromStr;
use tracelift_ir::Graph;
use tracelift_kernel::program::Program;
use tracelift_tensor::{Error, Result};

macro_rules! stages {
    ($($(#[$doc:meta])* $stage:ident $name:literal;)*) => {
        /// A stage on the way from a traced graph to a program, by the word that texts and tools use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Stage {
            $($(#[$doc])* $stage,)*
        }

        impl Stage {
            /// All stages in order.
            pub const ALL: &[Stage] = &[$(Stage::$stage),*];

            /// Its word.
            pub fn name(self) -> &'static str {
                match self {
                    $(Stage::$stage => $name,)*
                }
            }
        }
    };
}

stages! {
    /// As the user wrote it.
    Trace "trace";
    /// First, so that sizes with two names are not two sizes below.
    Sizes "sizes";
    /// So that nothing is done twice below: a trace records every call as a node of its own.
    Cse "cse";
    /// Before folding, which would otherwise compute what an equation removes.
    Simplify "simplify";
    /// Before inlining, so that a callee's constants are folded once.
    Fold "fold";
    /// Before fusion, which does not look into calls.
    Inline "inline";
    /// After inlining, which shows what calls in loops do; before fusion, which joins what stays with what goes.
    Hoist "hoist";
    /// The last rewriting of graphs: what it makes is opaque to the passes above.
    Fuse "fuse";
    /// From here on a program.
    Schedule "schedule";
    /// Before the plan, while every buffer is written once.
    Epilogue "epilogue";
    /// Needs the order of steps.
    Plan "plan";
}

impl Stage {
    /// Whether it makes programs: the earlier ones rewrite graphs.
    pub fn is_of_programs(self) -> bool {
        self >= Stage::Schedule
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stage {
    type Err = Error;

    fn from_str(word: &str) -> Result<Stage> {
        Stage::ALL.iter().copied().find(|stage| stage.name() == word).ok_or_else(|| {
            let all: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
            Error::value(format!("there is no stage `{word}`")).help(format!("stages are {}", all.join(", ")))
        })
    }
}

/// What a stage has made.
#[derive(Clone, Copy, Debug)]
pub enum Made<'a> {
    /// A graph, up to [`Stage::Fuse`].
    Graph(&'a Graph),
    /// A program, from [`Stage::Schedule`] on.
    Program(&'a Program),
}

impl fmt::Display for Made<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Made::Graph(graph) => graph.fmt(f),
            Made::Program(program) => program.fmt(f),
        }
    }
}

/// Sees what each stage makes.
pub type Observer<'o> = &'o mut dyn FnMut(Stage, Made<'_>);

/// Which stages run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pipeline {
    /// Whether elementwise work is fused, among itself and with products; without it every node becomes a kernel of its
    /// own.
    pub fuse: bool,
}

impl Default for Pipeline {
    fn default() -> Self {
        Pipeline { fuse: true }
    }
}

impl Pipeline {
    /// Takes a graph through all stages.
    ///
    /// After each pass the verifier runs in debug builds; a graph it refuses is a fault of that pass, and panics.
    ///
    /// ```
    /// use tracelift_ir::{Builder, ParamRole, Type};
    /// use tracelift_passes::{Pipeline, Stage};
    /// use tracelift_tensor::F32;
    ///
    /// let mut b = Builder::new("square");
    /// let x = b.param("x", Type::tensor(F32, [4]), ParamRole::Input);
    /// let y = b.mul(x, x)?;
    /// let mut seen = vec![];
    /// let program = Pipeline::default().lower(&b.finish(&[y])?, &mut |stage, _| seen.push(stage))?;
    /// assert_eq!(seen, Stage::ALL);
    /// assert_eq!(program.kernels.len(), 1);
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn lower(self, graph: &Graph, observe: Observer<'_>) -> Result<Program> {
        let graph = self.optimize(graph, observe)?;
        let program = crate::schedule(&graph)?;
        check_program(Stage::Schedule, &program);
        observe(Stage::Schedule, Made::Program(&program));
        let program = if self.fuse { crate::epilogues(program) } else { program };
        check_program(Stage::Epilogue, &program);
        observe(Stage::Epilogue, Made::Program(&program));
        let program = crate::plan(program);
        check_program(Stage::Plan, &program);
        observe(Stage::Plan, Made::Program(&program));
        Ok(program)
    }

    /// Takes a graph through the stages as far as one of them is reached: those that rewrite graphs, or all.
    pub fn lower_to(self, last: Stage, graph: &Graph, observe: Observer<'_>) -> Result {
        match last.is_of_programs() {
            true => self.lower(graph, observe).map(drop),
            false => self.optimize(graph, observe).map(drop),
        }
    }

    /// Takes a graph through the stages that rewrite graphs.
    pub fn optimize(self, graph: &Graph, observe: Observer<'_>) -> Result<Graph> {
        type Pass = fn(&Graph) -> Result<Graph>;
        let unfused: Pass = |graph| Ok(graph.clone());
        let passes: [(Stage, Pass); 7] = [
            (Stage::Sizes, crate::sizes),
            (Stage::Cse, crate::cse),
            (Stage::Simplify, crate::simplify),
            (Stage::Fold, crate::fold),
            (Stage::Inline, crate::inline),
            (Stage::Hoist, crate::hoist),
            (Stage::Fuse, if self.fuse { crate::fuse } else { unfused }),
        ];
        observe(Stage::Trace, Made::Graph(graph));
        let mut current = None;
        for (stage, pass) in passes {
            let made = current.insert(pass(current.as_ref().unwrap_or(graph))?);
            check_graph(stage, made);
            observe(stage, Made::Graph(made));
        }
        Ok(current.expect("there are passes"))
    }
}

fn check_graph(stage: Stage, graph: &Graph) {
    if cfg!(debug_assertions)
        && let Err(errors) = tracelift_ir::verify(graph)
    {
        panic!("the pass `{stage}` made a graph that is not valid: {errors:?}\n{graph}");
    }
}

fn check_program(stage: Stage, program: &Program) {
    if cfg!(debug_assertions)
        && let Err(mistakes) = program.check()
    {
        panic!("the pass `{stage}` made a program that is not valid: {mistakes}\n{program}");
    }
}
