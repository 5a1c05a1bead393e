//! When workers that sleep are woken. By itself, since other tests would keep them awake.

use std::collections::HashSet;
use std::sync::Mutex;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use tracelift_runtime::pool;

const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs eight tiles that take `each`, said to be `alone` for one thread, and returns the threads that ran them.
fn threads_of(alone: Duration, each: Duration) -> HashSet<ThreadId> {
    let threads = Mutex::new(HashSet::new());
    pool::run(2, 8, alone, &|_| {
        let begun = Instant::now();
        while begun.elapsed() < each {}
        threads.lock().expect("nothing panics").insert(thread::current().id());
    })
    .expect("no tile panics");
    threads.into_inner().expect("nothing panics")
}

/// Whether something is so at least once in a minute: other programs may be in the way.
fn once(is_so: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if is_so() {
            return true;
        }
    }
    false
}

#[test]
fn workers_that_sleep_are_woken_for_long_jobs_and_for_short_ones_in_a_row() {
    let caller = HashSet::from([thread::current().id()]);
    // Said to be short. They take long enough for a worker to come, if one were woken.
    let short = || threads_of(Duration::from_micros(16), Duration::from_micros(200));
    assert_eq!(short(), caller, "there are no workers yet, and none is started");

    assert!(once(|| threads_of(Duration::from_millis(8), Duration::from_micros(200)).len() == 2));
    assert!(once(|| {
        thread::sleep(PAUSE);
        short() == caller
    }));
    assert!(once(|| {
        thread::sleep(PAUSE);
        short() == caller && (0..10).any(|_| short().len() == 2)
    }));
}
