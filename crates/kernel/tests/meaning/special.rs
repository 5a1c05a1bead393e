//! What float functions give at the values where formulas break.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};
use tracelift_kernel::lane::{LaneOp, Scalar, eval_scalar};
use tracelift_kernel::meaning::Subnormals;

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// One row per operation: what it gives at −∞, −1, −0, 0, 1, ∞; NaN gives NaN in every row.
const TABLE: &[(LaneOp, [f64; 6])] = &[
    (LaneOp::Neg, [INF, 1.0, 0.0, -0.0, -1.0, -INF]),
    (LaneOp::Abs, [INF, 1.0, 0.0, 0.0, 1.0, INF]),
    (LaneOp::Sign, [-1.0, -1.0, -0.0, 0.0, 1.0, 1.0]),
    (LaneOp::Exp, [0.0, 0.36787944117144233, 1.0, 1.0, std::f64::consts::E, INF]),
    (LaneOp::Expm1, [-1.0, -0.6321205588285577, -0.0, 0.0, 1.718281828459045, INF]),
    (LaneOp::Ln, [NAN, NAN, -INF, -INF, 0.0, INF]),
    (LaneOp::Ln1p, [NAN, -INF, -0.0, 0.0, std::f64::consts::LN_2, INF]),
    (LaneOp::Sqrt, [NAN, NAN, -0.0, 0.0, 1.0, INF]),
    (LaneOp::Rsqrt, [NAN, NAN, -INF, INF, 1.0, 0.0]),
    (LaneOp::Sin, [NAN, -0.8414709848078965, -0.0, 0.0, 0.8414709848078965, NAN]),
    (LaneOp::Cos, [NAN, 0.5403023058681398, 1.0, 1.0, 0.5403023058681398, NAN]),
    (LaneOp::Tan, [NAN, -1.5574077246549023, -0.0, 0.0, 1.5574077246549023, NAN]),
    (LaneOp::Asin, [NAN, -FRAC_PI_2, -0.0, 0.0, FRAC_PI_2, NAN]),
    (LaneOp::Acos, [NAN, PI, FRAC_PI_2, FRAC_PI_2, 0.0, NAN]),
    (LaneOp::Atan, [-FRAC_PI_2, -FRAC_PI_4, -0.0, 0.0, FRAC_PI_4, FRAC_PI_2]),
    (LaneOp::Sinh, [-INF, -1.1752011936438014, -0.0, 0.0, 1.1752011936438014, INF]),
    (LaneOp::Cosh, [INF, 1.5430806348152437, 1.0, 1.0, 1.5430806348152437, INF]),
    (LaneOp::Asinh, [-INF, -0.881373587019543, -0.0, 0.0, 0.881373587019543, INF]),
    (LaneOp::Acosh, [NAN, NAN, NAN, NAN, 0.0, INF]),
    (LaneOp::Atanh, [NAN, -INF, -0.0, 0.0, INF, NAN]),
    (LaneOp::ErfInv, [NAN, -INF, -0.0, 0.0, INF, NAN]),
    (LaneOp::Tanh, [-1.0, -0.7615941559557649, -0.0, 0.0, 0.7615941559557649, 1.0]),
    (LaneOp::Logistic, [0.0, 0.2689414213699951, 0.5, 0.5, 0.7310585786300049, 1.0]),
    (LaneOp::Erf, [-1.0, -0.8427007929497149, -0.0, 0.0, 0.8427007929497149, 1.0]),
    (LaneOp::Floor, [-INF, -1.0, -0.0, 0.0, 1.0, INF]),
    (LaneOp::Ceil, [-INF, -1.0, -0.0, 0.0, 1.0, INF]),
    (LaneOp::Round, [-INF, -1.0, -0.0, 0.0, 1.0, INF]),
    (LaneOp::Powi(3), [-INF, -1.0, -0.0, 0.0, 1.0, INF]),
    (LaneOp::Powi(-2), [0.0, 1.0, INF, INF, 1.0, 0.0]),
];

/// Equal bits, or within two ulps where the row has a number that is not exact.
fn fits(got: f64, want: f64, ulp: f64) -> bool {
    if want.is_nan() {
        return got.is_nan();
    }
    got.to_bits() == want.to_bits() || (want.fract() != 0.0 && (got - want).abs() <= 2.0 * ulp * want.abs())
}

fn unary(op: LaneOp, x: f64) -> [f64; 2] {
    [Scalar::F32(x as f32), Scalar::F64(x)].map(|x| match eval_scalar(op, &[x]).unwrap() {
        Scalar::F32(y) => y.into(),
        Scalar::F64(y) => y,
        other => panic!("{op} gave {other}"),
    })
}

#[test]
fn special_values() {
    for (op, row) in TABLE {
        for (x, want) in [-INF, -1.0, -0.0, 0.0, 1.0, INF, NAN].into_iter().zip(row.iter().copied().chain([NAN])) {
            let [narrow, wide] = unary(*op, x);
            assert!(
                fits(narrow, f64::from(want as f32), f64::from(f32::EPSILON)),
                "f32: {op}({x}) = {narrow}, not {want}"
            );
            assert!(fits(wide, want, f64::EPSILON), "f64: {op}({x}) = {wide}, not {want}");
        }
    }
}

#[test]
fn halves_round_to_even() {
    for (x, want) in [(0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, -0.0), (-1.5, -2.0), (-2.5, -2.0), (0.49999997, 0.0)] {
        assert_eq!(unary(LaneOp::Round, x).map(f64::to_bits), [f64::to_bits(want); 2], "{x}");
    }
}

#[test]
fn subnormals_and_the_ends_of_the_range() {
    let run = |op, x: f32| match eval_scalar(op, &[Scalar::F32(x)]) {
        Ok(Scalar::F32(y)) => y,
        other => panic!("{op} gave {other:?}"),
    };
    let tiny = f32::from_bits(1);
    // The odd functions with slope 1 at 0 give the smallest number itself.
    for op in [
        LaneOp::Expm1,
        LaneOp::Ln1p,
        LaneOp::Sin,
        LaneOp::Tan,
        LaneOp::Asin,
        LaneOp::Atan,
        LaneOp::Sinh,
        LaneOp::Tanh,
        LaneOp::Asinh,
        LaneOp::Atanh,
    ] {
        assert_eq!((run(op, tiny), run(op, -tiny)), (tiny, -tiny), "{op}");
    }
    assert_eq!(run(LaneOp::Ln, tiny), -103.27893);
    assert_eq!(run(LaneOp::Ln, f32::MAX), 88.72284);
    assert_eq!((run(LaneOp::Exp, 88.72283), run(LaneOp::Exp, 88.7229)), (f32::from_bits(0x7f7f_ff84), f32::INFINITY));
    assert_eq!((run(LaneOp::Exp, -103.97), run(LaneOp::Exp, -103.98)), (tiny, 0.0));
    assert_eq!((run(LaneOp::Logistic, -103.0), run(LaneOp::Logistic, 1e30)), (run(LaneOp::Exp, -103.0), 1.0));
    assert_eq!((run(LaneOp::Expm1, 88.72283), run(LaneOp::Expm1, 1e30)), (run(LaneOp::Exp, 88.72283), f32::INFINITY));
    assert_eq!((run(LaneOp::Tanh, 1e30), run(LaneOp::Erf, -1e30)), (1.0, -1.0));
    assert_eq!(run(LaneOp::Rsqrt, tiny), 2.671_373_8e22);
}

#[test]
fn logarithms_from_one_to_two_have_the_bits_of_the_general_ones() {
    let bits = |rule: Subnormals, op, x| rule.eval(op, &[x]).expect("logarithms of floats do not fail").bits();
    let assert_equal = |narrow, general, x: Scalar| {
        assert_eq!(bits(Subnormals::Keep, narrow, x), bits(Subnormals::Keep, general, x), "{narrow} {x:?}");
        // Where subnormals are flushed, there are none to take a logarithm of.
        let x = x.flushed();
        assert_eq!(bits(Subnormals::Flush, narrow, x), bits(Subnormals::Flush, general, x), "{narrow} {x:?}");
    };
    // All exponents of small numbers, then densely, the ends among them.
    let narrow = (0..=1.0_f32.to_bits()).step_by(4099).chain([1, 0x0080_0000, 1.0_f32.to_bits()]);
    for x in narrow.map(f32::from_bits) {
        assert_equal(LaneOp::Ln1pUnit, LaneOp::Ln1p, Scalar::F32(x));
        assert_equal(LaneOp::LnOctave, LaneOp::Ln, Scalar::F32(1.0 + x));
    }
    let step = 1.0_f64.to_bits() / 200_003;
    let wide = (0..=200_003).map(|idx| f64::from_bits(idx * step)).chain([f64::from_bits(1), 1.0]);
    let near_one = (0..100_000).map(|idx| f64::from(idx) / 1e5);
    for x in wide.chain(near_one) {
        assert_equal(LaneOp::Ln1pUnit, LaneOp::Ln1p, Scalar::F64(x));
        assert_equal(LaneOp::LnOctave, LaneOp::Ln, Scalar::F64(1.0 + x));
    }
    let root_two = [f32::from_bits(0x3fb5_04f2), f32::from_bits(0x3fb5_04f3), f32::from_bits(0x3fb5_04f4)];
    root_two.into_iter().for_each(|x| assert_equal(LaneOp::LnOctave, LaneOp::Ln, Scalar::F32(x)));
    for op in [LaneOp::LnOctave, LaneOp::Ln1pUnit] {
        assert!(unary(op, NAN).into_iter().all(f64::is_nan), "{op}");
    }
}

#[test]
fn atan2_knows_axes_and_quadrants() {
    let table = [
        (0.0, 1.0, 0.0),
        (-0.0, 1.0, -0.0),
        (0.0, -1.0, PI),
        (-0.0, -1.0, -PI),
        (0.0, 0.0, 0.0),
        (0.0, -0.0, PI),
        (-0.0, -0.0, -PI),
        (1.0, 0.0, FRAC_PI_2),
        (-1.0, -0.0, -FRAC_PI_2),
        (1.0, 1.0, FRAC_PI_4),
        (1.0, -1.0, 3.0 * FRAC_PI_4),
        (INF, INF, FRAC_PI_4),
        (-INF, -INF, -3.0 * FRAC_PI_4),
        (1.0, INF, 0.0),
        (1.0, -INF, PI),
        (INF, 1.0, FRAC_PI_2),
        (NAN, 1.0, NAN),
        (1.0, NAN, NAN),
    ];
    for (y, x, want) in table {
        let narrow = match eval_scalar(LaneOp::Atan2, &[Scalar::F32(y as f32), Scalar::F32(x as f32)]) {
            Ok(Scalar::F32(got)) => f64::from(got),
            other => panic!("atan2 gave {other:?}"),
        };
        let wide = match eval_scalar(LaneOp::Atan2, &[Scalar::F64(y), Scalar::F64(x)]) {
            Ok(Scalar::F64(got)) => got,
            other => panic!("atan2 gave {other:?}"),
        };
        let narrow_fits = fits(narrow, f64::from(want as f32), f32::EPSILON.into());
        assert!(narrow_fits && fits(wide, want, f64::EPSILON), "atan2({y}, {x}) = {narrow}, {wide}");
    }
}

#[test]
fn maximum_and_minimum_propagate_nan_and_prefer_the_first() {
    for (op, wider) in [(LaneOp::Max, 2.0), (LaneOp::Min, 1.0)] {
        for (a, b, want) in [
            (1.0, 2.0, wider),
            (2.0, 1.0, wider),
            (NAN, 1.0, NAN),
            (1.0, NAN, NAN),
            (-0.0, 0.0, -0.0),
            (0.0, -0.0, 0.0),
        ] {
            let narrow = eval_scalar(op, &[Scalar::F32(a as f32), Scalar::F32(b as f32)]).unwrap();
            let wide = eval_scalar(op, &[Scalar::F64(a), Scalar::F64(b)]).unwrap();
            assert!(narrow.same(Scalar::F32(want as f32)) && wide.same(Scalar::F64(want)), "{op}({a}, {b})");
        }
    }
}

#[test]
fn comparisons_with_nan_are_false_but_for_ne() {
    for op in [LaneOp::Lt, LaneOp::Le, LaneOp::Gt, LaneOp::Ge, LaneOp::Eq, LaneOp::Ne] {
        for (a, b) in [(NAN, 1.0), (1.0, NAN), (NAN, NAN)] {
            let got = eval_scalar(op, &[Scalar::F64(a), Scalar::F64(b)]);
            assert_eq!(got, Ok(Scalar::Bool(op == LaneOp::Ne)), "{op}({a}, {b})");
        }
    }
    assert_eq!(eval_scalar(LaneOp::Eq, &[Scalar::F32(-0.0), Scalar::F32(0.0)]), Ok(Scalar::Bool(true)));
    assert_eq!(eval_scalar(LaneOp::IsNan, &[Scalar::F32(f32::NAN)]), Ok(Scalar::Bool(true)));
    assert_eq!(eval_scalar(LaneOp::IsFinite, &[Scalar::F64(-INF)]), Ok(Scalar::Bool(false)));
    assert_eq!(eval_scalar(LaneOp::IsFinite, &[Scalar::F64(f64::MAX)]), Ok(Scalar::Bool(true)));
}
