//! Calls after the first allocate nothing: counted by the allocator itself.

#![expect(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use tracelift_kernel::text::{Module, Source};
use tracelift_runtime::{Executable, Options, Variable};
use tracelift_tensor::Array;

/// Counts what the current thread allocates.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
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

const STEP: &str = "
kernel @bias_relu(inout %h: f32[B, 30], %b: f32[30]) {
  par %i in 0..B {
    par %j in 0..30 {
      %0 = load %h[%i, %j]
      %1 = load %b[%j]
      %2 = add %0, %1
      %3 = max %2, 0.0
      store %h[%i, %j], %3
    }
  }
}
kernel @sum(%h: f32[B, 30]) -> (f32) {
  %0 = reduce sum (%i, %j) in (0..B, 0..30) {
    %1 = load %h[%i, %j]
    yield %1
  }
  yield %0
}
kernel @step(%w: f32[8, 30], out %w2: f32[8, 30]; %rate: f32) {
  par %i in 0..8 {
    par %j in 0..30 {
      %0 = load %w[%i, %j]
      %1 = mul %0, %rate
      store %w2[%i, %j], %1
    }
  }
}
program @train {
  kernels @bias_relu, @sum, @step
  unknown B = input 0 axis 0
  state \"w\" written
  state \"b\"
  buffer $x : f32[B, 8] input 0
  buffer $w : f32[8, 30] state 0
  buffer $w2 : f32[8, 30] next 0
  buffer $b : f32[30] state 1
  buffer $h : f32[B, 30] arena
  buffer $y : f32[B, 30] output 0
  lib matmul $x, $w -> $h epilogue @bias_relu($h, $b)
  %loss = launch @sum($h)
  copy $h -> $y
  %n = dim B
  %f = scalar cast.f32 %n
  %mean = scalar div %loss, %f
  launch @step($w, $w2, 0.5)
  result $y, %mean
}";

#[test]
fn calls_after_the_first_allocate_nothing() {
    let text = STEP.replace("; %rate: f32)", ", %rate: f32)");
    let module = Module::parse(Source::new("test", &text)).unwrap_or_else(|mistake| panic!("{mistake}"));
    let options = Options { threads: 1, ..Options::training() };
    let step = Executable::compile(Arc::new(module.programs[0].clone()), options).unwrap();
    let w = Variable::new("w", Array::full(tracelift_tensor::F32, [8, 30], 1.0).unwrap());
    let b = Variable::new("b", Array::full(tracelift_tensor::F32, [30], 0.0).unwrap());
    let states = [w.clone(), b];
    let batches = [4usize, 32].map(|n| [Array::full(tracelift_tensor::F32, [n, 8], 1.0).unwrap()]);
    let mut outputs = [vec![], vec![]];
    let mut losses = vec![];
    for turn in 0..6 {
        let before = COUNT.get();
        for (batch, outputs) in batches.iter().zip(&mut outputs) {
            step.call_into(batch, &states, outputs).unwrap();
        }
        let allocations = COUNT.get() - before;
        assert_eq!(allocations == 0, turn > 0, "{allocations} allocations in turn {turn}");
        losses.push(outputs[1][1].item::<f32>().unwrap());
    }
    // Eight ones times a weight, thirty columns; the weight is halved by each call.
    assert_eq!(losses[..2], [8.0 * 30.0 * 0.5, 8.0 * 30.0 * 0.125]);

    // A snapshot makes the next value go to memory of its own; when it is dropped that memory is used again.
    let mut snapshot = w.value().unwrap();
    for turn in 0..6 {
        let before = COUNT.get();
        step.call_into(&batches[0], &states, &mut outputs[0]).unwrap();
        snapshot = if turn % 2 == 0 { w.value().unwrap() } else { snapshot };
        if turn > 2 {
            assert_eq!(COUNT.get() - before, 0, "allocations in turn {turn} with a snapshot");
        }
    }
    assert_eq!(snapshot.shape(), [8, 30]);
}

#[test]
fn stacks_keep_their_memory_for_the_next_call() {
    let text = "program @keep {
      site \"while\"
      buffer $n : i32[] input 0
      buffer $x : f32[100] input 1
      buffer $s : i32[] stack
      buffer $t : f32[100] stack
      buffer $y : f32[100] output 0
      %n = read $n
      stack new $s
      stack new $t
      %end = loop (%i = 0) while {
        %more = scalar lt %i, %n
        yield %more
      } do {
        stack push $s, %i at 0
        stack push $t, $x at 0
        %next = scalar add %i, 1
        yield %next
      }
      %last = stack pop $s
      %height = stack len $t
      stack pop $t -> $y
      result $y, %last, %height
    }";
    let module = Module::parse(Source::new("test", text)).unwrap_or_else(|mistake| panic!("{mistake}"));
    let keep = Executable::compile(Arc::new(module.programs[0].clone()), Options::default()).unwrap();
    let x = Array::full(tracelift_tensor::F32, [100], 2.5).unwrap();
    let mut outputs = vec![];
    for turn in 0..4 {
        for n in [1000i32, 100_000] {
            let inputs = [Array::scalar(n), x.clone()];
            let before = COUNT.get();
            keep.call_into(&inputs, &[], &mut outputs).unwrap();
            assert_eq!(COUNT.get() == before, turn > 0, "allocations in turn {turn}");
            assert_eq!(outputs[0].to_vec::<f32>().unwrap(), [2.5; 100]);
            assert_eq!((outputs[1].item::<i32>().unwrap(), outputs[2].item::<i64>().unwrap()), (n - 1, i64::from(n)));
        }
    }
}
