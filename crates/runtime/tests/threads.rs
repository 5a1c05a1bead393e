//! The number of threads of the process. There is one test, since the process has one number.

mod common;

use common::compile;
use tracelift_runtime::{Options, num_threads, set_num_threads};
use tracelift_tensor::Array;

const TOTAL: &str = "
kernel @total(%x: f32[N]) -> (f32) {
  %s = reduce sum lanes %i in 0..N {
    %0 = load %x[%i]
    %1 = exp %0
    yield %1
  }
  yield %s
}
program @total {
  kernels @total
  unknown N = input 0 axis 0
  buffer $x : f32[N] input 0
  %s = launch @total($x)
  result %s
}";

#[test]
fn calls_go_by_the_number_of_the_process_from_the_next_on() {
    let x = Array::vector((0..1_000_000).map(|i| (i % 97) as f32 / 97.0).collect::<Vec<_>>()).unwrap();
    let before = threads_of_process();

    set_num_threads(1);
    let total = compile(TOTAL);
    let mut lease = total.native().lease();
    let mut call = |threads: usize| {
        let plan = total.native().plan_for(&[&x], &[]).unwrap();
        assert_eq!((plan.threads, plan.tiles[0] > 1), (threads, threads > 1));
        let mut sums = total.call(std::slice::from_ref(&x), &[]).unwrap();
        // The memory of a lease remembers the plan of its last call.
        total.native().call_each(&[&x], &[], Some(&mut lease), &mut |sum| sums.push(sum)).unwrap();
        assert!(sums[0].bit_eq(&sums[1]));
        sums.swap_remove(0)
    };
    let alone = call(1);
    assert_eq!(threads_of_process(), before, "no thread is started that has nothing to do");

    set_num_threads(3);
    assert!(call(3).bit_eq(&alone));
    assert_eq!(threads_of_process(), before.map(|n| n + 2));

    set_num_threads(1);
    assert!(call(1).bit_eq(&alone));

    set_num_threads(0);
    assert_eq!(num_threads(), std::thread::available_parallelism().unwrap().get());
    assert!(call(num_threads()).bit_eq(&alone));
    assert_eq!(Options { threads: 5, ..Options::default() }.thread_count(), 5);
}

/// How many threads this process has, where the system says so.
fn threads_of_process() -> Option<usize> {
    std::fs::read_dir("/proc/self/task").ok().map(|threads| threads.count())
}
