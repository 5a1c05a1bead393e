//! Random well-typed graphs with arguments for them.
//!
//! A graph grows step by step: each picks an op and operands among the values so far, preferring those made last, and is
//! left out if inference refuses or if what it would assume of sizes does not hold for the sizes of the case.
//! Whatever else an op needs (a right side for a product, indices) becomes a further parameter, or a constant in regions.
//! Graphs do not fail when they run: divisors are odd numbers, indices are brought into bounds.

mod chance;
mod values;
mod grow;
mod elementwise;
mod layout;
mod index;
mod regions;
mod windows;

pub use chance::Chance;

use grow::Growth;
use tracelift_ir::Graph;
use tracelift_tensor::{Array, Binding};

/// A graph and arguments for it, states included.
#[derive(Clone, Debug)]
pub struct Case {
    /// The graph.
    pub graph: Graph,
    /// One array per parameter.
    pub arguments: Vec<Array>,
}

/// The sizes that unknown dims are given; each group of lanes, and the way around it, is met.
const SIZES: [i64; 12] = [0, 1, 2, 3, 4, 5, 7, 8, 17, 31, 33, 64];

/// The case of a seed.
///
/// ```
/// use tracelift_testkit::random::generate;
/// assert_eq!(generate(7).graph.to_string(), generate(7).graph.to_string());
/// assert!(tracelift_ir::evaluate(&generate(7).graph, &generate(7).arguments).is_ok());
/// ```
pub fn generate(seed: u64) -> Case {
    let mut chance = Chance::new(seed);
    let sizes: Binding = ["B", "C"].iter().map(|name| (*name, *chance.pick(&SIZES))).map(bound).collect();
    let mut growth = Growth::new("random", sizes, &mut chance);
    growth.first_parameters();
    let steps = 3 + growth.chance.below(36);
    growth.steps(steps);
    growth.finish()
}

fn bound((name, size): (&str, i64)) -> (tracelift_tensor::Sym, i64) {
    (name.into(), size)
}
