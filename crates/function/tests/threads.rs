//! Functions, variables and tapes used by many threads at once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tracelift_function::{Engine, Function, GradientTape, Options, PrintSink, Result, Tensor, Variable, print, tensor};

const THREADS: usize = 16;
const CALLS: usize = 100;

/// Runs something on many threads at once.
fn on_all_threads(body: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let body = &body;
            scope.spawn(move || body(thread));
        }
    });
}

/// Sets a flag when it goes.
struct Finally<'a>(&'a AtomicBool);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_call_of_a_function_is_lost() {
    for engine in [Engine::Reference, Engine::Fused] {
        let counter = Variable::new(0);
        let count = Function::new({
            let counter = counter.clone();
            move |n: &Tensor| counter.assign_add(n)
        })
        .options(Options { engine, ..Options::default() });
        on_all_threads(|_| {
            for _ in 0..CALLS {
                count(&tensor(1)).unwrap();
            }
        });
        assert_eq!(counter.item::<i32>().unwrap(), (THREADS * CALLS) as i32);
        assert_eq!(count.trace_count(), 1, "whoever comes first traces, the others wait");
    }
}

#[test]
fn plain_changes_are_not_lost_either() {
    let (counter, rows) = (Variable::new(0), Variable::new([0, 0, 0, 0]));
    on_all_threads(|thread| {
        for _ in 0..CALLS {
            counter.assign_add(1).unwrap();
            rows.at((thread % 4) as i64).assign_add(1).unwrap();
        }
    });
    assert_eq!(counter.item::<i32>().unwrap(), (THREADS * CALLS) as i32);
    assert_eq!(rows.to_vec::<i32>().unwrap(), [(THREADS / 4 * CALLS) as i32; 4]);
}

#[test]
fn functions_that_share_variables_take_turns() {
    // Each moves money the other way and names the variables in another order: nobody waits forever.
    let (a, b) = (Variable::new(Tensor::full([1000], 500f32)), Variable::new(Tensor::full([1000], 500f32)));
    let transfer = |from: &Variable, to: &Variable| {
        let (from, to) = (from.clone(), to.clone());
        Function::new(move |sum: &Tensor| -> Result<Tensor> {
            from.assign_sub(sum)?;
            to.assign_add(sum)
        })
    };
    let (forth, back) = (transfer(&a, &b), transfer(&b, &a));
    let total = Function::new({
        let (a, b) = (a.clone(), b.clone());
        move || (&a + b.value()).sum(..)
    });
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0;
                    while !done.load(Ordering::Relaxed) || seen == 0 {
                        assert_eq!(total().item::<f32>().unwrap(), 1_000_000., "half of a transfer was seen");
                        // One variable alone is as it was before a call, or after.
                        let values = a.to_vec::<f32>().unwrap();
                        assert!(values.iter().all(|value| *value == values[0]), "half of an assignment was seen");
                        seen += 1;
                    }
                })
            })
            .collect();
        // Also if a writer fails, so that the readers come to an end.
        let end = Finally(&done);
        on_all_threads(|thread| {
            for call in 0..CALLS {
                let sum = tensor((call % 7) as f32);
                if thread % 2 == 0 { forth(&sum) } else { back(&sum) }.unwrap();
            }
        });
        drop(end);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert_eq!(total().item::<f32>().unwrap(), 1_000_000.);
    assert_eq!(a.to_vec::<f32>().unwrap()[0], 500.);
}

#[test]
fn a_panic_in_one_thread_leaves_the_others_alone() {
    let (total, fail) = (Variable::new(0.), Arc::new(AtomicBool::new(false)));
    let sink = {
        let fail = fail.clone();
        move |_: &str, _: &[tracelift_function::Array]| {
            if fail.load(Ordering::Relaxed) {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
        }
    };
    for engine in Engine::ALL {
        total.assign(0.).unwrap();
        let add = Function::new({
            let total = total.clone();
            move |x: &Tensor| -> Result<Tensor> {
                let sum = total.assign_add(x)?;
                print("the sum is", &[&sum])?;
                Ok(sum)
            }
        })
        .options(Options { engine, print: PrintSink::Function(Arc::new(sink.clone())), ..Options::default() });
        add(&tensor(1.)).unwrap();
        fail.store(true, Ordering::Relaxed);
        let panicked = thread::scope(|scope| {
            scope.spawn(|| catch_unwind(AssertUnwindSafe(|| add(&tensor(1.)))).is_err()).join().unwrap()
        });
        assert!(panicked, "{}", engine.name());
        fail.store(false, Ordering::Relaxed);
        assert_eq!(total.item::<f32>().unwrap(), 1., "{}: a call that panics changes nothing", engine.name());
        add(&tensor(1.)).unwrap();
        assert_eq!(total.item::<f32>().unwrap(), 2., "{}", engine.name());
    }
}

#[test]
fn a_panic_while_tracing_can_be_repeated() {
    let fail = Arc::new(AtomicBool::new(true));
    let f = Function::new({
        let fail = fail.clone();
        move |x: &Tensor| {
            if fail.load(Ordering::Relaxed) {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            x * 2
        }
    });
    for _ in 0..2 {
        let panicked = thread::scope(|scope| {
            scope.spawn(|| catch_unwind(AssertUnwindSafe(|| f(&tensor(1.)))).is_err()).join().unwrap()
        });
        assert!(panicked);
    }
    fail.store(false, Ordering::Relaxed);
    on_all_threads(|_| assert_eq!(f(&tensor(1.)).item::<f32>().unwrap(), 2.));
}

#[test]
fn each_thread_has_its_own_tapes() {
    let w = Variable::new(3.);
    let cube = Function::new({
        let w = w.clone();
        move |x: &Tensor| x * &w
    });
    let here = GradientTape::new();
    let y = w.square();
    on_all_threads(|thread| {
        let n = thread as f32;
        let tape = GradientTape::new();
        let z = cube(&tensor(n)) + &w * &y;
        // To this thread, what another one has computed is a constant.
        assert_eq!(tape.gradient(&z, &w).item::<f32>().unwrap(), n + 9.);
    });
    assert_eq!(here.gradient(&y, &w).item::<f32>().unwrap(), 6.);
}
