//! Reductions of everything, cut over threads: the bits are the interpreter's, to which every call is compared.

mod common;

use common::{compile, compile_with};
use tracelift_runtime::Options;
use tracelift_tensor::Array;

/// Three reductions in one pass, and one in chains over rows.
const TOTALS: &str = "
kernel @lanes(%x: f32[N]) -> (f32, f32, f32) {
  %s, %m, %q = reduce (sum, max, sum) lanes %i in 0..N {
    %0 = load %x[%i]
    %1 = exp %0
    %2 = mul %0, 0.001
    yield %1, %0, %2
  }
  yield %s, %m, %q
}
kernel @chain(%x: f32[N]) -> (f32) {
  %s = reduce sum chain %i in 0..N {
    %0 = load %x[%i]
    %1 = tanh %0
    yield %1
  }
  yield %s
}
program @totals {
  kernels @lanes, @chain
  unknown N = input 0 axis 0
  buffer $x : f32[N] input 0
  %s, %m, %q = launch @lanes($x)
  %c = launch @chain($x)
  result %s, %m, %q, %c
}";

fn numbers(n: usize) -> Array {
    let mut state = 12345u32;
    let next = |_| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    Array::vector((0..n).map(next).collect::<Vec<f32>>()).unwrap()
}

#[test]
fn any_number_of_threads_gives_the_bits_of_the_interpreter() {
    for flush_subnormals in [false, true] {
        for threads in [1, 2, 3, 8] {
            let totals = compile_with(TOTALS, Options { threads, flush_subnormals, ..Options::default() });
            assert_eq!(totals.native().options().threads, threads);
            // Around the borders of blocks and of runs of blocks, and far beyond them.
            for n in [1, 4095, 4096, 4097, 3 * 4096 - 1, 8 * 4096 + 1, 13 * 4096 + 77, 100_000] {
                let sums = totals.call(&[numbers(n)], &[]).unwrap();
                assert!(sums.iter().all(|sum| sum.item::<f32>().unwrap().is_finite()));
            }
        }
    }
}

#[test]
fn what_is_not_a_number_reaches_the_result_from_any_run() {
    let totals = compile(TOTALS);
    for place in [0, 5000, 99_999] {
        let mut x = numbers(100_000).to_vec::<f32>().unwrap();
        x[place] = f32::NAN;
        let got = totals.call(&[Array::vector(&x).unwrap()], &[]).unwrap();
        assert!(got.iter().all(|total| total.item::<f32>().unwrap().is_nan()), "NaN at {place}: {got:?}");
    }
}
