//! Tapes inside a trace: the record is the graph being built, and gradients are more of it.

use tracelift_tensor::{Error, Origin, Result};

use super::{
    inner::Want,
    rows::pull_rows,
    walk::{Seen, Window, pull},
};
use crate::{
    Tensor,
    tensor::Handle,
    trace::{self, Source, Stack},
};

/// Begins a tape in the trace under way; answers the trace's number and where the tape begins.
pub(super) fn begin() -> Option<(u64, u32)> {
    trace::with_active(|stack| {
        let frame = stack.top_frame();
        frame.tapes += 1;
        (frame.id, frame.builder.len() as u32)
    })
}

/// Ends a tape; its trace may be over.
pub(super) fn end(frame: u64) {
    trace::with_frame(frame, |frame| frame.tapes -= 1);
}

/// How far the trace of a tape is.
pub(super) fn len(frame: u64) -> Option<u32> {
    trace::with_frame(frame, |frame| frame.builder.len() as u32)
}

/// Watches a tensor from now on.
pub(super) fn watch(frame: u64, window: &mut Window, tensor: &Tensor) {
    trace::with_active(|stack| {
        if stack.top_frame().id != frame || tensor.error().is_some() {
            return;
        }
        if let Handle::Live(variable) = &tensor.handle {
            window.watch_variable(variable.id());
        } else if let Ok(value) = stack.lift_param(tensor, &Origin::default()) {
            window.watch(value, stack.top_frame().builder.len() as u32);
        }
    });
}

/// The gradients of targets with respect to sources, as values of the trace; `None` where no path leads.
pub(super) fn gradient(
    frame: u64,
    window: &mut Window,
    want: Want<'_>,
    sources: &[&Tensor],
    origin: &Origin,
) -> Result<Vec<Option<Tensor>>> {
    trace::with_active(|stack| {
        if stack.top_frame().id != frame {
            let message = "is asked for inside a loop body or branch, but the tape was made outside of it";
            return Err(Error::invalid(message).help("make the tape where its gradient is taken"));
        }
        let before = stack.top_frame().builder.len() as u32;
        stack.top_frame().builder.at(origin.clone());
        let mut values = Vec::with_capacity(sources.len());
        for source in sources {
            values.push(match &source.handle {
                Handle::Live(variable) => stack.top_frame().reads_of(variable.id()),
                _ => vec![stack.lift_param(source, origin)?],
            });
        }
        let seen = seen(stack, window);
        let found = match want {
            Want::Sum(targets) => {
                let mut pairs = Vec::with_capacity(targets.len());
                for (target, cotangent) in targets {
                    let y = stack.lift_param(target, origin)?;
                    let dy = match cotangent {
                        Some(cotangent) => stack.lift(cotangent, origin)?,
                        None => stack.top_frame().builder.at(origin.clone()).scalar_like(y, 1.0)?,
                    };
                    pairs.push((y, dy));
                }
                pull(stack.top_frame().builder.at(origin.clone()), &seen, &pairs, &values)?
            }
            Want::Rows { target, cotangents, size } => {
                let (y, rows) = (stack.lift_param(target, origin)?, stack.lift(cotangents, origin)?);
                pull_rows(stack.top_frame().builder.at(origin.clone()), &seen, y, rows, size, &values)?
            }
        };
        let frame = stack.top_frame();
        window.pause_between(before, frame.builder.len() as u32);
        Ok(found.into_iter().map(|value| value.map(|value| frame.tensor(value))).collect())
    })
    .unwrap_or_else(|| Err(over()))
}

/// What a tape sees of its trace.
fn seen(stack: &mut Stack<'_>, window: &Window) -> Seen {
    let mut seen = Seen::new(window);
    let frame = stack.top_frame();
    for capture in &frame.captures {
        if let Source::Variable(variable) = &capture.source {
            seen.leaf(capture.param, variable.is_trainable() || window.watches_variable(variable.id()));
        }
    }
    for (variable, value) in &frame.rereads {
        seen.leaf(*value, variable.is_trainable() || window.watches_variable(variable.id()));
    }
    seen
}

/// The error of a tape whose trace is over.
pub(super) fn over() -> Error {
    Error::runtime("is asked of a tape that is used up: the traced function it was made in has been traced to its end")
        .help("make a tape, record, and take its gradient within one call of the traced function")
}
