//! Operations in fewer steps where the signs of their operands are known.

use super::nest::Group;
use tracelift_ir::{Lowering, Op, Value};
use tracelift_kernel::lane::{LaneOp, Scalar};

/// Values behind a value that are looked at, one after the other.
const DEPTH: usize = 6;

/// The operation of a value, or one that has the same bits for the operands there can be.
pub(super) fn narrower(group: &Group<'_>, value: Value, op: LaneOp) -> LaneOp {
    let operands = |value: Value| &group.graph.node(value).operands;
    match op {
        // ln(1 + e^y), y ≤ 0, as in softplus, or as it is often written.
        LaneOp::Ln1p if is_unit(group, operands(value)[0]) => LaneOp::Ln1pUnit,
        LaneOp::Ln if lane(group, operands(value)[0]) == Some(LaneOp::Add) => {
            let x = operands(operands(value)[0]);
            let is_octave = [(x[0], x[1]), (x[1], x[0])]
                .into_iter()
                .any(|(one, x)| constant(group, one) == Some(1.0) && is_unit(group, x));
            if is_octave { LaneOp::LnOctave } else { op }
        }
        _ => op,
    }
}

/// Whether all elements are in [0, 1] and not −0, or NaN, as far as it is certain.
fn is_unit(group: &Group<'_>, value: Value) -> bool {
    match lane(group, value) {
        Some(LaneOp::Exp) => is_beside_zero(group, group.graph.node(value).operands[0], Side::Below, DEPTH),
        Some(LaneOp::Logistic) => true,
        _ => false,
    }
}

/// A side of zero, which itself belongs to both.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Below,
    Above,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Below => Side::Above,
            Side::Above => Side::Below,
        }
    }
}

/// The scalar operation of a value inside the group.
fn lane(group: &Group<'_>, value: Value) -> Option<LaneOp> {
    match group.lowerings.get(&value.node) {
        Some(Lowering::Lane(op)) => Some(*op),
        _ => None,
    }
}

/// Whether all elements of a float value are on one side of zero, or NaN, as far as it is certain.
fn is_beside_zero(group: &Group<'_>, value: Value, side: Side, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let is_beside = |value: Value, side: Side| is_beside_zero(group, value, side, depth);
    let x = &group.graph.node(value).operands;
    match group.lowerings.get(&value.node) {
        Some(Lowering::View | Lowering::Index(_)) => is_beside(x[0], side),
        Some(Lowering::Const) => constant(group, value).is_some_and(|c| match side {
            Side::Below => c <= 0.0,
            Side::Above => c >= 0.0,
        }),
        Some(Lowering::Lane(op)) => match op {
            LaneOp::Exp | LaneOp::Logistic | LaneOp::Abs | LaneOp::Sqrt => side == Side::Above,
            LaneOp::Neg => is_beside(x[0], side.other()),
            LaneOp::Mul => side == Side::Above && x[0] == x[1],
            LaneOp::Select => [true, false].into_iter().all(|holds| {
                let branch = if holds { x[1] } else { x[2] };
                is_chosen_beside_zero(group, x[0], holds, branch, side) || is_beside(branch, side)
            }),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a value is on one side of zero, or NaN, where a condition holds or does not: one that compares it, or what it is
/// the opposite of, with zero.
fn is_chosen_beside_zero(group: &Group<'_>, condition: Value, holds: bool, value: Value, side: Side) -> bool {
    let above = match lane(group, condition) {
        Some(LaneOp::Ge | LaneOp::Gt) => holds,
        Some(LaneOp::Le | LaneOp::Lt) => !holds,
        _ => return false,
    };
    let [compared, with] = group.graph.node(condition).operands[..] else { return false };
    if constant(group, with) != Some(0.0) {
        return false;
    }
    let opposite = lane(group, value) == Some(LaneOp::Neg) && group.graph.node(value).operands[0] == compared;
    (value == compared && above == (side == Side::Above)) || (opposite && above == (side == Side::Below))
}

/// The number that all elements of a float value are.
fn constant(group: &Group<'_>, mut value: Value) -> Option<f64> {
    while let Some(Lowering::View | Lowering::Index(_)) = group.lowerings.get(&value.node) {
        value = group.graph.node(value).operands[0];
    }
    let (Some(Lowering::Const), Op::Constant(constant)) =
        (group.lowerings.get(&value.node), &group.graph.node(value).op)
    else {
        return None;
    };
    match super::literal(constant.value()) {
        Scalar::F32(x) => Some(x.into()),
        Scalar::F64(x) => Some(x),
        _ => None,
    }
}
