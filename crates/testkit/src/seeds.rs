//! Random cases by number, on all threads.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The numbers of the cases to try: `0..count`, of another count or one number alone if the environment asks for it.
///
/// # Panics
///
/// If it asks for something else than a number.
pub fn seeds(counted_by: &str, count: u64) -> Range<u64> {
    match setting("TRACELIFT_RANDOM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting(counted_by).unwrap_or(count),
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

/// More failures of a thread than these are likely the same.
const MOST_REPORTS: usize = 2;

/// Tries cases on all threads, each of which notes in a `C` of its own what it has met. A panic is a fault, too.
///
/// ```
/// use tracelift_testkit::seeds::try_all;
/// let (sums, faults) = try_all(0..10, |seed, sum: &mut u64| {
///     *sum += seed;
///     if seed == 3 { Err("three".into()) } else { Ok(()) }
/// });
/// assert_eq!((sums.iter().sum::<u64>(), faults), (45, vec!["three".to_owned()]));
/// ```
pub fn try_all<C: Default + Send>(
    seeds: Range<u64>,
    case: impl Fn(u64, &mut C) -> Result<(), String> + Sync,
) -> (Vec<C>, Vec<String>) {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let try_some = |first: usize| {
        let (mut met, mut faults) = (C::default(), vec![]);
        for seed in seeds.clone().skip(first).step_by(threads) {
            let tried = catch_unwind(AssertUnwindSafe(|| case(seed, &mut met)));
            faults.extend(tried.unwrap_or_else(|panic| Err(format!("seed {seed}: {}", message(&*panic)))).err());
            if faults.len() == MOST_REPORTS {
                break;
            }
        }
        (met, faults)
    };
    let parts: Vec<(C, Vec<String>)> = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|first| scope.spawn(move || try_some(first))).collect();
        parts.into_iter().map(|part| part.join().expect("what panics is caught")).collect()
    });
    let (met, faults): (Vec<C>, Vec<Vec<String>>) = parts.into_iter().unzip();
    (met, faults.concat())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic")
}
