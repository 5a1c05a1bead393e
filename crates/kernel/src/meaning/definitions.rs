//! The scalar definitions: operations that have no form over vectors.

use super::cast::cast_scalar;
use super::division::{floor_div_f32, floor_div_f64, floor_div_i64, rem_f32, rem_f64, rem_i64};
use super::power::pow_i64;
use super::random;
use super::trig::far;
use super::value::{Fault, Scalar};
use crate::lane::LaneOp;

/// Runs an operation of [`Support::Definition`](super::Support), or of [`Support::Near`](super::Support) far out.
pub(super) fn eval(op: LaneOp, x: &[Scalar]) -> Result<Scalar, Fault> {
    if let LaneOp::Cast(to) = op {
        return Ok(cast_scalar(x[0], to));
    }
    match *x {
        [Scalar::F32(x)] => Ok(Scalar::F32(match op {
            LaneOp::Sin => far::sin_32(x),
            LaneOp::Cos => far::cos_32(x),
            LaneOp::Tan => far::tan_32(x),
            _ => undefined(op),
        })),
        [Scalar::F64(x)] => Ok(Scalar::F64(match op {
            LaneOp::Sin => far::sin_64(x),
            LaneOp::Cos => far::cos_64(x),
            LaneOp::Tan => far::tan_64(x),
            _ => undefined(op),
        })),
        [Scalar::F32(a), Scalar::F32(b)] => Ok(Scalar::F32(match op {
            LaneOp::FloorDiv => floor_div_f32(a, b),
            LaneOp::Rem => rem_f32(a, b),
            _ => undefined(op),
        })),
        [Scalar::F64(a), Scalar::F64(b)] => Ok(Scalar::F64(match op {
            LaneOp::FloorDiv => floor_div_f64(a, b),
            LaneOp::Rem => rem_f64(a, b),
            _ => undefined(op),
        })),
        // The narrow integers are computed in i64 and cut, which is the same modulo their width.
        [Scalar::I32(a), Scalar::I32(b)] => integers(op, a.into(), b.into()).map(|y| Scalar::I32(y as i32)),
        [Scalar::I64(a), Scalar::I64(b)] => integers(op, a, b).map(Scalar::I64),
        [Scalar::U8(a), Scalar::U8(b)] => integers(op, a.into(), b.into()).map(|y| Scalar::U8(y as u8)),
        [Scalar::I64(key), Scalar::I64(counter), Scalar::I64(index)] => Ok(random::eval(op, key, counter, index)),
        _ => undefined(op),
    }
}

fn integers(op: LaneOp, a: i64, b: i64) -> Result<i64, Fault> {
    match op {
        LaneOp::FloorDiv => floor_div_i64(a, b),
        LaneOp::Rem => rem_i64(a, b),
        LaneOp::Pow => Ok(pow_i64(a, b)),
        _ => undefined(op),
    }
}

#[cold]
pub(super) fn undefined(op: LaneOp) -> ! {
    panic!("`{op}` has no scalar definition for these operands")
}
