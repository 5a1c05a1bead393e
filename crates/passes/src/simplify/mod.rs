//! Equations applied from left to right.
//!
//! Every rule holds for all values of the type, NaN (all NaNs are equal), ±0 and infinities included, so that no bit of any
//! result changes; the right side is never more work than the left, and doing it again changes nothing.

mod rules;
mod site;

pub use rules::RULES;
pub use site::{Rule, Site};

use crate::rewrite::{Rewrite, sweep};
use tracelift_ir::{Graph, Op};
use tracelift_tensor::Result;

/// Applies the rules wherever they apply, and leaves nothing that became unused.
pub fn simplify(graph: &Graph) -> Result<Graph> {
    let mut new = Rewrite::new(graph);
    for (id, node) in graph.nodes() {
        if matches!(node.op, Op::Parameter(_)) {
            continue;
        }
        let operands = new.operands(id);
        new.b.at(node.origin.clone());
        match site::apply(&mut new.b, &node.op, &operands)? {
            Some(value) => new.set(id.value(), value),
            None => new.keep(id, &mut simplify)?,
        }
    }
    sweep(&new.finish()?)
}
