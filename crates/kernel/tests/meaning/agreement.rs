//! Every operation gives the same bits on any `Ops` as by `eval_scalar`; integers and casts agree with plain Rust.

use crate::bits::{Bits32, Bits64};
use tracelift_kernel::lane::{Fault, Lane, LaneOf, LaneOp, Scalar, Support, eval, eval_scalar};
use tracelift_kernel::meaning::{TRIG_BOUND, cast_scalar};
use tracelift_tensor::DType::{self, Bool, F32, F64, I32, I64, U8};

fn samples(dtype: DType) -> Vec<Scalar> {
    let floats =
        [0.0, 0.3, 0.5, 1.0, 1.5, 2.5, 7.0, 20.0, 88.8, 104.0, 255.5, 709.9, 1e-3, 1e-9, 2147483648.0, 1e20, 1e-310];
    let floats = floats.into_iter().chain([f64::INFINITY, f64::MIN_POSITIVE, f32::MIN_POSITIVE.into(), f64::MAX]);
    let floats: Vec<f64> = floats.flat_map(|x| [x, -x]).chain([f64::NAN]).collect();
    let ints = [0, 1, 2, 3, 7, 31, 32, 63, 64, 127, 128, 255, 1 << 31, (1 << 31) - 1, i64::MAX, i64::MIN];
    let ints = ints.into_iter().flat_map(|x: i64| [x, x.wrapping_neg()]);
    match dtype {
        F32 => floats.iter().map(|&x| Scalar::F32(x as f32)).chain([Scalar::F32(f32::from_bits(1))]).collect(),
        F64 => floats.iter().map(|&x| Scalar::F64(x)).collect(),
        Bool => vec![Scalar::Bool(false), Scalar::Bool(true)],
        dtype => ints.map(|x| Scalar::from_bits(dtype, x as u64)).collect(),
    }
}

fn all_ops() -> Vec<LaneOp> {
    let mut ops = LaneOp::PLAIN.to_vec();
    ops.extend([-3, -2, -1, 0, 1, 2, 3, 10].map(LaneOp::Powi));
    ops.extend(DType::ALL.map(LaneOp::Cast));
    ops
}

/// Operand types, of each of which the operation has a form over `Ops`.
fn operand_types(op: LaneOp) -> impl Iterator<Item = Vec<DType>> {
    DType::ALL.into_iter().filter_map(move |dtype| {
        let mut operands = vec![dtype; op.arity()];
        if op == LaneOp::Select {
            operands[0] = Bool;
        }
        (op.result_type(&operands).is_ok() && op.support(&operands) != Support::Definition).then_some(operands)
    })
}

/// All combinations of samples, one per operand.
fn combinations(operands: &[DType]) -> Vec<Vec<Scalar>> {
    operands.iter().fold(vec![vec![]], |rows, &dtype| {
        let samples = samples(dtype);
        rows.iter().flat_map(|row| samples.iter().map(|&x| [row.as_slice(), &[x]].concat())).collect()
    })
}

/// Runs an operation on lanes, the second of which holds other values than the first.
macro_rules! run_on {
    ($ops:ident, $f:ident, $i:ident, $op:expr, $operands:expr, $first:expr, $second:expr, $result:expr) => {{
        let lane = |a: Scalar, b: Scalar| -> LaneOf<$ops> {
            match (a, b) {
                (Scalar::F32(a), Scalar::F32(b)) => Lane::F([a as $f, b as $f]),
                (Scalar::F64(a), Scalar::F64(b)) => Lane::F([a as $f, b as $f]),
                (Scalar::I32(a), Scalar::I32(b)) => Lane::I([a as $i, b as $i]),
                (Scalar::I64(a), Scalar::I64(b)) => Lane::I([a as $i, b as $i]),
                (Scalar::U8(a), Scalar::U8(b)) => Lane::I([a as $i, b as $i]),
                (Scalar::Bool(a), Scalar::Bool(b)) => Lane::M([-$i::from(a), -$i::from(b)]),
                _ => panic!("lanes of two types"),
            }
        };
        let x: Vec<_> = $first.iter().zip($second).map(|(&a, &b)| lane(a, b)).collect();
        match eval(&mut $ops, $op, $operands, &x) {
            Lane::F(y) => y.map(|y| Scalar::from_bits($result, y.to_bits() as u64)),
            Lane::I(y) => y.map(|y| Scalar::from_bits($result, y as u64)),
            Lane::M(y) => y.map(|y| {
                assert!(y == 0 || y == -1, "a mask of all or no bits");
                Scalar::Bool(y != 0)
            }),
        }
    }};
}

#[test]
fn every_operation_has_the_same_bits_on_another_machine() {
    let mut tried = 0;
    for op in all_ops() {
        for operands in operand_types(op) {
            let result = op.result_type(&operands).unwrap();
            let mut all = combinations(&operands);
            if op.support(&operands) == Support::Near {
                // Further out they have no form over `Ops`.
                all.retain(|row| match row[0] {
                    Scalar::F32(x) => f64::from(x.abs()) <= TRIG_BOUND,
                    Scalar::F64(x) => x.abs() <= TRIG_BOUND,
                    _ => false,
                });
            }
            for (row, other) in all.iter().zip(all.iter().rev()) {
                let wide = operands.iter().chain([&result]).any(|t| matches!(t, F64 | I64));
                let got = if wide {
                    run_on!(Bits64, f64, i64, op, &operands, row, other, result)
                } else {
                    run_on!(Bits32, f32, i32, op, &operands, row, other, result)
                };
                for (got, x) in got.into_iter().zip([row, other]) {
                    let want = eval_scalar(op, x).unwrap();
                    assert!(got.same(want), "{op}{x:?} is {want}, got {got}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100_000, "only {tried} cases");
}

#[test]
fn vectors_can_run_what_training_needs() {
    use LaneOp::*;
    for op in [
        Exp,
        Expm1,
        Ln,
        Ln1p,
        Sqrt,
        Rsqrt,
        Sinh,
        Cosh,
        Tanh,
        Atan,
        Asin,
        Logistic,
        Erf,
        ErfInv,
        Abs,
        Sign,
        Floor,
        Round,
        Powi(3),
        Pow,
    ] {
        for dtype in [F32, F64] {
            assert!(op.is_vectorizable(&[dtype]), "{op}");
        }
    }
    assert!(
        Cast(I32).is_vectorizable(&[F32]) && Cast(F32).is_vectorizable(&[I32]) && Cast(F32).is_vectorizable(&[Bool])
    );
    assert!(!Shl.is_vectorizable(&[I32, I32]) && !Cast(F64).is_vectorizable(&[F32]) && !Sin.is_vectorizable(&[F32]));
}

#[test]
fn casts_over_ops_are_the_scalar_definition() {
    for from in DType::ALL {
        for to in DType::ALL {
            for x in samples(from) {
                let (got, want) = (eval_scalar(LaneOp::Cast(to), &[x]).unwrap(), cast_scalar(x, to));
                assert!(got.same(want), "{x} as {to} is {want}, got {got}");
            }
        }
    }
}

#[test]
fn integers_agree_with_plain_rust() {
    macro_rules! check {
        ($t:ident, $variant:ident) => {
            for a in samples($variant) {
                for b in samples($variant) {
                    let (Scalar::$variant(x), Scalar::$variant(y)) = (a, b) else { panic!("samples of another type") };
                    let run = |op| eval_scalar(op, &[a, b]);
                    let is = |op, want: $t| assert_eq!(run(op), Ok(Scalar::$variant(want)), "{op}({a}, {b})");
                    is(LaneOp::Add, x.wrapping_add(y));
                    is(LaneOp::Sub, x.wrapping_sub(y));
                    is(LaneOp::Mul, x.wrapping_mul(y));
                    is(LaneOp::Max, x.max(y));
                    is(LaneOp::Min, x.min(y));
                    is(LaneOp::And, x & y);
                    is(LaneOp::Or, x | y);
                    is(LaneOp::Xor, x ^ y);
                    is(LaneOp::Shl, x.wrapping_shl(y as u32));
                    is(LaneOp::Shr, x.wrapping_shr(y as u32));
                    assert_eq!(run(LaneOp::Lt), Ok(Scalar::Bool(x < y)));
                    if y == 0 {
                        assert_eq!([run(LaneOp::FloorDiv), run(LaneOp::Rem)], [Err(Fault::DivideByZero); 2]);
                    } else {
                        let floor = (x as i128).div_euclid(y as i128)
                            - i128::from((y as i128) < 0 && (x as i128).rem_euclid(y as i128) != 0);
                        is(LaneOp::FloorDiv, floor as $t);
                        is(LaneOp::Rem, (x as i128 - floor * y as i128) as $t);
                    }
                }
            }
        };
    }
    check!(i32, I32);
    check!(i64, I64);
    check!(u8, U8);
}

#[test]
fn faults_are_announced() {
    for op in all_ops() {
        for dtype in DType::ALL {
            let operands = vec![dtype; op.arity()];
            if op.arity() != 2 || op.result_type(&operands).is_err() {
                continue;
            }
            let faults = combinations(&operands).iter().any(|x| eval_scalar(op, x).is_err());
            assert_eq!(faults, op.can_fault(dtype), "{op} on {dtype}");
        }
    }
}
