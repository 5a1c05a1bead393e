//! What every group computes for itself, because reading it would cost as much as reading what it is made of.

use super::groups::Kind;
use rustc_hash::FxHashSet;
use tracelift_ir::{Graph, Lowering, NodeIndex, ParamRole, Value};
use tracelift_kernel::lane::LaneOp;

/// The longest chain of operations that is done again.
const LONGEST: u8 = 3;

/// Makes free what several groups may want and is a step or three away from one input of the graph: centred by a mean per
/// row, say. Storing it would be one more pass over memory.
pub(super) fn find(graph: &Graph, kinds: &mut [Kind]) {
    let roles = graph.params().iter().zip(graph.roles());
    let inputs: FxHashSet<Value> =
        roles.filter(|(_, role)| matches!(role, ParamRole::Input)).map(|(value, _)| *value).collect();
    let results: FxHashSet<Value> = graph.results().iter().copied().collect();
    let mut steps = vec![0u8; graph.len()];
    for (id, _) in graph.nodes() {
        let value = id.value();
        if !matches!(kinds[id.index()], Kind::Element) || !is_cheap(graph, id) || results.contains(&value) {
            continue;
        }
        let Some(distance) = distance(graph, kinds, &steps, &inputs, id) else { continue };
        let users: FxHashSet<NodeIndex> = graph.users(value).into_iter().map(|(user, _)| user).collect();
        let fused = |user: &NodeIndex| matches!(kinds[user.index()], Kind::Element | Kind::Reduce(..));
        if distance < LONGEST && users.len() > 1 && users.iter().all(fused) {
            steps[id.index()] = distance + 1;
        }
    }
    for (kind, steps) in kinds.iter_mut().zip(steps) {
        if steps > 0 {
            *kind = Kind::Free;
        }
    }
}

fn is_cheap(graph: &Graph, id: NodeIndex) -> bool {
    use LaneOp::{Abs, Add, Max, Min, Mul, Neg, Sub};
    let cheap = |op| matches!(op, Abs | Add | Max | Min | Mul | Neg | Sub);
    matches!(crate::schedule::lowering(graph, id), Lowering::Lane(op) if cheap(op))
}

/// How many steps a node's operands are away from one input of its shape; none if they need more than that input and
/// what is broadcast.
fn distance(graph: &Graph, kinds: &[Kind], steps: &[u8], inputs: &FxHashSet<Value>, id: NodeIndex) -> Option<u8> {
    let mut source: Option<(Value, u8)> = None;
    for operand in &graph.node(id).operands {
        if matches!(kinds[operand.node.index()], Kind::Free) {
            continue;
        }
        let steps = steps[operand.node.index()];
        if (steps == 0 && !inputs.contains(operand)) || source.is_some_and(|(other, _)| other != *operand) {
            return None;
        }
        source = Some((*operand, steps));
    }
    source.map(|(_, steps)| steps)
}
