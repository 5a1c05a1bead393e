//! Functions that choose among their operands: `sign`, `maximum`, `minimum`, and the tests of kind.

use super::float::{compare, keep_nan};
use super::ops::{Cmp, Ops};

/// −1 or 1; x itself if it is ±0 or NaN.
#[inline(always)]
pub fn sign<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let (one, minus_one) = (o.f(1.0), o.f(-1.0));
    let positive = compare(o, Cmp::Gt, x, 0.0);
    let negative = compare(o, Cmp::Lt, x, 0.0);
    let y = o.select_f(negative, minus_one, x);
    o.select_f(positive, one, y)
}

/// The larger; NaN if either is NaN; `a` if they are equal, so max(−0, +0) is −0 and max(+0, −0) is +0.
#[inline(always)]
pub fn maximum<O: Ops>(o: &mut O, a: O::F, b: O::F) -> O::F {
    let y = maximum_of_number(o, a, b);
    keep_nan(o, b, y)
}

/// [`maximum`] where `b` is known not to be NaN: one operation with the same bits.
#[inline(always)]
pub fn maximum_of_number<O: Ops>(o: &mut O, a: O::F, b: O::F) -> O::F {
    o.max_lt(b, a)
}

/// The smaller; NaN if either is NaN; `a` if they are equal.
#[inline(always)]
pub fn minimum<O: Ops>(o: &mut O, a: O::F, b: O::F) -> O::F {
    let y = minimum_of_number(o, a, b);
    keep_nan(o, b, y)
}

/// [`minimum`] where `b` is known not to be NaN: one operation with the same bits.
#[inline(always)]
pub fn minimum_of_number<O: Ops>(o: &mut O, a: O::F, b: O::F) -> O::F {
    o.min_lt(b, a)
}

/// The larger of two signed integers.
#[inline(always)]
pub fn maximum_i<O: Ops>(o: &mut O, a: O::I, b: O::I) -> O::I {
    let less = o.icmp(Cmp::Lt, a, b);
    o.select_i(less, b, a)
}

/// The smaller of two signed integers.
#[inline(always)]
pub fn minimum_i<O: Ops>(o: &mut O, a: O::I, b: O::I) -> O::I {
    let less = o.icmp(Cmp::Lt, b, a);
    o.select_i(less, b, a)
}

/// Whether x is NaN.
#[inline(always)]
pub fn is_nan<O: Ops>(o: &mut O, x: O::F) -> O::M {
    o.fcmp(Cmp::Ne, x, x)
}

/// Whether x is neither NaN nor infinite.
#[inline(always)]
pub fn is_finite<O: Ops>(o: &mut O, x: O::F) -> O::M {
    let magnitude = o.abs(x);
    compare(o, Cmp::Lt, magnitude, f64::INFINITY)
}
