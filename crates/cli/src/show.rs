//! `print`, `optimize` and `grad`: functions after stages, in every format.

use crate::arguments::{Format, Grad, Show};
use crate::emit;
use crate::input::Input;
use tracelift_autodiff::value_and_grad;
use tracelift_ir::Graph;
use tracelift_passes::{Made, Pipeline, Stage};
use tracelift_tensor::{Error, Result};

/// Everything in a file, as `show` asks for it.
pub(crate) fn print(show: &Show) -> Result<String> {
    let input = Input::load(&show.file)?;
    let mut parts = vec![];
    for graph in input.chosen(show.function.as_deref())? {
        parts.extend(parts_of(graph, show)?);
    }
    if show.function.is_none() {
        for kernel in &input.kernels {
            parts.push(match show.emit {
                None => structured(show.format, Stage::Schedule, &kernel.to_string(), kernel.as_ref())?,
                Some(what) => emit::kernel(kernel, what)?,
            });
        }
        // Its kernels are among those above.
        for program in &input.programs {
            parts.push(match show.emit {
                None => structured(show.format, Stage::Schedule, &program.steps_text(), program)?,
                Some(what) => emit::program(program, what, false)?,
            });
        }
    }
    Ok(parts.join("\n"))
}

/// The functions of a file after the last pass that rewrites graphs.
pub(crate) fn optimize(show: &Show) -> Result<String> {
    let input = Input::load(&show.file)?;
    let mut parts = vec![];
    for graph in input.chosen(show.function.as_deref())? {
        if show.after.is_some() || show.print_after_all || show.emit.is_some() {
            parts.extend(parts_of(graph, show)?);
        } else {
            parts.push(after(graph, show, Stage::Fuse)?);
        }
    }
    Ok(parts.join("\n"))
}

/// The functions of a file, made to answer their gradients too.
pub(crate) fn grad(grad: &Grad) -> Result<String> {
    let input = Input::load(&grad.show.file)?;
    let mut parts = vec![];
    for graph in input.chosen(grad.show.function.as_deref())? {
        let graph = value_and_grad(graph, &sources(graph, &grad.wrt)?)?;
        parts.extend(parts_of(&graph, &grad.show)?);
    }
    Ok(parts.join("\n"))
}

/// The positions of the parameters by which is differentiated.
fn sources(graph: &Graph, names: &[String]) -> Result<Vec<usize>> {
    let params = || graph.params().iter().enumerate();
    if names.is_empty() {
        let floats = params().filter(|(_, param)| graph.ty(**param).is_float());
        return Ok(floats.map(|(n, _)| n).collect());
    }
    let named = |name: &String| {
        let wanted = name.trim_start_matches('%');
        let found = params().find(|(_, param)| graph.name_of(**param).is_some_and(|name| **name == *wanted));
        found.map(|(n, _)| n).ok_or_else(|| {
            let all: Vec<String> = params().filter_map(|(_, param)| Some(graph.name_of(*param)?.to_string())).collect();
            Error::key(format!("@{} has no parameter `{wanted}`", graph.name()))
                .help(format!("it has {}", all.join(", ")))
        })
    };
    names.iter().map(named).collect()
}

/// A function as `show` asks for it: one text, or one for each stage.
fn parts_of(graph: &Graph, show: &Show) -> Result<Vec<String>> {
    if let Some(what) = show.emit {
        let program = pipeline(show).lower(graph, &mut |_, _| {})?;
        return Ok(vec![emit::program(&program, what, true)?]);
    }
    if !show.print_after_all {
        return Ok(vec![after(graph, show, show.after.unwrap_or(Stage::Trace))?]);
    }
    let mut parts = vec![];
    // Of a graph that finds sizes while it runs there is no program.
    let last = if graph.finds_sizes() { Stage::Fuse } else { Stage::Plan };
    watch(graph, show, last, &mut |stage, made| {
        let text = made_text(show, stage, made)?;
        parts.push(match show.format {
            Format::Text => format!("; after {stage}:\n{text}"),
            Format::Dot => format!("// after {stage}:\n{text}"),
            Format::Json => text,
        });
        Ok(())
    })?;
    Ok(parts)
}

/// What one stage makes of a function.
fn after(graph: &Graph, show: &Show, wanted: Stage) -> Result<String> {
    if wanted == Stage::Trace {
        return made_text(show, Stage::Trace, Made::Graph(graph));
    }
    let mut text = String::new();
    watch(graph, show, wanted, &mut |stage, made| {
        if stage == wanted {
            text = made_text(show, stage, made)?;
        }
        Ok(())
    })?;
    Ok(text)
}

/// Takes a function through the stages as far as the last one wanted, and stops listening at the first error.
fn watch(graph: &Graph, show: &Show, last: Stage, see: &mut dyn FnMut(Stage, Made<'_>) -> Result) -> Result {
    let mut seen = Ok(());
    let lowered = pipeline(show).lower_to(last, graph, &mut |stage, made| {
        if seen.is_ok() {
            seen = see(stage, made);
        }
    });
    seen.and(lowered)
}

fn pipeline(show: &Show) -> Pipeline {
    Pipeline { fuse: !show.unfused }
}

fn made_text(show: &Show, stage: Stage, made: Made<'_>) -> Result<String> {
    let format = show.format;
    match made {
        Made::Graph(graph) if show.origins && format == Format::Text => Ok(graph.text_with_origins()),
        Made::Graph(graph) if format == Format::Dot => Ok(graph.to_dot()),
        Made::Graph(graph) => structured(format, stage, &graph.to_string(), graph),
        Made::Program(program) => structured(format, stage, &program.to_string(), program),
    }
}

fn structured(format: Format, stage: Stage, text: &str, data: &impl serde::Serialize) -> Result<String> {
    match format {
        Format::Text => Ok(text.to_owned()),
        Format::Json => {
            let json = serde_json::to_string_pretty(data);
            json.map(|json| json + "\n").map_err(|error| Error::internal(format!("writing JSON failed: {error}")))
        }
        Format::Dot => Err(Error::value(format!("what `{stage}` makes is no graph and has no picture"))
            .help("take --after with a stage up to `fuse`, or --format text")),
    }
}
