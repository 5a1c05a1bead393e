//! Loops of all kinds, at sizes around every width and block: native code against the interpreter.

use crate::arrays::{array_of, assert_same};
use crate::check::{Numbers, check, check_on};
use std::sync::Arc;
use tracelift_codegen::{CodegenOptions, compile_kernels};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Access, Affine, Base, Index, KernelBuilder, LoopVar, Operand};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::{Binding, DType, Dim, Shape};

const SIZES: [i64; 15] = [0, 1, 3, 4, 5, 8, 17, 30, 31, 32, 33, 70, 4095, 4097, 10000];

fn with_n(n: i64) -> Binding {
    Binding::from_iter([("N", n)])
}

fn at(var: LoopVar) -> Index {
    Index::Affine(Affine::var(var))
}

/// The extent as the unknown `N`, and as the number itself.
fn both_forms(n: i64) -> [Dim; 2] {
    [Dim::sym("N"), Dim::from(n)]
}

const DTYPES: [DType; 6] = [DType::F32, DType::F64, DType::I32, DType::I64, DType::U8, DType::Bool];

#[test]
fn reductions_of_every_kind_type_and_length() {
    for kind in ReduceKind::ALL {
        for dtype in DTYPES {
            if kind.result_type(dtype).is_err() {
                continue;
            }
            for order in [ReduceOrder::Lanes, ReduceOrder::Chain] {
                for n in SIZES {
                    if n == 0 && !kind.has_identity() {
                        continue;
                    }
                    for extent in both_forms(n) {
                        let mut k = KernelBuilder::new(format!("{kind} {order} of {dtype}[{extent}]"));
                        let x = k.param("x", dtype, Shape::from([extent.clone()]), Access::Read);
                        let i = k.reduce(&[kind], order, std::slice::from_ref(&extent))[0];
                        let value = k.load(x, [at(i)]);
                        let result = k.end_reduce(&[value]);
                        check(k.finish(&result), &[], &[with_n(n)]);
                    }
                }
            }
        }
    }
}

#[test]
fn places_of_extremes_find_the_first_of_equals_and_of_nans() {
    for kind in [ReduceKind::ArgMax, ReduceKind::ArgMin] {
        for order in [ReduceOrder::Lanes, ReduceOrder::Chain] {
            let mut k = KernelBuilder::new(format!("{kind} {order}"));
            let x = k.param("x", DType::F32, Shape::from([Dim::sym("N")]), Access::Read);
            let i = k.reduce(&[kind], order, &[Dim::sym("N")])[0];
            let value = k.load(x, [at(i)]);
            let result = k.end_reduce(&[value]);
            let kernel = Arc::new(k.finish(&result));
            for n in [1usize, 5, 40, 5000] {
                for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    for places in [vec![0], vec![n - 1], vec![n / 2, n - 1], (0..n).collect()] {
                        let mut values = vec![Scalar::F32(1.0); n];
                        places.iter().for_each(|place| values[*place] = Scalar::F32(special));
                        let x = array_of(DType::F32, &[n], &values);
                        check_on(&kernel, vec![x], &[], &with_n(n as i64));
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_of_any_length_is_reduced_and_normalised() {
    for columns in [1, 3, 4, 7, 8, 30, 32, 33, 100] {
        for extent in both_forms(columns) {
            let rows = Dim::sym("B");
            let mut k = KernelBuilder::new(format!("softmax of rows of {extent}"));
            let shape = || Shape::from([Dim::sym("B"), extent.clone()]);
            let x = k.param("x", DType::F32, shape(), Access::Read);
            let y = k.param("y", DType::F32, shape(), Access::Write);
            let row = k.scratch("row", DType::F32, extent.clone());
            let i = k.par(rows);
            let j = k.reduce(&[ReduceKind::Max], ReduceOrder::Lanes, std::slice::from_ref(&extent))[0];
            let value = k.load(x, [at(i), at(j)]);
            let largest = k.end_reduce(&[value])[0];
            let j = k.reduce(&[ReduceKind::Sum], ReduceOrder::Lanes, std::slice::from_ref(&extent))[0];
            let value = k.load(x, [at(i), at(j)]);
            let less = k.lane(LaneOp::Sub, &[value, largest]);
            let e = k.lane(LaneOp::Exp, &[less]);
            k.store(row, [at(j)], e);
            let sum = k.end_reduce(&[e])[0];
            let j = k.par(extent.clone());
            let e = k.load(row, [at(j)]);
            let quotient = k.lane(LaneOp::Div, &[e, sum]);
            k.store(y, [at(i), at(j)], quotient);
            k.end();
            k.end();
            let kernel = k.finish(&[]);
            let sizes = |b: i64| Binding::from_iter([("B", b), ("N", columns)]);
            check(kernel, &[], &[sizes(0), sizes(1), sizes(5)]);
        }
    }
}

#[test]
fn columns_are_summed_in_chains() {
    for dtype in [DType::F32, DType::F64, DType::I32, DType::U8] {
        for columns in [1, 4, 7, 16, 21, 40] {
            for extent in both_forms(columns) {
                let mut k = KernelBuilder::new(format!("columns of {dtype}[B, {extent}]"));
                let x = k.param("x", dtype, Shape::from([Dim::sym("B"), extent.clone()]), Access::Read);
                let y = k.param("y", dtype, Shape::from([extent.clone()]), Access::Write);
                let z = k.param("z", DType::I64, Shape::from([extent.clone()]), Access::Write);
                let j = k.par(extent.clone());
                let kinds = [ReduceKind::Sum, ReduceKind::ArgMax];
                let i = k.reduce(&kinds, ReduceOrder::Chain, &[Dim::sym("B")])[0];
                let value = k.load(x, [at(i), at(j)]);
                let results = k.end_reduce(&[value, value]);
                k.store(y, [at(j)], results[0]);
                k.store(z, [at(j)], results[1]);
                k.end();
                let sizes = |b: i64| Binding::from_iter([("B", b), ("N", columns)]);
                check(k.finish(&[]), &[], &[sizes(1), sizes(9), sizes(4099)]);
            }
        }
    }
}

#[test]
fn several_axes_are_reduced_at_once() {
    // One long row; rows with a gap between them; a broadcast factor.
    for (order, gap, factor) in [
        (ReduceOrder::Lanes, 0, false),
        (ReduceOrder::Lanes, 3, false),
        (ReduceOrder::Lanes, 0, true),
        (ReduceOrder::Chain, 0, false),
        (ReduceOrder::Chain, 2, true),
    ] {
        let (a, b) = (Dim::sym("A"), Dim::from(37usize));
        let mut k = KernelBuilder::new(format!("{order}, gap {gap}, factor {factor}"));
        let x = k.param("x", DType::F32, Shape::from([a.clone(), &b + &Dim::from(gap)]), Access::Read);
        let g = k.param("g", DType::F32, Shape::from([b.clone()]), Access::Read);
        let kinds = [ReduceKind::Sum, ReduceKind::Max, ReduceKind::ArgMin];
        let axes = k.reduce(&kinds, order, &[a, b]);
        let mut value = k.load(x, [at(axes[0]), at(axes[1])]);
        if factor {
            let g = k.load(g, [at(axes[1])]);
            value = k.lane(LaneOp::Mul, &[value, g]);
        }
        let results = k.end_reduce(&[value, value, value]);
        let sizes = |a: i64| Binding::from_iter([("A", a)]);
        check(k.finish(&results), &[], &[sizes(1), sizes(2), sizes(120), sizes(300)]);
    }
}

#[test]
fn types_are_mixed_in_one_loop() {
    let n = Dim::sym("N");
    let shape = || Shape::from([Dim::sym("N")]);
    let mut k = KernelBuilder::new("mixed");
    let f = k.param("f", DType::F32, shape(), Access::Read);
    let d = k.param("d", DType::F64, shape(), Access::Read);
    let m = k.param("m", DType::Bool, shape(), Access::Read);
    let u = k.param("u", DType::U8, shape(), Access::Read);
    let out: Vec<Base> = DTYPES.iter().map(|t| k.param(format!("out_{t}"), *t, shape(), Access::Write)).collect();
    let factor = k.scalar("factor", DType::F64);
    let i = k.par(n);
    let [f, d, m, u] = [f, d, m, u].map(|x| k.load(x, [at(i)]));
    let wide = k.lane(LaneOp::Cast(DType::F64), &[f]);
    let product = k.lane(LaneOp::Mul, &[wide, d]);
    let scaled = k.lane(LaneOp::Mul, &[product, factor]);
    let larger = k.lane(LaneOp::Gt, &[scaled, d]);
    let both = k.lane(LaneOp::Xor, &[larger, m]);
    let narrow = k.lane(LaneOp::Cast(DType::F32), &[scaled]);
    let chosen = k.lane(LaneOp::Select, &[both, narrow, f]);
    let number = k.index(Affine::var(i).strided(&Dim::from(5usize), 3));
    let small = k.lane(LaneOp::Cast(DType::I32), &[number]);
    let doubled = k.lane(LaneOp::Add, &[u, u]);
    let sum = k.lane(LaneOp::Add, &[number, number]);
    let picked = k.lane(LaneOp::Select, &[both, small, Operand::Const(Scalar::I32(-1))]);
    for (base, value) in out.into_iter().zip([chosen, scaled, picked, sum, doubled, both]) {
        k.store(base, [at(i)], value);
    }
    k.end();
    check(k.finish(&[]), &[Scalar::F64(1.25)], &SIZES.map(with_n));
}

#[test]
fn a_part_of_a_loop_touches_only_its_own_elements() {
    let mut k = KernelBuilder::new("nest");
    let shape = || Shape::from([Dim::sym("B"), Dim::from(5usize)]);
    let x = k.param("x", DType::F32, shape(), Access::Read);
    let y = k.param("y", DType::F32, shape(), Access::Update);
    let i = k.par(Dim::sym("B"));
    let j = k.par(Dim::from(5usize));
    let value = k.load(x, [at(i), at(j)]);
    let old = k.load(y, [at(i), at(j)]);
    let sum = k.lane(LaneOp::Add, &[value, old]);
    k.store(y, [at(i), at(j)], sum);
    k.end();
    k.end();
    let kernel = Arc::new(k.finish(&[]));
    let sizes = Binding::from_iter([("B", 20)]);
    let mut numbers = Numbers(3);
    let buffers = vec![numbers.array(DType::F32, &[20, 5]), numbers.array(DType::F32, &[20, 5])];
    let native = &compile_kernels(std::slice::from_ref(&kernel), &CodegenOptions::default()).unwrap()[0];
    let mut whole = buffers.clone();
    native.run(&mut whole, &[], &sizes).unwrap();
    let mut parts = buffers.clone();
    for part in [7..20, 0..3, 3..7, 4..4] {
        native.run_part(&mut parts, &[], &sizes, part).unwrap();
    }
    assert_same("parts", &parts[1], &whole[1]);
    check_on(&kernel, buffers, &[], &sizes);
    assert!(native.run_part(&mut parts, &[], &sizes, 0..21).is_err());
}

#[test]
fn rows_are_looked_up_and_sequences_run_in_order() {
    // An embedding: the row number comes from memory.
    let mut k = KernelBuilder::new("embedding");
    let ids = k.param("ids", DType::I32, Shape::from([Dim::sym("N")]), Access::Read);
    let table = k.param("table", DType::F32, Shape::from([11usize, 6]), Access::Read);
    let y = k.param("y", DType::F32, Shape::from([Dim::sym("N"), Dim::from(6usize)]), Access::Write);
    let z = k.param("z", DType::F32, Shape::from([Dim::sym("N")]), Access::Write);
    let i = k.par(Dim::sym("N"));
    let Operand::Reg(id) = k.load(ids, [at(i)]) else { unreachable!() };
    let j = k.par(Dim::from(6usize));
    let value = k.load(table, [Index::Indirect(id), at(j)]);
    k.store(y, [at(i), at(j)], value);
    k.end();
    let first = k.load(table, [Index::Indirect(id), Index::Affine(Affine::constant(2usize))]);
    let e = k.lane(LaneOp::Tanh, &[first]);
    k.store(z, [at(i)], e);
    k.end();
    let kernel = Arc::new(k.finish(&[]));
    let mut numbers = Numbers(5);
    for n in [0, 1, 9, 50] {
        let ids: Vec<Scalar> = (0..n).map(|i| Scalar::I32((i * 7 % 11) as i32)).collect();
        let buffers = vec![
            array_of(DType::I32, &[n], &ids),
            numbers.array(DType::F32, &[11, 6]),
            numbers.array(DType::F32, &[n, 6]),
            numbers.array(DType::F32, &[n]),
        ];
        check_on(&kernel, buffers, &[], &with_n(n as i64));
    }

    // A running product along the first axis, all columns at once, and the flag whether any was negative.
    let mut k = KernelBuilder::new("scan");
    let shape = || Shape::from([Dim::sym("T"), Dim::from(13usize)]);
    let x = k.param("x", DType::F32, shape(), Access::Read);
    let y = k.param("y", DType::F32, shape(), Access::Write);
    let any = k.param("any", DType::Bool, Shape::from([13usize]), Access::Write);
    let j = k.par(Dim::from(13usize));
    let (t, carried) = k.seq(Dim::sym("T"), &[Operand::Const(Scalar::F32(1.0)), Operand::Const(Scalar::Bool(false))]);
    let value = k.load(x, [at(t), at(j)]);
    let next = k.lane(LaneOp::Mul, &[carried[0], value]);
    let negative = k.lane(LaneOp::Lt, &[next, Operand::Const(Scalar::F32(0.0))]);
    let flag = k.lane(LaneOp::Or, &[carried[1], negative]);
    k.store(y, [at(t), at(j)], next);
    let last = k.end_seq(&[next, flag]);
    k.store(any, [at(j)], last[1]);
    k.end();
    let sizes = |t: i64| Binding::from_iter([("T", t)]);
    check(k.finish(&[]), &[], &[sizes(0), sizes(1), sizes(7)]);
}

#[test]
fn strides_may_be_anything() {
    // Transposed, reversed, every other element, with an offset.
    let mut k = KernelBuilder::new("strides");
    let x = k.param("x", DType::F32, Shape::from([Dim::sym("M"), Dim::sym("N")]), Access::Read);
    let t = k.param("t", DType::F32, Shape::from([Dim::sym("N"), Dim::sym("M")]), Access::Write);
    let r = k.param("r", DType::F32, Shape::from([Dim::sym("N"), Dim::sym("M")]), Access::Write);
    let s = k.param(
        "s",
        DType::F32,
        Shape::from([Dim::sym("N"), &(&Dim::sym("M") * 2) + &Dim::from(3usize)]),
        Access::Update,
    );
    let i = k.par(Dim::sym("N"));
    let j = k.par(Dim::sym("M"));
    let value = k.load(x, [at(j), at(i)]);
    let e = k.lane(LaneOp::Logistic, &[value]);
    k.store(t, [at(i), at(j)], e);
    let last = &Dim::sym("M") - &Dim::from(1usize);
    k.store(r, [at(i), Index::Affine(Affine::var(j).strided(&last, -1))], value);
    k.store(s, [at(i), Index::Affine(Affine::var(j).strided(&Dim::from(3usize), 2))], value);
    k.end();
    k.end();
    let sizes = |m: i64, n: i64| Binding::from_iter([("M", m), ("N", n)]);
    check(k.finish(&[]), &[], &[sizes(0, 3), sizes(1, 1), sizes(5, 9), sizes(17, 6)]);
}
