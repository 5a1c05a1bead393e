//! Elementwise work behind a reshape of elementwise work, done in the shape that stands before it: one loop for both.
//!
//! A reshape ends a loop nest, since the indices on its two sides differ. If it joins axes of what is computed element by
//! element, what follows element by element may as well run over the axes before they are joined; sums over joined axes go
//! over all that were joined, in the same order. What is read from elsewhere is seen in the finer shape, which costs nothing.

use super::is_element;
use crate::rewrite::{Rewrite, live, sweep};
use crate::schedule::lowering;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use std::ops::Range;
use std::rc::Rc;
use tracelift_ir::ops::{Axes, Broadcast, Reduce};
use tracelift_ir::{Graph, Lowering, Node, NodeIndex, Op, Value, ValueMap};
use tracelift_tensor::{Dim, Result, Shape};

/// A shape, and one in which some of its axes are joined.
struct Joined {
    fine: Shape,
    coarse: Shape,
    /// For each coarse axis the fine ones that it joins.
    axes: Vec<Range<usize>>,
}

impl Joined {
    fn new(fine: &Shape, coarse: &Shape) -> Option<Joined> {
        let (mut axes, mut next) = (vec![], 0);
        for dim in coarse {
            let first = next;
            let mut size = Dim::ONE;
            while size != *dim || next == first {
                size = &size * fine.get(next)?;
                next += 1;
            }
            axes.push(first..next);
        }
        let whole = next == fine.rank() && coarse.rank() < next;
        whole.then(|| Joined { fine: fine.clone(), coarse: coarse.clone(), axes })
    }
}

/// The graph with elementwise work in the finer of two shapes where that joins loops.
pub(super) fn undo(graph: &Graph) -> Result<Graph> {
    let live = live(graph);
    let Some(joined) = find(graph, &live) else { return Ok(graph.clone()) };
    let mut unjoin =
        Unjoin { graph, joined: &joined, new: Rewrite::new(graph), fine: ValueMap::with_capacity(graph.len()) };
    for (id, node) in graph.nodes().filter(|(id, _)| live[id.index()]) {
        match (&node.op, &joined[id.index()]) {
            (Op::Parameter(_), _) => {}
            (Op::Reduce(reduce), _) if unjoin.fine.contains(node.operands[0]) => unjoin.reduce(id, reduce)?,
            (op, Some(joined)) if !matches!(op, Op::Reshape(_)) => unjoin.element(id, node, joined)?,
            _ => unjoin.new.keep(id, &mut |region| Ok(region.clone()))?,
        }
    }
    // Most of what is computed is wanted in one of the two shapes only.
    sweep(&unjoin.new.finish()?)
}

/// For each node the joined shape that it has, if it is a reshape to one or is computed behind one; none if nothing is.
fn find(graph: &Graph, live: &[bool]) -> Option<Vec<Option<Rc<Joined>>>> {
    let mut joined: Vec<Option<Rc<Joined>>> = vec![None; graph.len()];
    let mut any = false;
    for (id, node) in graph.nodes().filter(|(id, _)| live[id.index()]) {
        let found = match &node.op {
            Op::Reshape(_) => {
                let from = node.operands[0];
                let starts = joined[from.node.index()].is_none() && is_element(graph, from.node);
                starts.then(|| Joined::new(graph.ty(from).shape(), graph.ty(id.value()).shape())).flatten().map(Rc::new)
            }
            _ if is_lane(graph, id) && node.operands.iter().all(|x| is_seen_anew(graph, &joined, *x)) => {
                let shape = graph.ty(id.value()).shape();
                let of_operand = |x: &Value| joined[x.node.index()].clone().filter(|joined| joined.coarse == *shape);
                let found = node.operands.iter().find_map(of_operand);
                any |= found.is_some();
                found
            }
            _ => None,
        };
        joined[id.index()] = found;
    }
    if !any {
        return None;
    }
    pull(graph, live, &mut joined);
    Some(joined)
}

/// Work whose only readers are behind the reshape goes with them, unless it may run over the rows of a product.
fn pull(graph: &Graph, live: &[bool], joined: &mut [Option<Rc<Joined>>]) {
    let results: FxHashSet<Value> = graph.results().iter().copied().collect();
    for (id, node) in graph.nodes().rev().filter(|(id, _)| live[id.index()]) {
        let value = id.value();
        let of_product = node.operands.iter().any(|x| matches!(graph.node(*x).op, Op::DotGeneral(_)));
        if joined[id.index()].is_some() || !is_lane(graph, id) || of_product || results.contains(&value) {
            continue;
        }
        let users = graph.users(value);
        let mut users = users.iter().map(|(user, _)| user.index()).filter(|user| live[*user]);
        let Some(first) = users.next().and_then(|user| joined[user].clone()) else { continue };
        let same = |user: usize| joined[user].as_ref().is_some_and(|joined| Rc::ptr_eq(joined, &first));
        if first.coarse == *graph.ty(value).shape()
            && users.all(same)
            && node.operands.iter().all(|x| is_seen_anew(graph, joined, *x))
        {
            joined[id.index()] = Some(first);
        }
    }
}

fn is_lane(graph: &Graph, id: NodeIndex) -> bool {
    let ty = graph.node(id).types.first().and_then(|ty| ty.as_tensor());
    ty.is_some_and(|ty| ty.shape.rank() > 0) && matches!(lowering(graph, id), Lowering::Lane(_))
}

/// Whether an operand can be had in the finer shape for nothing: what is no buffer, but an index, cannot.
fn is_seen_anew(graph: &Graph, joined: &[Option<Rc<Joined>>], x: Value) -> bool {
    let is_index = || matches!(lowering(graph, x.node), Lowering::Index(_) | Lowering::Iota { .. });
    joined[x.node.index()].is_some() || matches!(graph.node(x).op, Op::Broadcast(_)) || !is_index()
}

struct Unjoin<'a, 'g> {
    graph: &'g Graph,
    joined: &'a [Option<Rc<Joined>>],
    new: Rewrite<'g>,
    /// What is computed in the finer shape.
    fine: ValueMap<Value>,
}

impl Unjoin<'_, '_> {
    /// Computes a node in the finer shape, and shows it in its own to those who want that.
    fn element(&mut self, id: NodeIndex, node: &Node, joined: &Rc<Joined>) -> Result {
        let operands =
            node.operands.iter().map(|x| self.operand(*x, joined)).collect::<Result<SmallVec<[Value; 3]>>>()?;
        let fine = self.new.b.push_like(node, &operands)?[0];
        self.fine.insert(id.value(), fine);
        let coarse = self.new.b.reshape(fine, joined.coarse.clone())?;
        self.new.set(id.value(), coarse);
        Ok(())
    }

    fn operand(&mut self, x: Value, joined: &Rc<Joined>) -> Result<Value> {
        let is_same = |other: &Rc<Joined>| Rc::ptr_eq(other, joined);
        let node = self.graph.node(x);
        match (&node.op, self.joined[x.node.index()].as_ref().filter(|other| is_same(other))) {
            (Op::Reshape(_), Some(_)) => Ok(self.new.value(node.operands[0])),
            (_, Some(_)) => Ok(self.fine[x]),
            (Op::Broadcast(broadcast), None) => self.broadcast(node.operands[0], broadcast, joined),
            (_, None) => {
                let value = self.new.value(x);
                self.new.b.reshape(value, joined.fine.clone())
            }
        }
    }

    /// The broadcast into the finer shape, of an operand whose axes are those before they are joined.
    fn broadcast(&mut self, from: Value, broadcast: &Broadcast, joined: &Joined) -> Result<Value> {
        let from_shape = self.graph.ty(from).shape();
        let (mut axes, mut dims) = (Axes::new(), vec![]);
        for (dim, axis) in from_shape.iter().zip(&broadcast.axes) {
            let fine = joined.axes[*axis].clone();
            axes.extend(fine.clone());
            match *dim == joined.coarse[*axis] {
                true => dims.extend(joined.fine[fine].iter().cloned()),
                false => dims.extend(fine.map(|_| Dim::ONE)),
            }
        }
        let shape: Shape = dims.into_iter().collect();
        let mut value = self.new.value(from);
        if shape != *from_shape {
            value = self.new.b.reshape(value, shape)?;
        }
        self.new.b.push(Broadcast { shape: joined.fine.clone(), axes }, &[value])
    }

    /// A reduction over the axes before they are joined.
    fn reduce(&mut self, id: NodeIndex, reduce: &Reduce) -> Result {
        let node = self.graph.node(id);
        let x = node.operands[0];
        let joined = self.joined[x.node.index()].as_ref().expect("what is computed in a finer shape has one");
        let axes = reduce.axes.iter().flat_map(|axis| joined.axes[*axis].clone()).collect();
        let fine = Reduce { axes, keep: false, ..reduce.clone() };
        self.new.b.at(node.origin.clone());
        let mut value = self.new.b.push(fine, &[self.fine[x]])?;
        let shape = self.graph.ty(id.value()).shape();
        if self.new.b.ty(value).shape() != shape {
            value = self.new.b.reshape(value, shape.clone())?;
        }
        self.new.set(id.value(), value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_are_joined() {
        let joined = |fine: &[i64], coarse: &[i64]| {
            let shape = |dims: &[i64]| dims.iter().map(|n| Dim::from(*n)).collect::<Shape>();
            Joined::new(&shape(fine), &shape(coarse)).map(|joined| joined.axes)
        };
        assert_eq!(joined(&[3, 13, 2, 13, 2, 8], &[3, 26, 26, 8]), Some(vec![0..1, 1..3, 3..5, 5..6]));
        assert_eq!(joined(&[2, 3, 5], &[6, 5]), Some(vec![0..2, 2..3]));
        assert_eq!(joined(&[6], &[2, 3]), None);
        assert_eq!(joined(&[2, 3], &[2, 3]), None);
        assert_eq!(joined(&[4, 3, 2], &[6, 4]), None);
    }
}
