//! Numbers of twice the precision, as unevaluated sums of two floats: what `pow` computes a logarithm in.
//!
//! Fused steps give what a product lost in rounding; what a sum lost is exact if its first operand is the larger one. The
//! low parts themselves are rounded, so results are good to some 2^-45 in f32 and 2^-102 in f64.

use super::ops::Ops;

/// The number high + low.
pub(super) struct Double<O: Ops> {
    pub(super) high: O::F,
    pub(super) low: O::F,
}

/// The exact sum of two floats, of which the first is the larger one, or 0.
#[inline(always)]
pub(super) fn sum<O: Ops>(o: &mut O, large: O::F, small: O::F) -> Double<O> {
    let high = o.add(large, small);
    let kept = o.sub(high, large);
    Double { high, low: o.sub(small, kept) }
}

/// The exact product of two floats.
#[inline(always)]
pub(super) fn product<O: Ops>(o: &mut O, a: O::F, b: O::F) -> Double<O> {
    let high = o.mul(a, b);
    let minus = o.neg(high);
    Double { high, low: o.fma(a, b, minus) }
}

/// a / b, given 1 / b.high.
#[inline(always)]
pub(super) fn quotient<O: Ops>(o: &mut O, a: O::F, b: &Double<O>, inverse: O::F) -> Double<O> {
    let high = o.mul(a, inverse);
    let minus = o.neg(high);
    let left = o.fma(minus, b.high, a);
    let left = o.fma(minus, b.low, left);
    Double { high, low: o.mul(left, inverse) }
}

impl<O: Ops> Double<O> {
    /// The constant whose two parts these are.
    #[inline(always)]
    pub(super) fn constant(o: &mut O, [high, low]: [f64; 2]) -> Double<O> {
        Double { high: o.f(high), low: o.f(low) }
    }

    /// Itself plus something no larger.
    #[inline(always)]
    pub(super) fn plus(&self, o: &mut O, small: &Double<O>) -> Double<O> {
        let Double { high, low: lost } = sum(o, self.high, small.high);
        let low = o.add(self.low, small.low);
        Double { high, low: o.add(lost, low) }
    }

    /// Itself times a float.
    #[inline(always)]
    pub(super) fn scaled(&self, o: &mut O, factor: O::F) -> Double<O> {
        let Double { high, low } = product(o, self.high, factor);
        Double { high, low: o.fma(self.low, factor, low) }
    }

    /// Itself times another.
    #[inline(always)]
    pub(super) fn times(&self, o: &mut O, other: &Double<O>) -> Double<O> {
        let Double { high, low } = self.scaled(o, other.high);
        Double { high, low: o.fma(self.high, other.low, low) }
    }
}
