//! The command line.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use tracelift_passes::Stage;
use tracelift_runtime::Engine;

const AFTER_HELP: &str = "FILE is a text of graphs, kernels and programs (examples/ir/*.tl), or the name of a shipped \
function.\nWithout a verb, `graph-dump FILE` prints.";

/// Prints, checks, optimizes, runs, differentiates and compares graphs.
#[derive(Parser, Debug)]
#[command(name = "graph-dump", version, about, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Print functions as they are written, after a stage, or as code (the default).
    Print(Show),
    /// Read and verify files, and take their functions through all stages.
    Check(Files),
    /// Print functions as the passes leave them, before they become programs.
    Optimize(Show),
    /// Run the `run:` lines of a file, or one call, on every engine.
    Run(Run),
    /// Print functions that answer value and gradient.
    Grad(Grad),
    /// Print the lines in which two files differ after a stage.
    Compare(Compare),
}

/// What is shown, and how.
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// A text file, or the name of a shipped function.
    pub file: String,
    /// Only this function of the file.
    #[arg(long, value_name = "NAME")]
    pub function: Option<String>,
    /// How graphs are written.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Show what this stage makes.
    #[arg(long, value_name = "STAGE", value_parser = stage(), conflicts_with_all = ["print_after_all", "emit"])]
    pub after: Option<Stage>,
    /// Show what each stage makes.
    #[arg(long, conflicts_with = "emit")]
    pub print_after_all: bool,
    /// Show what the functions become.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub emit: Option<Emit>,
    /// Show the user's line behind each value, where it is known.
    #[arg(long)]
    pub origins: bool,
    /// Do not fuse: one kernel per op.
    #[arg(long)]
    pub unfused: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Grad {
    #[command(flatten)]
    pub show: Show,
    /// The parameters by which is differentiated (default: all of floats).
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub wrt: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Files {
    /// Text files, or names of shipped functions.
    #[arg(required = true)]
    pub files: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// A text file, or the name of a shipped function.
    pub file: String,
    /// A call, such as '@f([1.0, 2.0], 3)'; without one the file's `run:` lines are run.
    pub call: Option<String>,
    /// Only this engine (default: all, which must agree).
    #[arg(long, value_name = "ENGINE", value_parser = engine())]
    pub engine: Option<Engine>,
}

#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// A text file, or the name of a shipped function.
    pub old: String,
    /// Another one.
    pub new: String,
    /// Compare what this stage makes.
    #[arg(long, value_name = "STAGE", value_parser = stage(), default_value = "plan")]
    pub after: Stage,
}

#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// The text that is read back.
    #[default]
    Text,
    /// Graphviz.
    Dot,
    /// For other programs.
    Json,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emit {
    /// The kernels.
    Kernel,
    /// The program that launches them.
    Program,
    /// What Cranelift is given.
    Clif,
    /// What it answers, disassembled.
    Asm,
}

fn stage() -> impl TypedValueParser<Value = Stage> {
    PossibleValuesParser::new(Stage::ALL.iter().map(|stage| stage.name())).try_map(|word| word.parse::<Stage>())
}

fn engine() -> impl TypedValueParser<Value = Engine> {
    let named = |word: String| Engine::ALL.into_iter().find(|engine| engine.name() == word);
    PossibleValuesParser::new(Engine::ALL.map(Engine::name))
        .map(move |word| named(word).expect("only names of engines are let through"))
}

/// Puts `print` where no verb stands. A file that is called like a verb is written `./check`.
pub(crate) fn with_default_verb(mut words: Vec<OsString>) -> Vec<OsString> {
    let verbs = ["print", "check", "optimize", "run", "grad", "compare", "help", "--help", "-h", "--version", "-V"];
    if words.get(1).is_some_and(|word| !verbs.iter().any(|verb| word == verb)) {
        words.insert(1, "print".into());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_description_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_verb_it_prints() {
        for (words, verb) in
            [(vec!["graph-dump", "--after", "cse", "f.tl"], true), (vec!["graph-dump", "check"], false)]
        {
            let words = with_default_verb(words.into_iter().map(OsString::from).collect());
            assert_eq!(words[1] == "print", verb, "{words:?}");
        }
    }
}
