//! What gradients keep and what they compute again: memory against time.

use std::cell::Cell;

use tracelift_ir::ops::Save;

use crate::{
    Options,
    control::push_call,
    once::in_trace,
    scope, tape,
    trace::{self, region},
    tree::{Leaves, Tree, poisoned, with_tensors},
};

/// `f()`, of whose inner values a gradient keeps none: it computes them again from what the closure uses.
///
/// That takes the time of the closure once more, and the memory of its inner values not at all; its loops keep what an
/// iteration starts with and nothing else. Value and gradient have the bits that they have without.
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
    let _before = set(Some(Save::Carried));
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
/// matrices, transcendental functions, reductions. Without, they do so if it is known to be no more than
/// [`Options::save_bytes`](crate::Options::save_bytes), and else keep what an iteration starts with, and compute all
/// else again. Value and gradient have equal bits either way.
///
/// ```
/// use tracelift_function::{Tensor, for_range, grad, save_residuals, tensor};
///
/// let f = |x: &Tensor| save_residuals(|| for_range(3, x.clone(), |_, y| (y * x).tanh()));
/// assert_ne!(grad(f)(&tensor(0.5)).item::<f32>()?, 0.0);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
pub fn save_residuals<R>(f: impl FnOnce() -> R) -> R {
    let _before = set(Some(Save::Residuals));
    f()
}

thread_local! {
    /// What the user said of the loops that are traced now.
    static SAID: Cell<Option<Save>> = const { Cell::new(None) };
    /// What loops may keep of which nothing is said.
    static BYTES: Cell<usize> = const { Cell::new(Save::DEFAULT_BYTES) };
}

/// What the gradient of a loop that is traced now keeps.
pub(crate) fn save() -> Save {
    SAID.get().unwrap_or(Save::Within(BYTES.get()))
}

/// Until it is dropped, something is said of loops.
pub(crate) struct Before(Option<Save>, usize);

impl Drop for Before {
    fn drop(&mut self) {
        SAID.set(self.0);
        BYTES.set(self.1);
    }
}

fn set(said: Option<Save>) -> Before {
    Before(SAID.replace(said), BYTES.get())
}

/// While a function of these options is traced, its loops go by them.
pub(crate) fn within(options: &Options) -> Before {
    let most = options.max_bytes.map_or(usize::MAX, |bytes| bytes / 2);
    Before(SAID.get(), BYTES.replace(options.save_bytes.min(most)))
}
