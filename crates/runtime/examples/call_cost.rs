//! What a call costs beside its arithmetic: `cargo run --release -p tracelift-runtime --example call_cost`.

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use tracelift_kernel::text::{Module, Source};
use tracelift_runtime::{Executable, Options, Variable};
use tracelift_tensor::{Array, F32};

fn main() {
    let x = [Array::full(F32, [8], 2.0).expect("eight elements fit")];
    println!("one kernel, 8 elements, no state: {:.0} ns a call", call_ns(&chain(1, 0), &x, 0));
    println!("one kernel, 20 states written: {:.0} ns a call", call_ns(&chain(1, 20), &x, 20));
    let (short, long) = (call_ns(&chain(10, 0), &x, 0), call_ns(&chain(110, 0), &x, 0));
    println!("each further kernel: {:.1} ns", (long - short) / 100.0);
    for kernels in [1, 30, 100] {
        let started = Instant::now();
        let turns = 20;
        for _ in 0..turns {
            black_box(compile(&chain(kernels, 0)));
        }
        println!("compiling {kernels} launches: {:.0} us", started.elapsed().as_secs_f64() * 1e6 / f64::from(turns));
    }
    let program = compile(&chain(100, 0));
    let started = Instant::now();
    let turns = 200usize;
    for n in 0..turns {
        let x = [Array::full(F32, [9 + n], 2.0).expect("a few elements fit")];
        program.call(&x, &[]).expect("the program has no fault");
    }
    let miss = started.elapsed().as_secs_f64() * 1e6 / turns as f64;
    println!("a call of 100 kernels with a new size: {miss:.1} us");
}

/// A program that adds one so many times, each time into another buffer, and rewrites so many states.
fn chain(kernels: usize, states: usize) -> String {
    let mut text = String::from(
        "kernel @inc(%x: f32[B], out %y: f32[B]) {
           par %i in 0..B { %0 = load %x[%i] %1 = add %0, 1.0 store %y[%i], %1 }
         }
         program @chain { kernels @inc unknown B = input 0 axis 0 ",
    );
    let mut put = |part: String| text.write_str(&part).expect("strings grow");
    (0..states).for_each(|n| put(format!("state \"s{n}\" written ")));
    put("buffer $b0 : f32[B] input 0 ".into());
    (1..kernels).for_each(|n| put(format!("buffer $b{n} : f32[B] arena ")));
    put(format!("buffer $b{kernels} : f32[B] output 0 "));
    (0..states).for_each(|n| put(format!("buffer $s{n} : f32[B] state {n} buffer $n{n} : f32[B] next {n} ")));
    (0..kernels).for_each(|n| put(format!("launch @inc($b{n}, $b{}) ", n + 1)));
    (0..states).for_each(|n| put(format!("commit $n{n} <- $s{n} ")));
    put(format!("result $b{kernels} }}"));
    text
}

fn compile(text: &str) -> Executable {
    let module = Module::parse(Source::new("chain", text)).expect("the text above is a program");
    Executable::compile(Arc::new(module.programs[0].clone()), Options::default()).expect("the program is sound")
}

fn call_ns(text: &str, inputs: &[Array], states: usize) -> f64 {
    let program = compile(text);
    let variable = |n| Variable::new(format!("s{n}"), Array::full(F32, [8], 0.0).expect("eight elements fit"));
    let states: Vec<Variable> = (0..states).map(variable).collect();
    let mut outputs = vec![];
    let mut best = f64::INFINITY;
    for _ in 0..50 {
        let started = Instant::now();
        for _ in 0..200 {
            program.call_into(inputs, &states, &mut outputs).expect("the program has no fault");
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e9 / 200.0);
    }
    best
}
