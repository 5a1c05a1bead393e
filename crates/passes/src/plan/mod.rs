//! Memory planning that does not depend on sizes: states written where they live, kernels and loops that work in place.
//!
//! What depends on sizes, the offsets in the arena, is decided per binding of the unknowns when a function is called.

mod carried;
mod in_place;
mod state;
pub(crate) mod uses;

use tracelift_kernel::program::Program;

/// Writes new states directly into their final places where that is safe, and lets kernels overwrite what dies.
pub fn plan(mut program: Program) -> Program {
    // First, while every buffer still is what the scheduler made it for.
    carried::change_in_place(&mut program);
    state::write_directly(&mut program);
    in_place::reuse_dead_inputs(&mut program);
    program
}
