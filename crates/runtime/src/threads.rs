//! How many threads calls use that do not say it themselves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// 0 until somebody asks, and after that for as long as it takes to ask the machine again.
static NUM_THREADS: AtomicUsize = AtomicUsize::new(0);

/// How many threads of this process a call uses at most if its [`Options::threads`](crate::Options::threads) is 0: what
/// [`set_num_threads`] said, or as many as the machine lets the process have.
pub fn num_threads() -> usize {
    match NUM_THREADS.load(Ordering::Relaxed) {
        0 => ask_machine(),
        n => n,
    }
}

/// Sets what [`num_threads`] answers, for the whole process; 0 is as many as the machine lets the process have.
///
/// Every function, model and `fit` whose [`Options::threads`](crate::Options::threads) is 0 goes by it from its next call
/// on, those that were compiled before, too; calls that are under way go on as they began. With 1 everything is computed
/// by the thread that calls, which is best if the program runs many calls side by side itself. Results have the same bits
/// with any number. More than 255 threads are never used.
///
/// ```
/// use tracelift_runtime::{Options, num_threads, set_num_threads};
///
/// set_num_threads(1);
/// assert_eq!(num_threads(), 1);
/// assert_eq!(Options::default().thread_count(), 1);
/// // Options come first.
/// assert_eq!(Options { threads: 2, ..Options::default() }.thread_count(), 2);
///
/// set_num_threads(0);
/// assert_eq!(num_threads(), std::thread::available_parallelism()?.get());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn set_num_threads(threads: usize) {
    NUM_THREADS.store(threads, Ordering::Relaxed);
}

/// Takes longer than a small call, so the answer is kept.
#[cold]
fn ask_machine() -> usize {
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    // What somebody has set meanwhile stays.
    match NUM_THREADS.compare_exchange(0, threads, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => threads,
        Err(set) => set,
    }
}
