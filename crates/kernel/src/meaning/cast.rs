//! Casts: the closed table of pairs of element types.
//!
//! A float becomes an integer by truncation toward zero, saturating; NaN becomes 0. An integer becomes a narrower one by
//! dropping high bits, a wider one by its value. Anything but zero is true; NaN is not zero.

use super::eval::{Lane, LaneOf};
use super::float::compare;
use super::ops::{Cmp, Ops, Width};
use super::value::Scalar;
use tracelift_tensor::DType::{self, Bool, F32, F64, I32, I64, U8};

/// The value in another element type: the definition of every cast.
pub fn cast_scalar(x: Scalar, to: DType) -> Scalar {
    macro_rules! number {
        ($x:expr) => {
            match to {
                F32 => Scalar::F32($x as f32),
                F64 => Scalar::F64($x as f64),
                I32 => Scalar::I32($x as i32),
                I64 => Scalar::I64($x as i64),
                U8 => Scalar::U8($x as u8),
                Bool => Scalar::Bool($x as f64 != 0.0),
                other => unreachable!("{other} has no scalar operations yet"),
            }
        };
    }
    // Rust's `as` is this definition: saturating from floats, wrapping between integers, nearest-even to floats.
    match x {
        Scalar::F32(x) => number!(x),
        Scalar::F64(x) => number!(x),
        Scalar::I32(x) => number!(x),
        Scalar::I64(x) => number!(x),
        Scalar::U8(x) => number!(x),
        Scalar::Bool(x) => number!(u8::from(x)),
    }
}

/// How far a cast can be written over [`Ops`]: both types must have the width of the same `Ops`.
pub(super) fn is_generic(from: DType, to: DType) -> bool {
    let narrow = |t| matches!(t, F32 | I32 | U8 | Bool);
    let wide = |t| matches!(t, F64 | I64 | Bool);
    (narrow(from) && narrow(to)) || (wide(from) && wide(to))
}

/// The cast over [`Ops`], with the bits of [`cast_scalar`].
#[inline(always)]
pub(super) fn cast<O: Ops>(o: &mut O, from: DType, to: DType, x: LaneOf<O>) -> LaneOf<O> {
    match x {
        Lane::F(x) => match to {
            F32 | F64 => Lane::F(x),
            Bool => Lane::M(compare(o, Cmp::Ne, x, 0.0)),
            U8 => Lane::I(float_to_byte(o, x)),
            _ => Lane::I(float_to_integer(o, x)),
        },
        Lane::I(x) => match to {
            F32 | F64 => Lane::F(o.i_to_f(x)),
            Bool => {
                let zero = o.i(0);
                Lane::M(o.icmp(Cmp::Ne, x, zero))
            }
            U8 if from != U8 => Lane::I(low_byte(o, x)),
            _ => Lane::I(x),
        },
        Lane::M(x) => match to {
            F32 | F64 => {
                let (one, zero) = (o.f(1.0), o.f(0.0));
                Lane::F(o.select_f(x, one, zero))
            }
            Bool => Lane::M(x),
            _ => {
                let (one, zero) = (o.i(1), o.i(0));
                Lane::I(o.select_i(x, one, zero))
            }
        },
    }
}

/// The number modulo 256.
#[inline(always)]
pub(super) fn low_byte<O: Ops>(o: &mut O, x: O::I) -> O::I {
    let mask = o.i(255);
    o.iand(x, mask)
}

#[inline(always)]
fn float_to_integer<O: Ops>(o: &mut O, x: O::F) -> O::I {
    let (lowest, highest, limit) = match O::WIDTH {
        Width::W32 => (i32::MIN as i64, i32::MAX as i64, 2.0f64.powi(31)),
        Width::W64 => (i64::MIN, i64::MAX, 2.0f64.powi(63)),
    };
    let magnitude = o.abs(x);
    let fits = compare(o, Cmp::Lt, magnitude, limit);
    let (zero_f, zero) = (o.f(0.0), o.i(0));
    let in_range = o.select_f(fits, x, zero_f);
    let y = o.f_to_i(in_range);
    let (lowest, highest) = (o.i(lowest), o.i(highest));
    let below = compare(o, Cmp::Le, x, -limit);
    let above = compare(o, Cmp::Ge, x, limit);
    let outside = o.select_i(below, lowest, zero);
    let outside = o.select_i(above, highest, outside);
    o.select_i(fits, y, outside)
}

#[inline(always)]
fn float_to_byte<O: Ops>(o: &mut O, x: O::F) -> O::I {
    // NaN fails both comparisons and so becomes 0: `max_lt` gives its second operand then.
    let (zero, highest) = (o.f(0.0), o.f(255.0));
    let x = o.max_lt(x, zero);
    let x = o.min_lt(x, highest);
    o.f_to_i(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_saturate_and_truncate() {
        let table = [
            (2.9, 2, 2, 2u8),
            (-2.9, -2, -2, 0),
            (-0.0, 0, 0, 0),
            (300.0, 300, 300, 255),
            (3e9, i32::MAX, 3_000_000_000, 255),
            (-3e9, i32::MIN, -3_000_000_000, 0),
            (1e30, i32::MAX, i64::MAX, 255),
            (f64::NEG_INFINITY, i32::MIN, i64::MIN, 0),
            (f64::NAN, 0, 0, 0),
        ];
        for (x, narrow, wide, byte) in table {
            for x in [Scalar::F64(x), Scalar::F32(x as f32)] {
                assert_eq!(cast_scalar(x, I32), Scalar::I32(narrow), "{x}");
                assert_eq!(cast_scalar(x, I64), Scalar::I64(wide), "{x}");
                assert_eq!(cast_scalar(x, U8), Scalar::U8(byte), "{x}");
            }
        }
    }

    #[test]
    fn truth_is_not_being_zero() {
        assert_eq!(cast_scalar(Scalar::F32(-0.0), Bool), Scalar::Bool(false));
        assert_eq!(cast_scalar(Scalar::F32(f32::from_bits(1)), Bool), Scalar::Bool(true));
        assert_eq!(cast_scalar(Scalar::F64(f64::NAN), Bool), Scalar::Bool(true));
        assert_eq!(cast_scalar(Scalar::I64(i64::MIN), Bool), Scalar::Bool(true));
        assert_eq!(cast_scalar(Scalar::Bool(true), F64), Scalar::F64(1.0));
    }

    #[test]
    fn integers_wrap() {
        assert_eq!(cast_scalar(Scalar::I32(-1), U8), Scalar::U8(255));
        assert_eq!(cast_scalar(Scalar::I64(1 << 32 | 7), I32), Scalar::I32(7));
        assert_eq!(cast_scalar(Scalar::U8(200), I32), Scalar::I32(200));
        assert_eq!(cast_scalar(Scalar::I64(i64::MAX), F32), Scalar::F32(9.223372e18));
    }
}
