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

    /// Whether its attributes or its regions speak of one of these sizes.
    pub fn uses_size(&self, sizes: &[Sym]) -> bool {
        let uses = |dim: &Dim| uses(dim, sizes);
        self.attributes().iter().any(|(_, value)| match value {
            Attr::Dim(dim) => uses(dim),
            Attr::List(dims) => dims.iter().any(uses),
            // A callee has sizes of its own.
            Attr::Region(region) if !matches!(self, Op::Call(_)) => {
                region.nodes().any(|(_, node)| node.uses_size(sizes))
            }
            _ => false,
        })
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
            || self.op.uses_size(sizes)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, evaluate, verify};
    use tracelift_tensor::{Array, F32};

    /// A loop over `%x: f32[B]` and `%p: bool[]` with this head, these types and this yield of `%y: f32[r1]`.
    fn grow(head: &str, types: &str, body: &str) -> String {
        let text = format!(
            "func @f(%x: f32[B], %w: f32[3], %p: bool[]) -> () {{
               %0 = while (%y = %x) captures (%p, %w) {{{head}}} : {types} {{ yield %p }} do {{ {body} }}
               return
             }}"
        );
        match Graph::parse(&text) {
            Ok(graph) => verify(&graph).map_or_else(|error| error.to_string(), |()| "good".to_owned()),
            Err(mistake) => mistake.to_string().lines().next().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn a_loop_names_the_sizes_of_what_it_carries() {
        let twice = "%1 = concat %y, %y {axis=0} : f32[2*r1] yield %1";
        assert_eq!(grow("sizes=[r1]", "f32[r1]", twice), "good");
        for (head, types, body, message) in [
            (
                "sizes=[r1]",
                "f32[r1]",
                "%1 = cast %y {dtype=f64} : f64[r1] yield %1",
                "carries `y` as f32[r1], which cannot become f64[r1]",
            ),
            (
                "sizes=[r1]",
                "f32[r1]",
                "%1 = const 1.0 : f32[] yield %1",
                "carries `y` as f32[r1], which cannot become f32[]",
            ),
            ("sizes=[r2]", "f32[r1]", "yield %y", "carries nothing with the size r2"),
            ("sizes=[r1, r1]", "f32[r1]", "yield %y", "names a size twice"),
            ("sizes=[r1]", "f32[r1 + 1]", "yield %y", "has `r1 + 1` as a size of value 0"),
            ("sizes=[B]", "f32[B]", "yield %y", "is given f32[B], whose size it is to find itself"),
            ("sizes=[2*B]", "f32[B]", "yield %y", "wants names of unknown sizes as attribute `sizes`, not `2*B`"),
            (
                "sizes=[r1], stacks=1",
                "f32[r1], stack<f32[r1]>",
                "yield %y, %y",
                "keeps f32[r1] of each iteration, whose size changes",
            ),
        ] {
            let given = grow(head, types, body);
            assert!(given.contains(message), "{given}");
        }
        // What fits only if a size is that of the weights is looked at in each iteration.
        assert_eq!(grow("sizes=[r1]", "f32[r1]", "guard r1 == 3 %1 = add %y, %w : f32[r1] yield %1"), "good");
    }

    #[test]
    fn a_size_is_used_after_it_is_found() {
        let mut b = Builder::new("f");
        let one = b.number(F32, 1.0);
        b.broadcast(one, [Dim::sym("r1")], &[]).unwrap();
        let graph = b.finish(&[]).unwrap();
        assert!(verify(&graph).unwrap_err().to_string().contains("has the unknown size r1"));
        // Twice the same name, one after the other.
        let text = "func @f(%x: f32[B], %p: bool[]) -> f32[r1], f32[r1] {
            %0 = while (%y = %x) captures (%p) {sizes=[r1]} : f32[r1] { yield %p } do { yield %y }
            %1 = while (%y = %x) captures (%p) {sizes=[r1]} : f32[r1] { yield %p } do { yield %y }
            return %0, %1
        }";
        let twice = Graph::parse(text).unwrap();
        assert!(verify(&twice).unwrap_err().to_string().contains("finds the size r1, which is known before it"));
    }

    #[test]
    fn sizes_that_do_not_fit_are_the_mistake_of_a_node() {
        let graph = Graph::parse(
            "func @f(%x: f32[B], %w: f32[3], %n: i32[]) -> f32[r1] {
               guard r1 == 3
               %y = while (%y = %x) captures (%n) {sizes=[r1]} : f32[r1] {
                 %0 = dim %y {axis=0} : i32[]
                 %1 = lt %0, %n : bool[]
                 yield %1
               } do {
                 %0 = concat %y, %y {axis=0} : f32[2*r1]
                 yield %0
               }
               %1 = add %y, %w : f32[r1]
               return %1
             }",
        )
        .unwrap();
        let w = Array::vector([1.0f32, 2.0, 3.0]).unwrap();
        let run = |x: &[f32], n: i32| {
            evaluate(&graph, &[Array::vector(x).unwrap(), w.clone(), Array::scalar(n)]).map(|mut y| y.remove(0))
        };
        assert_eq!(run(&[0.5; 3], 0).unwrap().to_vec::<f32>().unwrap(), [1.5, 2.5, 3.5]);
        let error = run(&[0.5], 3).unwrap_err();
        assert_eq!(error.to_string(), "`add` wants equal shapes, not f32[4] and f32[3]");
        assert!(graph.finds_sizes() && graph.found_result_sizes() == [Dim::sym("r1")]);
        let json = serde_json::to_string(&graph).unwrap();
        assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), graph);
    }
}
