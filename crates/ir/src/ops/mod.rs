//! The ops: each has all its facts in one place.

mod broadcast;
mod concat;
mod constant;
mod cumulate;
mod control;
mod dot_general;
mod effect;
mod elementwise;
mod gather;
mod identity;
mod iota;
mod pad;
mod parameter;
mod picking;
mod random;
mod reduce;
mod reshape;
mod reverse;
mod scatter;
mod slice;
mod sort;
mod stack;
mod transpose;
mod update_slice;
mod windows;

pub use broadcast::Broadcast;
pub use concat::Concat;
pub use constant::{Constant, number};
pub use control::*;
pub use cumulate::{Cumulate, Running};
pub use dot_general::DotGeneral;
pub use effect::{Assert, Print, Token};
pub use elementwise::*;
pub use gather::Gather;
pub use identity::{Identity, StopGradient};
pub use iota::{Dim, Iota};
pub use pad::Pad;
pub use parameter::Parameter;
pub use random::{Distribution, Random, blocks_of_draw};
pub use reduce::Reduce;
pub use reshape::Reshape;
pub use reverse::Reverse;
pub use scatter::{ScatterAdd, ScatterSet};
pub use slice::{Slice, SliceAxis};
pub use sort::ArgSort;
pub use stack::{StackLen, StackNew, StackPop, StackPush};
pub use transpose::Transpose;
pub use update_slice::UpdateSlice;
pub use windows::{OverlapAdd, WindowAxis, Windows};

/// Axis numbers of an attribute.
pub type Axes = smallvec::SmallVec<[usize; 4]>;

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod gradient_tests;
#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod law_tests;
#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod tests;
