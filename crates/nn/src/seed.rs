//! The seed of a run and what hangs on it: the numbers of root modules, and display names.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError},
};

use indexmap::IndexMap;
use tracelift_function::Result;

#[derive(Default)]
struct State {
    seed: u64,
    /// The number of the next root module.
    roots: u64,
    /// How many layers had each base name.
    names: IndexMap<String, usize>,
}

type Shared = Arc<Mutex<State>>;

/// What threads use that have not set a seed themselves.
static LATEST: Mutex<Option<Shared>> = Mutex::new(None);

thread_local! {
    /// What the thread uses since it has set a seed: no seed and no module of another thread changes what it makes.
    static OWN: RefCell<Option<Shared>> = const { RefCell::new(None) };
}

/// Where the numbers of root modules begin in threads that use another's seed: no module of theirs has the first values
/// of one of that thread.
const OF_OTHERS: u64 = 1 << 32;

fn with<R>(change: impl FnOnce(&mut State) -> R) -> R {
    let own = OWN.with_borrow(Clone::clone);
    let state = own.unwrap_or_else(|| {
        let mut latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
        latest.get_or_insert_default().clone()
    });
    change(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Begins anew: random streams, first values of weights, shuffling and display names depend on the seed only.
///
/// It holds for this thread, and for all threads that have not set a seed themselves: those make modules with other
/// first values than this thread does, and do not change what it makes.
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
    let state = |roots: u64| Some(Arc::new(Mutex::new(State { seed, roots, ..State::default() })));
    *LATEST.lock().unwrap_or_else(PoisonError::into_inner) = state(OF_OTHERS);
    OWN.set(state(0));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_without_a_seed_do_not_count_for_those_with_one() {
        set_seed(5).unwrap();
        assert_eq!((next_root(), next_name("dense")), (0, "dense".to_owned()));
        // Other tests set seeds, too, but count in threads of their own.
        std::thread::spawn(|| assert!(next_root() >= OF_OTHERS && !next_name("dense").is_empty())).join().unwrap();
        assert_eq!((next_root(), next_name("dense")), (1, "dense_1".to_owned()));
    }

    #[test]
    fn threads_that_set_a_seed_count_for_themselves() {
        let counted = |seed_value: u64| {
            set_seed(seed_value).unwrap();
            let numbers = [next_root(), next_root()];
            (seed(), numbers, next_name("dense"), next_name("dense"))
        };
        let expected = |seed: u64| (seed, [0, 1], "dense".to_owned(), "dense_1".to_owned());
        let threads: Vec<_> = (0..4).map(|i| std::thread::spawn(move || counted(i))).collect();
        for (i, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), expected(i as u64));
        }
        assert_eq!(counted(9), expected(9));
    }
}
