//! Names for sizes that a gradient finds, derived from those of what it is the gradient of.

use tracelift_ir::{Builder, Graph, NodeIndex, Op, Type};
use tracelift_tensor::{Dim, Shape, Sym};

/// The names that are taken.
pub(crate) struct Names(Vec<Sym>);

impl Names {
    /// Those that a graph uses.
    pub(crate) fn of(graph: &Graph) -> Names {
        let mut names = Names(graph.unknowns().into_iter().map(|(sym, ..)| sym).collect());
        names.add_graph(graph);
        names
    }

    /// The sizes that a region and its own regions find, but not those of functions that are called.
    pub(crate) fn found_in(region: &Graph) -> Vec<Sym> {
        // Nesting is bounded by the builder, so this may recurse.
        let of_node = |op: &Op| {
            let inner = op.regions().into_iter().filter(|_| !matches!(op, Op::Call(_)));
            let inner: Vec<Sym> = inner.flat_map(|region| Names::found_in(region)).collect();
            [op.found_sizes(), inner].concat()
        };
        region.nodes().flat_map(|(_, node)| of_node(&node.op)).collect()
    }

    /// Those of sizes that are found in what a builder has so far.
    pub(crate) fn in_builder(b: &Builder) -> Names {
        let mut names = Names(vec![]);
        (0..b.len()).for_each(|n| names.add_op(&b.node(NodeIndex(n as u32)).op));
        names
    }

    /// Nesting is bounded by the builder, so this may recurse.
    fn add_graph(&mut self, graph: &Graph) {
        graph.nodes().for_each(|(_, node)| self.add_op(&node.op));
    }

    fn add_op(&mut self, op: &Op) {
        self.0.extend(op.found_sizes());
        op.regions().iter().for_each(|region| self.add_graph(region));
    }

    /// A new one.
    pub(crate) fn next(&mut self, like: &Sym) -> Dim {
        let mut names = (1..).map(|n| Sym::new(&format!("{like}_{n}")));
        let name = names.find(|name| !self.0.contains(name)).expect("there are more names than sizes");
        self.0.push(name.clone());
        Dim::from(name)
    }

    /// A type with new names in the places of sizes that speak of some.
    pub(crate) fn open(&mut self, ty: &Type, found: &[Sym]) -> Type {
        let Type::Tensor(tensor) = ty else { return ty.clone() };
        let dims = tensor.shape.iter().map(|dim| match dim.syms().iter().find(|sym| found.contains(sym)) {
            Some(sym) => self.next(sym),
            None => dim.clone(),
        });
        Type::tensor(tensor.dtype, dims.collect::<Shape>())
    }
}
