//! Times compiled kernels: elements a second at three sizes, and what compiling cost.
//!
//! `cargo run --release -p tracelift-codegen --example kernels`

use std::sync::Arc;
use std::time::Instant;
use tracelift_codegen::{CodegenOptions, NativeKernel, compile_kernels};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Access, Affine, Index, Kernel, KernelBuilder, LoopVar, Operand};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{Array, Binding, DType, Dim, Result, Shape};

fn at(var: LoopVar) -> Index {
    Index::Affine(Affine::var(var))
}

fn number(x: f32) -> Operand {
    Operand::Const(Scalar::F32(x))
}

/// `y[i] = body(x[i])`
fn elementwise(name: &str, body: impl Fn(&mut KernelBuilder, Operand) -> Operand) -> Kernel {
    let shape = || Shape::from([Dim::sym("N")]);
    let mut k = KernelBuilder::new(name);
    let x = k.param("x", DType::F32, shape(), Access::Read);
    let y = k.param("y", DType::F32, shape(), Access::Write);
    let i = k.par(Dim::sym("N"));
    let value = k.load(x, [at(i)]);
    let value = body(&mut k, value);
    k.store(y, [at(i)], value);
    k.end();
    k.finish(&[])
}

fn reduction(name: &str, dtype: DType, kinds: &[ReduceKind]) -> Kernel {
    let mut k = KernelBuilder::new(name);
    let x = k.param("x", dtype, Shape::from([Dim::sym("N")]), Access::Read);
    k.param("y", dtype, Shape::from([Dim::sym("N")]), Access::Update);
    let i = k.reduce(kinds, ReduceOrder::Lanes, &[Dim::sym("N")])[0];
    let value = k.load(x, [at(i)]);
    let results = k.end_reduce(&vec![value; kinds.len()]);
    k.finish(&results)
}

/// Rows of `columns` elements, each made to sum to one.
fn softmax(columns: usize) -> Kernel {
    let shape = || Shape::from([Dim::sym("N").floor_div(columns as i64), Dim::from(columns)]);
    let mut k = KernelBuilder::new(format!("softmax of rows of {columns}"));
    let x = k.param("x", DType::F32, shape(), Access::Read);
    let y = k.param("y", DType::F32, shape(), Access::Write);
    let row = k.scratch("row", DType::F32, Dim::from(columns));
    let i = k.par(Dim::sym("N").floor_div(columns as i64));
    let j = k.reduce(&[ReduceKind::Max], ReduceOrder::Lanes, &[Dim::from(columns)])[0];
    let value = k.load(x, [at(i), at(j)]);
    let largest = k.end_reduce(&[value])[0];
    let j = k.reduce(&[ReduceKind::Sum], ReduceOrder::Lanes, &[Dim::from(columns)])[0];
    let value = k.load(x, [at(i), at(j)]);
    let less = k.lane(LaneOp::Sub, &[value, largest]);
    let e = k.lane(LaneOp::Exp, &[less]);
    k.store(row, [at(j)], e);
    let sum = k.end_reduce(&[e])[0];
    let j = k.par(Dim::from(columns));
    let e = k.load(row, [at(j)]);
    let quotient = k.lane(LaneOp::Div, &[e, sum]);
    k.store(y, [at(i), at(j)], quotient);
    k.end();
    k.end();
    k.finish(&[])
}

/// The sum of each of 100 columns.
fn column_sums() -> Kernel {
    let rows = || Dim::sym("N").floor_div(100);
    let mut k = KernelBuilder::new("sums of 100 columns");
    let x = k.param("x", DType::F32, Shape::from([rows(), Dim::from(100usize)]), Access::Read);
    let y = k.param("y", DType::F32, Shape::from([100usize]), Access::Write);
    let j = k.par(Dim::from(100usize));
    let i = k.reduce(&[ReduceKind::Sum], ReduceOrder::Chain, &[rows()])[0];
    let value = k.load(x, [at(i), at(j)]);
    let sum = k.end_reduce(&[value])[0];
    k.store(y, [at(j)], sum);
    k.end();
    k.finish(&[])
}

fn kernels() -> Vec<Kernel> {
    let unary = |name: &str, op: LaneOp| elementwise(name, |k, x| k.lane(op, &[x]));
    vec![
        elementwise("relu(a x + b) c + d", |k, x| {
            let t = k.lane(LaneOp::Mul, &[x, number(1.5)]);
            let t = k.lane(LaneOp::Add, &[t, number(0.25)]);
            let t = k.lane(LaneOp::Max, &[t, number(0.0)]);
            let t = k.lane(LaneOp::Mul, &[t, number(0.75)]);
            k.lane(LaneOp::Add, &[t, number(-1.0)])
        }),
        elementwise("gelu", |k, x| {
            let t = k.lane(LaneOp::Mul, &[x, number(std::f32::consts::FRAC_1_SQRT_2)]);
            let t = k.lane(LaneOp::Erf, &[t]);
            let t = k.lane(LaneOp::Add, &[t, number(1.0)]);
            let t = k.lane(LaneOp::Mul, &[t, x]);
            k.lane(LaneOp::Mul, &[t, number(0.5)])
        }),
        unary("exp", LaneOp::Exp),
        unary("ln", LaneOp::Ln),
        unary("tanh", LaneOp::Tanh),
        unary("logistic", LaneOp::Logistic),
        unary("sqrt", LaneOp::Sqrt),
        reduction("sum", DType::F32, &[ReduceKind::Sum]),
        reduction("max", DType::F32, &[ReduceKind::Max]),
        reduction("sum and max", DType::F32, &[ReduceKind::Sum, ReduceKind::Max]),
        reduction("sum of f64", DType::F64, &[ReduceKind::Sum]),
        reduction("argmax", DType::F32, &[ReduceKind::ArgMax]),
        softmax(10),
        softmax(1000),
        column_sums(),
    ]
}

/// The best time of one run, in seconds.
fn time(kernel: &NativeKernel, n: usize) -> Result<f64> {
    let sizes = Binding::from_iter([("N", n as i64)]);
    let x: Vec<f32> = (0..n).map(|i| (i % 1000) as f32 / 300.0).collect();
    let mut buffers: Vec<Array> = Vec::new();
    for param in &kernel.kernel.params {
        let shape = param.shape.eval(&sizes)?;
        buffers.push(match param.access {
            Access::Read if param.dtype == DType::F64 => {
                Array::new(&shape, x.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>())?
            }
            Access::Read => Array::new(&shape, &x)?,
            _ => Array::zeros(param.dtype, &shape)?,
        });
    }
    let repeats = (2_000_000 / n).clamp(1, 1000);
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let begin = Instant::now();
        for _ in 0..repeats {
            kernel.run(&mut buffers, &[], &sizes)?;
        }
        best = best.min(begin.elapsed().as_secs_f64() / repeats as f64);
    }
    Ok(best)
}

fn main() -> Result {
    let options = CodegenOptions { threads: 1, ..CodegenOptions::default() };
    println!("{:24} {:>9} {:>7}  Gelem/s at 1e3, 1e5, 1e7", "kernel", "compile", "bytes");
    // The first compilation looks the machine up.
    compile_kernels(&[], &options)?;
    for kernel in kernels().into_iter().map(Arc::new) {
        let mut compile = f64::INFINITY;
        for _ in 0..5 {
            let begin = Instant::now();
            compile_kernels(std::slice::from_ref(&kernel), &options)?;
            compile = compile.min(begin.elapsed().as_secs_f64());
        }
        let native = &compile_kernels(std::slice::from_ref(&kernel), &options)?[0];
        let mut speeds = Vec::new();
        for n in [1_000, 100_000, 10_000_000] {
            speeds.push(format!("{:6.2}", n as f64 / time(native, n)? / 1e9));
        }
        let bytes = native.code().num_bytes();
        println!("{:24} {:6.0} us {bytes:>7}  {}", kernel.name, compile * 1e6, speeds.join(" "));
    }
    Ok(())
}
