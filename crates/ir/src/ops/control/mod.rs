//! Ops that own graphs: loops, branches, calls, and what fusion makes.

mod call;
mod cond;
mod fusion;
mod linear;
mod while_loop;

pub use call::Call;
pub use cond::Cond;
pub use fusion::Fusion;
pub(crate) use linear::used_twice;
pub use while_loop::{Save, While};

use crate::graph::{Graph, Node};
use crate::infer::{Infer, wrong_count};
use crate::laws::Laws;
use crate::op::Op;
use crate::types::{Type, Types};
use tracelift_tensor::{DType, Error, Result};

/// Checks that operands fit the parameters of a region and takes over what it assumes of sizes.
fn enter(cx: &mut Infer, what: &str, region: &Graph, x: &[Type]) -> Result {
    if region.params().len() != x.len() {
        return Err(wrong_count(region.params().len(), x.len()));
    }
    if !region.states().is_empty() {
        return Err(Error::internal(format!("owns a region with states as its {what}")));
    }
    for (i, (param, given)) in region.param_types().zip(x).enumerate() {
        if !cx.same_type(given, param) {
            return Err(Error::invalid(format!("gives {given} to its {what}, which takes {param} as value {i}")));
        }
    }
    for guard in region.guards() {
        cx.assume(guard.clone());
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
