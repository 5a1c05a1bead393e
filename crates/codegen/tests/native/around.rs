//! Results that are written around the caches, where the addresses are fit for that.

use crate::arrays::assert_same;
use crate::check::Numbers;
use crate::wide::{at, sizes};
use std::sync::Arc;
use tracelift_codegen::{CodegenOptions, Wide, compile_kernels, inspect_kernel};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Access, Affine, Index, Kernel, KernelBuilder, Operand};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{DType, Dim, Shape};

/// Rows of 500 are whole vectors, but only some of them begin at one.
#[test]
fn large_results_are_written_around_the_caches_with_the_same_bits() {
    let shape = [Dim::from(601), Dim::from(500)];
    for is_flat in [true, false] {
        let mut k = KernelBuilder::new(format!("around the caches, flat: {is_flat}"));
        let x = k.param("x", DType::F32, Shape::from(shape.clone()), Access::Read);
        let y = k.param("y", DType::F32, Shape::from(shape.clone()), Access::Write);
        let z = k.param("z", DType::I32, Shape::from(shape.clone()), Access::Write);
        let small = k.param("small", DType::F32, Shape::from([shape[0].clone()]), Access::Write);
        let i = k.par(shape[0].clone());
        let total = (!is_flat).then(|| {
            let j = k.reduce(&[ReduceKind::Sum], ReduceOrder::Lanes, &shape[1..])[0];
            let value = k.load(x, [at(i), at(j)]);
            let total = k.end_reduce(&[value])[0];
            k.store(small, [at(i)], total);
            total
        });
        let j = k.par(shape[1].clone());
        let value = k.load(x, [at(i), at(j)]);
        let value = k.lane(LaneOp::Mul, &[value, Operand::Const(Scalar::F32(1.5))]);
        let value = k.lane(LaneOp::Sub, &[value, total.unwrap_or(Operand::Const(Scalar::F32(0.25)))]);
        k.store(y, [at(i), at(j)], value);
        let whole = k.lane(LaneOp::Cast(DType::I32), &[value]);
        k.store(z, [at(i), at(j)], whole);
        k.end();
        k.end();
        check_around(k.finish(&[]), &[7..300, 300..601, 0..7]);
    }
}

/// Two results a little beyond what is read, modulo 4096, are written by the usual form, others around the caches.
#[test]
fn results_a_little_beyond_what_is_read_have_the_same_bits() {
    let count = 300_000;
    for ahead in [0, 1, 16, 32, 96, 127, 128, 1024 - 32, 1024 + 16] {
        let mut k = KernelBuilder::new(format!("results {ahead} beyond"));
        let x = k.param("x", DType::F32, Shape::from([count]), Access::Read);
        let m = k.param("m", DType::Bool, Shape::from([count]), Access::Read);
        let results =
            ["y", "z", "w"].map(|name| k.param(name, DType::F32, Shape::from([count + ahead]), Access::Write));
        let i = k.par(Dim::from(count));
        let (value, flag) = (k.load(x, [at(i)]), k.load(m, [at(i)]));
        let there = Index::Affine(Affine::var(i).strided(&Dim::from(ahead), 1));
        for (op, to) in [LaneOp::Add, LaneOp::Mul].into_iter().zip(results) {
            let result = k.lane(op, &[value, Operand::Const(Scalar::F32(1.5))]);
            k.store(to, [there.clone()], result);
        }
        let chosen = k.lane(LaneOp::Select, &[flag, value, Operand::Const(Scalar::F32(-1.0))]);
        k.store(results[2], [at(i)], chosen);
        k.end();
        check_around(k.finish(&[]), &[0..100_003, 100_003..count as i64]);
    }
}

/// Runs a kernel without sizes, whose large results may go around the caches, in parts.
fn check_around(kernel: Kernel, parts: &[std::ops::Range<i64>]) {
    let kernel = Arc::new(kernel);
    let mut numbers = Numbers(29);
    let before: Vec<_> = kernel
        .params
        .iter()
        .map(|param| numbers.array(param.dtype, &param.shape.eval(&sizes(0, 0)).unwrap()))
        .collect();
    let mut expect = before.clone();
    kernel.interpret(&mut expect, &[], &sizes(0, 0)).unwrap();
    for wide in [Wide::Avx2, Wide::Avx512] {
        let usual = CodegenOptions { wide: Some(wide), non_temporal_from: u64::MAX, ..CodegenOptions::default() };
        let around = CodegenOptions { non_temporal_from: 1 << 20, ..usual.clone() };
        let [code, other] = [&usual, &around].map(|options| inspect_kernel(&kernel, options).unwrap().code);
        assert_eq!(code == other, Wide::best().is_none(), "{}", kernel.name);
        let native = compile_kernels(std::slice::from_ref(&kernel), &around).unwrap().remove(0);
        let mut got = before.clone();
        for part in parts {
            native.run_part(&mut got, &[], &sizes(0, 0), part.clone()).unwrap();
        }
        for (got, expect) in got.iter().zip(&expect) {
            assert_same(&kernel.name, got, expect);
        }
    }
}
