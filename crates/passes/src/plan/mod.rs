//! Memory planning that does not depend on sizes: states written where they live, kernels that work in place.
//!
//! What depends on sizes, the offsets in the arena, is decided per binding of the unknowns when a function is called.

mod in_place;
mod state;
pub(crate) mod uses;

use tracelift_kernel::program::Program;

/// Writes new states directly into their final places where that is safe, and lets kernels overwrite what dies.
pub fn plan(mut program: Program) -> Program {
    state::write_directly(&mut program);
    in_place::reuse_dead_inputs(&mut program);
    program
}
