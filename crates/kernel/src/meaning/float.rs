//! What the definitions of float functions share: the layout of floats by width, polynomials, bits.

use super::ops::{Cmp, Ops, Width};

impl Width {
    /// Bits of the stored significand.
    pub(super) const fn mantissa(self) -> u32 {
        match self {
            Width::W32 => 23,
            Width::W64 => 52,
        }
    }

    /// What the exponent field of 1.0 holds.
    pub(super) const fn bias(self) -> i64 {
        match self {
            Width::W32 => 127,
            Width::W64 => 1023,
        }
    }

    /// The bits of 1.0.
    pub(super) const fn one_bits(self) -> i64 {
        self.bias() << self.mantissa()
    }

    /// The smallest normal float.
    pub(super) const fn min_normal(self) -> f64 {
        match self {
            Width::W32 => f32::MIN_POSITIVE as f64,
            Width::W64 => f64::MIN_POSITIVE,
        }
    }

    /// The first of two values that belongs to this width.
    pub(super) const fn pick<T: Copy>(self, w32: T, w64: T) -> T {
        match self {
            Width::W32 => w32,
            Width::W64 => w64,
        }
    }
}

/// `c[0] + c[1] x + c[2] x² + …`, by fused Horner steps from the highest power.
#[inline(always)]
pub(super) fn polynomial<O: Ops>(o: &mut O, x: O::F, c: &[f64]) -> O::F {
    horner(o, x, c.iter())
}

/// The same in two chains of half as many steps, for the even powers and the odd ones; `square` is x².
#[inline(always)]
pub(super) fn short_polynomial<O: Ops>(o: &mut O, x: O::F, square: O::F, c: &[f64]) -> O::F {
    let even = horner(o, square, c.iter().step_by(2));
    let odd = horner(o, square, c.iter().skip(1).step_by(2));
    o.fma(odd, x, even)
}

#[inline(always)]
fn horner<'c, O: Ops>(o: &mut O, x: O::F, c: impl DoubleEndedIterator<Item = &'c f64>) -> O::F {
    let mut from_highest = c.rev();
    let last = from_highest.next().expect("a polynomial has coefficients");
    let mut sum = o.f(*last);
    for c in from_highest {
        let c = o.f(*c);
        sum = o.fma(sum, x, c);
    }
    sum
}

/// The magnitude `x`, whose sign bit is clear, with the sign of `sign`.
#[inline(always)]
pub(super) fn with_sign<O: Ops>(o: &mut O, x: O::F, sign: O::F) -> O::F {
    let (x, sign) = (o.f_to_bits(x), o.f_to_bits(sign));
    let mask = o.i(O::WIDTH.pick(i32::MIN as i64, i64::MIN));
    let sign = o.iand(sign, mask);
    let bits = o.ior(x, sign);
    o.bits_to_f(bits)
}

/// Compares with a constant.
#[inline(always)]
pub(super) fn compare<O: Ops>(o: &mut O, cmp: Cmp, x: O::F, c: f64) -> O::M {
    let c = o.f(c);
    o.fcmp(cmp, x, c)
}

/// `if x is NaN { x } else { y }`
#[inline(always)]
pub(super) fn keep_nan<O: Ops>(o: &mut O, x: O::F, y: O::F) -> O::F {
    let nan = o.fcmp(Cmp::Ne, x, x);
    o.select_f(nan, x, y)
}
