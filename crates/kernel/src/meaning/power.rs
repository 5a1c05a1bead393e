//! Powers to whole numbers, `powi` and `pow` of integers, and `rsqrt`.

use super::ops::{Cmp, Ops};

/// 1 / √x: a root, then a division. Within 1.5 ulp.
#[inline(always)]
pub fn rsqrt<O: Ops>(o: &mut O, x: O::F) -> O::F {
    let one = o.f(1.0);
    let root = o.sqrt(x);
    o.div(one, root)
}

/// xⁿ by squaring from the highest bit of n: x³ is (x·x)·x. A negative power is the reciprocal of the positive one.
///
/// x⁰ is 1, also for NaN.
#[inline(always)]
pub fn powi<O: Ops>(o: &mut O, x: O::F, n: i32) -> O::F {
    let one = o.f(1.0);
    let y = by_squaring(n.unsigned_abs(), x, |a, b| o.mul(a, b));
    match y {
        None => one,
        Some(y) if n > 0 => y,
        Some(y) => o.div(one, y),
    }
}

/// xⁿ of integers, wrapping. Of a negative power, what is left of the decimal point: 0 unless x is ±1.
#[inline(always)]
pub fn powi_i<O: Ops>(o: &mut O, x: O::I, n: i32) -> O::I {
    let one = o.i(1);
    if n >= 0 {
        return by_squaring(n.unsigned_abs(), x, |a, b| o.imul(a, b)).unwrap_or(one);
    }
    let (minus_one, zero) = (o.i(-1), o.i(0));
    let is_one = o.icmp(Cmp::Eq, x, one);
    let is_minus_one = o.icmp(Cmp::Eq, x, minus_one);
    let of_minus_one = if n % 2 == 0 { one } else { minus_one };
    let y = o.select_i(is_minus_one, of_minus_one, zero);
    o.select_i(is_one, one, y)
}

/// The product of n factors x, none for n = 0.
#[inline(always)]
fn by_squaring<T: Copy>(n: u32, x: T, mut mul: impl FnMut(T, T) -> T) -> Option<T> {
    let highest = n.checked_ilog2()?;
    let mut y = x;
    for bit in (0..highest).rev() {
        y = mul(y, y);
        if n >> bit & 1 == 1 {
            y = mul(y, x);
        }
    }
    Some(y)
}

/// aᵇ of integers, wrapping; of a negative b, what is left of the decimal point: 0 unless a is ±1.
pub fn pow_i64(a: i64, b: i64) -> i64 {
    match (a, b) {
        (1, _) => 1,
        (-1, _) => 1 - 2 * (b & 1),
        (_, b) if b < 0 => 0,
        (_, b) => {
            let (mut y, mut factor, mut rest) = (1i64, a, b);
            while rest > 0 {
                if rest & 1 == 1 {
                    y = y.wrapping_mul(factor);
                }
                factor = factor.wrapping_mul(factor);
                rest >>= 1;
            }
            y
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Scalar32, Scalar64};
    use super::*;

    #[test]
    fn powi_multiplies_from_the_left() {
        let x = 1.1f32;
        assert_eq!(powi(&mut Scalar32, x, 3), (x * x) * x);
        assert_eq!(powi(&mut Scalar32, x, 6), ((x * x) * x) * ((x * x) * x));
        assert_eq!(powi(&mut Scalar32, x, -3), 1.0 / ((x * x) * x));
        assert_eq!(powi(&mut Scalar32, f32::NAN, 0), 1.0);
        assert_eq!(powi(&mut Scalar64, -0.0, -3), f64::NEG_INFINITY);
        assert_eq!(powi(&mut Scalar64, 1.0, i32::MIN), 1.0);
    }

    #[test]
    fn integer_powers_wrap_and_truncate() {
        for a in -5..=5i64 {
            for b in -4..=70i64 {
                let expect = match (a, b) {
                    (0, b) if b < 0 => 0,
                    (a, b) if b < 0 => {
                        if a.abs() == 1 {
                            a.pow(b.unsigned_abs() as u32)
                        } else {
                            0
                        }
                    }
                    (a, b) => (0..b).fold(1i64, |y, _| y.wrapping_mul(a)),
                };
                assert_eq!(pow_i64(a, b), expect, "{a}^{b}");
                assert_eq!(powi_i(&mut Scalar64, a, b as i32), expect, "{a}^{b}");
                assert_eq!(powi_i(&mut Scalar32, a as i32, b as i32), expect as i32, "{a}^{b}");
            }
        }
    }
}
