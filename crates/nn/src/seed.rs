//! The seed of a run and what hangs on it: the numbers of root modules, and display names.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use tracelift_function::Result;

struct State {
    seed: u64,
    /// How many root modules there were since the seed was set.
    roots: u64,
    /// How many layers had each base name.
    names: IndexMap<String, usize>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

fn with<R>(change: impl FnOnce(&mut State) -> R) -> R {
    let mut state: MutexGuard<'_, Option<State>> = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    change(state.get_or_insert_with(|| State { seed: 0, roots: 0, names: IndexMap::new() }))
}

/// Begins anew: random streams, first values of weights, shuffling and display names depend on the seed only.
///
/// ```
/// use tracelift_nn::{Dense, Layer, Module, Tensor, random};
///
/// let kernel = || -> tracelift_nn::Result<Vec<f32>> {
///     random::set_seed(42)?;
///     let dense = Dense::new(2);
///     dense.apply(&Tensor::ones([1, 3])).ok()?;
///     dense.weights()[0].to_vec()
/// };
/// assert_eq!(kernel()?, kernel()?);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
pub fn set_seed(seed: u64) -> Result {
    tracelift_function::random::set_seed(seed)?;
    with(|state| *state = State { seed, roots: 0, names: IndexMap::new() });
    Ok(())
}

/// The seed of the run.
pub(crate) fn seed() -> u64 {
    with(|state| state.seed)
}

/// The number of the next root module.
pub(crate) fn next_root() -> u64 {
    with(|state| {
        state.roots += 1;
        state.roots - 1
    })
}

/// `dense` at first, then `dense_1`, ….
pub(crate) fn next_name(base: &str) -> String {
    with(|state| {
        let count = state.names.entry(base.to_owned()).or_insert(0);
        *count += 1;
        if *count == 1 { base.to_owned() } else { format!("{base}_{}", *count - 1) }
    })
}
