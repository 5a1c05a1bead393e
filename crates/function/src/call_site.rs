//! From where functions are called, for explanations of retraces.

use std::{cell::Cell, panic::Location};

thread_local! {
    /// The line of the latest call on this thread.
    static LINE: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// Notes that the caller's line is about to call a function.
///
/// A call through `dyn Fn` does not know where it comes from, but what finds the `dyn Fn` does.
#[track_caller]
pub(crate) fn note() {
    LINE.set(Some(Location::caller()));
}

/// The line that called a function last on this thread; a trace that is made at once was called from there.
pub(crate) fn latest() -> Option<&'static Location<'static>> {
    LINE.get()
}
