//! Large reductions, whose blocks are gone through by turns: the bits of narrow code, which has one block after the other.

use crate::check::Numbers;
use crate::wide::{at, check_wide, sizes};
use std::sync::Arc;
use tracelift_codegen::{CodegenOptions, Wide, compile_kernels};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Access, Affine, Kernel, KernelBuilder, Operand};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{DType, Dim, Shape};

/// 131 blocks, the last of which is short: three are left when the others have gone by, thirty-two at a time.
const N: i64 = 130 * 4096 + 1234;

/// Sum and greatest of `x - y`, and whether any is negative.
fn three(n: i64) -> Kernel {
    let n = Dim::from(n);
    let mut k = KernelBuilder::new("three");
    let [x, y] = ["x", "y"].map(|name| k.param(name, DType::F32, Shape::from([n.clone()]), Access::Read));
    let kinds = [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Any];
    let i = k.reduce(&kinds, ReduceOrder::Lanes, &[n])[0];
    let (a, b) = (k.load(x, [at(i)]), k.load(y, [at(i)]));
    let value = k.lane(LaneOp::Sub, &[a, b]);
    let negative = k.lane(LaneOp::Lt, &[value, Operand::Const(Scalar::F32(0.0))]);
    let results = k.end_reduce(&[value, value, negative]);
    k.finish(&results)
}

/// What a part of the elements gives, in vectors of such a form.
fn run(kernel: &Arc<Kernel>, wide: Option<Wide>, part: std::ops::Range<i64>) -> Vec<Scalar> {
    let options = CodegenOptions { wide, ..CodegenOptions::default() };
    let native = &compile_kernels(std::slice::from_ref(kernel), &options).unwrap()[0];
    let arrays = kernel.params.iter().enumerate();
    let mut arrays: Vec<_> = arrays.map(|(n, x)| Numbers(7 + n as u64).array(x.dtype, &[N as usize])).collect();
    native.run_part(&mut arrays, &[], &sizes(1, N), part).unwrap()
}

#[test]
fn large_reductions_have_the_bits_of_blocks_in_order() {
    for n in [N, 1 << 19] {
        check_wide(three(n), &[], &[sizes(1, n)]);
    }
}

#[test]
fn parts_of_large_reductions_have_them_too() {
    let kernel = Arc::new(three(N));
    for wide in [Wide::Avx2, Wide::Avx512].map(Some) {
        let runs = [0..N, 0..65536, 65536..N, 0..4096, 8192..16384, 4096..16384, 128 * 4096..N, 130 * 4096..N];
        for part in runs {
            let (wide, narrow) = (run(&kernel, wide, part.clone()), run(&kernel, None, part.clone()));
            let same = wide.iter().zip(&narrow).all(|(a, b)| a.same(*b));
            assert!(same && wide.len() == 3, "{part:?}: {wide:?}, not {narrow:?}");
        }
        // What changes nothing where it is joined with the rest.
        let nothing = [Scalar::F32(-0.0), Scalar::F32(f32::NEG_INFINITY), Scalar::Bool(false)];
        let of_none = run(&kernel, wide, 4096..4096);
        assert!(of_none.iter().zip(nothing).all(|(a, b)| a.same(b)) || Wide::best().is_none(), "{of_none:?}");
    }
}

#[test]
fn long_rows_are_reduced_by_turns_inside_of_loops() {
    let (b, n) = (Dim::sym("B"), Dim::from(N));
    let mut k = KernelBuilder::new("long rows");
    let x = k.param("x", DType::I32, Shape::from([b.clone(), n.clone()]), Access::Read);
    let y = k.param("y", DType::I32, Shape::from([b.clone()]), Access::Write);
    let row = k.par(b);
    let i = k.reduce(&[ReduceKind::Sum], ReduceOrder::Lanes, &[n])[0];
    let value = k.load(x, [at(row), at(i)]);
    let sum = k.end_reduce(&[value])[0];
    k.store(y, [at(row)], sum);
    k.end();
    check_wide(k.finish(&[]), &[], &[sizes(3, N)]);
}

#[test]
fn rows_of_a_single_block_are_reduced_by_turns() {
    // Rows that end with a block, within a turn and within a vector; the last ones are too few to go together.
    for (rows, columns) in [(131, 4096), (300, 2100), (513, 1029)] {
        let [b, n] = [rows, columns].map(Dim::from);
        let mut k = KernelBuilder::new("rows");
        let x = k.param("x", DType::F32, Shape::from([b.clone(), n.clone()]), Access::Read);
        let w = k.param("w", DType::F32, Shape::from([n.clone()]), Access::Read);
        let y = k.param("y", DType::F32, Shape::from([b.clone()]), Access::Write);
        let z = k.param("z", DType::F32, Shape::from([b.clone()]), Access::Write);
        let row = k.par(b);
        let i = k.reduce(&[ReduceKind::Sum, ReduceKind::Max], ReduceOrder::Lanes, &[n])[0];
        let (a, b) = (k.load(x, [at(row), at(i)]), k.load(w, [at(i)]));
        let product = k.lane(LaneOp::Mul, &[a, b]);
        let results = k.end_reduce(&[product, a]);
        let number = k.index(Affine::var(row));
        let number = k.lane(LaneOp::Cast(DType::I32), &[number]);
        let number = k.lane(LaneOp::Cast(DType::F32), &[number]);
        let sum = k.lane(LaneOp::Add, &[results[0], number]);
        k.store(y, [at(row)], sum);
        k.store(z, [at(row)], results[1]);
        k.end();
        check_wide(k.finish(&[]), &[], &[sizes(rows, columns)]);
    }
}
