//! One iteration backwards: the body again, its gradient behind it, and what of the way there must be kept for that.

use crate::loop_activity::Activity;
use crate::reverse::{gradients, zeros};
use std::sync::Arc;
use tracelift_ir::ops::{Save, StackNew, StackPush, While};
use tracelift_ir::{Builder, Graph, Node, NodeIndex, Op, ParamRole, Type, Value, ValueMap};
use tracelift_tensor::{Dim, Error, Result, Sym};

/// The body of a loop and its gradient as one graph, on the values that the iteration started with.
///
/// Its parameters are those of the body, then what the body pops of carried stacks, then the cotangents of the active
/// carried values, then the sums of the cotangents of active captured values; its results are the next of the last two.
pub(crate) struct Backward {
    pub(crate) graph: Graph,
    /// What each value of the graph that is kept rather than computed is in the body.
    pub(crate) kept: Vec<Kept>,
    /// The position of the first parameter that is no part of the forward body.
    pub(crate) cotangents: usize,
}

/// A value of the forward body that each iteration keeps.
pub(crate) struct Kept {
    /// In the body.
    pub(crate) forward: Value,
    /// In the graph that goes back.
    pub(crate) backward: Value,
}

impl Backward {
    /// `given` says which results of the loop, stacks included, have cotangents from the start, `trips` how many
    /// iterations there are.
    pub(crate) fn of(op: &While, activity: &Activity, given: &[bool], trips: Option<usize>) -> Result<Backward> {
        let body = &op.body;
        let pops = popped(op)?;
        let mut b = Builder::new(format!("{}.gradient", body.name()));
        let mut param = |ty: &Type| b.param("", ty.clone(), ParamRole::Input);
        let params: Vec<Value> = body.param_types().map(&mut param).collect();
        let tops: Vec<Value> = pops.iter().map(|pop| param(body.ty(pop.item))).collect();
        let carried: Vec<Value> = activity.carried.iter().map(|n| param(body.ty(body.results()[*n]))).collect();
        // Each iteration pops the cotangents of what it had kept.
        let stacked: Vec<usize> = (op.carried()..body.results().len()).filter(|n| given[*n]).collect();
        let stacked: Vec<(Value, Value)> =
            stacked.iter().map(|n| (body.results()[*n], param(body.ty(body.results()[*n])))).collect();
        let sums: Vec<Value> = activity.captured.iter().map(|n| param(body.ty(body.params()[*n]))).collect();
        let cotangents = params.len() + tops.len();
        // A stack is rebuilt as far down as the body goes.
        let mut arguments = params;
        for (n, argument) in arguments.iter_mut().enumerate() {
            let Type::Stack(item) = body.ty(body.params()[n]).clone() else { continue };
            *argument = b.push(StackNew { item, capacity: None }, &[])?;
            for (_, top) in pops.iter().zip(&tops).rev().filter(|(pop, _)| pop.param == n) {
                *argument = b.push(StackPush, &[*argument, *top])?;
            }
        }
        let made = b.splice(body, &arguments)?;
        let boundary = b.len();
        let mut targets: Vec<(Value, Value)> =
            activity.carried.iter().zip(&carried).map(|(n, dy)| (made[body.results()[*n]], *dy)).collect();
        targets.extend(stacked.iter().map(|(y, dy)| (made[*y], *dy)));
        let sources: Vec<Value> = activity.carried.iter().chain(&activity.captured).map(|n| arguments[*n]).collect();
        let found = gradients(&mut b, &targets, &sources)?;
        let mut results = vec![];
        for (n, dx) in found.into_iter().enumerate() {
            results.push(match (n.checked_sub(carried.len()), dx) {
                (None, Some(dx)) => dx,
                (None, None) => zeros(&mut b, sources[n])?,
                (Some(sum), Some(dx)) => add_up(&mut b, sums[sum], dx)?,
                (Some(sum), None) => sums[sum],
            });
        }
        for (guard, _) in body.guards_with_origins() {
            b.assume(guard.clone());
        }
        let graph = b.finish(&results)?;
        let forward = Forward { op, made: &made, boundary, pops: &pops, tops: &tops };
        let kept = forward.keep(&graph, trips);
        Ok(Backward { graph, kept, cotangents })
    }
}

/// A sum, which began with zeros, and what an iteration adds to it.
///
/// A few rows are added where they belong rather than as an array of zeros with them in it, so that an iteration takes time
/// for rows. What came along several ways is added in their order.
fn add_up(b: &mut Builder, mut sum: Value, dx: Value) -> Result<Value> {
    let mut pending = vec![dx];
    while let Some(dx) = pending.pop() {
        let node = b.node(dx);
        sum = match (&node.op, &node.operands[..]) {
            (Op::ScatterAdd(scatter), &[_, indices, rows]) if is_rows(b, dx) => {
                let scatter = *scatter;
                b.push(scatter, &[sum, indices, rows])?
            }
            (Op::Add(_), &[first, second]) if is_rows(b, first) || is_rows(b, second) => {
                pending.extend([second, first]);
                sum
            }
            _ => b.add(sum, dx)?,
        };
    }
    Ok(sum)
}

/// Whether a value is rows among zeros.
fn is_rows(b: &Builder, value: Value) -> bool {
    let node = b.node(value);
    let is_zeros = |x: Value| b.number_of(x).is_some_and(|x| x == 0.0 && x.is_sign_positive());
    matches!(node.op, Op::ScatterAdd(_)) && is_zeros(node.operands[0])
}

/// An item that the body pops of a stack that it was given.
struct Popped {
    /// Which parameter the stack is.
    param: usize,
    /// The item.
    item: Value,
}

/// Everything that an iteration pops of the stacks it is given, in order.
fn popped(op: &While) -> Result<Vec<Popped>> {
    let body = &*op.body;
    // Each state of a carried stack: which parameter it was, and how many items the iteration itself has pushed.
    let mut states: ValueMap<(usize, usize)> = ValueMap::new();
    for (n, param) in body.params().iter().enumerate().filter(|(_, param)| body.ty(**param).is_stack()) {
        states.insert(*param, (n, 0));
    }
    let mut popped = vec![];
    for (index, node) in body.nodes() {
        let Some((param, own)) = node.operands.iter().find_map(|x| states.get(*x)).copied() else { continue };
        let own = match &node.op {
            Op::StackPush(_) => own + 1,
            Op::StackLen(_) => own,
            Op::StackPop(_) if own > 0 => own - 1,
            Op::StackPop(_) => {
                popped.push(Popped { param, item: index.result(1) });
                0
            }
            other => {
                let message = "has no gradient in a loop: it changes a stack that was made outside";
                return Err(Error::invalid(message).op(other.name()).at(node.origin.clone()));
            }
        };
        states.insert(index.value(), (param, own));
    }
    Ok(popped)
}

/// The body of a loop inside the graph that goes back.
struct Forward<'a> {
    op: &'a While,
    /// What each value of the body is in the graph.
    made: &'a ValueMap<Value>,
    /// Behind the nodes of the body.
    boundary: usize,
    pops: &'a [Popped],
    tops: &'a [Value],
}

impl Forward<'_> {
    /// The values that the graph needs and that are not computed again: what the iteration starts with, and in a loop
    /// that saves residuals also what is dear.
    fn keep(&self, graph: &Graph, trips: Option<usize>) -> Vec<Kept> {
        let mut forward = self.starts();
        let Save::Within(limit) = self.op.save else {
            if self.op.save == Save::Residuals {
                self.add_residuals(&mut forward);
            }
            return needed(graph, &forward);
        };
        let Some(trips) = trips else { return needed(graph, &forward) };
        let mut all = forward.clone();
        self.add_residuals(&mut all);
        let kept = needed(graph, &all);
        let mut residuals: Vec<Value> =
            kept.iter().filter(|kept| !forward.contains(kept.backward)).map(|kept| kept.forward).collect();
        residuals.dedup();
        let bytes = residuals.iter().try_fold(0usize, |sum, value| sum.checked_add(bytes_of(self.op.body.ty(*value))?));
        match bytes.and_then(|bytes| bytes.checked_mul(trips)) {
            Some(bytes) if bytes <= limit => kept,
            _ => needed(graph, &forward),
        }
    }

    /// What the iteration starts with, by its value in the graph.
    fn starts(&self) -> ValueMap<Value> {
        let (body, made) = (&*self.op.body, self.made);
        let mut forward: ValueMap<Value> = ValueMap::new();
        for (pop, top) in self.pops.iter().zip(self.tops) {
            forward.insert(made[pop.item], pop.item);
            forward.insert(*top, pop.item);
        }
        for param in &body.params()[..self.op.carried()] {
            if !body.ty(*param).is_stack() {
                forward.insert(made[*param], *param);
            }
        }
        forward
    }

    /// What is dear to compute again.
    fn add_residuals(&self, forward: &mut ValueMap<Value>) {
        let (body, made) = (&*self.op.body, self.made);
        for (index, node) in body.nodes() {
            for n in 0..node.types.len() {
                let value = index.result(n);
                let is_tensor = body.ty(value).as_tensor().is_some();
                // A value that the loop only captures is there anyway.
                if is_tensor && !node.op.is_cheap_to_recompute() && made[value].node.index() < self.boundary {
                    forward.insert(made[value], value);
                }
            }
        }
    }
}

/// The bytes of a value, if its sizes are known.
fn bytes_of(ty: &Type) -> Option<usize> {
    let ty = ty.as_tensor()?;
    let mut sizes = ty.shape.iter().map(Dim::known_len);
    sizes.try_fold(ty.dtype.size(), |bytes, n| bytes.checked_mul(n?))
}

/// Which of some values a graph needs; what it needs in their stead is computed.
fn needed(graph: &Graph, forward: &ValueMap<Value>) -> Vec<Kept> {
    let (mut kept, mut seen) = (vec![], ValueMap::new());
    let mut pending: Vec<Value> = graph.results().to_vec();
    while let Some(value) = pending.pop() {
        if seen.insert(value, ()).is_some() {
            continue;
        }
        match forward.get(value) {
            Some(forward) => kept.push(Kept { forward: *forward, backward: value }),
            None => pending.extend(graph.node(value).operands.iter().copied()),
        }
    }
    kept.sort_unstable_by_key(|kept| (kept.forward, kept.backward));
    kept
}

/// Copies into a builder what the results of a graph need, where some values are given; answers the results. What speaks of
/// a size that a node finds needs that node.
pub(crate) fn copy_needed(b: &mut Builder, graph: &Graph, made: &mut ValueMap<Value>) -> Result<Vec<Value>> {
    let mut needed = vec![false; graph.len()];
    let found = |(id, node): (NodeIndex, &Node)| node.op.found_sizes().into_iter().map(move |sym| (sym, id.value()));
    let finders: Vec<(Sym, Value)> = graph.nodes().flat_map(found).collect();
    let mut pending: Vec<Value> = graph.results().to_vec();
    while let Some(value) = pending.pop() {
        if !made.contains(value) && !std::mem::replace(&mut needed[value.node.index()], true) {
            let node = graph.node(value);
            pending.extend(node.operands.iter().copied());
            let used = finders.iter().filter(|(sym, _)| node.uses_size(std::slice::from_ref(sym)));
            pending.extend(used.map(|(_, finder)| *finder));
        }
    }
    for (n, _) in needed.iter().enumerate().filter(|(_, needed)| **needed) {
        let index = NodeIndex(n as u32);
        let node = graph.node(index);
        let operands: Vec<Value> = node.operands.iter().map(|x| made[*x]).collect();
        for (n, value) in b.push_like(node, &operands)?.into_iter().enumerate() {
            if !made.contains(index.result(n)) {
                made.insert(index.result(n), value);
            }
        }
    }
    Ok(graph.results().iter().map(|result| made[*result]).collect())
}

/// A region on these parameters.
pub(crate) fn region(
    name: &str,
    types: &[Type],
    build: impl FnOnce(&mut Builder, &[Value]) -> Result<Vec<Value>>,
) -> Result<Arc<Graph>> {
    let mut b = Builder::new(name);
    let params: Vec<Value> = types.iter().map(|ty| b.param("", ty.clone(), ParamRole::Input)).collect();
    let results = build(&mut b, &params)?;
    b.finish(&results).map(Arc::new)
}
