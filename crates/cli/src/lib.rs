//! `graph-dump`: prints, checks, optimizes, runs, differentiates and compares graphs.
//!
//! Everything the program does is [`run`], which answers texts instead of printing them.
//!
//! ```
//! let outcome = graph_dump::run(["graph-dump", "cube"]);
//! assert_eq!(outcome.code, 0);
//! assert!(outcome.text.starts_with("func @cube(%x: f32[B, 3]) -> f32[B, 3] {"), "{}", outcome.text);
//! ```

mod arguments;
mod check;
mod compare;
mod disassemble;
mod emit;
mod execute;
mod input;
mod show;
mod shipped;
mod terminal;

use arguments::{Cli, Verb};
use clap::Parser;
use std::ffi::OsString;
use tracelift_tensor::Result;

/// What a run of the program prints and how it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// For standard output.
    pub text: String,
    /// For standard error.
    pub errors: String,
    /// 0 if all went well, 1 if a file is wrong or a comparison fails, 2 if the command line is wrong.
    pub code: u8,
}

/// Does what the command line (its first word the program's name) asks for.
pub fn run<W: Into<OsString>>(command_line: impl IntoIterator<Item = W>) -> Outcome {
    let words = arguments::with_default_verb(command_line.into_iter().map(Into::into).collect());
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        // Help and version are "errors" with code 0.
        Err(stop) if stop.exit_code() == 0 => return Outcome { text: stop.to_string(), ..Outcome::default() },
        Err(stop) => return Outcome { errors: stop.to_string(), code: 2, ..Outcome::default() },
    };
    match obey(&cli.verb) {
        Ok(Answer { text, good }) => {
            Outcome { text: terminal::clean(&text), code: u8::from(!good), ..Outcome::default() }
        }
        Err(error) => Outcome { errors: terminal::clean(&format!("error: {error}\n")), code: 1, ..Outcome::default() },
    }
}

/// What a verb has to say, and whether that is good news.
struct Answer {
    text: String,
    good: bool,
}

impl Answer {
    fn good(text: String) -> Answer {
        Answer { text, good: true }
    }
}

fn obey(verb: &Verb) -> Result<Answer> {
    match verb {
        Verb::Print(print) => show::print(print).map(Answer::good),
        Verb::Optimize(optimize) => show::optimize(optimize).map(Answer::good),
        Verb::Grad(grad) => show::grad(grad).map(Answer::good),
        Verb::Check(files) => check::check(&files.files).map(Answer::good),
        Verb::Run(run) => execute::run(run),
        Verb::Compare(files) => compare::compare(files),
    }
}
