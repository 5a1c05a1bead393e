//! Test files: functions, what stages make of them, and what calls answer.
//!
//! ```text
//! ; pipeline: simplify
//! ; engines: reference, interpreter, unfused, fused
//!
//! func @cube(%x: f32[]) -> f32[] { … }
//!
//! ; after simplify:
//! ; func @cube(%x: f32[]) -> f32[] { … }
//!
//! ; run: @cube(-1.5) == -3.375
//! ; grad: @cube(2.0) == 12.0
//! ```
//!
//! The stages of `pipeline:` run one after the other on what the file says, and each has an `after` block with what comes
//! out; `BLESS=1` rewrites the blocks. `run:` lines are executed on every engine, or on those that `engines:` names.
//! A `grad:` line gives the gradients of the first result (of the sum of its elements) with respect to every parameter
//! of floats. A file may hold kernels and programs in the place of functions.

mod blocks;
mod calls;

use blocks::Blocks;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracelift_ir::{Graph, Module};
use tracelift_kernel::text::{Module as Programs, Source};
use tracelift_passes::{Stage, cse, epilogues, fold, fuse, hoist, inline, plan, schedule, simplify, sizes};
use tracelift_runtime::Engine;

/// All files below a folder, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut pending) = (vec![], vec![folder.to_path_buf()]);
    while let Some(folder) = pending.pop() {
        let entries = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder can be read").path();
            match path.is_dir() {
                true => pending.push(path),
                false if path.extension().is_some_and(|extension| extension == "tl") => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    files
}

/// Runs one file; everything that is wrong with it. With `bless`, its `after` blocks become what the stages make.
pub fn run(path: &Path, bless: bool) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.display().to_string();
    let source = Source::new(&name, &text);
    let functions = Module::parse(source).map_err(|mistake| mistake.to_string())?.functions;
    let programs = Programs::parse(source).map_err(|mistake| mistake.to_string())?;
    let stages = listed(&text, "pipeline", |word| word.parse::<Stage>().map_err(|error| error.to_string()))?;
    let engine = |word: &str| Engine::ALL.into_iter().find(|engine| engine.name() == word);
    let engines = listed(&text, "engines", |word| engine(word).ok_or_else(|| format!("there is no engine `{word}`")))?;
    let engines = if engines.is_empty() { Engine::ALL.to_vec() } else { engines };

    let made = after_stages(&functions, &stages).map_err(|fault| format!("{name}: {fault}"))?;
    let mut faults = vec![];
    let blocks = Blocks::of(&text);
    if bless {
        let new = blocks.with(&made);
        if new != text {
            std::fs::write(path, new).map_err(|error| format!("{name}: {error}"))?;
        }
    } else {
        faults.extend(blocks.differences(&made).into_iter().map(|difference| format!("{name}: {difference}")));
    }
    faults.extend(calls::faults(source, &functions, &programs, &engines));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// The words of a line `; key: a, b, c` in the head of a file.
fn listed<T>(text: &str, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let head = text.lines().take_while(|line| line.starts_with(';') || line.is_empty());
    let line = head.filter_map(|line| line.strip_prefix("; ")?.strip_prefix(key)?.strip_prefix(':')).next();
    line.into_iter().flat_map(|words| words.split(',')).map(|word| read(word.trim())).collect()
}

/// What each stage makes of the functions that no other calls.
fn after_stages(functions: &[Arc<Graph>], stages: &[Stage]) -> Result<Vec<(Stage, String)>, String> {
    let is_called = |graph: &Arc<Graph>| functions.iter().any(|other| calls_one(other, graph));
    let mut graphs: Vec<Graph> = functions.iter().filter(|f| !is_called(f)).map(|graph| (**graph).clone()).collect();
    let mut programs = vec![];
    let mut made = vec![];
    for &stage in stages {
        let pass = match stage {
            Stage::Trace => |graph: &Graph| Ok(graph.clone()),
            Stage::Cse => cse,
            Stage::Simplify => simplify,
            Stage::Fold => fold,
            Stage::Inline => inline,
            Stage::Hoist => hoist,
            Stage::Sizes => sizes,
            Stage::Fuse => fuse,
            Stage::Schedule => {
                programs = graphs.iter().map(schedule).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
                made.push((stage, joined(&programs)));
                continue;
            }
            Stage::Epilogue => {
                programs = programs.into_iter().map(epilogues).collect();
                made.push((stage, joined(&programs)));
                continue;
            }
            Stage::Plan => {
                programs = programs.into_iter().map(plan).collect();
                made.push((stage, joined(&programs)));
                continue;
            }
        };
        graphs = graphs.iter().map(pass).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        made.push((stage, joined(&graphs)));
    }
    Ok(made)
}

fn joined(made: &[impl ToString]) -> String {
    made.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn calls_one(graph: &Graph, other: &Arc<Graph>) -> bool {
    let mut regions = graph.nodes().flat_map(|(_, node)| node.op.regions());
    regions.any(|region| Arc::ptr_eq(region, other) || calls_one(region, other))
}
