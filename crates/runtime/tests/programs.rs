//! Programs without kernels: sizes, memory, variables, faults, prints, on native code and interpreter at once.

mod common;

use common::{compile, compile_with};
use std::sync::Arc;
use tracelift_kernel::text::{Module, Source};
use tracelift_runtime::{Executable, Options, PrintSink, StopToken, Variable, print_line};
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

#[test]
fn a_lease_serves_the_calls_of_its_executable_alone() {
    let text = "program @double { buffer $x : f32[] input 0 %x = read $x %y = scalar add %x, %x result %y }";
    let module = Module::parse(Source::new("double.tl", text)).unwrap();
    let compiled = || Executable::compile(Arc::new(module.programs[0].clone()), Options::default()).unwrap();
    let (double, other) = (compiled(), compiled());
    let mut lease = double.lease();
    let mut held = vec![];
    for n in 0..4 {
        let n = Array::scalar(n as f32);
        double.call_each(&[&n], &[], Some(&mut lease), &mut |y| held.push(y)).unwrap();
    }
    // Results that somebody holds are not written over.
    let values: Vec<f32> = held.iter().map(|y| y.item().unwrap()).collect();
    assert_eq!(values, [0.0, 2.0, 4.0, 6.0]);
    let error = other.call_each(&[&held[1]], &[], Some(&mut lease), &mut |_| panic!("there is no result"));
    assert!(format!("{:?}", error.unwrap_err()).contains("with the lease of another executable"));
}

#[test]
fn a_call_that_is_refused_gives_the_outputs_back() {
    let copy = compile(
        "program @copy {
           unknown B = input 0 axis 0
           buffer $x : f32[B, 2] input 0
           buffer $y : f32[B, 2] output 0
           copy $x -> $y
           result $y
         }",
    );
    let x = floats(&[1, 2], &[1.0, 2.0]);
    let mut outputs = vec![];
    copy.native().call_into(std::slice::from_ref(&x), &[], &mut outputs).unwrap();
    let address = outputs[0].bytes().as_ptr();
    copy.native().call_into(&[floats(&[1, 3], &[0.0; 3])], &[], &mut outputs).unwrap_err();
    assert_eq!((outputs.len(), &outputs[0]), (1, &x));
    assert_eq!(outputs[0].bytes().as_ptr(), address);
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

const EXCHANGE: &str = "program @exchange {
  state \"a\" written
  state \"b\" written
  buffer $a : f32[2] state 0
  buffer $b : f32[2] state 1
  buffer $a2 : f32[2] next 0
  buffer $b2 : f32[2] next 1
  buffer $t : f32[2] arena
  buffer $u : f32[2] arena
  copy $a -> $t
  copy $b -> $u
  commit $a2 <- $u
  commit $b2 <- $t
}";

#[test]
fn calls_that_take_variables_in_opposite_orders_never_wait_for_each_other() {
    let exchange = compile(EXCHANGE);
    let [a, b] = [1.0, 2.0].map(|x| Variable::new("v", floats(&[2], &[x, x])));
    let watched = [a.clone(), b.clone()];
    std::thread::scope(|scope| {
        for order in [[a.clone(), b.clone()], [b.clone(), a.clone()]] {
            let exchange = &exchange;
            scope.spawn(move || {
                for _ in 0..500 {
                    exchange.native().call(&[], &order).unwrap();
                }
            });
        }
        // A reader of both sees one of each at any time, since it reads them as one call.
        let reader = compile(
            "program @read { state \"a\" state \"b\" buffer $a : f32[2] state 0 buffer $b : f32[2] state 1
             buffer $x : f32[2] output 0 buffer $y : f32[2] output 1 copy $a -> $x copy $b -> $y result $x, $y }",
        );
        for _ in 0..200 {
            let seen = reader.native().call(&[], &watched).unwrap();
            let mut seen: Vec<f32> = seen.iter().flat_map(|array| array.to_vec::<f32>().unwrap()).collect();
            seen.sort_by(f32::total_cmp);
            assert_eq!(seen, [1.0, 1.0, 2.0, 2.0]);
        }
    });
    assert_eq!(a.value().unwrap().to_vec::<f32>().unwrap(), [1.0, 1.0]);
}

#[test]
fn a_variable_given_twice_is_refused() {
    let exchange = compile(EXCHANGE);
    let v = Variable::new("v", floats(&[2], &[1.0, 2.0]));
    let error = exchange.native().call(&[], &[v.clone(), v.clone()]).unwrap_err();
    let message = tracelift_tensor::Error::from(error).to_string();
    assert!(message.starts_with("`exchange` was given the variable `v` twice, as states 0 and 1"), "{message}");
    assert!(v.value().is_ok());
    let error = exchange.native().call(&[], &[v]).unwrap_err();
    assert_eq!(tracelift_tensor::Error::from(error).to_string(), "`exchange` works on 2 variables, not 1");
}

#[test]
fn a_panic_during_a_call_gives_the_variables_back() {
    let text = "program @p {
      state \"w\" written
      buffer $x : f32[2] input 0
      buffer $w : f32[2] state 0
      buffer $w2 : f32[2] next 0
      print \"\", $w
      commit $w2 <- $x
    }";
    let print = PrintSink::Function(Arc::new(|_: &str, _: &[Array]| panic!("no paper")));
    let program = compile_with(text, Options { print, ..Options::default() });
    let w = Variable::new("w", floats(&[2], &[1.0, 2.0]));
    for shared in [false, true] {
        let snapshot = shared.then(|| w.value().unwrap());
        let call = || program.native().call(&[floats(&[2], &[3.0, 4.0])], std::slice::from_ref(&w));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
        assert_eq!(w.value().unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0]);
        drop(snapshot);
    }
}

#[test]
fn a_call_from_inside_of_a_call_is_told_which_function_holds_the_variable() {
    let w = Variable::new("w", floats(&[2], &[1.0, 2.0]));
    let heard = Arc::new(std::sync::Mutex::new(String::new()));
    let (inner, note) = (w.clone(), Arc::clone(&heard));
    let print = move |_: &str, _: &[Array]| *note.lock().unwrap() = inner.value().unwrap_err().message.clone();
    let text = "program @outer {
      state \"w\" written
      buffer $w : f32[2] state 0
      buffer $w2 : f32[2] next 0
      print \"\", 1
      commit $w2 <- $w
    }";
    let options = Options { print: PrintSink::Function(Arc::new(print)), ..Options::default() };
    compile_with(text, options).native().call(&[], std::slice::from_ref(&w)).unwrap();
    assert!(heard.lock().unwrap().starts_with("variable `w` is held by a call of `outer` on this thread, so a read"));
}

#[test]
fn results_hand_arguments_and_states_through() {
    let text = "program @through {
      unknown B = input 0 axis 0
      state \"w\"
      buffer $x : f32[B, 2] input 0
      buffer $flat : f32[2*B] view of $x
      buffer $w : f32[2] state 0
      buffer $y : f32[2] input 1
      buffer $out : f32[2] output 0
      buffer $column : f32[2, 1] view of $out
      copy $y -> $out
      result $flat, $w, $out, $column, $x
    }";
    let through = compile(text);
    let w = Variable::new("w", floats(&[2], &[5.0, 6.0]));
    let x = floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let out = through.call(&[x.clone(), floats(&[2], &[9.0, 10.0])], std::slice::from_ref(&w)).unwrap();
    assert_eq!((out[0].shape(), out[3].shape()), ([4].as_slice(), [2, 1].as_slice()));
    assert_eq!(out[1].to_vec::<f32>().unwrap(), [5.0, 6.0]);
    assert_eq!(out[3].to_vec::<f32>().unwrap(), [9.0, 10.0]);
    assert!(out[4].bit_eq(&x));
}

#[test]
fn a_program_that_the_verifier_refuses_is_not_compiled() {
    let text = "program @p { buffer $a : f32[2] arena buffer $y : f32[2] output 0 copy $a -> $y result $y }";
    let module = tracelift_kernel::text::Module::parse(tracelift_kernel::text::Source::new("test", text)).unwrap();
    let error = tracelift_runtime::Executable::compile(Arc::new(module.programs[0].clone()), Options::default());
    assert!(error.expect_err("`$a` is read before it is written").to_string().contains("$a"));
}

#[test]
fn checks_name_the_first_element_that_fails() {
    let text = "program @p {
      unknown B = input 0 axis 0
      site \"gather\"
      site \"assert\"
      site \"assert\"
      buffer $i : i32[B] input 0
      buffer $j : i64[B] input 1
      buffer $c : bool[B] input 2
      buffer $d : bool[] input 3
      check bounds $i in 0..5 at 0
      check bounds $j in 0..B at 0
      check all $c \"all of them\" at 1
      %d = read $d
      check assert %d \"just this\" at 2
      %n = dim B
      result %n
    }";
    let checks = compile(text);
    let call = |i: [i32; 3], j: [i64; 3], c: [bool; 3], d: bool| {
        let inputs = [Array::vector(i), Array::vector(j), Array::vector(c), Ok(Array::scalar(d))];
        let result = checks.call(&inputs.map(Result::unwrap), &[]);
        result.map(|results| results[0].item::<i64>().unwrap()).map_err(|error| error.to_string())
    };
    let (i, j, c) = ([0, 4, 2], [2, 0, 1], [true; 3]);
    assert_eq!(call(i, j, c, true), Ok(3));
    let out = |index: i64, bound: i64, at: usize| {
        Err(format!("`gather` has the index {index}, which is not in 0..{bound}, at position {at} of the indices"))
    };
    assert_eq!(call([0, 5, -1], j, c, true), out(5, 5, 1));
    assert_eq!(call(i, [2, 0, i64::MIN], c, true), out(i64::MIN, 3, 2));
    assert_eq!(call(i, j, [true, false, false], true), Err("`assert` all of them".into()));
    assert_eq!(call(i, j, c, false), Err("`assert` just this".into()));
}

#[test]
fn powers_of_numbers_are_those_of_the_definition() {
    for dtype in ["f32", "f64"] {
        let text = format!(
            "program @power {{
               buffer $x : {dtype}[] input 0
               buffer $y : {dtype}[] input 1
               %x = read $x
               %y = read $y
               %z = scalar pow %x, %y
               %w = scalar pow %z, %y
               result %z, %w
             }}"
        );
        let numbers = [0.0, -0.0, 1.0, -1.0, 0.96, 2.0, -2.5, 3.0, 1e-30, 1e30, f64::INFINITY, f64::NAN];
        let number = |x: f64| if dtype == "f32" { Array::scalar(x as f32) } else { Array::scalar(x) };
        for flush_subnormals in [false, true] {
            let power = compile_with(&text, Options { flush_subnormals, ..Options::default() });
            for (x, y) in numbers.iter().flat_map(|x| numbers.map(|y| (*x, y))) {
                let powers = power.call(&[number(x), number(y)], &[]).unwrap();
                if (x, y) == (2.0, 3.0) {
                    assert!(powers[0].bit_eq(&number(8.0)) && powers[1].bit_eq(&number(512.0)));
                }
            }
        }
    }
}
