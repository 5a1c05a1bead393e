//! The pool under many callers: every tile once, equal results for any number of threads, panics handed back.

#![cfg_attr(unix, expect(unsafe_code, reason = "one test forks the process"))]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tracelift_runtime::float_mode::FloatMode;
use tracelift_runtime::pool;

/// Worth all workers.
const LONG: Duration = Duration::from_secs(1);

/// Runs `tiles` tiles and returns how often each ran.
fn counts(threads: usize, tiles: usize) -> Vec<usize> {
    let counters: Vec<AtomicUsize> = (0..tiles).map(|_| AtomicUsize::new(0)).collect();
    pool::run(threads, tiles, LONG, &|tile| {
        counters[tile].fetch_add(1, Ordering::Relaxed);
    })
    .expect("no tile panics");
    counters.into_iter().map(AtomicUsize::into_inner).collect()
}

#[test]
fn every_tile_runs_once() {
    for threads in [0, 1, 2, 3, 8] {
        for tiles in [0, 1, 2, 7, 1000] {
            assert_eq!(counts(threads, tiles), vec![1; tiles], "{threads} threads");
        }
    }
}

#[test]
fn many_callers_at_once_all_finish() {
    thread::scope(|scope| {
        for caller in 0..16 {
            scope.spawn(move || {
                for round in 0..400 {
                    let tiles = (caller + round) % 13;
                    assert_eq!(counts(1 + round % 8, tiles), vec![1; tiles]);
                    if round % 100 == caller {
                        // Long enough for the workers to fall asleep.
                        thread::sleep(Duration::from_micros(200));
                    }
                }
            });
        }
    });
}

#[test]
fn jobs_inside_tiles_run_there() {
    let inner = AtomicUsize::new(0);
    pool::run(4, 8, LONG, &|_| {
        let outside = thread::current().id();
        pool::run(4, 8, LONG, &|_| {
            assert_eq!(thread::current().id(), outside);
            inner.fetch_add(1, Ordering::Relaxed);
        })
        .expect("no tile panics");
    })
    .expect("no tile panics");
    assert_eq!(inner.into_inner(), 64);
}

#[test]
fn the_panic_of_the_lowest_tile_is_returned_after_all_have_run() {
    for threads in [1, 2, 8] {
        let ran = AtomicUsize::new(0);
        let outcome = pool::run(threads, 50, LONG, &|tile| {
            ran.fetch_add(1, Ordering::Relaxed);
            if tile % 20 == 7 {
                std::panic::resume_unwind(Box::new(tile));
            }
        });
        let panic = outcome.expect_err("three tiles panic");
        assert_eq!(panic.downcast_ref::<usize>(), Some(&7));
        assert_eq!(ran.into_inner(), 50);
    }
    assert_eq!(counts(2, 9), vec![1; 9], "the pool works on after a panic");
}

#[test]
fn workers_compute_in_the_mode_of_the_caller() {
    for mode in [FloatMode::Flush, FloatMode::Keep] {
        let others = AtomicUsize::new(0);
        let guard = mode.enter();
        pool::run(4, 200, LONG, &|_| {
            thread::sleep(Duration::from_micros(20));
            if FloatMode::current() != mode {
                others.fetch_add(1, Ordering::Relaxed);
            }
        })
        .expect("no tile panics");
        drop(guard);
        assert_eq!(others.into_inner(), 0);
    }
}

#[test]
fn a_long_tile_of_a_worker_is_waited_for() {
    for _ in 0..20 {
        let done = AtomicUsize::new(0);
        pool::run(2, 2, LONG, &|_| {
            thread::sleep(Duration::from_millis(1));
            done.fetch_add(1, Ordering::SeqCst);
        })
        .expect("no tile panics");
        assert_eq!(done.into_inner(), 2);
    }
}

#[cfg(unix)]
#[test]
fn a_forked_child_runs_its_tiles_alone() {
    unsafe extern "C" {
        fn fork() -> i32;
        fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
        fn _exit(status: i32) -> !;
    }
    assert_eq!(counts(2, 4), vec![1; 4], "the parent has a worker");
    // SAFETY: the child calls nothing but the pool, which neither allocates nor locks there, and leaves by `_exit`.
    let child = unsafe { fork() };
    if child == 0 {
        let ran = AtomicUsize::new(0);
        let outcome = pool::run(2, 9, LONG, &|_| {
            ran.fetch_add(1, Ordering::Relaxed);
        });
        let status = if outcome.is_ok() { ran.into_inner() } else { 0 };
        // SAFETY: it ends the child at once.
        unsafe { _exit(i32::try_from(status).unwrap_or(0)) };
    }
    let mut status = 0;
    // SAFETY: `child` is a child of this process, and `status` is a live local.
    assert_eq!(unsafe { waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status >> 8 & 255, 9);
}
