//! Every lane operation on every type: native code, with and without vectors, against the scalar definition.

use crate::arrays::{array_of, assert_same, scalars_of};
use crate::check::forms;
use std::sync::Arc;
use tracelift_codegen::{CodegenOptions, compile_kernels};
use tracelift_kernel::lane::{LaneOp, Scalar};
use tracelift_kernel::loops::{Access, Affine, Index, Kernel, KernelBuilder, Operand};
use tracelift_tensor::{Array, Binding, DType, Dim, Shape};

/// `y[i] = op(a[i], b[i], c[i])` for any number of elements.
fn elementwise(op: LaneOp, types: &[DType]) -> Option<Kernel> {
    let result = op.result_type(types).ok()?;
    let n = Dim::sym("N");
    let mut k = KernelBuilder::new(format!("{op}"));
    let shape = || Shape::from([Dim::sym("N")]);
    let params: Vec<_> =
        types.iter().enumerate().map(|(i, t)| k.param(format!("x{i}"), *t, shape(), Access::Read)).collect();
    let y = k.param("y", result, shape(), Access::Write);
    let i = k.par(n);
    let at = || [Index::Affine(Affine::var(i))];
    let args: Vec<_> = params.iter().map(|x| k.load(*x, at())).collect();
    let value = k.lane(op, &args);
    k.store(y, at(), value);
    k.end();
    Some(k.finish(&[]))
}

/// Values of a type that are worth trying.
fn values(dtype: DType) -> Vec<Scalar> {
    let floats = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        3.0,
        1e-45,
        -1e-40,
        1e-38,
        0.3,
        -0.7,
        7.25,
        100.3,
        -100.3,
        88.0,
        -88.0,
        3.4e38,
        -3.4e38,
        2147483648.0,
        -2147483649.0,
        1e10,
        9.3e18,
        -9.3e18,
        255.5,
        256.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        0.1,
        0.2,
        1e-3,
        20.0,
    ];
    let ints = [0, 1, -1, 2, -2, 3, 7, -7, 31, 33, 64, 100, 127, 128, 255, 256, 1 << 20, i64::MAX, i64::MIN];
    match dtype {
        DType::F32 => floats.iter().map(|x| Scalar::F32(*x as f32)).collect(),
        DType::F64 => floats.iter().map(|x| Scalar::F64(*x)).collect(),
        DType::I32 => ints.iter().map(|x| Scalar::I32(*x as i32)).chain([Scalar::I32(i32::MIN)]).collect(),
        DType::I64 => ints.iter().map(|x| Scalar::I64(*x)).collect(),
        DType::U8 => ints.iter().map(|x| Scalar::U8(*x as u8)).collect(),
        _ => vec![Scalar::Bool(true), Scalar::Bool(false)],
    }
}

/// All combinations of values, as one array per operand.
fn operands(op: LaneOp, types: &[DType]) -> Vec<Array> {
    let lists: Vec<Vec<Scalar>> = types.iter().map(|t| values(*t)).collect();
    let total: usize = lists.iter().map(Vec::len).product();
    let mut columns: Vec<Vec<Scalar>> = vec![vec![]; types.len()];
    for n in 0..total {
        let mut rest = n;
        let row: Vec<Scalar> = lists
            .iter()
            .map(|list| {
                let value = list[rest % list.len()];
                rest /= list.len();
                value
            })
            .collect();
        // Division by zero is a fault of its own test.
        if op.can_fault(types[0]) && row[1].bits() == 0 {
            continue;
        }
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    columns.iter().zip(types).map(|(column, t)| array_of(*t, &[column.len()], column)).collect()
}

fn all_cases() -> Vec<(LaneOp, Vec<DType>)> {
    let mut ops = LaneOp::PLAIN.to_vec();
    ops.extend([-3, -2, -1, 0, 1, 2, 3, 5, 10].map(LaneOp::Powi));
    ops.extend(DType::ALL.map(LaneOp::Cast));
    ops.extend([DType::F32, DType::F64].map(LaneOp::RandomUniform));
    ops.extend([DType::F32, DType::F64].map(LaneOp::RandomNormal));
    let mut cases = vec![];
    for op in ops {
        for dtype in DType::ALL {
            let types = match op {
                LaneOp::Select => vec![DType::Bool, dtype, dtype],
                _ => vec![dtype; op.arity()],
            };
            if op.result_type(&types).is_ok() {
                cases.push((op, types));
            }
        }
    }
    cases
}

#[test]
fn every_lane_op_on_every_type_has_the_bits_of_its_definition() {
    let cases = all_cases();
    assert!(cases.len() > 150, "only {} cases", cases.len());
    let kernels: Vec<Arc<Kernel>> =
        cases.iter().map(|(op, types)| Arc::new(elementwise(*op, types).unwrap())).collect();
    for options in forms() {
        let native = compile_kernels(&kernels, &options).unwrap();
        for ((op, types), native) in cases.iter().zip(&native) {
            let mut buffers = operands(*op, types);
            let n = buffers[0].len();
            buffers.push(Array::zeros(op.result_type(types).unwrap(), [n]).unwrap());
            let sizes = Binding::from_iter([("N", n as i64)]);
            let mut expect = buffers.clone();
            native.kernel.interpret(&mut expect, &[], &sizes).unwrap();
            native.run(&mut buffers, &[], &sizes).unwrap();
            let form = (options.vectorize, options.wide);
            let what = format!("{op} of {types:?}, vectors and wide ones {form:?}");
            let (got, expect) = (buffers.last().unwrap(), expect.last().unwrap());
            if !got.bit_eq(expect) {
                let inputs: Vec<Vec<Scalar>> = buffers.iter().map(scalars_of).collect();
                let expect = scalars_of(expect);
                let n = (0..n).find(|n| !inputs.last().unwrap()[*n].same(expect[*n])).unwrap();
                let args: Vec<String> = inputs.iter().map(|list| list[n].to_string()).collect();
                panic!("{what}: operands and result {args:?}, not {}", expect[n]);
            }
            assert_same(&what, got, expect);
        }
    }
}

#[test]
fn integer_division_by_zero_is_a_fault_with_its_place() {
    for dtype in [DType::I32, DType::I64, DType::U8] {
        for op in [LaneOp::FloorDiv, LaneOp::Rem] {
            for vectorize in [true, false] {
                let options = CodegenOptions { vectorize, ..CodegenOptions::default() };
                let kernel = Arc::new(elementwise(op, &[dtype; 2]).unwrap());
                let native = &compile_kernels(&[kernel], &options).unwrap()[0];
                for place in [0, 5, 16, 22] {
                    let one = Scalar::from_bits(dtype, 1);
                    let mut divisors = vec![one; 23];
                    divisors[place] = Scalar::from_bits(dtype, 0);
                    let x = array_of(dtype, &[23], &[one; 23]);
                    let mut buffers = [x.clone(), array_of(dtype, &[23], &divisors), x];
                    let error = native.run(&mut buffers, &[], &Binding::from_iter([("N", 23)])).unwrap_err();
                    assert_eq!(error.message, format!("integer division by zero at position {place}"));
                }
            }
        }
    }
}

#[test]
fn constants_as_second_operands_change_no_bit() {
    for op in [LaneOp::Max, LaneOp::Min] {
        for dtype in [DType::F32, DType::F64] {
            for constant in values(dtype) {
                let n = Dim::sym("N");
                let shape = || Shape::from([Dim::sym("N")]);
                let mut k = KernelBuilder::new(format!("{op} with {constant}"));
                let x = k.param("x", dtype, shape(), Access::Read);
                let y = k.param("y", dtype, shape(), Access::Write);
                let z = k.param("z", dtype, shape(), Access::Write);
                let i = k.par(n);
                let at = || [Index::Affine(Affine::var(i))];
                let value = k.load(x, at());
                let right = k.lane(op, &[value, Operand::Const(constant)]);
                let left = k.lane(op, &[Operand::Const(constant), value]);
                k.store(y, at(), right);
                k.store(z, at(), left);
                k.end();
                let kernel = Arc::new(k.finish(&[]));
                let list = values(dtype);
                let x = array_of(dtype, &[list.len()], &list);
                let sizes = Binding::from_iter([("N", list.len() as i64)]);
                let mut expect = [x.clone(), x.clone(), x];
                let mut got = expect.clone();
                kernel.interpret(&mut expect, &[], &sizes).unwrap();
                let native = &compile_kernels(&[kernel], &CodegenOptions::default()).unwrap()[0];
                native.run(&mut got, &[], &sizes).unwrap();
                for n in [1, 2] {
                    assert_same(&native.kernel.name, &got[n], &expect[n]);
                }
            }
        }
    }
}
