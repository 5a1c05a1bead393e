//! The order of products of matrices.
//!
//! Each element of a product is one chain: acc = a·b + acc, rounded once a step, k ascending, from 0.0. Blocking over k
//! may keep acc in the result, tiles split rows and columns only, and so no tile size changes a bit.
//!
//! A product whose right side is known to have one column is the exception, as a single chain is bound by the latency of
//! its steps: there pair k goes to the chain k mod [`DOT_LANES`], each from 0.0, and the tree 8-4-2-1 adds the chains. The
//! type decides which it is, never a size met at run time.

use super::flush::{Flush32, Flush64};
use super::fold::join_lanes;
use super::ops::Ops;

/// How many chains a product with one column has.
pub const DOT_LANES: usize = 16;

/// What products are made of: floats with a fused multiply-add, integers that wrap.
pub trait Multiply: Copy + Default {
    /// `self · b + acc`, rounded once.
    fn multiply_add(self, b: Self, acc: Self) -> Self;
    /// `self + other`
    fn plus(self, other: Self) -> Self;
}

macro_rules! multiply {
    ($($float:ty)*; $($int:ty)*) => {
        $(impl Multiply for $float {
            #[inline(always)]
            fn multiply_add(self, b: Self, acc: Self) -> Self { self.mul_add(b, acc) }
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self + other }
        })*
        $(impl Multiply for $int {
            #[inline(always)]
            fn multiply_add(self, b: Self, acc: Self) -> Self { self.wrapping_mul(b).wrapping_add(acc) }
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
        })*
    };
}
multiply!(f32 f64; i32 i64 u8);

/// A float whose sums and products flush subnormals; see [`Subnormals::Flush`](super::Subnormals::Flush).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flushed<T>(pub T);

macro_rules! multiply_flushed {
    ($($float:ident $ops:ident)*) => {
        $(impl Multiply for Flushed<$float> {
            #[inline(always)]
            fn multiply_add(self, b: Self, acc: Self) -> Self { Flushed($ops.fma(self.0, b.0, acc.0)) }
            #[inline(always)]
            fn plus(self, other: Self) -> Self { Flushed($ops.add(self.0, other.0)) }
        })*
    };
}
multiply_flushed!(f32 Flush32 f64 Flush64);

/// An element of a product, of its pairs in the order of k.
///
/// ```
/// use tracelift_kernel::meaning::dot_chain;
/// assert_eq!(dot_chain([(1.0f32, 2.0), (3.0, 4.0)]), 14.0);
/// ```
#[inline(always)]
pub fn dot_chain<T: Multiply>(pairs: impl IntoIterator<Item = (T, T)>) -> T {
    pairs.into_iter().fold(T::default(), |acc, (a, b)| a.multiply_add(b, acc))
}

/// An element of a product whose right side has one column.
#[inline(always)]
pub fn dot_lanes<T: Multiply>(pairs: impl IntoIterator<Item = (T, T)>) -> T {
    let mut lanes = [Some(T::default()); DOT_LANES];
    for (k, (a, b)) in pairs.into_iter().enumerate() {
        let lane = &mut lanes[k % DOT_LANES];
        *lane = lane.map(|acc| a.multiply_add(b, acc));
    }
    join_lanes(&mut lanes, T::plus).expect("every chain has a value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(n: usize) -> Vec<(f32, f32)> {
        (0..n).map(|i| ((i % 13) as f32 * 0.3 - 1.7, (i % 7) as f32 * 0.9 - 2.3)).collect()
    }

    #[test]
    fn chain_is_fused_and_starts_at_zero() {
        let eps = f32::EPSILON;
        // (1 + ε)(1 − ε) − 1 = −ε², which two roundings would lose.
        assert_eq!(dot_chain([(-1.0, 1.0), (1.0 + eps, 1.0 - eps)]), -eps * eps);
        assert_eq!(dot_chain::<f32>([]).to_bits(), 0.0f32.to_bits());
        assert_eq!(dot_chain([(-0.0f32, 1.0)]).to_bits(), 0.0f32.to_bits());
        assert_eq!(dot_chain([(200u8, 2), (3, 5)]), 159);
    }

    #[test]
    fn chains_flush_when_asked() {
        let pairs = [(f32::MIN_POSITIVE, 0.5), (f32::MIN_POSITIVE, 0.5)];
        assert_eq!(dot_chain(pairs), f32::MIN_POSITIVE);
        assert_eq!(dot_chain(pairs.map(|(a, b)| (Flushed(a), Flushed(b)))), Flushed(0.0));
    }

    #[test]
    fn one_column_has_sixteen_chains_and_a_tree() {
        let mut differ = 0;
        for n in [0, 1, 5, 15, 16, 17, 100, 5000] {
            let pairs = pairs(n);
            let chains: [f32; 16] = std::array::from_fn(|l| dot_chain(pairs.iter().copied().skip(l).step_by(16)));
            let [e, f, g, h]: [f32; 4] = std::array::from_fn(|l| {
                let eighth = |l: usize| chains[l] + chains[l + 8];
                eighth(l) + eighth(l + 4)
            });
            let told = (e + g) + (f + h);
            assert_eq!(dot_lanes(pairs.iter().copied()).to_bits(), told.to_bits(), "{n} pairs");
            differ += usize::from(dot_chain(pairs) != told);
        }
        assert!(differ > 0, "the values show no difference between the orders");
    }
}
