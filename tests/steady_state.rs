//! Steps after the first allocate nothing: counted by the allocator, for all threads. Alone in its process, one test.

#![expect(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tracelift::prelude::*;
use tracelift::{ConcreteFunction, value_and_grad};

/// Counts what the process allocates.
struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: handed on from the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: handed on from the caller.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// Calls with results given back; says what each call after the first two allocated.
fn calls<const N: usize>(concrete: &ConcreteFunction, arguments: [&Tensor; N]) -> Vec<usize> {
    let mut results = concrete.call(arguments).unwrap();
    concrete.call_into(arguments, &mut results).unwrap();
    let mut counts = Vec::with_capacity(4);
    for _ in 0..4 {
        let before = count();
        concrete.call_into(arguments, &mut results).unwrap();
        counts.push(count() - before);
    }
    counts
}

fn compiled_calls() {
    random::set_seed(1).unwrap();
    let f = Function::new(|x: &Tensor, w: &Tensor| (x.matmul(w).relu().softmax(-1), x.exp().sum(..)));
    // Small, and large enough for all threads and for the pool of large blocks.
    for rows in [8, 20_000] {
        let (x, w) = (random::normal([rows, 30], 0.0, 1.0), random::normal([30, 20], 0.0, 1.0));
        assert_eq!(calls(&f.concrete((&x, &w)).unwrap(), [&x, &w]), [0; 4], "{rows} rows");
    }
    let gelu = |x: &Tensor| 0.5 * x * (1.0 + (0.8 * (x + 0.04 * x.powi(3))).tanh());
    let both = Function::new(move |x: &Tensor| value_and_grad(gelu)(x));
    let x = random::normal([1_000_000], 0.0, 1.0);
    assert_eq!(calls(&both.concrete(&x).unwrap(), [&x]), [0; 4]);
}

fn loops_with_stacks() {
    // The gradient keeps what each turn began with; how many turns there are is known only when it is called.
    let f = |x: &Tensor, n: &Tensor| tracelift::for_range(n, x.clone(), |_, x| x.sin() * 1.5);
    let slope = Function::new(move |x: &Tensor, n: &Tensor| {
        let n = n.clone();
        value_and_grad(move |x: &Tensor| f(x, &n).sum(..))(x)
    });
    let (x, n) = (Tensor::full([500], 0.3f32), tensor(1000));
    let concrete = slope.concrete((&x, &n)).unwrap();
    assert!(concrete.program().unwrap().to_string().contains("stack push"), "the loop keeps something");
    assert_eq!(calls(&concrete, [&x, &n]), [0; 4]);
}

/// Notes how much was allocated when each step had ended.
struct AtSteps(Arc<Mutex<Vec<usize>>>);

impl Callback for AtSteps {
    fn on_batch_end(&self, _: usize) -> Result<()> {
        self.0.lock().unwrap().push(count());
        Ok(())
    }
}

const EPOCHS: usize = 12;

fn training_steps() {
    for (rows, batch) in [(256, 32), (2048, 512)] {
        let (x, y) = (random::normal([rows, 40], 0.0, 1.0), random::indices(rows, 5));
        let net = Sequential::new().add(Dense::new(60).activation("relu")).add(Dense::new(5).activation("softmax"));
        let mut model = Model::new(net);
        let how = Compile::new().loss("sparse_categorical_crossentropy").optimizer("nadam").metric("accuracy");
        model.compile(how).unwrap();
        let steps = rows / batch;
        let noted = Arc::new(Mutex::new(Vec::with_capacity(EPOCHS * steps)));
        let fit = Fit::new().epochs(EPOCHS).batch_size(batch).silent().callback(AtSteps(noted.clone()));
        model.fit(&x, &y, fit).unwrap();
        let noted = noted.lock().unwrap();
        // The first epochs warm up: a worker has its scratch from the first tile on that it comes to take. Between epochs
        // the rows are put into a new order.
        for epoch in noted.chunks_exact(steps).skip(EPOCHS - 4) {
            let each: Vec<usize> = epoch.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(each.iter().all(|&allocations| allocations == 0), "batches of {batch}: {each:?}");
        }
    }
}

#[test]
fn steps_after_the_first_allocate_nothing() {
    compiled_calls();
    loops_with_stacks();
    training_steps();
}
