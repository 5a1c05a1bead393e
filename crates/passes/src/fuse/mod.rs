//! Fusion: elementwise work, and the reductions between it, joined into groups that become one kernel each.
//!
//! Walks backwards. A node joins the group of its users if all of them are in that one group (so no path can leave
//! a group and come back), and if its values stand where the group's loops pass: at an element of the group's
//! domain, or at a row of it. What costs nothing (literals, broadcasts, iota) is copied into every group that wants
//! it. Then, forwards, a group joins the one it reads from, or one that reads the same, if their loops pass the same way and
//! nothing else can lead from one to the other. A group of more than one node becomes a `fusion`, which owns its body as a closed region; everything else stays as it was.
//! The regions of loops and branches are graphs of their own, and are treated alike.

mod groups;
mod copies;
mod rows;
mod merge;
mod rebuild;
mod reshaped;

use groups::is_element;
pub(crate) use rows::missing_axes;
use tracelift_ir::Graph;
use tracelift_tensor::Result;

/// Joins what can be computed in one loop nest. A graph that finds sizes while it runs stays as it is: it has no kernels.
pub fn fuse(graph: &Graph) -> Result<Graph> {
    if graph.finds_sizes() {
        return Ok(graph.clone());
    }
    let graph = &reshaped::undo(graph)?;
    rebuild::rebuild(graph, &groups::find(graph))
}
