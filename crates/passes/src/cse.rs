//! Common subexpressions and dead nodes: the only place where nodes are merged.

use crate::rewrite::{Rewrite, live};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tracelift_ir::{Graph, NodeIndex, Op, Type, Value};
use tracelift_tensor::{DType, Result};

/// Computes equal things once, and nothing that no result depends on.
///
/// Nodes are equal if op, attributes (floats by their bits) and operands are; operands of a commutative op may stand
/// in either order. What orders effects is never merged.
pub fn cse(graph: &Graph) -> Result<Graph> {
    let live = live(graph);
    let mut new = Rewrite::new(graph);
    let mut seen: FxHashMap<(Op, SmallVec<[Value; 3]>), NodeIndex> = FxHashMap::default();
    for (id, node) in graph.nodes() {
        if !live[id.index()] || matches!(node.op, Op::Parameter(_)) {
            continue;
        }
        let mut operands = new.operands(id);
        let dtype = node.operands.first().and_then(|x| graph.ty(*x).as_tensor()).map_or(DType::F32, |ty| ty.dtype);
        let laws = node.op.laws(dtype);
        if !laws.pure || node.types.iter().any(|ty| !matches!(ty, Type::Tensor(_))) {
            new.keep(id, &mut cse)?;
            continue;
        }
        if laws.commutative {
            operands.sort_unstable();
        }
        match seen.get(&(node.op.clone(), operands.clone())) {
            Some(first) => {
                for n in 0..node.types.len() {
                    new.set(id.result(n), first.result(n));
                }
            }
            None => {
                new.keep(id, &mut cse)?;
                seen.insert((node.op.clone(), operands), new.value(id.value()).node);
            }
        }
    }
    new.finish()
}
