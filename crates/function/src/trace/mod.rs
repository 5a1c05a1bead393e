//! The tracer: while a closure runs, what it does with tensors becomes nodes of a graph.
//!
//! Traces of one thread are a stack. The top *frame* takes what is done; below it are the frames that wait for it: the
//! function that called this one, the body around this loop. [`eagerly`] suspends them all.
//! A frame is left by dropping its guard, so panics and early returns leave the stack as they found it.

mod capture;
mod finish;
mod frame;
mod region;
mod state;

use std::{cell::RefCell, marker::PhantomData, sync::Arc};

use tracelift_ir::{Graph, Op, TensorType, Value, ops};
use tracelift_tensor::{Dim, Error, Origin, Result, Sym};

pub(crate) use capture::Source;
pub(crate) use finish::finish;
pub(crate) use frame::{Frame, Kind};
pub(crate) use region::{OpenRegion, Region, disagreement, open, region, shared_sources};
pub(crate) use state::{assign_variable, read_variable};

use crate::{
    Tensor,
    tensor::{Handle, Traced},
};

/// How many functions may be traced inside each other before it is taken for an endless recursion.
const MAX_DEPTH: usize = 64;

thread_local! {
    static STACK: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// One level of a thread's traces.
enum Entry {
    Frame(Box<Frame>),
    /// Nothing is traced above this until it is gone.
    Suspended,
}

/// The traces of this thread, seen from the one on top.
pub(crate) struct Stack<'a> {
    entries: &'a mut [Entry],
}

impl Stack<'_> {
    /// The frames from the top one down to the first that is not part of another one's body.
    fn frame(&mut self, level: usize) -> &mut Frame {
        match &mut self.entries[level] {
            Entry::Frame(frame) => frame,
            Entry::Suspended => unreachable!("levels above a suspension are asked for only by frames above it"),
        }
    }

    fn top(&self) -> usize {
        self.entries.len() - 1
    }

    pub(crate) fn top_frame(&mut self) -> &mut Frame {
        let top = self.top();
        self.frame(top)
    }

    /// A name for a size that is found while the graph runs, which neither the function nor any body in it has yet.
    pub(crate) fn fresh_size(&mut self) -> Sym {
        self.whole().find_size()
    }

    /// The frame of the function, of which the ones on top are bodies.
    fn whole(&mut self) -> &mut Frame {
        let is_body = |entry: &Entry| matches!(entry, Entry::Frame(frame) if frame.kind == Kind::Region);
        let whole = self.entries.iter().rposition(|entry| !is_body(entry)).unwrap_or(0);
        self.frame(whole)
    }

    /// Whether two branches may give values of these types: equal ones, but for sizes that are found while the graph runs.
    pub(crate) fn may_join(&mut self, a: &TensorType, b: &TensorType) -> bool {
        let fits = |(a, b): (&Dim, &Dim)| a == b || self.is_found(a) || self.is_found(b);
        a.dtype == b.dtype && a.shape.rank() == b.shape.rank() && a.shape.iter().zip(&b.shape).all(fits)
    }

    /// Whether a size is found while the graph runs.
    pub(crate) fn is_found(&mut self, size: &Dim) -> bool {
        let found = &self.whole().found_sizes;
        size.syms().iter().any(|sym| found.contains(sym))
    }

    /// A type with other sizes in the places of those that are found while the graph runs.
    pub(crate) fn with_found(&mut self, ty: &TensorType, mut other: impl FnMut(&mut Self) -> Dim) -> TensorType {
        let dims: Vec<Dim> =
            ty.shape.iter().map(|dim| if self.is_found(dim) { other(self) } else { dim.clone() }).collect();
        TensorType::new(ty.dtype, dims)
    }

    /// A call of a graph, with names for the sizes that it finds while it runs.
    pub(crate) fn call_of(&mut self, callee: Arc<Graph>) -> ops::Call {
        let found = callee.found_result_sizes().iter().map(|_| Dim::from(self.fresh_size())).collect();
        ops::Call { found, ..ops::Call::new(callee) }
    }
}

/// Runs something on the active trace, if there is one.
pub(crate) fn with_active<R>(body: impl FnOnce(&mut Stack<'_>) -> R) -> Option<R> {
    STACK.with_borrow_mut(|entries| match entries.last() {
        Some(Entry::Frame(_)) => Some(body(&mut Stack { entries })),
        Some(Entry::Suspended) | None => None,
    })
}

/// Runs something on a trace of this thread by its number, wherever it stands, if it is not over.
pub(crate) fn with_frame<R>(id: u64, body: impl FnOnce(&mut Frame) -> R) -> Option<R> {
    STACK.with_borrow_mut(|entries| {
        let frame = entries.iter_mut().find_map(|entry| match entry {
            Entry::Frame(frame) if frame.id == id => Some(frame),
            Entry::Frame(_) | Entry::Suspended => None,
        });
        frame.map(|frame| body(frame))
    })
}

/// The name of a traced tensor, if it has one and its trace is not over.
pub(crate) fn name_of(traced: &Traced) -> Option<Arc<str>> {
    let find = |entry: &Entry| match entry {
        Entry::Frame(frame) if frame.id == traced.trace => {
            frame.builder.node(traced.value).name(traced.value.result as usize).cloned()
        }
        Entry::Frame(_) | Entry::Suspended => None,
    };
    // Also while the trace is being changed, of which a message may tell.
    STACK.with(|stack| stack.try_borrow().ok()?.iter().find_map(find))
}

/// Whether what is done now becomes part of a graph.
pub(crate) fn is_active() -> bool {
    STACK.with_borrow(|entries| matches!(entries.last(), Some(Entry::Frame(_))))
}

/// Whether this thread is tracing a function, a loop body, or a closure to differentiate.
pub fn is_tracing() -> bool {
    is_active()
}

/// Leaves the stack as it was, on any way out.
pub(crate) struct Entered {
    depth: usize,
    // A trace belongs to the thread where it began.
    not_send: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let gone = STACK.with_borrow_mut(|entries| entries.split_off(self.depth.min(entries.len())));
        // Dropped here, after the borrow: frames hold values of users' types.
        drop(gone);
    }
}

impl Entered {
    /// Takes the frame back when the traced closure has returned.
    pub(crate) fn leave(self) -> Box<Frame> {
        let entry = STACK.with_borrow_mut(|entries| {
            entries.truncate(self.depth + 1);
            entries.pop()
        });
        match entry {
            Some(Entry::Frame(frame)) => frame,
            Some(Entry::Suspended) | None => {
                unreachable!("the frame that was entered is on the stack until its guard goes")
            }
        }
    }
}

/// Begins a trace: what this thread does from now on goes into the frame.
pub(crate) fn enter(frame: Frame) -> Result<Entered> {
    STACK.with_borrow_mut(|entries| {
        let functions =
            entries.iter().filter(|entry| matches!(entry, Entry::Frame(frame) if frame.is_function())).count();
        let discarded = entries
            .iter()
            .filter(|entry| matches!(entry, Entry::Frame(frame) if frame.kind == Kind::Discarded))
            .count();
        assert!(discarded < MAX_DEPTH, "a function whose result has no fixed structure calls itself without end");
        if functions >= MAX_DEPTH && frame.is_function() {
            let message = format!("calls itself without end: {MAX_DEPTH} traces are open inside each other");
            return Err(Error::runtime(message)
                .op(frame.name())
                .help("end the recursion on a host value, or use `while_loop`"));
        }
        entries.push(Entry::Frame(Box::new(frame)));
        Ok(Entered { depth: entries.len() - 1, not_send: PhantomData })
    })
}

/// Does something at once, even while tracing: its tensors hold data, and its variables can be made.
///
/// ```
/// use tracelift_function::{Function, Tensor, eagerly, tensor};
///
/// let f = Function::new(|x: &Tensor| {
///     let scale = eagerly(|| tensor(2.0).exp().item::<f32>()).unwrap_or(f32::NAN);
///     x * scale
/// });
/// assert_eq!(f(&tensor(1.0)).item::<f32>()?, 2f32.exp());
/// # Ok::<(), tracelift_function::Error>(())
/// ```
pub fn eagerly<R>(body: impl FnOnce() -> R) -> R {
    let _entered = STACK.with_borrow_mut(|entries| {
        entries.push(Entry::Suspended);
        Entered { depth: entries.len() - 1, not_send: PhantomData }
    });
    body()
}

/// Whether variables may be made now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Creation {
    Allowed,
    /// A function that has been traced before is traced again: it would make new variables each time.
    Forbidden,
}

pub(crate) fn creation() -> Creation {
    STACK.with_borrow(|entries| {
        let retraced = entries.iter().any(|entry| matches!(entry, Entry::Frame(frame) if frame.kind == Kind::Retrace));
        if retraced { Creation::Forbidden } else { Creation::Allowed }
    })
}

/// Makes an error of this line a tensor, and a mistake of the active trace.
pub(crate) fn fail(error: Error, like: Option<&Tensor>) -> Tensor {
    record(&error);
    match like {
        Some(like) => Tensor::poisoned(error, like.ty()),
        None => Tensor::failed(error),
    }
}

/// Remembers a mistake, so that the trace as a whole fails even if nothing depends on it.
pub(crate) fn record(error: &Error) {
    with_active(|stack| {
        let errors = &mut stack.top_frame().errors;
        if !errors.contains(error) {
            errors.push(error.clone());
        }
    });
}

/// Remembers that a branch or loop was left on the way: a mistake, unless the function itself gives an error.
pub(crate) fn leave(error: Error) {
    with_active(|stack| {
        stack.top_frame().left.get_or_insert(error);
    });
}

/// Pushes an op onto the active trace; `None` if there is none.
pub(crate) fn push(op: &Op, operands: &[&Tensor], origin: &Origin) -> Option<Result<Vec<Tensor>>> {
    with_active(|stack| {
        let values = operands.iter().map(|operand| stack.lift(operand, origin)).collect::<Result<Vec<Value>>>()?;
        let frame = stack.top_frame();
        let made = frame.builder.at(origin.clone()).push_multi(op.clone(), &values)?;
        Ok(made.into_iter().map(|value| frame.tensor(value)).collect())
    })
}

/// The error of reading data that does not exist yet.
pub(crate) fn no_value(what: &str, traced: &Traced, origin: Origin) -> Error {
    let alive = with_active(|stack| stack.holds(traced.trace)).unwrap_or(false);
    if !alive {
        return leaked(what, traced, origin);
    }
    Error::invalid(format!(
        "needs the data of a traced tensor of {}, which exists only when the function is called",
        traced.ty
    ))
    .op(what)
    .at(origin)
    .help("return the tensor from the traced function, and read it there")
}

/// The error of using a traced tensor where its trace is not.
pub(crate) fn leaked(what: &str, traced: &Traced, origin: Origin) -> Error {
    let message = format!(
        "was given a traced tensor of {} outside of its trace: it was made at {}",
        traced.ty,
        if traced.made.is_unknown() { "the beginning of the trace".to_owned() } else { traced.made.to_string() }
    );
    Error::invalid(message).op(what).at(origin).help(
        "a traced tensor is usable only inside the function that is being traced, on the same thread: return it instead",
    )
}

/// Fails with the error a tensor carries, or if it is traced.
pub(crate) fn eager_array(op: &str, tensor: &Tensor, origin: &Origin) -> Result<tracelift_tensor::Array> {
    match &tensor.handle {
        Handle::Eager(array) => Ok(array.clone()),
        Handle::Recorded(recorded) => Ok(recorded.array.clone()),
        Handle::Live(variable) => variable.load(),
        Handle::Traced(traced) => Err(leaked(op, traced, origin.clone())),
        Handle::Failed(poison) => Err(poison.error.clone()),
    }
}

/// Runs a closure whose graph, and whose mistakes, nobody wants.
pub(crate) fn discarded<R>(body: impl FnOnce() -> R) -> R {
    let _entered = enter(Frame::new(Kind::Discarded, "discarded"));
    body()
}
