//! What random graphs have met: a generator that stops making loops must be noticed.

use crate::check::Checked;
use crate::random::Case;
use std::fmt;
use tracelift_ir::{Graph, Node, Op, Type};
use tracelift_tensor::Array;

type Met = fn(&Case, &Checked) -> bool;

/// What a graph can show, with the share of all graphs, in percent, that must show it.
const FEATURES: [(&str, usize, Met); 16] = [
    ("a fused group", 50, |_, c| count(&c.fused, &|node| matches!(node.op, Op::Fusion(_))) > 0),
    ("three fused groups", 5, |_, c| count(&c.fused, &|node| matches!(node.op, Op::Fusion(_))) > 2),
    ("a fused reduction", 10, |_, c| {
        count(&c.fused, &|node| matches!(&node.op, Op::Fusion(f) if count(&f.body, &is_reduction) > 0)) > 0
    }),
    ("a reduction", 35, |case, _| count(&case.graph, &is_reduction) > 0),
    ("a product", 15, |case, _| count(&case.graph, &|node| matches!(node.op, Op::DotGeneral(_))) > 0),
    ("a loop", 10, |case, _| count(&case.graph, &|node| matches!(node.op, Op::While(_))) > 0),
    ("a branch", 10, |case, _| count(&case.graph, &|node| matches!(node.op, Op::Cond(_))) > 0),
    ("a call", 4, |case, _| count(&case.graph, &|node| matches!(node.op, Op::Call(_))) > 0),
    ("a print", 3, |case, _| count(&case.graph, &|node| matches!(node.op, Op::Print(_))) > 0),
    ("a gather", 10, |case, _| count(&case.graph, &|node| matches!(node.op, Op::Gather(_))) > 0),
    ("a scatter", 5, |case, _| count(&case.graph, &|node| matches!(node.op, Op::ScatterAdd(_))) > 0),
    ("an unknown size", 50, |case, _| !case.graph.unknowns().is_empty()),
    ("an empty array", 15, |case, _| case.arguments.iter().any(Array::is_empty)),
    ("a kernel with several outputs", 10, |_, c| c.program.kernels.iter().any(|kernel| outputs(kernel) > 1)),
    ("a NaN among its results", 10, |_, c| c.run.results.iter().flatten().any(has_nan)),
    ("a state", 15, |case, _| !case.graph.states().is_empty()),
];

/// How many graphs have shown what.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    graphs: usize,
    seen: [usize; FEATURES.len()],
}

impl Counts {
    /// Notes one graph.
    pub fn add(&mut self, case: &Case, checked: &Checked) {
        self.graphs += 1;
        for (seen, (.., met)) in self.seen.iter_mut().zip(FEATURES) {
            *seen += usize::from(met(case, checked));
        }
    }

    /// Adds what others have shown.
    pub fn join(&mut self, other: &Counts) {
        self.graphs += other.graphs;
        self.seen.iter_mut().zip(other.seen).for_each(|(seen, more)| *seen += more);
    }

    /// What was shown too rarely.
    pub fn too_rare(&self) -> Vec<String> {
        let rare = |(seen, (name, floor, _)): (&usize, (&str, usize, Met))| {
            let enough = seen * 100 >= floor * self.graphs;
            (!enough).then(|| format!("{name}: {seen} of {} graphs, less than {floor} %", self.graphs))
        };
        self.seen.iter().zip(FEATURES).filter_map(rare).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} graphs", self.graphs)?;
        for (seen, (name, floor, _)) in self.seen.iter().zip(FEATURES) {
            writeln!(f, "{seen:6} with {name} (at least {floor} %)")?;
        }
        Ok(())
    }
}

/// How many nodes are such, those of regions and callees included.
fn count(graph: &Graph, is: &dyn Fn(&Node) -> bool) -> usize {
    graph.nodes().map(|(_, node)| usize::from(is(node)) + inside(node, is)).sum()
}

fn inside(node: &Node, is: &dyn Fn(&Node) -> bool) -> usize {
    node.op.regions().iter().map(|region| count(region, is)).sum()
}

fn is_reduction(node: &Node) -> bool {
    matches!(&node.op, Op::Reduce(reduce) if !reduce.axes.is_empty()) && matches!(node.types[0], Type::Tensor(_))
}

fn outputs(kernel: &tracelift_kernel::loops::Kernel) -> usize {
    let written = kernel.params.iter().filter(|param| param.access != tracelift_kernel::loops::Access::Read).count();
    written + kernel.results.len()
}

fn has_nan(array: &Array) -> bool {
    array.dtype().is_float() && (0..array.len()).any(|i| array.get_f64(i).is_nan())
}
