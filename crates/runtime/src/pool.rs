//! The one pool of worker threads of the process, for kernels that are worth splitting.
//!
//! A job is a number of tiles, claimed one by one through an atomic word: by the caller and every other worker from the
//! first tile upwards, by the rest from the last one downwards. So a thread mostly gets the tiles that it had in the job
//! before, and finds what it wrote there in its own cache.
//! The caller claims, too, so a job is finished even if no worker ever wakes up,
//! and it waits only for tiles that a worker has already started.
//! One job runs at a time: a second caller, a call from inside a tile and a forked child run their tiles alone.
//! Workers stay awake for a moment after a job. Waking them costs the caller more than a small job takes, so that is done
//! for a large one, and for small ones that follow each other without a pause.
//! Which thread runs a tile never shows in a result, because tiles write to disjoint places.

#![expect(unsafe_code, reason = "workers call a closure that lives on the caller's stack")]

use crate::float_mode::FloatMode;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// What a panicking tile threw, as [`std::panic::resume_unwind`] takes it.
pub type Panic = Box<dyn Any + Send>;

/// Calls `tile(0)`, …, `tile(tiles - 1)`, each once, on up to `threads` threads, and returns when all are done.
///
/// `alone` is about how long one thread would take for all of them: it says whether threads that sleep are worth waking.
/// The workers compute in the caller's [`FloatMode`].
/// A panic in a tile does not stop the others; the one of the lowest tile is returned.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::time::Duration;
/// let sum = AtomicUsize::new(0);
/// tracelift_runtime::pool::run(2, 10, Duration::from_micros(300), &|tile| {
///     sum.fetch_add(tile, Ordering::Relaxed);
/// })
/// .expect("no tile panics");
/// assert_eq!(sum.into_inner(), 45);
/// ```
pub fn run(threads: usize, tiles: usize, alone: Duration, tile: &(dyn Fn(usize) + Sync)) -> Result<(), Panic> {
    let threads = threads.min(tiles).min(MAX_THREADS);
    if threads >= 2
        && !INSIDE_TILE.get()
        && let Some(lease) = POOL.lease()
    {
        lease.run(threads, tiles, alone, tile)
    } else {
        run_alone(tiles, tile)
    }
}

/// More threads than this are never used.
const MAX_THREADS: usize = 255;
/// Jobs with more tiles than this are run in several rounds.
const MAX_TILES: usize = (1 << 28) - 1;
/// How long a thread with nothing to do stays awake.
const SPIN: Duration = Duration::from_micros(50);
/// What there must be to do for each worker that is woken: on a virtual machine a job of a few microseconds took its caller
/// 75 more if it woke one.
const WORTH_WAKING: Duration = Duration::from_micros(200);
const STACK_BYTES: usize = 2 << 20;

static POOL: Pool = Pool {
    busy: AtomicBool::new(false),
    process: AtomicU32::new(0),
    tickets: AtomicU64::new(0),
    job: JobCell(UnsafeCell::new(None)),
    done: AtomicUsize::new(0),
    caller_sleeps: AtomicBool::new(false),
    finished: Condvar::new(),
    finished_lock: Mutex::new(()),
    panic: Mutex::new(None),
    crew: Mutex::new(Crew { workers: Vec::new(), without: Duration::ZERO, ended: None }),
};

thread_local! {
    static INSIDE_TILE: Cell<bool> = const { Cell::new(false) };
}

struct Pool {
    /// The try-lock: set while a caller owns the pool.
    busy: AtomicBool,
    /// The process that owns the workers, 0 before there are any. A forked child has none of them.
    process: AtomicU32,
    /// The [`Tickets`] of the job under way.
    tickets: AtomicU64,
    /// Written by the owner while no tile can be claimed, read by whoever has claimed one.
    job: JobCell,
    /// Tiles finished.
    done: AtomicUsize,
    caller_sleeps: AtomicBool,
    finished: Condvar,
    finished_lock: Mutex<()>,
    /// The panic of the lowest tile.
    panic: Mutex<Option<(usize, Panic)>>,
    crew: Mutex<Crew>,
}

/// The workers, and what their sleep has cost: only who owns the pool looks at it.
struct Crew {
    workers: Vec<Worker>,
    /// How long jobs took that some workers slept through, one after the other without a pause in which all would have
    /// fallen asleep again.
    without: Duration,
    /// When the last of them ended.
    ended: Option<Instant>,
}

impl Crew {
    /// How many workers of those that a job may have are awake.
    fn num_awake(&self, most: usize) -> usize {
        self.workers.iter().take(most).filter(|worker| !worker.sleeps.load(Relaxed)).count()
    }

    /// How many workers a job of such a length is worth waking for, if some sleep: as many as its length and that of the
    /// jobs before it would have paid for.
    fn worth_waking(&mut self, alone: Duration, now: Instant) -> usize {
        if self.ended.is_none_or(|ended| now.saturating_duration_since(ended) > SPIN) {
            self.without = Duration::ZERO;
        }
        worth(self.without.saturating_add(alone))
    }

    /// Notes that some workers slept through a job.
    fn went_without(&mut self, begun: Instant) {
        let now = Instant::now();
        self.without = self.without.saturating_add(now.saturating_duration_since(begun));
        self.ended = Some(now);
    }

    /// Starts workers until there are so many; where the system refuses, the job simply has fewer.
    fn start(&mut self, wanted: usize) {
        while self.workers.len() < wanted {
            let thread_idx = self.workers.len() + 1;
            let sleeps = Arc::new(AtomicBool::new(false));
            let shared = Arc::clone(&sleeps);
            let spawned = thread::Builder::new()
                .name(format!("tracelift-{thread_idx}"))
                .stack_size(STACK_BYTES)
                .spawn(move || POOL.serve(thread_idx, &shared));
            let Ok(handle) = spawned else { return };
            POOL.process.store(std::process::id(), Relaxed);
            self.workers.push(Worker { thread: handle.thread().clone(), sleeps });
        }
    }

    /// Wakes up to so many of the workers that a job may have.
    fn wake(&self, most: usize, mut wakes: usize) {
        for worker in self.workers.iter().take(most) {
            if wakes > 0 && worker.sleeps.swap(false, SeqCst) {
                worker.thread.unpark();
                wakes -= 1;
            }
        }
    }
}

/// How many workers are worth waking for what takes one thread so long.
fn worth(alone: Duration) -> usize {
    usize::try_from(alone.as_nanos() / WORTH_WAKING.as_nanos()).unwrap_or(usize::MAX)
}

struct Worker {
    thread: Thread,
    sleeps: Arc<AtomicBool>,
}

#[derive(Clone, Copy)]
struct Job {
    tile: *const (dyn Fn(usize) + Sync),
    /// The first tile of this round, and how many it has.
    first: usize,
    tiles: usize,
    mode: FloatMode,
}

struct JobCell(UnsafeCell<Option<Job>>);

// SAFETY: the owner of the pool writes it only while every tile is finished, and threads read it only between
// claiming a tile and finishing it; `tickets` and `done` order the two. The closure behind it is `Sync`.
unsafe impl Sync for JobCell {}

/// The tiles that are left and the number of threads that may join, in one word:
/// claiming is one compare-and-swap, and a claim proves that its job is still under way.
#[derive(Clone, Copy)]
struct Tickets {
    next: usize,
    end: usize,
    threads: usize,
}

impl Tickets {
    fn pack(self) -> u64 {
        (self.next as u64) << 36 | (self.end as u64) << 8 | self.threads as u64
    }

    fn unpack(word: u64) -> Tickets {
        Tickets { next: (word >> 36) as usize, end: (word >> 8) as usize & MAX_TILES, threads: (word & 255) as usize }
    }

    /// A tile for a thread, and what is left then.
    fn take(self, thread_idx: usize) -> Option<(usize, Tickets)> {
        if self.next >= self.end || thread_idx >= self.threads {
            None
        } else if thread_idx.is_multiple_of(2) {
            Some((self.next, Tickets { next: self.next + 1, ..self }))
        } else {
            Some((self.end - 1, Tickets { end: self.end - 1, ..self }))
        }
    }
}

/// The right to use the pool, given back when dropped.
struct Lease(&'static Pool);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.busy.store(false, Release);
    }
}

impl Pool {
    fn lease(&'static self) -> Option<Lease> {
        let process = self.process.load(Relaxed);
        if process != 0 && process != std::process::id() {
            return None;
        }
        let free = self.busy.compare_exchange(false, true, Acquire, Relaxed).is_ok();
        free.then_some(Lease(self))
    }

    /// Claims a tile for a thread (the caller is number 0) if the job under way has one left for it.
    fn claim(&self, thread_idx: usize) -> Option<usize> {
        let mut word = self.tickets.load(SeqCst);
        loop {
            let (tile, left) = Tickets::unpack(word).take(thread_idx)?;
            match self.tickets.compare_exchange_weak(word, left.pack(), SeqCst, SeqCst) {
                Ok(_) => return Some(tile),
                Err(current) => word = current,
            }
        }
    }

    /// Runs a claimed tile of this round and reports it finished.
    fn finish(&self, idx: usize) {
        // SAFETY: the tile is claimed and not finished, so the job is complete and nobody writes it.
        let job = unsafe { *self.job.0.get() }.expect("a claimed tile belongs to a job");
        // SAFETY: `Lease::run` keeps the closure alive until all tiles are finished.
        let tile = unsafe { &*job.tile };
        let guard = job.mode.enter();
        let outcome = run_tile(job.first + idx, tile);
        drop(guard);
        if let Err(panic) = outcome {
            keep_lowest(&mut lock(&self.panic), job.first + idx, panic);
        }
        if self.done.fetch_add(1, SeqCst) + 1 == job.tiles && self.caller_sleeps.load(SeqCst) {
            drop(lock(&self.finished_lock));
            self.finished.notify_all();
        }
    }

    fn serve(&self, thread_idx: usize, sleeps: &AtomicBool) {
        loop {
            if let Some(idx) = spin(|| self.claim(thread_idx)) {
                self.finish(idx);
                continue;
            }
            // Either this thread sees the new tickets, or their publisher sees that it sleeps.
            sleeps.store(true, SeqCst);
            if let Some(idx) = self.claim(thread_idx) {
                sleeps.store(false, SeqCst);
                self.finish(idx);
            } else {
                while sleeps.load(SeqCst) {
                    thread::park();
                }
            }
        }
    }

    fn wait_until_done(&self, tiles: usize) {
        let done = || (self.done.load(SeqCst) == tiles).then_some(());
        if spin(done).is_some() {
            return;
        }
        let mut guard = lock(&self.finished_lock);
        self.caller_sleeps.store(true, SeqCst);
        while done().is_none() {
            guard = self.finished.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.caller_sleeps.store(false, SeqCst);
    }
}

impl Lease {
    fn run(self, threads: usize, tiles: usize, alone: Duration, tile: &(dyn Fn(usize) + Sync)) -> Result<(), Panic> {
        let pool = self.0;
        let mut crew = match pool.crew.try_lock() {
            Ok(crew) => crew,
            Err(TryLockError::Poisoned(crew)) => crew.into_inner(),
            // Only who owns the pool locks them, so this is a child that was forked while another thread did.
            Err(TryLockError::WouldBlock) => return run_alone(tiles, tile),
        };
        let (most, awake) = (threads - 1, crew.num_awake(threads - 1));
        let (mut wakes, mut begun) = (worth(alone), None);
        if awake < most {
            let now = Instant::now();
            wakes = crew.worth_waking(alone, now);
            begun = Some(now);
            if awake == 0 && wakes == 0 {
                let outcome = run_alone(tiles, tile);
                crew.went_without(now);
                return outcome;
            }
            crew.start(most.min(awake.saturating_add(wakes)));
        }
        // SAFETY: only the lifetime is forgotten. The pointer is used by claimed tiles alone,
        // and this function does not return before all of them are finished.
        let tile =
            unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync)>(tile) };
        for first in (0..tiles).step_by(MAX_TILES) {
            let round = MAX_TILES.min(tiles - first);
            let job = Job { tile, first, tiles: round, mode: FloatMode::current() };
            // SAFETY: all tiles of the round before are finished, so nobody reads the job.
            unsafe { *pool.job.0.get() = Some(job) };
            pool.done.store(0, SeqCst);
            pool.tickets.store(Tickets { next: 0, end: round, threads }.pack(), SeqCst);
            crew.wake(most, wakes);
            while let Some(idx) = pool.claim(0) {
                pool.finish(idx);
            }
            pool.wait_until_done(round);
        }
        if let Some(begun) = begun {
            crew.went_without(begun);
        }
        match lock(&pool.panic).take() {
            Some((_, panic)) => Err(panic),
            None => Ok(()),
        }
    }
}

fn run_alone(tiles: usize, tile: &(dyn Fn(usize) + Sync)) -> Result<(), Panic> {
    let mut lowest = None;
    for idx in 0..tiles {
        if let Err(panic) = run_tile(idx, tile) {
            keep_lowest(&mut lowest, idx, panic);
        }
    }
    lowest.map_or(Ok(()), |(_, panic)| Err(panic))
}

fn run_tile(idx: usize, tile: &(dyn Fn(usize) + Sync)) -> Result<(), Panic> {
    let outside = INSIDE_TILE.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| tile(idx)));
    INSIDE_TILE.set(outside);
    outcome
}

fn keep_lowest(kept: &mut Option<(usize, Panic)>, idx: usize, panic: Panic) {
    if kept.as_ref().is_none_or(|(lowest, _)| idx < *lowest) {
        *kept = Some((idx, panic));
    }
}

/// Asks until there is an answer or [`SPIN`] is over.
fn spin<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let mut deadline = None;
    loop {
        for _ in 0..64 {
            if let Some(answer) = ask() {
                return Some(answer);
            }
            spin_loop();
        }
        let now = Instant::now();
        if now > *deadline.get_or_insert(now + SPIN) {
            return None;
        }
    }
}

/// No code that can panic runs under these locks, so a poisoned one is still in order.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_survive_packing_at_their_limits() {
        let full = Tickets { next: MAX_TILES, end: MAX_TILES, threads: MAX_THREADS };
        let back = Tickets::unpack(full.pack());
        assert_eq!((back.next, back.end, back.threads), (MAX_TILES, MAX_TILES, MAX_THREADS));
    }

    #[test]
    fn threads_begin_at_both_ends_and_meet() {
        let mut left = Tickets { next: 0, end: 3, threads: 2 };
        let mut taken = vec![];
        for thread_idx in [0, 1, 1, 0] {
            if let Some((tile, then)) = left.take(thread_idx) {
                taken.push(tile);
                left = then;
            }
        }
        assert_eq!(taken, [0, 2, 1]);
        assert!(Tickets { next: 0, end: 3, threads: 2 }.take(2).is_none(), "that thread was not asked");
    }

    #[test]
    fn the_lowest_panic_is_kept() {
        let mut kept = None;
        for idx in [7, 3, 5] {
            keep_lowest(&mut kept, idx, Box::new(idx));
        }
        assert_eq!(kept.expect("three were offered").0, 3);
    }
}
