//! Programs run by native code, one thing at a time.

mod common;

use common::{compile, compile_with};
use std::sync::Arc;
use tracelift_runtime::{Options, PrintSink, StopToken, Variable, print_line};
use tracelift_tensor::Array;

fn floats(shape: &[usize], elements: &[f32]) -> Array {
    Array::new(shape, elements).unwrap()
}

#[test]
fn an_input_is_copied_to_the_output_for_every_size() {
    let copy = compile(
        "program @copy {
           unknown B = input 0 axis 0
           buffer $x : f32[B] input 0
           buffer $t : f32[B] arena
           buffer $y : f32[B] output 0
           copy $x -> $t
           copy $t -> $y
           %n = dim 2*B
           result $y, %n
         }",
    );
    for n in [0usize, 1, 3, 4, 5, 31, 32, 33, 3] {
        let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let outputs = copy.call(&[floats(&[n], &x)], &[]).unwrap();
        assert_eq!(outputs[0].to_vec::<f32>().unwrap(), x);
        assert_eq!(outputs[1].item::<i64>().unwrap(), 2 * n as i64);
    }
}

const UPDATE: &str = "program @update {
  unknown B = input 0 axis 0
  state \"w\" written
  site \"gather\"
  buffer $x : f32[B] input 0
  buffer $i : i32[] input 1
  buffer $w : f32[B] state 0
  buffer $w2 : f32[B] next 0
  buffer $old : f32[B] output 0
  copy $w -> $old
  %i = read $i
  check index %i in 0..B at 0
  commit $w2 <- $x
  result $old
}";

#[test]
fn an_unshared_state_is_changed_in_place_and_a_shared_one_copied() {
    let update = compile(UPDATE);
    let zero = Array::scalar(0i32);
    let w = Variable::new("w", floats(&[2], &[1.0, 2.0]));
    let place = w.value().unwrap().bytes().as_ptr();
    let old = update.call(&[floats(&[2], &[3.0, 4.0]), zero.clone()], std::slice::from_ref(&w)).unwrap();
    assert_eq!(old[0].to_vec::<f32>().unwrap(), [1.0, 2.0]);
    let snapshot = w.value().unwrap();
    assert_eq!(snapshot.to_vec::<f32>().unwrap(), [3.0, 4.0]);
    assert_eq!(snapshot.bytes().as_ptr(), place);

    update.call(&[floats(&[2], &[5.0, 6.0]), zero.clone()], std::slice::from_ref(&w)).unwrap();
    assert_eq!(snapshot.to_vec::<f32>().unwrap(), [3.0, 4.0]);
    assert_eq!(w.value().unwrap().to_vec::<f32>().unwrap(), [5.0, 6.0]);
    assert_ne!(w.value().unwrap().bytes().as_ptr(), place);

    // Nobody holds the old array any more: it is the memory of the next copy.
    let snapshot = w.value().unwrap();
    update.call(&[floats(&[2], &[7.0, 8.0]), zero], std::slice::from_ref(&w)).unwrap();
    assert_eq!(snapshot.to_vec::<f32>().unwrap(), [5.0, 6.0]);
    assert_eq!(w.value().unwrap().to_vec::<f32>().unwrap(), [7.0, 8.0]);
}

#[test]
fn a_fault_leaves_the_state_and_names_the_operation() {
    let update = compile(UPDATE);
    let w = Variable::new("w", floats(&[2], &[1.0, 2.0]));
    let before = w.value().unwrap();
    for (index, shared) in [(2i32, true), (-1, false)] {
        let snapshot = shared.then(|| w.value().unwrap());
        let error = update.call(&[floats(&[2], &[3.0, 4.0]), Array::scalar(index)], std::slice::from_ref(&w));
        let message = error.unwrap_err().to_string();
        assert_eq!(message, format!("`gather` has the index {index}, which is not in 0..2"));
        assert!(w.value().unwrap().bit_eq(&before));
        drop(snapshot);
    }
    // What the failed calls have left behind is not mistaken for a new value.
    drop(before);
    update.call(&[floats(&[2], &[5.0, 6.0]), Array::scalar(0i32)], std::slice::from_ref(&w)).unwrap();
    assert_eq!(w.value().unwrap().to_vec::<f32>().unwrap(), [5.0, 6.0]);
}

#[test]
fn sizes_are_guarded_checked_and_limited() {
    let text = "program @p {
      unknown B = input 0 axis 0
      guard B >= 2
      buffer $x : f32[B, 3] input 0
      buffer $y : f32[B] input 1
      buffer $t : f32[B, 3] arena
      buffer $z : f32[B, 3] output 0
      copy $x -> $t
      copy $t -> $z
      result $z
    }";
    let program = compile_with(text, Options { max_bytes: Some(5000), ..Options::default() });
    let call = |b: usize, n: usize, c: usize| {
        let [x, y] = [floats(&[b, n], &vec![1.0; b * n]), floats(&[c], &vec![1.0; c])];
        program.call(&[x, y], &[]).map_err(|error| error.to_string())
    };
    assert!(call(2, 3, 2).is_ok());
    assert_eq!(
        call(1, 3, 1).unwrap_err(),
        "the sizes of this call do not satisfy `B >= 2`\n  help: trace the function again for these sizes"
    );
    assert_eq!(call(2, 4, 2).unwrap_err(), "argument 0 of `p` is f32[2, 4], but was compiled as f32[B, 3]");
    assert_eq!(call(2, 3, 3).unwrap_err(), "argument 1 of `p` is f32[3], but was compiled as f32[B]");
    assert!(call(1000, 3, 1000).unwrap_err().contains("more than the limit of 5000"));
    assert!(call(3, 3, 3).is_ok());
}

#[test]
fn a_product_and_its_transpose() {
    let text = "program @p {
      unknown B = input 0 axis 0
      buffer $x : f32[B, 3] input 0
      buffer $w : f32[3, 2] input 1
      buffer $y : f32[B, 2] output 0
      buffer $g : f32[3, 2] output 1
      lib matmul $x, $w -> $y
      lib matmul $x, $y -> $g {m=3, k=B, n=2, a=[0, 1, 3], b=[0, 2, 1]}
      result $y, $g
    }";
    let product = compile(text);
    let x = floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let w = floats(&[3, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let out = product.call(&[x, w], &[]).unwrap();
    assert_eq!(out[0].to_vec::<f32>().unwrap(), [4.0, 5.0, 10.0, 11.0]);
    assert_eq!(out[1].to_vec::<f32>().unwrap(), [44.0, 49.0, 58.0, 65.0, 72.0, 81.0]);
}

#[test]
fn a_stopped_loop_is_cancelled_and_changes_nothing() {
    let text = "program @forever {
      state \"w\" written
      buffer $x : f32[] input 0
      buffer $w : f32[] state 0
      buffer $w2 : f32[] next 0
      loop () while { yield true } do { }
      commit $w2 <- $x
    }";
    let stop = StopToken::new();
    let forever = compile_with(text, Options { stop: Some(stop.clone()), ..Options::default() });
    let w = Variable::new("w", Array::scalar(1.0f32));
    let error = std::thread::scope(|scope| {
        let call = scope.spawn(|| forever.call(&[Array::scalar(2.0f32)], std::slice::from_ref(&w)).unwrap_err());
        std::thread::sleep(std::time::Duration::from_millis(20));
        stop.stop();
        call.join().unwrap()
    });
    assert_eq!(error.kind, tracelift_tensor::ErrorKind::Cancelled);
    assert_eq!(w.value().unwrap().item::<f32>().unwrap(), 1.0);
}

#[test]
fn prints_arrive_in_order_and_a_panicking_sink_panics_outside_of_native_code() {
    let text = "program @p {
      unknown B = input 0 axis 0
      buffer $x : i32[B] input 0
      %n = dim B
      print \"x is\", $x, %n
      print \"\", 2.5
    }";
    let lines = Arc::new(std::sync::Mutex::new(vec![]));
    let sink = Arc::clone(&lines);
    let show = move |message: &str, values: &[Array]| sink.lock().unwrap().push(print_line(message, values));
    let print = PrintSink::Function(Arc::new(show));
    let program = compile_with(text, Options { print, ..Options::default() });
    program.call(&[Array::vector([1i32, 2]).unwrap()], &[]).unwrap();
    // Once by the interpreter and once by native code.
    assert_eq!(*lines.lock().unwrap(), ["x is [1 2] 2", "2.5"].repeat(2));

    let print = PrintSink::Function(Arc::new(|_: &str, _: &[Array]| panic!("no paper")));
    let program = compile_with(text, Options { print, ..Options::default() });
    let call = || program.native().call(&[Array::vector([1i32, 2]).unwrap()], &[]);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"no paper"));
}

#[test]
fn swaps_and_carried_registers() {
    // Two turns: the buffers and the numbers change places twice.
    let text = "program @p {
      buffer $x : f32[2] input 0
      buffer $y : f32[2] input 1
      buffer $a : f32[2] arena
      buffer $b : f32[2] arena
      buffer $out : f32[2] output 0
      copy $x -> $a
      copy $y -> $b
      %r, %s = loop (%p = true, %q = true, %c = 1i64, %d = 2i64) while { yield %p } do {
        swap $a, $b
        yield %q, false, %d, %c
      }
      copy $a -> $out
      result $out, %c
    }";
    let text =
        text.replace("%r, %s = loop", "%p2, %q2, %c2, %d2 = loop").replace("result $out, %c", "result $out, %c2");
    let program = compile(&text);
    let out = program.call(&[floats(&[2], &[1.0, 2.0]), floats(&[2], &[3.0, 4.0])], &[]).unwrap();
    assert_eq!(out[0].to_vec::<f32>().unwrap(), [1.0, 2.0]);
    assert_eq!(out[1].item::<i64>().unwrap(), 1);
}
