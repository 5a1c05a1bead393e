//! Gradient tapes: what is computed while a tape lives can be differentiated afterwards.
//!
//! Outside of traces a tape keeps a *record* ([`record`]): the graph of all operations on watched values, with their
//! results. Inside a trace the graph that is being built is the record ([`traced`]). The walk back ([`walk`]) is the same,
//! and the same as that of [`grad`](crate::grad): all three give equal bits. (Except that a loop which is run at once is a
//! call to the record: what flows through it in second order is added in the order of calls.)

mod gradient_tape;
mod inner;
mod jacobian;
mod sources;
mod record;
mod traced;
mod walk;
mod rows;

pub use gradient_tape::{GradientTape, PersistentTape, TapeGradient, Unconnected};
pub use jacobian::{hessian, jacobian, jvp};
pub(crate) use record::{evaluate, is_recording, knows, leaf, no_record, note, note_call, read, unrecorded, watches};
pub use sources::{AsSource, Sources, Targets};

#[cfg(test)]
mod tests;
