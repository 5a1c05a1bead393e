//! Arithmetic without subnormal numbers, as the machine has it in its flush-to-zero mode.
//!
//! Operands of arithmetic, min, max, rounding, comparison and conversion count as zero if they are subnormal, and results
//! of arithmetic that are subnormal become zero; both keep their sign. Operations on bits (negation, magnitude, choice,
//! reinterpretation) leave subnormals alone. Whether a result is subnormal is judged after rounding, as if exponents had no
//! lower end: so a product that would round up to the smallest normal number only for lack of digits is flushed, too.

use super::ops::{Cmp, Ops, Width};
use super::scalar::{Scalar32, Scalar64};
use super::value::Scalar;

/// Whether arithmetic knows subnormal numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Subnormals {
    /// As IEEE 754 has it.
    #[default]
    Keep,
    /// They are zero, with their sign.
    Flush,
}

/// [`Scalar32`] without subnormals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flush32;

/// [`Scalar64`] without subnormals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flush64;

/// A float to be flushed.
pub(super) trait Flushable: Copy {
    /// Zero of its sign if it is subnormal, else itself.
    fn flushed(self) -> Self;
}

impl Scalar {
    /// Zero of its sign if it is a subnormal float, else itself.
    pub fn flushed(self) -> Scalar {
        match self {
            Scalar::F32(x) => Scalar::F32(x.flushed()),
            Scalar::F64(x) => Scalar::F64(x.flushed()),
            other => other,
        }
    }
}

macro_rules! flush_ops {
    ($name:ident, $plain:ident, $f:ident, $i:ident, $width:ident) => {
        impl Flushable for $f {
            #[inline(always)]
            fn flushed(self) -> $f {
                if self.is_subnormal() { (0.0 as $f).copysign(self) } else { self }
            }
        }

        impl $name {
            /// The rounded result of a product, quotient or fused step, flushed. `scaled` computes it anew, 2⁶⁴ times as
            /// large: only it can tell whether the smallest normal number was reached by rounding a smaller one.
            #[inline(always)]
            fn round(y: $f, scaled: impl FnOnce($f) -> $f) -> $f {
                let up = 18_446_744_073_709_551_616.0;
                if y.abs() == $f::MIN_POSITIVE && scaled(up).abs() < $f::MIN_POSITIVE * up {
                    return (0.0 as $f).copysign(y);
                }
                y.flushed()
            }
        }

        impl Ops for $name {
            type F = $f;
            type I = $i;
            type M = bool;
            const WIDTH: Width = Width::$width;

            // Sums that are subnormal or nearly so are exact: there is nothing to round.
            flush_ops!(@flushed $plain $f; add(a, b); sub(a, b); sqrt(a); min_lt(a, b); max_lt(a, b));
            flush_ops!(@flushed $plain $f; floor(a); ceil(a); nearest(a); trunc(a));
            #[inline(always)]
            fn mul(&mut self, a: $f, b: $f) -> $f {
                let (a, b) = (a.flushed(), b.flushed());
                $name::round(a * b, |up| (a.abs().min(b.abs()) * up) * a.abs().max(b.abs()))
            }
            #[inline(always)]
            fn div(&mut self, a: $f, b: $f) -> $f {
                let (a, b) = (a.flushed(), b.flushed());
                $name::round(a / b, |up| (a * up) / b)
            }
            #[inline(always)]
            fn fma(&mut self, a: $f, b: $f, c: $f) -> $f {
                let (a, b, c) = (a.flushed(), b.flushed(), c.flushed());
                let (small, large) = if a.abs() < b.abs() { (a, b) } else { (b, a) };
                $name::round(a.mul_add(b, c), |up| (small * up).mul_add(large, c * up))
            }
            #[inline(always)]
            fn fcmp(&mut self, cmp: Cmp, a: $f, b: $f) -> bool {
                $plain.fcmp(cmp, a.flushed(), b.flushed())
            }
            #[inline(always)]
            fn f_to_i(&mut self, a: $f) -> $i {
                $plain.f_to_i(a.flushed())
            }
            flush_ops!(@same $plain;
                f(c: f64) -> $f; i(c: i64) -> $i; m(c: bool) -> bool;
                neg(a: $f) -> $f; abs(a: $f) -> $f;
                select_f(m: bool, a: $f, b: $f) -> $f; select_i(m: bool, a: $i, b: $i) -> $i;
                icmp(cmp: Cmp, a: $i, b: $i) -> bool;
                mand(a: bool, b: bool) -> bool; mor(a: bool, b: bool) -> bool; mxor(a: bool, b: bool) -> bool;
                mnot(a: bool) -> bool;
                f_to_bits(a: $f) -> $i; bits_to_f(a: $i) -> $f; i_to_f(a: $i) -> $f;
                iadd(a: $i, b: $i) -> $i; isub(a: $i, b: $i) -> $i; imul(a: $i, b: $i) -> $i; ineg(a: $i) -> $i;
                iand(a: $i, b: $i) -> $i; ior(a: $i, b: $i) -> $i; ixor(a: $i, b: $i) -> $i; inot(a: $i) -> $i;
                shl(a: $i, n: u32) -> $i; sar(a: $i, n: u32) -> $i; shr(a: $i, n: u32) -> $i;
                shl_by(a: $i, n: $i) -> $i; sar_by(a: $i, n: $i) -> $i;
            );
        }
    };
    (@flushed $plain:ident $f:ident; $($name:ident($($x:ident),+));+) => {
        $(
            #[inline(always)]
            fn $name(&mut self, $($x: $f),+) -> $f {
                $plain.$name($($x.flushed()),+).flushed()
            }
        )+
    };
    (@same $plain:ident; $($name:ident($($x:ident: $t:ty),+) -> $y:ty;)+) => {
        $(
            #[inline(always)]
            fn $name(&mut self, $($x: $t),+) -> $y {
                $plain.$name($($x),+)
            }
        )+
    };
}

flush_ops!(Flush32, Scalar32, f32, i32, W32);
flush_ops!(Flush64, Scalar64, f64, i64, W64);

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: f32 = f32::MIN_POSITIVE;

    #[test]
    fn subnormals_are_zero_to_arithmetic_and_bits_to_the_rest() {
        let (o, tiny) = (&mut Flush32, f32::from_bits(7));
        assert_eq!(o.add(tiny, -0.0).to_bits(), 0);
        assert_eq!(o.add(-tiny, -0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(o.mul(LEAST, -0.5).to_bits(), (-0.0f32).to_bits());
        assert_eq!(o.sub(1.5 * LEAST, LEAST), 0.0);
        assert_eq!(o.div(1.0, tiny), f32::INFINITY);
        assert_eq!(o.ceil(tiny), 0.0);
        assert_eq!(o.max_lt(tiny, -1.0), 0.0);
        assert!(o.fcmp(Cmp::Eq, tiny, -tiny));
        assert_eq!(o.select_f(true, tiny, 1.0), tiny);
        assert_eq!((o.neg(tiny), o.abs(-tiny)), (-tiny, tiny));
        assert_eq!(Flush64.mul(f64::MIN_POSITIVE, 0.5), 0.0);
    }

    #[test]
    fn what_only_rounds_up_to_the_smallest_normal_is_flushed() {
        // (1 − 2⁻²⁴) and the smallest normal: the product has 24 digits and is below it; with one digit less it rounds up.
        let below = 1.0 - f32::EPSILON / 2.0;
        assert_eq!((LEAST * below, Flush32.mul(LEAST, below)), (LEAST, 0.0));
        assert_eq!(Flush32.fma(LEAST, -below, -0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(Flush32.fma(LEAST, 0.5, 0.5 * LEAST), LEAST * 0.0);
        assert_eq!(Flush32.fma(LEAST, 0.5, LEAST), 1.5 * LEAST);
        assert_eq!((Flush32.mul(LEAST, 1.0), Flush32.div(LEAST, 1.0)), (LEAST, LEAST));
        let above = 1.0 + f32::EPSILON;
        assert_eq!((LEAST / above, Flush32.div(LEAST, above)), (LEAST * (1.0 - f32::EPSILON), 0.0));
    }
}
