//! The ops: each has all its facts in one place.

mod broadcast;
mod constant;
mod control;
mod dot_general;
mod elementwise;
mod identity;
mod pad;
mod parameter;
mod reduce;
mod reshape;
mod reverse;
mod slice;
mod transpose;

pub use broadcast::Broadcast;
pub use constant::{Constant, number};
pub use control::*;
pub use dot_general::DotGeneral;
pub use elementwise::*;
pub use identity::{Identity, StopGradient};
pub use pad::Pad;
pub use parameter::Parameter;
pub use reduce::Reduce;
pub use reshape::Reshape;
pub use reverse::Reverse;
pub use slice::{Slice, SliceAxis};
pub use transpose::Transpose;

/// Axis numbers of an attribute.
pub type Axes = smallvec::SmallVec<[usize; 4]>;
