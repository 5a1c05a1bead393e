//! Stated laws against the meaning, on special values of every dtype.

use crate::Laws;
use crate::eval::Evaluator;
use crate::lowering::Lowering;
use crate::op::Op;
use crate::sample::{special_values, special_values_from};
use std::collections::BTreeSet;
use tracelift_kernel::lane::LaneOp;
use tracelift_tensor::{Array, DType};

fn apply(op: &Op, x: &[&Array]) -> Array {
    let x: Vec<Array> = x.iter().map(|x| (*x).clone()).collect();
    Evaluator::new().apply(op, &x).unwrap().swap_remove(0)
}

fn neg(x: &Array) -> Array {
    apply(&crate::ops::Neg.into(), &[x])
}

/// `value` in the shape of `x`.
fn number(x: &Array, value: f64) -> Array {
    let number = crate::ops::number(x.dtype(), value);
    let op = crate::ops::Broadcast { shape: x.shape().into(), axes: [].as_slice().into() };
    apply(&op.into(), &[&number])
}

#[test]
fn laws_hold_for_special_values() {
    let mut seen = BTreeSet::new();
    for sample in Op::all_samples() {
        let op = &sample.op;
        let Lowering::Lane(lane) = op.lowering(&sample.types, &sample.types) else { continue };
        let dtype = sample.types[0].dtype();
        if matches!(lane, LaneOp::Select) || !seen.insert((op.to_string(), dtype)) {
            continue;
        }
        let laws = op.laws(dtype);
        let a = special_values(dtype, &[880]);
        match sample.types.len() {
            1 => check_unary(op, &laws, &a),
            _ => check_binary(op, &laws, &a),
        }
    }
    assert!(seen.len() > 100, "{}", seen.len());
}

fn check_unary(op: &Op, laws: &Laws, a: &Array) {
    let y = apply(op, &[a]);
    let holds = |stated: bool, left: &Array, right: &Array, law: &str| {
        assert!(!stated || left.bit_eq(right), "{op:?} is not {law} on {}", a.dtype());
    };
    if laws.idempotent || laws.involution {
        let twice = apply(op, &[&y]);
        holds(laws.idempotent, &twice, &y, "idempotent");
        holds(laws.involution, &twice, a, "an involution");
    }
    if laws.odd || laws.even {
        let of_neg = apply(op, &[&neg(a)]);
        holds(laws.even, &of_neg, &y, "even");
        if laws.odd {
            holds(true, &of_neg, &neg(&y), "odd");
        }
    }
    if let Some((low, high)) = laws.range {
        for i in 0..y.len() {
            let item = y.get_f64(i);
            assert!(item.is_nan() || (low..=high).contains(&item), "{op:?} gives {item}");
        }
    }
}

fn check_binary(op: &Op, laws: &Laws, a: &Array) {
    let (b, c) = (special_values_from(a.dtype(), a.shape(), 0), special_values_from(a.dtype(), a.shape(), 3));
    let holds = |stated: bool, left: &Array, right: &Array, law: &str| {
        assert!(!stated || left.bit_eq(right), "{op:?} is not {law} on {}", a.dtype());
    };
    if laws.commutative {
        holds(true, &apply(op, &[&b, a]), &apply(op, &[a, &b]), "commutative");
    }
    if laws.associative {
        holds(true, &apply(op, &[&apply(op, &[a, &b]), &c]), &apply(op, &[a, &apply(op, &[&b, &c])]), "associative");
    }
    if laws.idempotent {
        holds(true, &apply(op, &[a, a]), a, "idempotent");
    }
    if let Some(neutral) = laws.identity {
        let e = number(a, neutral.value);
        holds(true, &apply(op, &[a, &e]), a, "left alone by its identity element");
        holds(neutral.left, &apply(op, &[&e, a]), a, "left alone by its identity element on the left");
    }
    if let Some(zero) = laws.absorbing {
        let zero = number(a, zero);
        holds(true, &apply(op, &[a, &zero]), &zero, "absorbed");
        holds(true, &apply(op, &[&zero, a]), &zero, "absorbed on the left");
    }
}

#[test]
fn laws_that_floats_break_are_not_stated() {
    let add = Op::from(crate::ops::Add);
    assert!(!add.laws(DType::F32).associative && add.laws(DType::I32).associative);
    let mul = Op::from(crate::ops::Mul);
    assert_eq!((mul.laws(DType::F32).absorbing, mul.laws(DType::I64).absorbing), (None, Some(0.0)));
    assert!(!Op::from(crate::ops::Print { message: String::new() }).laws(DType::F32).pure);
}
