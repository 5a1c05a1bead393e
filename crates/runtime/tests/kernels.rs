//! Programs with kernels, on native code and interpreter at once.

mod common;

use common::{compile, compile_with};
use tracelift_runtime::{Options, Variable};
use tracelift_tensor::{Array, F32, I32};

const SQUARE: &str = "
kernel @square(%x: f32[B], out %y: f32[B]) {
  par %i in 0..B {
    %0 = load %x[%i]
    %1 = mul %0, %0
    %2 = add %1, 1.0
    store %y[%i], %2
  }
}
program @square {
  kernels @square
  unknown B = input 0 axis 0
  buffer $x : f32[B] input 0
  buffer $y : f32[B] output 0
  launch @square($x, $y)
  result $y
}";

#[test]
fn a_square_plus_one_for_every_size() {
    let square = compile(SQUARE);
    for n in [0usize, 1, 3, 4, 5, 31, 32, 33, 1000] {
        let x: Vec<f32> = (0..n).map(|i| i as f32 * 0.5 - 3.0).collect();
        let out = square.call(&[Array::vector(&x).unwrap()], &[]).unwrap();
        let expect: Vec<f32> = x.iter().map(|x| x * x + 1.0).collect();
        assert_eq!(out[0].to_vec::<f32>().unwrap(), expect);
    }
}

#[test]
fn a_loop_that_doubles_until_a_sum_is_large_enough() {
    let text = "
    kernel @double(%x: f32[B], out %y: f32[B]) {
      par %i in 0..B {
        %0 = load %x[%i]
        %1 = add %0, %0
        store %y[%i], %1
      }
    }
    kernel @total(%x: f32[B]) -> (f32) {
      %0 = reduce sum %i in 0..B {
        %1 = load %x[%i]
        yield %1
      }
      yield %0
    }
    program @grow {
      kernels @double, @total
      unknown B = input 0 axis 0
      buffer $x : f32[B] input 0
      buffer $a : f32[B] arena
      buffer $b : f32[B] arena
      buffer $y : f32[B] output 0
      copy $x -> $a
      %first = launch @total($a)
      %turns, %sum = loop (%n = 0i64, %s = %first) while {
        %go = scalar lt %s, 1000.0
        yield %go
      } do {
        launch @double($a, $b)
        swap $a, $b
        %next = launch @total($a)
        %n2 = scalar add %n, 1i64
        yield %n2, %next
      }
      copy $a -> $y
      result $y, %turns, %sum
    }";
    let grow = compile(text);
    for n in [1usize, 5, 40] {
        let out = grow.call(&[Array::vector(vec![1.0f32; n]).unwrap()], &[]).unwrap();
        let turns = (0..).find(|turns| n as f32 * (1 << turns) as f32 >= 1000.0).unwrap();
        assert_eq!(out[1].item::<i64>().unwrap(), turns);
        assert_eq!(out[2].item::<f32>().unwrap(), n as f32 * (1 << turns) as f32);
        assert_eq!(out[0].to_vec::<f32>().unwrap(), vec![(1 << turns) as f32; n]);
    }
}

/// The host takes long rows of steps by itself, each with its own sizes, split or not; sums among them are code.
#[test]
fn steps_in_long_rows_do_what_each_of_them_says() {
    let row = "launch @more($a, $b) copy $b -> $c launch @more($c, $a) ".repeat(15);
    let text = format!(
        "
    kernel @more(%x: f32[B], out %y: f32[B]) {{
      par %i in 0..B {{ %0 = load %x[%i] %1 = add %0, 1.0 store %y[%i], %1 }}
    }}
    kernel @rows(%m: f32[3], out %n: f32[3]) {{
      par %i in 0..3 {{ %0 = load %m[%i] %1 = mul %0, 2.0 store %n[%i], %1 }}
    }}
    kernel @total(%x: f32[B]) -> (f32) {{
      %0 = reduce sum %i in 0..B {{ %1 = load %x[%i] yield %1 }}
      yield %0
    }}
    program @long {{
      kernels @more, @rows, @total
      unknown B = input 0 axis 0
      buffer $x : f32[B] input 0
      buffer $m : f32[3] input 1
      buffer $a : f32[B] arena
      buffer $b : f32[B] arena
      buffer $c : f32[B] arena
      buffer $n : f32[3] output 0
      buffer $y : f32[B] output 1
      copy $x -> $a
      {row}
      launch @rows($m, $n)
      {row}
      %before = launch @total($a)
      %turns = loop (%k = 0) while {{ %go = scalar lt %k, 3 yield %go }} do {{
        {row}
        %k2 = scalar add %k, 1
        yield %k2
      }}
      copy $a -> $y
      result $n, $y, %before, %turns
    }}"
    );
    for threads in [1, 2] {
        let long = compile_with(&text, Options { threads, ..Options::default() });
        for n in [0usize, 1, 7, 50_000] {
            let out = long
                .call(&[Array::full(F32, [n], 0.5).unwrap(), Array::vector([1.0f32, 2.0, 3.0]).unwrap()], &[])
                .unwrap();
            assert_eq!(out[0].to_vec::<f32>().unwrap(), [2.0, 4.0, 6.0]);
            assert_eq!(out[1].to_vec::<f32>().unwrap(), vec![150.5; n]);
            assert_eq!(out[3].item::<i32>().unwrap(), 3);
        }
    }
}

#[test]
fn branches_fill_buffers_and_yield_registers() {
    let text = format!(
        "{}
    program @choose {{
      kernels @square
      unknown B = input 0 axis 0
      buffer $x : f32[B] input 0
      buffer $c : bool[] input 1
      buffer $y : f32[B] output 0
      %c = read $c
      %n = dim B
      %k, %h = if %c {{
        launch @square($x, $y)
        %m = scalar mul %n, 10i64
        yield %m, 0.5
      }} else {{
        copy $x -> $y
        yield %n, 1.5
      }}
      result $y, %k, %h
    }}",
        SQUARE.split("program").next().unwrap()
    );
    let choose = compile(&text);
    let x = Array::vector([1.0f32, 2.0, 3.0]).unwrap();
    let yes = choose.call(&[x.clone(), Array::scalar(true)], &[]).unwrap();
    assert_eq!(yes[0].to_vec::<f32>().unwrap(), [2.0, 5.0, 10.0]);
    assert_eq!((yes[1].item::<i64>().unwrap(), yes[2].item::<f32>().unwrap()), (30, 0.5));
    let no = choose.call(&[x, Array::scalar(false)], &[]).unwrap();
    assert_eq!(no[0].to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0]);
    assert_eq!((no[1].item::<i64>().unwrap(), no[2].item::<f32>().unwrap()), (3, 1.5));
}

const DIVIDE: &str = "
kernel @divide(%x: i32[B], %d: i32[B], out %y: i32[B]) {
  par %i in 0..B {
    %0 = load %x[%i]
    %1 = load %d[%i]
    %2 = floor_div %0, %1
    store %y[%i], %2
  }
}
kernel @add(%w: i32[B], %q: i32[B], out %y: i32[B]) {
  par %i in 0..B {
    %0 = load %w[%i]
    %1 = load %q[%i]
    %2 = add %0, %1
    store %y[%i], %2
  }
}
program @accumulate {
  kernels @divide, @add
  unknown B = input 0 axis 0
  state \"total\" written
  site \"floor_div\"
  buffer $x : i32[B] input 0
  buffer $d : i32[B] input 1
  buffer $w : i32[B] state 0
  buffer $w2 : i32[B] next 0
  buffer $q : i32[B] arena
  launch @divide($x, $d, $q) at 0
  launch @add($w, $q, $w2)
}";

#[test]
fn a_fault_in_a_kernel_leaves_the_state() {
    for threads in [1, 2] {
        let accumulate = compile_with(DIVIDE, Options { threads, ..Options::default() });
        for n in [5usize, 100_000] {
            let total = Variable::new("total", Array::full(I32, [n], 1).unwrap());
            let states = std::slice::from_ref(&total);
            let x = Array::full(I32, [n], 7).unwrap();
            let mut divisors = vec![2i32; n];
            accumulate.call(&[x.clone(), Array::vector(&divisors).unwrap()], states).unwrap();
            assert_eq!(total.value().unwrap().to_vec::<i32>().unwrap(), vec![4; n]);
            divisors[n - 2] = 0;
            let error = accumulate.call(&[x, Array::vector(&divisors).unwrap()], states).unwrap_err();
            assert_eq!(error.to_string(), "`floor_div` divides an integer by zero");
            assert_eq!(total.value().unwrap().to_vec::<i32>().unwrap(), vec![4; n]);
        }
    }
}

const DENSE: &str = "
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
program @dense {
  kernels @bias_relu
  unknown B = input 0 axis 0
  buffer $x : f32[B, 8] input 0
  buffer $w : f32[8, 30] input 1
  buffer $b : f32[30] input 2
  buffer $h : f32[B, 30] output 0
  lib matmul $x, $w -> $h epilogue @bias_relu($h, $b)
  result $h
}";

fn pseudo_random(shape: &[usize], seed: u64) -> Array {
    let mut state = seed;
    let n = shape.iter().product();
    let next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    Array::new(shape, std::iter::repeat_with(next).take(n).collect::<Vec<f32>>()).unwrap()
}

#[test]
fn a_product_with_bias_and_relu_on_its_rows() {
    let [w, b] = [pseudo_random(&[8, 30], 1), pseudo_random(&[30], 2)];
    for threads in [1, 2] {
        let dense = compile_with(DENSE, Options { threads, ..Options::default() });
        for n in [0usize, 1, 32, 33, 2000] {
            let x = pseudo_random(&[n, 8], 3);
            let out = dense.call(&[x.clone(), w.clone(), b.clone()], &[]).unwrap();
            let [x, w, b] = [&x, &w, &b].map(|array| array.to_vec::<f32>().unwrap());
            let expect = (0..n * 30).map(|at| {
                let (row, column) = (at / 30, at % 30);
                let product = (0..8).fold(0.0f32, |sum, k| x[row * 8 + k].mul_add(w[k * 30 + column], sum));
                (product + b[column]).max(0.0)
            });
            assert_eq!(out[0].to_vec::<f32>().unwrap(), expect.collect::<Vec<f32>>());
        }
    }
}

#[test]
fn one_and_two_threads_give_equal_bits() {
    let text = "
    kernel @wave(%x: f32[B, 100], out %y: f32[B, 100]) {
      scratch %row: f32[100]
      par %i in 0..B {
        par %j in 0..100 {
          %0 = load %x[%i, %j]
          %1 = exp %0
          store %row[%j], %1
        }
        %s = reduce sum %k in 0..100 {
          %2 = load %row[%k]
          yield %2
        }
        par %l in 0..100 {
          %3 = load %row[%l]
          %4 = div %3, %s
          store %y[%i, %l], %4
        }
      }
    }
    program @softmax {
      kernels @wave
      unknown B = input 0 axis 0
      buffer $x : f32[B, 100] input 0
      buffer $y : f32[B, 100] output 0
      launch @wave($x, $y)
      result $y
    }";
    let x = pseudo_random(&[1001, 100], 9);
    let results = [1, 2, 8].map(|threads| {
        let softmax = compile_with(text, Options { threads, ..Options::default() });
        softmax.call(std::slice::from_ref(&x), &[]).unwrap().remove(0)
    });
    assert!(results[0].bit_eq(&results[1]) && results[0].bit_eq(&results[2]));
    let row: f32 = results[0].as_slice::<f32>()[..100].iter().sum();
    assert!((row - 1.0).abs() < 1e-5);
}

#[test]
fn many_threads_call_one_executable() {
    let square = compile(SQUARE);
    std::thread::scope(|scope| {
        for thread in 0..8usize {
            let square = &square;
            scope.spawn(move || {
                for turn in 0..200 {
                    let x: Vec<f32> = (0..(thread * 7 + turn) % 50).map(|i| (i + thread) as f32).collect();
                    let out = square.call(&[Array::vector(&x).unwrap()], &[]).unwrap();
                    assert_eq!(out[0].to_vec::<f32>().unwrap(), x.iter().map(|x| x * x + 1.0).collect::<Vec<_>>());
                }
            });
        }
    });
}

#[test]
fn concurrent_updates_of_one_variable_are_not_lost() {
    let accumulate = compile(DIVIDE);
    let total = Variable::new("total", Array::vector([0i32; 3]).unwrap());
    let other = Variable::new("other", Array::vector([0i32; 3]).unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (accumulate, variable) = (&accumulate, if thread % 2 == 0 { &total } else { &other });
            scope.spawn(move || {
                let ones = Array::vector([1i32; 3]).unwrap();
                for _ in 0..100 {
                    accumulate.native().call(&[ones.clone(), ones.clone()], std::slice::from_ref(variable)).unwrap();
                    let seen = variable.value().unwrap().to_vec::<i32>().unwrap();
                    assert!(seen.iter().all(|n| *n == seen[0]), "a reader sees all of a call or nothing");
                }
            });
        }
    });
    assert_eq!(total.value().unwrap().to_vec::<i32>().unwrap(), [200; 3]);
    assert_eq!(other.value().unwrap().to_vec::<i32>().unwrap(), [200; 3]);
}

#[test]
fn subnormals_are_kept_or_flushed_as_asked_and_the_mode_ends_with_the_call() {
    let tiny = f32::MIN_POSITIVE;
    let text = SQUARE.replace("mul %0, %0", "mul %0, 0.5").replace("add %1, 1.0", "mul %1, 1.0");
    for (flush, expect) in [(false, tiny / 2.0), (true, 0.0)] {
        let halve = compile_with(&text, Options { flush_subnormals: flush, ..Options::default() });
        let out = halve.call(&[Array::vector([tiny; 5]).unwrap()], &[]).unwrap();
        assert_eq!(out[0].to_vec::<f32>().unwrap(), [expect; 5]);
        assert_ne!(std::hint::black_box(tiny) * 0.5, 0.0);
    }
}
