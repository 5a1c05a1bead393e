//! The program `graph-dump`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = graph_dump::run(std::env::args_os());
    // A reader that stops reading, such as `head`, is no mistake.
    let _ = std::io::stdout().write_all(outcome.text.as_bytes());
    let _ = std::io::stderr().write_all(outcome.errors.as_bytes());
    ExitCode::from(outcome.code)
}
