//! Programs that the interpreter runs: control flow, states, faults, products.

use tracelift_kernel::meaning::Subnormals;
use tracelift_kernel::program::{Buffer, BufferId, Program, ResultPlace, Role, Step, Unknown, Watch, verify_plan};
use tracelift_kernel::text::{Module, Source};
use tracelift_tensor::{Array, Binding, Dim, ErrorKind, F32, Result, Shape, Sym};

#[track_caller]
fn module(text: &str) -> Module {
    Module::parse(Source::new("test.tl", text)).unwrap_or_else(|mistake| panic!("{mistake}"))
}

#[track_caller]
fn run(text: &str, inputs: &[Array], states: &mut [Array]) -> Result<Vec<Array>> {
    module(text).programs[0].interpret(inputs, states)
}

fn f32s(values: &[f32]) -> Array {
    Array::vector(values).unwrap()
}

const SQUARE: &str = "kernel @square(%x: f32[B], out %y: f32[B]) {
    par %i in 0..B { %0 = load %x[%i] %1 = mul %0, %0 %2 = add %1, 1.0 store %y[%i], %2 }
}
";

#[test]
fn one_program_serves_all_sizes() {
    let text = format!(
        "{SQUARE} program @f {{ kernels @square unknown B = input 0 axis 0
            buffer $x : f32[B] input 0 buffer $y : f32[B] output 0
            launch @square($x, $y) result $y }}"
    );
    for n in [0usize, 1, 3, 31, 32, 33] {
        let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let y: Vec<f32> = x.iter().map(|x| x * x + 1.0).collect();
        assert_eq!(run(&text, &[f32s(&x)], &mut []).unwrap()[0].as_slice::<f32>(), y);
    }
    let error = run(&text, &[Array::vector([1i32]).unwrap()], &mut []).unwrap_err();
    assert_eq!(error.to_string(), "`f` input 0 is f32[B] with B=1, not i32[1]");
    assert_eq!(
        run(&text, &[], &mut []).unwrap_err().to_string(),
        "`f` there is no axis 0 of input 0, which says what `B` is"
    );
}

#[test]
fn loops_carry_registers_and_swap_buffers() {
    // x is squared and increased as long as n > 0.
    let text = format!(
        "{SQUARE} program @f {{ kernels @square unknown B = input 0 axis 0
            buffer $x : f32[B] input 0 buffer $n : i32[] input 1 buffer $y : f32[B] output 0
            buffer $a : f32[B] arena buffer $b : f32[B] arena
            copy $x -> $a
            %n = read $n
            %last, %turns = loop (%i = %n, %t = 0i64) while {{ %more = scalar gt %i, 0 yield %more }} do {{
                launch @square($a, $b)
                swap $a, $b
                %j = scalar sub %i, 1
                %u = scalar add %t, 1i64
                yield %j, %u
            }}
            copy $a -> $y
            result $y, %turns, %last }}"
    );
    for (n, expected) in [(0, 2.0f32), (1, 5.0), (3, 677.0)] {
        let results = run(&text, &[f32s(&[2.0]), Array::scalar(n)], &mut []).unwrap();
        assert_eq!(results[0].as_slice::<f32>(), [expected]);
        assert_eq!(results[1].item::<i64>().unwrap(), i64::from(n));
        assert_eq!(results[2].item::<i32>().unwrap(), 0);
    }
}

#[test]
fn branches_yield_and_fill_buffers() {
    let text = "kernel @fill(out %y: f32[2], %v: f32) { par %i in 0..2 { store %y[%i], %v } }
        program @f { kernels @fill
            buffer $c : bool[] input 0 buffer $y : f32[2] output 0 buffer $k : f32[2] const [3.0, 4.0]
            %c = read $c
            %r = if %c { launch @fill($y, 7.0) yield 1.5 } else { copy $k -> $y %s = scalar neg 1.5 yield %s }
            result $y, %r }";
    let results = run(text, &[Array::scalar(true)], &mut []).unwrap();
    assert_eq!((results[0].as_slice::<f32>(), results[1].item::<f32>().unwrap()), ([7.0, 7.0].as_slice(), 1.5));
    let results = run(text, &[Array::scalar(false)], &mut []).unwrap();
    assert_eq!((results[0].as_slice::<f32>(), results[1].item::<f32>().unwrap()), ([3.0, 4.0].as_slice(), -1.5));
}

#[test]
fn a_failed_run_leaves_states_as_they_were() {
    let text = "kernel @scale(%w: f32[2], out %v: f32[2], %by: f32) {
            par %i in 0..2 { %0 = load %w[%i] %1 = mul %0, %by store %v[%i], %1 } }
        program @f { kernels @scale
            state \"count\" written state \"w\" written site \"floor_div\" site \"gather\" site \"assert\"
            buffer $n : i32[] input 0 buffer $at : i64[3] input 1
            buffer $count : i32[] state 0 buffer $count2 : i32[] next 0
            buffer $w : f32[2] state 1 buffer $w2 : f32[2] next 1
            %n = read $n
            %old = read $count
            %q = scalar floor_div 12, %n at 0
            check bounds $at in 0..4 at 1
            %positive = scalar gt %n, 0
            check assert %positive \"n must be positive\" at 2
            %new = scalar add %old, %q
            write $count2, %new
            launch @scale($w, $w2, 2.0)
            result %q }";
    let at = |last: i64| Array::vector([0, 3, last]).unwrap();
    let mut states = [Array::scalar(5i32), f32s(&[1.0, 2.0])];
    for (n, last, message) in [
        (0, 0, "`floor_div` divides an integer by zero"),
        (1, 4, "`gather` has the index 4, which is not in 0..4, at position 2 of the indices"),
        (1, -1, "`gather` has the index -1, which is not in 0..4, at position 2 of the indices"),
        (-1, 0, "`assert` n must be positive"),
    ] {
        let error = run(text, &[Array::scalar(n), at(last)], &mut states).unwrap_err();
        assert_eq!((error.kind, error.to_string().as_str()), (ErrorKind::InvalidArgument, message));
        assert_eq!(states[0].item::<i32>().unwrap(), 5);
    }
    let results = run(text, &[Array::scalar(5), at(0)], &mut states).unwrap();
    assert_eq!(results[0].item::<i32>().unwrap(), 2);
    assert_eq!(states[0].item::<i32>().unwrap(), 7);
    assert_eq!(states[1].as_slice::<f32>(), [2.0, 4.0]);
}

#[test]
fn a_loop_is_stopped_and_prints_are_shown() {
    struct Log {
        lines: Vec<String>,
        turns: usize,
    }
    impl Watch for Log {
        fn print(&mut self, message: &str, values: &[Array]) {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            self.lines.push(format!("{message} {}", values.join(" ")));
        }
        fn stopped(&mut self) -> bool {
            self.turns += 1;
            self.turns > 3
        }
        fn subnormals(&self) -> Subnormals {
            Subnormals::Keep
        }
    }
    let text = "program @f { buffer $x : f32[2] input 0
        %n = loop (%i = 0) while { yield true } do { print \"turn\", %i, $x %j = scalar add %i, 1 yield %j }
        result %n }";
    let mut log = Log { lines: vec![], turns: 0 };
    let error = module(text).programs[0].interpret_watched(&[f32s(&[1.0, 2.0])], &mut [], &mut log).unwrap_err();
    assert_eq!((error.kind, error.to_string()), (ErrorKind::Cancelled, "`f` was stopped".to_owned()));
    assert_eq!(log.lines, ["turn 0 [1. 2.]", "turn 1 [1. 2.]", "turn 2 [1. 2.]"]);
}

#[test]
fn products_are_chains_and_epilogues_see_finished_rows() {
    let text = "kernel @bias(inout %h: f32[M, 2], %b: f32[2], %low: f32) {
            par %i in 0..M { par %j in 0..2 { %0 = load %h[%i, %j] %1 = load %b[%j] %2 = add %0, %1
                %3 = max %2, %low store %h[%i, %j], %3 } } }
        program @f { kernels @bias unknown M = input 0 axis 0
            buffer $x : f32[M, 3] input 0 buffer $w : f32[3, 2] input 1 buffer $b : f32[2] const [0.5, -100.0]
            buffer $y : f32[M, 2] output 0
            lib matmul $x, $w -> $y epilogue @bias($y, $b, 0.0)
            result $y }";
    let m = 19;
    let x: Vec<f32> = (0..m * 3).map(|n| 0.1 * n as f32).collect();
    let w = [0.3f32, -1.0, 2.0, 0.7, -0.1, 1.5];
    let inputs = [Array::new([m, 3], &x).unwrap(), Array::new([3, 2], w).unwrap()];
    let results = run(text, &inputs, &mut []).unwrap();
    for i in 0..m {
        for (j, bias) in [0.5f32, -100.0].into_iter().enumerate() {
            let product = (0..3).fold(0.0f32, |sum, k| x[3 * i + k].mul_add(w[2 * k + j], sum));
            assert_eq!(results[0].as_slice::<f32>()[2 * i + j], (product + bias).max(0.0));
        }
    }
}

#[test]
fn transposed_batches_and_single_columns() {
    let text = "program @f { buffer $a : f32[2, 20, 3] input 0 buffer $v : f32[20, 1] input 1
            buffer $g : f32[2, 3, 3] output 0 buffer $d : f32[3, 1] output 1
            lib matmul $a, $a -> $g {m=3, k=20, n=3, a=[60, 1, 3], b=[60, 3, 1]}
            lib matmul $a, $v -> $d {batch=1, m=3, k=20, n=1, a=[0, 1, 3], b=[0, 1, 1], vector=true}
            result $g, $d }";
    let a: Vec<f32> = (0..120).map(|n| 1.0 / (n + 1) as f32).collect();
    let v: Vec<f32> = (0..20).map(|n| 0.7 - n as f32).collect();
    let inputs = [Array::new([2, 20, 3], &a).unwrap(), Array::new([20, 1], &v).unwrap()];
    let results = run(text, &inputs, &mut []).unwrap();
    for (n, result) in results[0].as_slice::<f32>().iter().enumerate() {
        let (batch, i, j) = (n / 9, n / 3 % 3, n % 3);
        let at = |k: usize, column: usize| a[60 * batch + 3 * k + column];
        assert_eq!(*result, (0..20).fold(0.0f32, |sum, k| at(k, i).mul_add(at(k, j), sum)));
    }
    for (i, result) in results[1].as_slice::<f32>().iter().enumerate() {
        let mut lanes: Vec<f32> = vec![0.0; 16];
        for k in 0..20 {
            lanes[k % 16] = a[3 * k + i].mul_add(v[k], lanes[k % 16]);
        }
        while lanes.len() > 1 {
            let half = lanes.split_off(lanes.len() / 2);
            lanes.iter_mut().zip(half).for_each(|(low, high)| *low += high);
        }
        assert_eq!(*result, lanes[0]);
    }
}

/// Sums as they are defined, written in another way than the interpreter does it.
fn defined_sum(values: &[f32], lanes: bool) -> f32 {
    let mut blocks: Vec<f32> = values
        .chunks(4096)
        .map(|block| {
            if !lanes {
                return block.iter().copied().reduce(|a, b| a + b).unwrap();
            }
            let mut sums: Vec<f32> = vec![-0.0; 32];
            block.iter().enumerate().for_each(|(n, x)| sums[n % 32] += x);
            for width in [16, 8, 4, 2, 1] {
                (0..width).for_each(|lane| sums[lane] += sums[lane + width]);
            }
            sums[0]
        })
        .collect();
    while blocks.len() > 1 {
        blocks = blocks.chunks(2).map(|pair| pair.iter().copied().reduce(|a, b| a + b).unwrap()).collect();
    }
    blocks.first().copied().unwrap_or(0.0)
}

#[test]
fn sums_have_the_defined_order() {
    for (order, lanes) in [("lanes", true), ("chain", false)] {
        let text = format!(
            "kernel @k(%x: f32[N]) -> (f32, i64) {{ %s, %m = reduce (sum, argmax) {order} %i in 0..N {{ %0 = load %x[%i] yield %0, %0 }} yield %s, %m }}
             program @f {{ kernels @k unknown N = input 0 axis 0 buffer $x : f32[N] input 0
                %s, %m = launch @k($x) result %s, %m }}"
        );
        for n in [1usize, 3, 31, 32, 33, 4095, 4096, 4097, 12_289, 28_673] {
            let x: Vec<f32> = (0..n).map(|i| ((i * 7919) % 1013) as f32 / 7.0 - 70.0).collect();
            let results = run(&text, &[f32s(&x)], &mut []).unwrap();
            assert_eq!(results[0].item::<f32>().unwrap().to_bits(), defined_sum(&x, lanes).to_bits(), "{order} of {n}");
            let best = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(results[1].item::<i64>().unwrap() as usize, x.iter().position(|x| *x == best).unwrap());
        }
        let nothing = run(&text, &[f32s(&[])], &mut []).unwrap();
        assert_eq!((nothing[0].item::<f32>().unwrap().to_bits(), nothing[1].item::<i64>().unwrap()), (0, i64::MAX));
    }
}

#[test]
fn a_hundred_thousand_steps_fit_a_small_stack() {
    let count = 100_000;
    let shape = Shape::from([Dim::sym("B")]);
    let buffer = |n: usize| Buffer {
        name: format!("b{n}"),
        dtype: F32,
        shape: shape.clone(),
        role: if n == 0 {
            Role::Input(0)
        } else if n == count {
            Role::Output(0)
        } else {
            Role::Arena
        },
    };
    let program = Program {
        name: "long".to_owned(),
        unknowns: vec![Unknown { sym: Sym::new("B"), index: 0, state: false, axis: 0 }],
        guards: vec![],
        buffers: (0..=count).map(buffer).collect(),
        registers: vec![],
        kernels: vec![],
        states: vec![],
        steps: (0..count as u32).map(|n| Step::Copy { from: BufferId(n), to: BufferId(n + 1) }).collect(),
        results: vec![ResultPlace::Buffer(BufferId(count as u32))],
        sites: vec![],
    };
    let run = move || {
        let results = program.interpret(&[f32s(&[1.0, 2.0])], &mut []).unwrap();
        assert_eq!(results[0].as_slice::<f32>(), [1.0, 2.0]);
        let offsets: Vec<Option<usize>> = (0..=count).map(|n| Some(n % 2 * 64)).collect();
        verify_plan(&program, &offsets, &Binding::from_iter([("B", 2)])).unwrap();
        assert_eq!(program.to_string().lines().count(), 2 * count + 5);
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap();
}

/// Shows nothing, never stops, flushes subnormals.
struct Flushing;

impl Watch for Flushing {
    fn print(&mut self, _: &str, _: &[Array]) {}
    fn stopped(&mut self) -> bool {
        false
    }
    fn subnormals(&self) -> Subnormals {
        Subnormals::Flush
    }
}

#[test]
fn subnormals_are_flushed_where_it_is_asked_for() {
    let text = "kernel @k(%x: f32[B], out %y: f32[B]) -> (f32) {
            par %i in 0..B { %0 = load %x[%i] %1 = mul %0, 0.5 store %y[%i], %1 }
            %s = reduce sum %i in 0..B { %2 = load %x[%i] %3 = neg %2 yield %3 } yield %s }
        program @f { kernels @k unknown B = input 0 axis 0
            buffer $x : f32[B] input 0 buffer $y : f32[B] output 0 buffer $z : f32[1, 1] output 1
            %s = launch @k($x, $y)
            lib matmul $x, $x -> $z {m=1, k=B, n=1, a=[0, B, 1], b=[0, 1, 1]}
            %m = scalar mul %s, 0.5
            result $y, %s, $z, %m }";
    let least = f32::MIN_POSITIVE;
    let x = [f32s(&[least, 1e-30])];
    let kept = run(text, &x, &mut []).unwrap();
    assert_eq!(kept[0].as_slice::<f32>(), [least / 2.0, 1e-30 / 2.0]);
    let x = [f32s(&[least, -least * 0.75])];
    let flushed = module(text).programs[0].interpret_watched(&x, &mut [], &mut Flushing).unwrap();
    assert_eq!(flushed[0].as_slice::<f32>(), [0.0, 0.0]);
    assert_eq!(flushed[1].item::<f32>().unwrap(), -least);
    assert_eq!(flushed[2].as_slice::<f32>(), [0.0]);
    assert_eq!(flushed[3].item::<f32>().unwrap().to_bits(), (-0.0f32).to_bits());
}
