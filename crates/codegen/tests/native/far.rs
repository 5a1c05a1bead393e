//! Sines, cosines and tangents in wide code: near, far, and mixed in every way, beside values that a call must not harm.

use crate::arrays::array_of;
use crate::check::{Numbers, check_on};
use crate::wide::{at, check_wide, sizes};
use std::sync::Arc;
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Access, Kernel, KernelBuilder, Operand};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{Array, DType, Dim, Shape};

const CIRCULAR: [LaneOp; 3] = [LaneOp::Sin, LaneOp::Cos, LaneOp::Tan];

/// How often angles are far: never, now and then, each other one, always.
const MIXTURES: [u64; 4] = [u64::MAX, 23, 2, 1];

/// Angles of which every so-many-th is far, or no number.
fn angles(numbers: &mut Numbers, shape: &[usize], every: u64) -> Array {
    let far = [25_736.0, -25_735.93, 1e6, -3e9, 1e30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX];
    let values: Vec<Scalar> = (0..shape.iter().product())
        .map(|_| match numbers.next() {
            n if n % every == 0 && every < u64::MAX => Scalar::F32(far[n as usize / 7 % far.len()]),
            n => Scalar::F32((n % 20_011) as f32 * 2.571 - 25_725.0),
        })
        .collect();
    array_of(DType::F32, shape, &values)
}

/// Checks a kernel on angles of all mixtures: its first parameter; others are written.
fn check_angles(kernel: Kernel, scalars: &[Scalar], shapes: &[(i64, i64)]) {
    // That there is wide code, and its bits on some numbers.
    let all = shapes.iter().map(|(rows, columns)| sizes(*rows, *columns)).collect::<Vec<_>>();
    check_wide(kernel.clone(), scalars, &all);
    let (kernel, mut numbers) = (Arc::new(kernel), Numbers(5));
    for sizes in &all {
        for every in MIXTURES {
            let mut buffers = vec![];
            for (n, param) in kernel.params.iter().enumerate() {
                let shape = param.shape.eval(sizes).unwrap();
                buffers.push(match n {
                    0 => angles(&mut numbers, &shape, every),
                    _ => numbers.array(param.dtype, &shape),
                });
            }
            check_on(&kernel, buffers, scalars, sizes);
        }
    }
}

#[test]
fn straight_bodies_keep_what_is_beside_a_call() {
    for op in CIRCULAR {
        for extent in [Dim::sym("N"), Dim::from(21)] {
            let mut k = KernelBuilder::new(format!("{op} of {extent}"));
            let row = || Shape::from([extent.clone()]);
            let x = k.param("x", DType::F32, row(), Access::Read);
            let y = k.param("y", DType::F32, row(), Access::Write);
            let flags = k.param("flags", DType::Bool, row(), Access::Write);
            let s = k.scalar("s", DType::F32);
            let i = k.par(extent.clone());
            let value = k.load(x, [at(i)]);
            let is_large = k.lane(LaneOp::Gt, &[value, Operand::Const(Scalar::F32(100.0))]);
            let inverse = k.lane(LaneOp::Div, &[Operand::Const(Scalar::F32(1e5)), value]);
            let first = k.lane(op, &[value]);
            // Of lanes that do not exist this would be infinite.
            let second = k.lane(op, &[inverse]);
            let same = k.lane(op, &[s]);
            let constant = k.lane(op, &[Operand::Const(Scalar::F32(1e7))]);
            let chosen = k.lane(LaneOp::Select, &[is_large, first, second]);
            let mut sum = k.lane(LaneOp::Add, &[chosen, first]);
            for other in [value, inverse, same, constant] {
                sum = k.lane(LaneOp::Sub, &[sum, other]);
            }
            k.store(y, [at(i)], sum);
            k.store(flags, [at(i)], is_large);
            k.end();
            let columns = if extent.known().is_some() { vec![21] } else { vec![0, 7, 16, 33] };
            let shapes: Vec<(i64, i64)> = columns.into_iter().map(|n| (1, n)).collect();
            let kernel = k.finish(&[]);
            for s in [1.5, 1e8] {
                check_angles(kernel.clone(), &[Scalar::F32(s)], &shapes);
            }
        }
    }
}

#[test]
fn rows_are_reduced_with_calls_inside_and_after() {
    for columns in [5, 16, 31, 300] {
        for extent in [Dim::sym("N"), Dim::from(columns)] {
            let mut k = KernelBuilder::new(format!("sums of sines of {extent}"));
            let shape = || Shape::from([Dim::sym("B"), extent.clone()]);
            let x = k.param("x", DType::F32, shape(), Access::Read);
            let y = k.param("y", DType::F32, shape(), Access::Write);
            let i = k.par(Dim::sym("B"));
            let kinds = [ReduceKind::Sum, ReduceKind::Max];
            let j = k.reduce(&kinds, ReduceOrder::Lanes, std::slice::from_ref(&extent))[0];
            let value = k.load(x, [at(i), at(j)]);
            let sine = k.lane(LaneOp::Sin, &[value]);
            let results = k.end_reduce(&[sine, value]);
            // One number, in all lanes: far wherever the row has a far angle.
            let cosine = k.lane(LaneOp::Cos, &[results[1]]);
            let j = k.par(extent.clone());
            let value = k.load(x, [at(i), at(j)]);
            let sine = k.lane(LaneOp::Sin, &[value]);
            let product = k.lane(LaneOp::Mul, &[sine, results[0]]);
            let sum = k.lane(LaneOp::Add, &[product, cosine]);
            k.store(y, [at(i), at(j)], sum);
            k.end();
            k.end();
            check_angles(k.finish(&[]), &[], &[(0, columns), (3, columns)]);
        }
    }
}

#[test]
fn columns_are_reduced_with_calls_inside() {
    for columns in [1, 16, 63, 70, 300] {
        let mut k = KernelBuilder::new(format!("cosines down {columns} columns"));
        let x = k.param("x", DType::F32, Shape::from([Dim::sym("B"), Dim::sym("N")]), Access::Read);
        let y = k.param("y", DType::F32, Shape::from([Dim::sym("N")]), Access::Write);
        let j = k.par(Dim::sym("N"));
        let i = k.reduce(&[ReduceKind::Sum], ReduceOrder::Chain, &[Dim::sym("B")])[0];
        let value = k.load(x, [at(i), at(j)]);
        let cosine = k.lane(LaneOp::Cos, &[value]);
        let results = k.end_reduce(&[cosine]);
        let tangent = k.lane(LaneOp::Tan, &[results[0]]);
        k.store(y, [at(j)], tangent);
        k.end();
        check_angles(k.finish(&[]), &[], &[(0, columns), (1, columns), (13, columns)]);
    }
}

#[test]
fn values_in_memory_are_passed_on_and_kept() {
    for count in [10, 40] {
        let mut k = KernelBuilder::new(format!("{count} sines"));
        let x = k.param("x", DType::F32, Shape::from([Dim::sym("N")]), Access::Read);
        let y = k.param("y", DType::F32, Shape::from([Dim::sym("N")]), Access::Write);
        let i = k.par(Dim::sym("N"));
        let value = k.load(x, [at(i)]);
        let number = |n: usize| Operand::Const(Scalar::F32(n as f32 + 0.5));
        let values: Vec<Operand> = (0..count).map(|n| k.lane(LaneOp::Mul, &[value, number(n)])).collect();
        let mut sum = k.lane(LaneOp::Neg, &[value]);
        for (n, value) in values.iter().enumerate() {
            let sine = k.lane(CIRCULAR[n % 3], &[*value]);
            sum = k.lane(LaneOp::Sub, &[sine, sum]);
        }
        for value in &values {
            sum = k.lane(LaneOp::Max, &[sum, *value]);
        }
        k.store(y, [at(i)], sum);
        k.end();
        check_angles(k.finish(&[]), &[], &[(1, 1), (1, 16), (1, 50)]);
    }
}

#[test]
fn powers_are_wide() {
    let mut k = KernelBuilder::new("powers");
    let x = k.param("x", DType::F32, Shape::from([Dim::sym("N")]), Access::Read);
    let y = k.param("y", DType::F32, Shape::from([Dim::sym("N")]), Access::Update);
    let i = k.par(Dim::sym("N"));
    let (base, exponent) = (k.load(x, [at(i)]), k.load(y, [at(i)]));
    let power = k.lane(LaneOp::Pow, &[base, exponent]);
    k.store(y, [at(i)], power);
    k.end();
    let kernel = k.finish(&[]);
    check_angles(kernel.clone(), &[], &[(1, 3), (1, 64), (1, 1000)]);
    // Whole powers of negative numbers, and results at both ends.
    let (kernel, columns) = (Arc::new(kernel), 1024);
    let mut numbers = Numbers(3);
    let mut array = |scale: f32, whole: bool| {
        let values: Vec<Scalar> = (0..columns)
            .map(|_| {
                let value = (numbers.next() % 2001) as f32 / 1000.0 - 1.0;
                Scalar::F32(if whole { (value * scale).round() } else { value * scale })
            })
            .collect();
        array_of(DType::F32, &[columns], &values)
    };
    for (base, exponent, whole) in [(8.0, 40.0, true), (3.0, 3.0, false), (1e-38, 1.1, false), (2.0, 150.0, true)] {
        let buffers = vec![array(base, false), array(exponent, whole)];
        check_on(&kernel, buffers, &[], &sizes(1, columns as i64));
    }
}
