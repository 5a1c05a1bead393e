//! Many threads on one function at once, while its traces are dropped and its variables change.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tracelift::prelude::*;

const THREADS: usize = 64;

/// Runs `work` on all threads at once; a run that stands still fails instead of hanging.
fn on_all_threads(work: impl Fn(usize) + Send + Sync + 'static) {
    let (work, start, done) = (Arc::new(work), Arc::new(Barrier::new(THREADS)), Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = (0..THREADS)
        .map(|n| {
            let (work, start, done) = (work.clone(), start.clone(), done.clone());
            thread::spawn(move || {
                start.wait();
                work(n);
                done.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    let began = Instant::now();
    while done.load(Ordering::Relaxed) < THREADS && !threads.iter().all(|thread| thread.is_finished()) {
        assert!(began.elapsed() < Duration::from_secs(120), "{} of {THREADS} ended", done.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(5));
    }
    threads.into_iter().for_each(|thread| thread.join().expect("a thread's results are right"));
}

#[test]
fn traces_come_and_go_under_64_threads() {
    let f = Function::new(|x: &Tensor, n: &i32| (x * *n).sum(..)).max_signatures(4);
    let shared = f.clone();
    on_all_threads(move |thread| {
        for round in 0..30 {
            let (size, n) = (1 + (thread + round) % 3, ((thread * 7 + round) % 4) as i32);
            let result = shared(&Tensor::ones([size]), &n).item::<f32>().unwrap();
            assert_eq!(result, (size as i32 * n) as f32);
        }
    });
    assert!(f.signatures().len() <= 4 + THREADS, "{}", f.signatures().len());
    // One more trace brings what many threads made at once back under the limit.
    assert_eq!(f(&Tensor::ones([7]), &9).item::<f32>().unwrap(), 63.0);
    assert!(f.signatures().len() <= 4);
    assert!(f.evictions() > 0 && f.trace_count() >= 12);
}

#[test]
fn assignments_of_64_threads_are_all_counted() {
    let (total, seen) = (Variable::new(0), Variable::new([0, 0]));
    let add = Function::new({
        let (total, seen) = (total.clone(), seen.clone());
        move |n: &Tensor, twice: &bool| -> Result<Tensor> {
            total.assign_add(n)?;
            if *twice {
                total.assign_add(n)?;
            }
            // Both elements change in one call, so that half a call would show.
            seen.assign_add(Tensor::full([2], 1))?;
            Ok(&total + 0)
        }
    })
    .max_signatures(1);
    let (total_now, seen_now) = (total.clone(), seen.clone());
    on_all_threads(move |thread| {
        for round in 0..25 {
            if thread % 8 == 7 {
                let pair = seen_now.to_vec::<i32>().unwrap();
                assert_eq!(pair[0], pair[1], "a reader sees all of a call or nothing");
                let _ = total_now.value();
            } else {
                add(&tensor(1), &(round % 5 == 0)).unwrap();
            }
        }
    });
    let calls = (THREADS / 8 * 7 * 25) as i32;
    assert_eq!(seen.to_vec::<i32>().unwrap(), [calls, calls]);
    assert_eq!(total.item::<i32>().unwrap(), calls + calls / 5);
}

#[test]
fn functions_that_share_variables_in_any_order_do_not_wait_for_each_other_forever() {
    let (a, b) = (Variable::new(0), Variable::new(0));
    let up = Function::new(|a: &Variable, b: &Variable| -> Result<Tensor> {
        a.assign_add(1)?;
        b.assign_sub(1)
    });
    let (first, second) = (a.clone(), b.clone());
    on_all_threads(move |thread| {
        for _ in 0..25 {
            // Half of the threads take them the other way round.
            let pair = if thread % 2 == 0 { (&first, &second) } else { (&second, &first) };
            up(pair.0, pair.1).unwrap();
        }
    });
    assert_eq!((a.item::<i32>().unwrap(), b.item::<i32>().unwrap()), (0, 0));
}
