//! Sizes that are found while a graph runs: a loop may change the shape of what it carries, so that only the loop itself
//! knows how long its result is.
//!
//! Such a size is an unknown like others. The node that finds it names it, its results have it as the size of an axis,
//! and it may be used by later nodes of the same graph and by the regions that these own. All other unknowns are read
//! off the arguments of a call.

use crate::graph::{Graph, Node};
use crate::op::Op;
use crate::types::Type;
use crate::{Attr, NodeIndex};
use tracelift_kernel::guard::Guard;
use tracelift_tensor::{Array, Binding, Dim, Shape, Sym};

impl Op {
    /// The unknown sizes that have values only once the op has run.
    ///
    /// ```
    /// use tracelift_ir::Graph;
    ///
    /// let graph = Graph::parse("func @doubled(%x: f32[2], %n: i32[]) -> f32[r1] {
    ///     %y = while (%y = %x) captures (%n) {sizes=[r1]} : f32[r1] {
    ///         %0 = dim %y {axis=0} : i32[]
    ///         %1 = lt %0, %n : bool[]
    ///         yield %1
    ///     } do {
    ///         %0 = concat %y, %y {axis=0} : f32[2*r1]
    ///         yield %0
    ///     }
    ///     return %y
    /// }")?;
    /// let (_, last) = graph.nodes().next_back().expect("there is a loop");
    /// assert_eq!(last.op.found_sizes().len(), 1);
    /// assert!(graph.finds_sizes());
    /// # Ok::<(), tracelift_tensor::Error>(())
    /// ```
    pub fn found_sizes(&self) -> Vec<Sym> {
        match self {
            Op::While(op) => op.sizes.clone(),
            Op::Cond(op) => op.sizes.clone(),
            Op::Call(op) => op.found.iter().filter_map(Dim::as_sym).collect(),
            _ => Vec::new(),
        }
    }
}

impl Node {
    /// Gives the sizes that the node finds their values, which are those of its results.
    pub(crate) fn bind_found(&self, results: &[Array], sizes: &mut Binding) -> Vec<Sym> {
        let found = self.op.found_sizes();
        for sym in &found {
            let place = self.types.iter().zip(results).find_map(|(ty, array)| {
                let axis = ty.as_tensor()?.shape.iter().position(|dim| dim.as_sym().as_ref() == Some(sym))?;
                array.shape().get(axis)
            });
            if let Some(size) = place {
                sizes.bind(sym, *size as i64);
            }
        }
        found
    }

    /// Whether its types, its attributes or its regions speak of one of these sizes.
    pub fn uses_size(&self, sizes: &[Sym]) -> bool {
        let uses = |dim: &Dim| uses(dim, sizes);
        self.types.iter().any(|ty| ty.held().is_some_and(|tensor| tensor.shape.iter().any(uses)))
            || self.op.attributes().iter().any(|(_, value)| match value {
                Attr::Dim(dim) => uses(dim),
                Attr::List(dims) => dims.iter().any(uses),
                // A callee has sizes of its own.
                Attr::Region(region) if !matches!(self.op, Op::Call(_)) => {
                    region.nodes().any(|(_, node)| node.uses_size(sizes))
                }
                _ => false,
            })
    }
}

impl Graph {
    /// The unknown sizes that its own nodes find while they run, not those of its regions.
    pub fn found_sizes(&self) -> Vec<Sym> {
        self.nodes().flat_map(|(_, node)| node.op.found_sizes()).collect()
    }

    /// The node that finds a size.
    pub fn finder_of(&self, sym: &Sym) -> Option<NodeIndex> {
        self.nodes().find(|(_, node)| node.op.found_sizes().contains(sym)).map(|(index, _)| index)
    }

    /// Whether it, a region or a function that it calls finds sizes while it runs: then there is no plan of its memory,
    /// and it is evaluated op by op.
    pub fn finds_sizes(&self) -> bool {
        // Nesting is bounded by the builder, so this may recurse.
        self.depth() > 0
            && self.nodes().any(|(_, node)| {
                !node.op.found_sizes().is_empty() || node.op.regions().iter().any(|region| region.finds_sizes())
            })
    }

    /// The sizes of its results, each once, that cannot be told from the types of its parameters: those which a
    /// [`Call`](crate::ops::Call) of it finds.
    pub fn found_result_sizes(&self) -> Vec<Dim> {
        let found = if self.depth() > 0 { self.found_sizes() } else { Vec::new() };
        let mut sizes: Vec<Dim> = Vec::new();
        if found.is_empty() {
            return sizes;
        }
        for dim in self.result_types().filter_map(Type::as_tensor).flat_map(|tensor| &tensor.shape) {
            if uses(dim, &found) && !sizes.contains(dim) {
                sizes.push(dim.clone());
            }
        }
        sizes
    }
}

/// Whether a size speaks of one of these unknowns.
pub(crate) fn uses(dim: &Dim, syms: &[Sym]) -> bool {
    !syms.is_empty() && dim.syms().iter().any(|sym| syms.contains(sym))
}

/// Whether a shape speaks of one of these unknowns.
pub(crate) fn shape_uses(shape: &Shape, syms: &[Sym]) -> bool {
    shape.iter().any(|dim| uses(dim, syms))
}

/// Whether a guard speaks of one of these unknowns.
pub(crate) fn guard_uses(guard: &Guard, syms: &[Sym]) -> bool {
    uses(&guard.lhs, syms) || uses(&guard.rhs, syms)
}
