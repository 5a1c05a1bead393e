//! What gradients keep and what they compute again: memory against time.

use std::cell::Cell;

use tracelift_ir::ops::Save;

use crate::{
    control::push_call,
    once::in_trace,
    scope, tape,
    trace::{self, region},
    tree::{Leaves, Tree, poisoned, with_tensors},
};

/// `f()`, of whose inner values a gradient keeps none: it computes them again from what the closure uses.
///
/// That takes the time of the closure once more, and the memory of its inner values not at all. Value and gradient have
/// the bits that they have without.
///
/// ```
/// use tracelift_function::{Tensor, grad, recompute, tensor};
///
/// let f = |x: &Tensor| recompute(|| x.sin().exp().tanh());
/// assert_eq!(grad(f)(&tensor(0.5)).item::<f32>()?, grad(|x| x.sin().exp().tanh())(&tensor(0.5)).item::<f32>()?);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn recompute<R: Tree>(f: impl FnOnce() -> R) -> R {
    let origin = scope::origin();
    if !trace::is_active() {
        // A tape would otherwise record every operation with its result.
        return if tape::is_recording() { in_trace("recompute", f) } else { f() };
    }
    let mut tree = None;
    let made = region("recompute", &[], &origin, |_| {
        let given = tree.insert(f());
        (Leaves::of(given).into_tensors(), ())
    });
    let tree = tree.expect("the closure was run");
    match made.and_then(|(body, ())| push_call(body, &origin)) {
        Ok(results) => with_tensors(&tree, results),
        Err(error) => {
            trace::record(&error);
            poisoned(&tree, &error)
        }
    }
}

/// Runs a closure whose loops of the graph keep for their gradients also what is dear to compute again: products of
/// matrices, transcendental functions, reductions. Without, they keep what an iteration starts with, and compute all
/// else again.
///
/// ```
/// use tracelift_function::{Tensor, for_range, grad, save_residuals, tensor};
///
/// let f = |x: &Tensor| save_residuals(|| for_range(3, x.clone(), |_, y| (y * x).tanh()));
/// assert_ne!(grad(f)(&tensor(0.5)).item::<f32>()?, 0.0);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
pub fn save_residuals<R>(f: impl FnOnce() -> R) -> R {
    struct Before(Save);
    impl Drop for Before {
        fn drop(&mut self) {
            SAVE.set(self.0);
        }
    }
    let _before = Before(SAVE.replace(Save::Residuals));
    f()
}

thread_local! {
    static SAVE: Cell<Save> = const { Cell::new(Save::Carried) };
}

/// What the gradient of a loop that is traced now keeps.
pub(crate) fn save() -> Save {
    SAVE.get()
}
