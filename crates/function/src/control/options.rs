//! Loops with a bound on their rounds, and branches by number.

use super::{cond, while_loop};
use crate::{IntoTensor, Tensor, Tree};

/// A [`while_loop`] with options.
///
/// ```
/// use tracelift_function::{WhileLoop, tensor};
///
/// let x = WhileLoop::new().maximum_iterations(4).run(tensor(1), |x| x.lt(1000), |x| x * 2);
/// assert_eq!(x.item::<i32>()?, 16);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct WhileLoop {
    maximum: Option<Tensor>,
}

impl WhileLoop {
    /// Without a bound, as [`while_loop`] is.
    #[must_use]
    pub fn new() -> Self {
        WhileLoop::default()
    }

    /// Ends the loop after so many rounds: a number or an integer tensor.
    #[track_caller]
    #[must_use]
    pub fn maximum_iterations(self, n: impl IntoTensor) -> Self {
        WhileLoop { maximum: Some(n.into_tensor()) }
    }

    /// Runs it.
    #[track_caller]
    pub fn run<S: Tree>(self, init: S, condition: impl FnOnce(&S) -> Tensor, body: impl FnOnce(S) -> S) -> S {
        let Some(maximum) = self.maximum else { return while_loop(init, condition, body) };
        let start = crate::tensor(0).cast(maximum.dtype());
        while_loop((start, init), |(i, state)| i.lt(&maximum).and(condition(state)), |(i, state)| (i + 1, body(state)))
            .1
    }
}

/// One of several branches, by its number; a number of none takes the last one.
///
/// ```
/// use tracelift_function::{Function, Tensor, switch_case, tensor};
///
/// let f = Function::new(|n: &Tensor, x: &Tensor| {
///     switch_case(n, &[&|| x + 1.0, &|| x * 2.0, &|| x.square()])
/// });
/// let given = [0, 1, 2, 7, -1].map(|n| f(&tensor(n), &tensor(5.0)).item::<f32>());
/// assert_eq!(given, [Ok(6.0), Ok(10.0), Ok(25.0), Ok(25.0), Ok(25.0)]);
/// assert_eq!(f.trace_count(), 1);
/// ```
///
/// # Panics
/// If there is no branch.
#[track_caller]
pub fn switch_case<R: Tree>(index: &Tensor, branches: &[&dyn Fn() -> R]) -> R {
    assert!(!branches.is_empty(), "`switch_case` takes at least one branch");
    // Negative numbers are those of no branch.
    let last = i32::try_from(branches.len() - 1).unwrap_or(i32::MAX);
    let index = crate::select(&index.lt(0), crate::tensor(last).cast(index.dtype()), index);
    choose(&index, 0, branches)
}

/// A branch by halves, so that many of them are not many levels.
#[track_caller]
fn choose<R: Tree>(index: &Tensor, first: i32, branches: &[&dyn Fn() -> R]) -> R {
    if let [branch] = branches {
        return branch();
    }
    let middle = branches.len() / 2;
    let (low, high) = branches.split_at(middle);
    let border = first + i32::try_from(middle).unwrap_or(i32::MAX);
    cond(&index.lt(border), || choose(index, first, low), || choose(index, border, high))
}
