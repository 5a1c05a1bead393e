//! Programs made callable: memory plans, native code and its host, variables during a call.

mod executable;
mod hand_over;
mod roles;
mod stacks;
mod plan;
mod lifetimes;
mod place;
mod cost;
mod lease;
mod states;
mod native;
mod profile;
mod helpers;
mod split;
mod fault;
mod watch;

pub use executable::Executable;
pub use lease::Lease;
pub use lifetimes::{Lifetime, lifetimes};
pub use place::{Request, live_bytes, place};
pub use plan::{CallError, Key, Plan, PlanTable};
pub use profile::{Profile, ProfileRow};
pub use states::with_variables;
