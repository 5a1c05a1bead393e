//! Making a failing case smaller.

use crate::graphs::{Cut, cut};
use crate::random::Case;
use tracelift_ir::{NodeIndex, Op};

/// A small case that still fails: results are dropped, nodes become arguments or give way to their operands, for as
/// long as that helps.
pub fn shrink(case: &Case, fails: &dyn Fn(&Case) -> bool) -> Case {
    let mut small = case.clone();
    while let Some(smaller) = candidates(&small).find_map(|at| {
        let candidate = cut(&small, at)?;
        (size(&candidate) < size(&small) && fails(&candidate)).then_some(candidate)
    }) {
        small = smaller;
    }
    small
}

/// Nodes count most, then results and parameters.
fn size(case: &Case) -> (usize, usize, usize) {
    let effects = case.graph.nodes().filter(|(_, node)| !matches!(node.op, Op::Parameter(_))).count();
    (effects, case.graph.results().len(), case.graph.params().len())
}

/// The changes that take away most come first: late nodes alone, and early nodes as arguments.
fn candidates(case: &Case) -> impl Iterator<Item = Cut> + 'static {
    let nodes: Vec<(NodeIndex, usize)> = case.graph.nodes().map(|(id, node)| (id, node.operands.len())).collect();
    let results = (0..case.graph.results().len()).rev().map(Cut::Result);
    let given = nodes.clone().into_iter().rev().map(|(id, _)| Cut::Given(id));
    let operands = nodes.into_iter().rev().flat_map(|(id, count)| (0..count).map(move |n| Cut::Operand(id, n)));
    [Cut::Effects].into_iter().chain(results).chain(given).chain(operands)
}
