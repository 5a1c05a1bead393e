//! Ops that own graphs: loops, branches, calls, and what fusion makes.

mod call;
mod cond;
mod fusion;
mod linear;
mod relaxed;
mod while_loop;

pub use call::Call;
pub use cond::Cond;
pub use fusion::Fusion;
pub(crate) use linear::used_twice;
use relaxed::Relaxed;
pub use while_loop::{Save, While};

use crate::found::guard_uses;
use crate::graph::{Graph, Node};
use crate::infer::{Infer, wrong_count};
use crate::laws::Laws;
use crate::op::Op;
use crate::types::{Type, Types};
use tracelift_tensor::{DType, Error, Result};

/// Checks that operands fit the parameters of a region and takes over what it assumes of sizes, but for those that it
/// finds itself.
fn enter(cx: &mut Infer, what: &str, region: &Graph, x: &[Type], relaxed: &Relaxed<'_>) -> Result {
    if region.params().len() != x.len() {
        return Err(wrong_count(region.params().len(), x.len()));
    }
    if !region.states().is_empty() {
        return Err(Error::internal(format!("owns a region with states as its {what}")));
    }
    for (i, (param, given)) in region.param_types().zip(x).enumerate() {
        if !relaxed.same_type(cx, i, given, param) {
            return Err(Error::invalid(format!("gives {given} to its {what}, which takes {param} as value {i}")));
        }
    }
    let found = if region.guards().len() == 0 { Vec::new() } else { region.found_sizes() };
    for guard in region.guards() {
        if !guard_uses(guard, &found) && !relaxed.is_inside(guard) {
            cx.assume(guard.clone());
        }
    }
    Ok(())
}

/// An op that owns regions has an effect if one of their nodes has.
fn laws<'g>(regions: impl IntoIterator<Item = &'g Graph>) -> Laws {
    let has_effect = |node: &Node| {
        // Whether there is an effect does not depend on element types.
        !matches!(node.op, Op::Parameter(_)) && !node.op.laws(DType::Bool).pure
    };
    let mut regions = regions.into_iter();
    if regions.any(|region| region.nodes().any(|(_, node)| has_effect(node))) { Laws::EFFECT } else { Laws::NONE }
}

/// The types of a region's results.
fn results(region: &Graph) -> Types {
    region.result_types().cloned().collect()
}
