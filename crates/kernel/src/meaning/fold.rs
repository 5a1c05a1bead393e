//! The order in which many values become one.
//!
//! The reduced extent, in row-major order of the reduced axes, is cut into blocks of [`BLOCK`]. In
//! [`ReduceOrder::Lanes`] element j of a block goes to virtual lane j mod [`LANES`], and a tree joins the lanes: lane l
//! takes in lane l + 16, then l + 8, 4, 2, 1. In [`ReduceOrder::Chain`] a block is combined from its first element to its
//! last. A binary tree over block numbers joins the blocks: pairs (0, 1), (2, 3)…, level by level, an odd one passing
//! through. Any number of accumulators that divides the lanes, and any number of threads that split at block borders, can
//! follow this order.
//!
//! A lane without elements stays out of the tree. An engine may instead let it hold [`ReduceKind::identity`](super::ReduceKind::identity), which
//! changes no bits: −0.0 + x is x for every x, −0.0 included.

use super::order::ReduceOrder;

/// How many elements make a block.
pub const BLOCK: usize = 4096;

/// To how many virtual lanes a block is dealt.
pub const LANES: usize = 32;

/// A reduction under way that is given one value after the other.
///
/// ```
/// use tracelift_kernel::meaning::{Fold, ReduceOrder};
/// let mut sum = Fold::new(ReduceOrder::Lanes, |a: f32, b| a + b);
/// for k in 0..10_000 {
///     sum.push(k as f32);
/// }
/// assert_eq!(sum.finish(), Some(49_995_000.0));
/// ```
#[derive(Clone, Debug)]
pub struct Fold<T, C> {
    combine: C,
    /// How many of the lanes take part: a chain is one lane.
    used: usize,
    /// How many values the block under way has.
    count: usize,
    lanes: [Option<T>; LANES],
    blocks: BlockTree<T>,
}

impl<T: Copy, C: FnMut(T, T) -> T> Fold<T, C> {
    /// A reduction without values, by a function of what came before and what comes next.
    pub fn new(order: ReduceOrder, combine: C) -> Fold<T, C> {
        let used = match order {
            ReduceOrder::Lanes => LANES,
            ReduceOrder::Chain => 1,
        };
        Fold { combine, used, count: 0, lanes: [None; LANES], blocks: BlockTree::default() }
    }

    /// Takes the next value.
    pub fn push(&mut self, value: T) {
        let lane = &mut self.lanes[self.count % self.used];
        *lane = Some(lane.map_or(value, |sum| (self.combine)(sum, value)));
        self.count += 1;
        if self.count == BLOCK {
            self.end_block();
        }
    }

    /// The result; `None` if there were no values.
    pub fn finish(mut self) -> Option<T> {
        self.end_block();
        self.blocks.finish(self.combine)
    }

    fn end_block(&mut self) {
        if let Some(block) = join_lanes(&mut self.lanes[..self.used], &mut self.combine) {
            self.blocks.push(block, &mut self.combine);
        }
        (self.count, self.lanes) = (0, [None; LANES]);
    }
}

/// Combines values in the defined order; `None` if there are none.
pub fn fold<T: Copy>(
    order: ReduceOrder,
    values: impl IntoIterator<Item = T>,
    combine: impl FnMut(T, T) -> T,
) -> Option<T> {
    let mut fold = Fold::new(order, combine);
    values.into_iter().for_each(|value| fold.push(value));
    fold.finish()
}

/// Joins lanes, a power of two of them: lane l takes in lane l + half, for each half of what is left.
pub fn join_lanes<T: Copy>(lanes: &mut [Option<T>], mut combine: impl FnMut(T, T) -> T) -> Option<T> {
    let mut half = lanes.len() / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] = match (lanes[l], lanes[l + half]) {
                (Some(a), Some(b)) => Some(combine(a, b)),
                (a, b) => a.or(b),
            };
        }
        half /= 2;
    }
    lanes[0]
}

/// Joins the results of blocks, given in order, by the tree over their numbers.
///
/// It is a binary counter: where two subtrees of one height meet, they join. Those left at the end join from the last to
/// the first, which is what passing odd ones through level by level comes to.
#[derive(Clone, Debug)]
struct BlockTree<T> {
    /// Subtrees of ever smaller heights, each with its height.
    subtrees: Vec<(u32, T)>,
}

impl<T> Default for BlockTree<T> {
    fn default() -> BlockTree<T> {
        BlockTree { subtrees: Vec::new() }
    }
}

impl<T: Copy> BlockTree<T> {
    fn push(&mut self, block: T, mut combine: impl FnMut(T, T) -> T) {
        let (mut height, mut value) = (0, block);
        while let Some((_, left)) = self.subtrees.pop_if(|(other, _)| *other == height) {
            value = combine(left, value);
            height += 1;
        }
        self.subtrees.push((height, value));
    }

    fn finish(self, mut combine: impl FnMut(T, T) -> T) -> Option<T> {
        let values = self.subtrees.into_iter().rev().map(|(_, value)| value);
        values.reduce(|right, left| combine(left, right))
    }
}

/// Joins the results of blocks by the tree over their numbers; `None` if there are none.
pub fn combine_blocks<T: Copy>(blocks: impl IntoIterator<Item = T>, mut combine: impl FnMut(T, T) -> T) -> Option<T> {
    let mut tree = BlockTree::default();
    blocks.into_iter().for_each(|block| tree.push(block, &mut combine));
    tree.finish(combine)
}

/// The search of `argmax` and `argmin`: the first of the best values, the first NaN if there is one.
///
/// The better of two (value, position) pairs is the same however a search is cut and joined, the lower position winning
/// among equals; so unlike a sum it needs no order.
#[derive(Clone, Debug)]
pub struct Best<T> {
    count: i64,
    held: Option<(T, i64)>,
}

impl<T> Default for Best<T> {
    fn default() -> Best<T> {
        Best { count: 0, held: None }
    }
}

impl<T: Copy> Best<T> {
    /// Looks at the next value; `beyond(a, b)` says whether a is strictly better than b.
    pub fn push(&mut self, value: T, is_nan: impl Fn(T) -> bool, beyond: impl Fn(T, T) -> bool) {
        let wins = self.held.is_none_or(|(held, _)| !is_nan(held) && (is_nan(value) || beyond(value, held)));
        if wins {
            self.held = Some((value, self.count));
        }
        self.count += 1;
    }

    /// Where the best value is.
    pub fn position(&self) -> Option<i64> {
        self.held.as_ref().map(|(_, position)| *position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values whose float sums differ with the order.
    fn values(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919) % 1013) as f32 * 0.37 - 150.0).collect()
    }

    fn add(a: f32, b: f32) -> f32 {
        a + b
    }

    /// The order as the module's first lines tell it, with the identity in empty lanes.
    fn told(order: ReduceOrder, x: &[f32]) -> f32 {
        let block = |block: &[f32]| match order {
            ReduceOrder::Chain => block.iter().copied().reduce(add).unwrap(),
            ReduceOrder::Lanes => {
                let mut lanes = [-0.0f32; 32];
                block.iter().enumerate().for_each(|(j, x)| lanes[j % 32] += x);
                for half in [16, 8, 4, 2, 1] {
                    (0..half).for_each(|l| lanes[l] += lanes[l + half]);
                }
                lanes[0]
            }
        };
        level_by_level(x.chunks(4096).map(block).collect())
    }

    fn level_by_level(mut level: Vec<f32>) -> f32 {
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| if let [a, b] = pair { a + b } else { pair[0] }).collect();
        }
        level[0]
    }

    #[test]
    fn sums_follow_the_order() {
        let mut differ = 0;
        for n in [1, 2, 5, 31, 32, 33, 100, 4095, 4096, 4097, 3 * 4096, 5 * 4096 + 77, 11 * 4096 + 1] {
            let x = values(n);
            for order in [ReduceOrder::Lanes, ReduceOrder::Chain] {
                let sum = fold(order, x.iter().copied(), add).unwrap();
                assert_eq!(sum.to_bits(), told(order, &x).to_bits(), "{order}, {n} values");
            }
            differ += usize::from(told(ReduceOrder::Lanes, &x) != told(ReduceOrder::Chain, &x));
        }
        assert!(differ > 3, "the values show no difference between the orders");
    }

    #[test]
    fn binary_counter_is_the_tree_level_by_level() {
        for n in 1..70 {
            let x = values(n);
            assert_eq!(combine_blocks(x.clone(), add).unwrap().to_bits(), level_by_level(x).to_bits(), "{n} blocks");
        }
        assert_eq!(combine_blocks([], add), None);
    }
}
