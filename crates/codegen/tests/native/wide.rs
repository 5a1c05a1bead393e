//! Kernels that have code in the widest vectors: that they do have it, and its bits at sizes around every width.

use crate::check::{Numbers, WIDES, check, check_on};
use std::collections::HashSet;
use std::sync::Arc;
use tracelift_codegen::{CodegenOptions, Wide, compile_kernels, inspect_kernel};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Access, Affine, Index, Kernel, KernelBuilder, LoopVar, Operand};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{Binding, DType, Dim, Shape};

pub(crate) fn at(var: LoopVar) -> Index {
    Index::Affine(Affine::var(var))
}

pub(crate) fn sizes(rows: i64, columns: i64) -> Binding {
    Binding::from_iter([("B", rows), ("N", columns)])
}

/// Checks the bits, and that each wide form of this machine is another one than Cranelift's.
pub(crate) fn check_wide(kernel: Kernel, scalars: &[Scalar], sizes: &[Binding]) {
    let code = |wide| inspect_kernel(&kernel, &CodegenOptions { wide, ..CodegenOptions::default() }).unwrap().code;
    let codes = WIDES.map(code);
    let distinct: HashSet<&Vec<u8>> = codes.iter().collect();
    let wide_forms = WIDES.iter().filter(|wide| wide.is_some() && **wide <= Wide::best()).count();
    assert_eq!(distinct.len(), 1 + wide_forms, "{}", kernel.name);
    check(kernel, scalars, sizes);
}

#[test]
fn columns_of_many_widths_are_reduced_in_chains() {
    for (dtype, kinds) in [
        (DType::F32, &[ReduceKind::Sum][..]),
        (DType::F32, &[ReduceKind::Sum, ReduceKind::Prod]),
        (DType::I32, &[ReduceKind::Sum]),
        (DType::U8, &[ReduceKind::Sum, ReduceKind::Prod]),
        (DType::Bool, &[ReduceKind::Any, ReduceKind::All]),
    ] {
        for columns in [1, 16, 63, 64, 65, 256, 300, 333] {
            for extent in [Dim::sym("N"), Dim::from(columns)] {
                let mut k = KernelBuilder::new(format!("{kinds:?} of {dtype}[B, {extent}]"));
                let x = k.param("x", dtype, Shape::from([Dim::sym("B"), extent.clone()]), Access::Read);
                let y = k.param("y", dtype, Shape::from([extent.clone()]), Access::Update);
                let j = k.par(extent.clone());
                let i = k.reduce(kinds, ReduceOrder::Chain, &[Dim::sym("B")])[0];
                let value = k.load(x, [at(i), at(j)]);
                let results = k.end_reduce(&vec![value; kinds.len()]);
                let old = k.load(y, [at(j)]);
                let join = if dtype == DType::Bool { LaneOp::Xor } else { LaneOp::Add };
                let mut sum = k.lane(join, &[old, results[0]]);
                if let Some(second) = results.get(1) {
                    sum = k.lane(join, &[sum, *second]);
                }
                k.store(y, [at(j)], sum);
                k.end();
                check_wide(k.finish(&[]), &[], &[sizes(0, columns), sizes(1, columns), sizes(13, columns)]);
            }
        }
    }
}

#[test]
fn columns_of_many_blocks_join_them_by_the_tree() {
    for rows in [4096, 4097, 3 * 4096 + 5, 11 * 4096 + 1] {
        for extent in [Dim::sym("B"), Dim::from(rows)] {
            let mut k = KernelBuilder::new(format!("columns of {extent} rows"));
            let x = k.param("x", DType::F32, Shape::from([extent.clone(), Dim::from(19usize)]), Access::Read);
            let w = k.param("w", DType::F32, Shape::from([extent.clone()]), Access::Read);
            let b = k.param("b", DType::F32, Shape::from([19usize]), Access::Read);
            let y = k.param("y", DType::F32, Shape::from([19usize]), Access::Write);
            let j = k.par(Dim::from(19usize));
            let bias = k.load(b, [at(j)]);
            let kinds = [ReduceKind::Sum, ReduceKind::Min];
            let i = k.reduce(&kinds, ReduceOrder::Chain, &[extent])[0];
            let value = k.load(x, [at(i), at(j)]);
            let weight = k.load(w, [at(i)]);
            let weight = k.lane(LaneOp::Tanh, &[weight]);
            let product = k.lane(LaneOp::Mul, &[value, weight]);
            let shifted = k.lane(LaneOp::Add, &[product, bias]);
            let results = k.end_reduce(&[shifted, product]);
            let difference = k.lane(LaneOp::Sub, &[results[0], results[1]]);
            k.store(y, [at(j)], difference);
            k.end();
            check_wide(k.finish(&[]), &[], &[sizes(rows, 19)]);
        }
    }
}

#[test]
fn middle_axes_are_reduced_column_by_column() {
    let [a, b, c] = [Dim::sym("A"), Dim::sym("B"), Dim::from(37usize)];
    let mut k = KernelBuilder::new("middle");
    let x = k.param("x", DType::F32, Shape::from([a.clone(), b.clone(), c.clone()]), Access::Read);
    let y = k.param("y", DType::F32, Shape::from([a.clone(), c.clone()]), Access::Write);
    let i = k.par(a);
    let l = k.par(c);
    let j = k.reduce(&[ReduceKind::Max], ReduceOrder::Chain, &[b])[0];
    let value = k.load(x, [at(i), at(j), at(l)]);
    let largest = k.end_reduce(&[value])[0];
    k.store(y, [at(i), at(l)], largest);
    k.end();
    k.end();
    let sizes = |a: i64, b: i64| Binding::from_iter([("A", a), ("B", b)]);
    check_wide(k.finish(&[]), &[], &[sizes(0, 3), sizes(1, 1), sizes(4, 50)]);
}

#[test]
fn rows_of_any_length_have_several_reductions() {
    for columns in [1, 15, 33, 4096, 4097, 9000] {
        for extent in [Dim::sym("N"), Dim::from(columns)] {
            let mut k = KernelBuilder::new(format!("moments of rows of {extent}"));
            let shape = || Shape::from([Dim::sym("B"), extent.clone()]);
            let x = k.param("x", DType::F32, shape(), Access::Read);
            let flags = k.param("flags", DType::Bool, Shape::from([Dim::sym("B")]), Access::Write);
            let y = k.param("y", DType::F32, shape(), Access::Write);
            let limit = k.scalar("limit", DType::U8);
            let i = k.par(Dim::sym("B"));
            let kinds = [ReduceKind::Sum, ReduceKind::Sum, ReduceKind::Max, ReduceKind::Any];
            let j = k.reduce(&kinds, ReduceOrder::Lanes, std::slice::from_ref(&extent))[0];
            let value = k.load(x, [at(i), at(j)]);
            let square = k.lane(LaneOp::Mul, &[value, value]);
            let limit = k.lane(LaneOp::Cast(DType::F32), &[limit]);
            let large = k.lane(LaneOp::Gt, &[value, limit]);
            let results = k.end_reduce(&[value, square, value, large]);
            k.store(flags, [at(i)], results[3]);
            let j = k.par(extent.clone());
            let value = k.load(x, [at(i), at(j)]);
            let mut z = value;
            for result in &results[..3] {
                z = k.lane(LaneOp::Sub, &[z, *result]);
            }
            k.store(y, [at(i), at(j)], z);
            k.end();
            k.end();
            let sizes = [sizes(0, columns), sizes(1, columns), sizes(3, columns)];
            check_wide(k.finish(&[]), &[Scalar::U8(2)], &sizes);
        }
    }
}

/// `mean(tanh(x) * 0.5)` and whether any is negative, with or without the division.
fn whole(divided: bool) -> Kernel {
    let n = Dim::sym("N");
    let mut k = KernelBuilder::new(format!("whole, divided {divided}"));
    let x = k.param("x", DType::F32, Shape::from([n.clone()]), Access::Read);
    let scale = k.scalar("scale", DType::F32);
    let i = k.reduce(&[ReduceKind::Sum, ReduceKind::Any], ReduceOrder::Lanes, &[n])[0];
    let value = k.load(x, [at(i)]);
    let value = k.lane(LaneOp::Tanh, &[value]);
    let value = k.lane(LaneOp::Mul, &[value, scale]);
    let negative = k.lane(LaneOp::Lt, &[value, Operand::Const(Scalar::F32(0.0))]);
    let mut results = k.end_reduce(&[value, negative]);
    if divided {
        results[0] = k.lane(LaneOp::Div, &[results[0], Operand::Const(Scalar::F32(3.0))]);
    }
    k.finish(&results)
}

#[test]
fn whole_reductions_hand_out_their_results() {
    for divided in [false, true] {
        let lengths = [0, 1, 40, 4096, 4097, 30_000].map(|n| sizes(1, n));
        check_wide(whole(divided), &[Scalar::F32(0.5)], &lengths);
    }
}

#[test]
fn runs_of_blocks_are_reduced_by_themselves() {
    let kernel = Arc::new(whole(false));
    let n = 5 * 4096 + 100;
    let x = Numbers(6).array(DType::F32, &[n as usize]);
    let scalars = [Scalar::F32(0.5)];
    let run = |wide, part| {
        let options = CodegenOptions { wide, ..CodegenOptions::default() };
        let native = &compile_kernels(std::slice::from_ref(&kernel), &options).unwrap()[0];
        native.run_part(&mut [x.clone()], &scalars, &sizes(1, n), part).unwrap()
    };
    for wide in [Wide::Avx2, Wide::Avx512].map(Some) {
        for part in [0..n, 0..8192, 8192..16384, 16384..n, 4096..12288, 4096..4096] {
            let (wide, narrow) = (run(wide, part.clone()), run(None, part.clone()));
            assert!(wide[0].same(narrow[0]) && wide[1].same(narrow[1]), "{part:?}: {wide:?}, not {narrow:?}");
        }
        let [low, high] = [run(wide, 0..16384), run(wide, 16384..n)].map(|results| match results[0] {
            Scalar::F32(sum) => sum,
            other => panic!("{other}"),
        });
        assert!(run(wide, 0..n)[0].same(Scalar::F32(low + high)));
    }
}

#[test]
fn rows_are_looked_up_by_numbers_of_either_width() {
    for dtype in [DType::I32, DType::I64] {
        let mut k = KernelBuilder::new(format!("rows by {dtype}"));
        let ids = k.param("ids", dtype, Shape::from([Dim::sym("B")]), Access::Read);
        let table = k.param("table", DType::F32, Shape::from([Dim::from(11usize), Dim::sym("N")]), Access::Read);
        let y = k.param("y", DType::F32, Shape::from([Dim::sym("B"), Dim::sym("N")]), Access::Write);
        let i = k.par(Dim::sym("B"));
        let Operand::Reg(id) = k.load(ids, [at(i)]) else { unreachable!() };
        let j = k.par(Dim::sym("N"));
        let value = k.load(table, [Index::Indirect(id), at(j)]);
        let value = k.lane(LaneOp::Exp, &[value]);
        k.store(y, [at(i), at(j)], value);
        k.end();
        k.end();
        let kernel = Arc::new(k.finish(&[]));
        let mut numbers = Numbers(5);
        for (rows, columns) in [(0, 5), (1, 16), (9, 37)] {
            let id = |i: usize| if dtype == DType::I32 { Scalar::I32(i as i32) } else { Scalar::I64(i as i64) };
            let ids: Vec<Scalar> = (0..rows).map(|i| id(i * 7 % 11)).collect();
            let buffers = vec![
                crate::arrays::array_of(dtype, &[rows], &ids),
                numbers.array(DType::F32, &[11, columns]),
                numbers.array(DType::F32, &[rows, columns]),
            ];
            check_on(&kernel, buffers, &[], &sizes(rows as i64, columns as i64));
        }
    }
}

#[test]
fn more_values_than_registers_are_kept_in_memory() {
    for count in [28, 31, 45, 80] {
        let mut k = KernelBuilder::new(format!("{count} values"));
        let x = k.param("x", DType::F32, Shape::from([Dim::sym("N")]), Access::Read);
        let m = k.param("m", DType::Bool, Shape::from([Dim::sym("N")]), Access::Read);
        let y = k.param("y", DType::F32, Shape::from([Dim::sym("N")]), Access::Write);
        let z = k.param("z", DType::I32, Shape::from([Dim::sym("N")]), Access::Write);
        let i = k.par(Dim::sym("N"));
        let (value, flag) = (k.load(x, [at(i)]), k.load(m, [at(i)]));
        let number = |n: usize| Operand::Const(Scalar::F32(n as f32 + 0.5));
        let values: Vec<Operand> = (0..count).map(|n| k.lane(LaneOp::Add, &[value, number(n)])).collect();
        let mut sum = k.lane(LaneOp::Neg, &[value]);
        for (n, value) in values.iter().enumerate() {
            sum = match n % 4 {
                0 => k.lane(LaneOp::Sub, &[number(n), sum]),
                1 => k.lane(LaneOp::Select, &[flag, *value, sum]),
                2 => k.lane(LaneOp::Max, &[*value, sum]),
                _ => k.lane(LaneOp::Add, &[sum, *value]),
            };
        }
        // In the order of their definitions: nothing ends early.
        for value in &values {
            let exp = k.lane(LaneOp::Logistic, &[*value]);
            sum = k.lane(LaneOp::Mul, &[exp, sum]);
        }
        k.store(y, [at(i)], sum);
        let whole = k.lane(LaneOp::Cast(DType::I32), &[values[0]]);
        k.store(z, [at(i)], whole);
        k.end();
        check_wide(k.finish(&[]), &[], &[1, 16, 50].map(|n| sizes(1, n)));
    }
}

/// What computes much is added row by row; light rows may have several numbers of their own.
#[test]
fn tiles_have_heavy_rows_and_rows_with_numbers_of_their_own() {
    let [n, m] = [303, 1030].map(Dim::from);
    for own in [0, 5] {
        let mut k = KernelBuilder::new(format!("tiles with {own} numbers a row"));
        let x = k.param("x", DType::F32, Shape::from([n.clone(), m.clone()]), Access::Read);
        let w = k.param("w", DType::F32, Shape::from([n.clone(), Dim::from(5)]), Access::Read);
        let y = k.param("y", DType::F32, Shape::from([m.clone()]), Access::Write);
        let j = k.par(m.clone());
        let i = k.reduce(&[ReduceKind::Sum], ReduceOrder::Chain, std::slice::from_ref(&n))[0];
        let mut value = k.load(x, [at(i), at(j)]);
        for number in 0..own {
            let weight = k.load(w, [at(i), Index::Affine(Affine::constant(number))]);
            value = k.lane([LaneOp::Mul, LaneOp::Sub][number % 2], &[value, weight]);
        }
        if own == 0 {
            value = k.lane(LaneOp::Logistic, &[value]);
        }
        let total = k.end_reduce(&[value])[0];
        k.store(y, [at(j)], total);
        k.end();
        check_wide(k.finish(&[]), &[], &[sizes(0, 0)]);
    }
}

#[test]
fn columns_of_large_matrices_are_reduced_in_tiles() {
    for (dtype, kinds, rows, columns) in [
        (DType::F32, [ReduceKind::Sum, ReduceKind::Max], 180, 1500),
        // Rows that are left over from those added at once, fewer than these, and rows too far apart for it.
        (DType::F32, [ReduceKind::Sum, ReduceKind::Sum], 183, 1500),
        (DType::F32, [ReduceKind::Sum, ReduceKind::Max], 3, 90_001),
        (DType::F32, [ReduceKind::Sum, ReduceKind::Sum], 2, 1 << 20),
        // Several blocks of rows: 2, 3 and 6 of them.
        (DType::F32, [ReduceKind::Sum, ReduceKind::Max], 4097, 530),
        (DType::F32, [ReduceKind::Sum, ReduceKind::Sum], 3 * 4096, 512),
        (DType::F32, [ReduceKind::Sum, ReduceKind::Min], 5 * 4096 + 7, 512),
        (DType::Bool, [ReduceKind::Any, ReduceKind::All], 510, 515),
    ] {
        let [n, m] = [rows, columns].map(Dim::from);
        let mut k = KernelBuilder::new(format!("tiles of {dtype}"));
        let x = k.param("x", dtype, Shape::from([n.clone(), m.clone()]), Access::Read);
        let w = k.param("w", dtype, Shape::from([n.clone()]), Access::Read);
        let b = k.param("b", dtype, Shape::from([m.clone()]), Access::Read);
        let y = k.param("y", dtype, Shape::from([m.clone()]), Access::Write);
        let j = k.par(m);
        let i = k.reduce(&kinds, ReduceOrder::Chain, &[n])[0];
        let value = k.load(x, [at(i), at(j)]);
        let weight = k.load(w, [at(i)]);
        let product = k.lane(if dtype == DType::Bool { LaneOp::And } else { LaneOp::Mul }, &[value, weight]);
        let results = k.end_reduce(&[product, value]);
        let bias = k.load(b, [at(j)]);
        let join = if dtype == DType::Bool { LaneOp::Xor } else { LaneOp::Sub };
        let difference = k.lane(join, &[results[0], results[1]]);
        let shifted = k.lane(join, &[difference, bias]);
        k.store(y, [at(j)], shifted);
        k.end();
        let kernel = k.finish(&[]);
        let native = |wide| {
            let options = CodegenOptions { wide, ..CodegenOptions::default() };
            compile_kernels(&[Arc::new(kernel.clone())], &options).unwrap().remove(0)
        };
        let mut numbers = Numbers(23);
        let shapes = [&[rows, columns][..], &[rows], &[columns], &[columns]];
        let mut whole: Vec<_> = shapes
            .iter()
            .map(|shape| numbers.array(dtype, &shape.iter().map(|n| *n as usize).collect::<Vec<_>>()))
            .collect();
        let before = whole.clone();
        native(None).run(&mut whole, &[], &sizes(0, 0)).unwrap();
        for wide in [Wide::Avx2, Wide::Avx512].map(Some) {
            let mut parts = before.clone();
            for part in [7..1000, 1000..columns, 0..7]
                .map(|part: std::ops::Range<i64>| part.start.min(columns)..part.end.min(columns))
            {
                native(wide).run_part(&mut parts, &[], &sizes(0, 0), part).unwrap();
            }
            crate::arrays::assert_same("parts of tiles", &parts[3], &whole[3]);
        }
        check_wide(kernel, &[], &[sizes(rows, columns)]);
    }
}

#[test]
fn short_rows_keep_what_they_have_computed_but_not_what_was_overwritten() {
    for columns in [1, 5, 8, 10, 16, 17, 32, 33] {
        let [n, m] = [Dim::sym("B"), Dim::from(columns)];
        let mut k = KernelBuilder::new(format!("rows of {columns}"));
        let x = k.param("x", DType::F32, Shape::from([n.clone(), m.clone()]), Access::Read);
        let flags = k.param("flags", DType::Bool, Shape::from([n.clone(), m.clone()]), Access::Read);
        let y = k.param("y", DType::F32, Shape::from([n.clone(), m.clone()]), Access::Update);
        let z = k.param("z", DType::F32, Shape::from([n.clone(), m.clone()]), Access::Write);
        let i = k.par(n);
        // exp(x - max x) and its logarithm, in every loop anew.
        let value = |k: &mut KernelBuilder, j: LoopVar, largest: Option<Operand>| {
            let value = k.load(x, [at(i), at(j)]);
            let value = largest.map_or(value, |largest| k.lane(LaneOp::Sub, &[value, largest]));
            let power = k.lane(LaneOp::Exp, &[value]);
            k.lane(LaneOp::Ln, &[power])
        };
        let j = k.reduce(&[ReduceKind::Max], ReduceOrder::Lanes, std::slice::from_ref(&m))[0];
        let first = value(&mut k, j, None);
        let largest = k.end_reduce(&[first])[0];
        let j = k.reduce(&[ReduceKind::Sum, ReduceKind::Any], ReduceOrder::Lanes, std::slice::from_ref(&m))[0];
        let second = value(&mut k, j, Some(largest));
        let flag = k.load(flags, [at(i), at(j)]);
        let chosen = k.lane(LaneOp::Select, &[flag, second, Operand::Const(Scalar::F32(0.0))]);
        let sums = k.end_reduce(&[chosen, flag]);
        let j = k.par(m.clone());
        let third = value(&mut k, j, Some(largest));
        let before = k.load(y, [at(i), at(j)]);
        let third = k.lane(LaneOp::Mul, &[third, before]);
        let sum = k.lane(LaneOp::Select, &[sums[1], sums[0], Operand::Const(Scalar::F32(1.0))]);
        let third = k.lane(LaneOp::Add, &[third, sum]);
        k.store(y, [at(i), at(j)], third);
        k.end();
        let j = k.par(m);
        let fourth = value(&mut k, j, Some(largest));
        // Not what was there before.
        let after = k.load(y, [at(i), at(j)]);
        let fourth = k.lane(LaneOp::Sub, &[fourth, after]);
        k.store(z, [at(i), at(j)], fourth);
        k.end();
        k.end();
        check_wide(k.finish(&[]), &[], &[0, 1, 9].map(|rows| sizes(rows, columns)));
    }
}

#[test]
fn numbers_of_elements_are_values() {
    // A one-hot row, the number of the row and column added, and how many columns lie above a limit.
    for columns in [10, 16, 40] {
        for extent in [Dim::sym("N"), Dim::from(columns)] {
            let mut k = KernelBuilder::new(format!("one-hot of {extent}"));
            let x = k.param("x", DType::I32, Shape::from([Dim::sym("B")]), Access::Read);
            let shape = || Shape::from([Dim::sym("B"), extent.clone()]);
            let y = k.param("y", DType::F32, shape(), Access::Write);
            let z = k.param("z", DType::I32, shape(), Access::Write);
            let above = k.param("above", DType::I32, Shape::from([Dim::sym("B")]), Access::Write);
            let i = k.par(Dim::sym("B"));
            let j = k.reduce(&[ReduceKind::Sum], ReduceOrder::Lanes, std::slice::from_ref(&extent))[0];
            let number = k.index(Affine::var(j).strided(&Dim::from(2usize), 3));
            let number = k.lane(LaneOp::Cast(DType::I32), &[number]);
            let large = k.lane(LaneOp::Gt, &[number, Operand::Const(Scalar::I32(8))]);
            let one = k.lane(LaneOp::Cast(DType::I32), &[large]);
            let count = k.end_reduce(&[one])[0];
            k.store(above, [at(i)], count);
            let j = k.par(extent.clone());
            let value = k.load(x, [at(i)]);
            let class = k.lane(LaneOp::And, &[value, Operand::Const(Scalar::I32(7))]);
            let number = k.index(Affine::var(j));
            let number = k.lane(LaneOp::Cast(DType::I32), &[number]);
            let same = k.lane(LaneOp::Eq, &[class, number]);
            let hot = k.lane(LaneOp::Cast(DType::F32), &[same]);
            k.store(y, [at(i), at(j)], hot);
            let mut sum = Affine::var(i).strided(&Dim::from(7usize), 3);
            sum.terms.push((j, Dim::from(1usize)));
            let sum = k.index(sum);
            let sum = k.lane(LaneOp::Cast(DType::I32), &[sum]);
            k.store(z, [at(i), at(j)], sum);
            k.end();
            k.end();
            check_wide(k.finish(&[]), &[], &[sizes(0, columns), sizes(1, columns), sizes(5, columns)]);
        }
    }
}

#[test]
fn sequences_run_down_the_rows_of_all_columns() {
    for columns in [1, 5, 16, 70, 300] {
        for extent in [Dim::sym("N"), Dim::from(columns)] {
            let mut k = KernelBuilder::new(format!("sequence over rows of {extent}"));
            let shape = || Shape::from([Dim::sym("B"), extent.clone()]);
            let x = k.param("x", DType::F32, shape(), Access::Read);
            let y = k.param("y", DType::F32, shape(), Access::Write);
            let last = k.param("last", DType::I32, Shape::from([extent.clone()]), Access::Write);
            let j = k.par(extent.clone());
            let firsts = [Scalar::F32(1.0), Scalar::F32(-2.0), Scalar::I32(7)].map(Operand::Const);
            let (t, carried) = k.seq(Dim::sym("B"), &firsts);
            let value = k.load(x, [at(t), at(j)]);
            let product = k.lane(LaneOp::Mul, &[carried[0], value]);
            let sum = k.lane(LaneOp::Add, &[product, carried[1]]);
            k.store(y, [at(t), at(j)], sum);
            let count = k.lane(LaneOp::Add, &[carried[2], Operand::Const(Scalar::I32(3))]);
            // The first becomes the second: what is read is the old one.
            let results = k.end_seq(&[sum, carried[0], count]);
            let second = k.lane(LaneOp::Cast(DType::I32), &[results[1]]);
            let both = k.lane(LaneOp::Xor, &[second, results[2]]);
            k.store(last, [at(j)], both);
            k.end();
            let sizes = [0, 1, 9].map(|rows| sizes(rows, columns));
            check_wide(k.finish(&[]), &[], &sizes);
        }
    }
}

#[test]
fn a_single_column_is_reduced_in_a_chain() {
    for rows in [1, 30, 4096, 9000] {
        for extent in [Dim::sym("B"), Dim::from(rows)] {
            let mut k = KernelBuilder::new(format!("one column of {extent}"));
            let x = k.param("x", DType::F32, Shape::from([extent.clone(), Dim::from(1usize)]), Access::Read);
            let y = k.param("y", DType::F32, Shape::from([1usize]), Access::Write);
            let i = k.reduce(&[ReduceKind::Sum, ReduceKind::Max], ReduceOrder::Chain, &[extent])[0];
            let value = k.load(x, [at(i), Index::Affine(Affine::constant(0usize))]);
            let results = k.end_reduce(&[value, value]);
            let sum = k.lane(LaneOp::Add, &results);
            k.store(y, [Index::Affine(Affine::constant(0usize))], sum);
            check_wide(k.finish(&[]), &[], &[sizes(rows, 1)]);
        }
    }
}
