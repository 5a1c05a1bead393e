//! Graphs over a batch: one run does what running a graph for each element would do.
//!
//! Some values then hold one item per element of the batch, along a new first axis; what does not depend on such a value
//! stays single. Each op says in its own file what it becomes; ops that own graphs are treated in `regions`.

mod branches;
mod calls;
mod guarded;
mod loops;

use std::sync::Arc;
use tracelift_ir::ops::StackNew;
use tracelift_ir::{Batch, BatchRule, Builder, Graph, NodeIndex, Op, ParamRole, TensorType, Type, Value, ValueMap};
use tracelift_tensor::{Dim, Error, Result, Shape};

/// A value that may hold one item per element of a batch, along its first axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchValue {
    /// The value.
    pub value: Value,
    /// Whether its first axis is that of the batch; if not, it is the same for all elements.
    pub batched: bool,
}

impl BatchValue {
    /// One item for each element: repeated if it is the same for all.
    pub fn for_each(self, b: &mut Builder, size: &Dim) -> Result<Value> {
        spread(b, self, size).map(|all| all.value)
    }
}

/// A graph that does for every element of a batch what `graph` does for one.
///
/// `batched` says of each parameter whether there is one per element: it then has a new first axis of `size`, as all
/// results have, those of states alone excepted. `size` is a number or an unknown that a parameter's axis gives.
///
/// Each result equals the stacked results of single runs, bit for bit, but for products of a matrix that is the same for
/// all elements with a vector of each: these become one product of two matrices, whose sums go in another order.
///
/// # Errors
///
/// An op that cannot be batched is named with the reason and the line that made it. A variable cannot be given a value
/// per element.
///
/// ```
/// use tracelift_autodiff::batch;
/// use tracelift_ir::{Graph, evaluate};
/// use tracelift_tensor::{Array, Dim};
///
/// let dot = Graph::parse("func @dot(%x: f32[2], %y: f32[2]) -> f32[] {
///     %0 = mul %x, %y : f32[2]
///     %1 = reduce_sum %0 {axes=[0], keep=false, order=lanes} : f32[]
///     return %1
/// }")?;
/// // One x for each element, the same y for all.
/// let dots = batch(&dot, &[true, false], &Dim::sym("V"))?;
/// let x = Array::new([3, 2], [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// let results = evaluate(&dots, &[x, Array::vector([10.0f32, 1.0])?])?;
/// assert_eq!(results[0].to_vec::<f32>()?, [12.0, 34.0, 56.0]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn batch(graph: &Graph, batched: &[bool], size: &Dim) -> Result<Graph> {
    if batched.len() != graph.params().len() {
        let message = format!("@{} has {} parameters, not {}", graph.name(), graph.params().len(), batched.len());
        return Err(Error::invalid(message).op("batch"));
    }
    let is_state = |n: usize| graph.states().iter().any(|state| state.result == n);
    let wanted = |n: usize, batched: bool| if is_state(n) { batched } else { true };
    let (batched, held) = batched_graph(graph, &format!("{}.batch", graph.name()), batched, size, &wanted)?;
    match graph.states().iter().find(|state| held[state.result]) {
        None => Ok(batched),
        Some(state) => {
            let variable = graph.name_of(graph.params()[state.param]).map_or("a variable", |name| name);
            let message = format!("cannot give `{variable}` a value for each element of a batch");
            Err(Error::invalid(message).op("batch").help("answer the values, and assign what they come to outside"))
        }
    }
}

/// Appends the nodes of `graph` over a batch, on the given arguments, which hold one item per element or are the same for
/// all; gives the results, each with the word whether it is batched.
///
/// ```
/// use tracelift_autodiff::{BatchValue, batch_nodes};
/// use tracelift_ir::{Builder, Graph, ParamRole, Type};
/// use tracelift_tensor::{Dim, F32};
///
/// let double = Graph::parse("func @double(%x: f32[2]) -> f32[2] {
///     %0 = add %x, %x : f32[2]
///     return %0
/// }")?;
/// let mut b = Builder::new("doubles");
/// let x = b.param("x", Type::tensor(F32, [5, 2]), ParamRole::Input);
/// let y = batch_nodes(&mut b, &double, &[BatchValue { value: x, batched: true }], &Dim::from(5))?;
/// assert!(y[0].batched);
/// assert_eq!(b.ty(y[0].value).to_string(), "f32[5, 2]");
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn batch_nodes(b: &mut Builder, graph: &Graph, arguments: &[BatchValue], size: &Dim) -> Result<Vec<BatchValue>> {
    let mut made: ValueMap<BatchValue> = ValueMap::with_capacity(graph.len());
    for (param, argument) in graph.params().iter().zip(arguments) {
        made.insert(*param, *argument);
    }
    let origin = b.origin().clone();
    for (guard, place) in graph.guards_with_origins() {
        b.at(place.clone()).assume(guard.clone());
    }
    for (index, node) in graph.nodes() {
        if matches!(node.op, Op::Parameter(_)) {
            continue;
        }
        let x: Vec<BatchValue> = node.operands.iter().map(|x| made[*x]).collect();
        let operands: Vec<Value> = x.iter().map(|x| x.value).collect();
        let results = match x.iter().any(|x| x.batched) {
            // What will be pushed is not known yet: there is room for an item per element.
            false if let Op::StackNew(new) = &node.op => {
                let item = TensorType::new(new.item.dtype, with_batch(size, &new.item.shape));
                held([b.push(StackNew { item, ..new.clone() }, &[])?])
            }
            false => single(b.push_like(node, &operands)?),
            true => {
                b.at(node.origin.clone());
                let results = over_batch(b, &node.op, &x, &operands, &node.types, size)?;
                for (result, name) in results.iter().zip(&node.names) {
                    if let Some(name) = name {
                        b.set_name(result.value, name.clone());
                    }
                }
                results
            }
        };
        for (n, result) in results.into_iter().enumerate() {
            made.insert(index.result(n), result);
        }
    }
    b.at(origin);
    Ok(graph.results().iter().map(|result| made[*result]).collect())
}

fn single(values: impl IntoIterator<Item = Value>) -> Vec<BatchValue> {
    values.into_iter().map(|value| BatchValue { value, batched: false }).collect()
}

fn held(values: impl IntoIterator<Item = Value>) -> Vec<BatchValue> {
    values.into_iter().map(|value| BatchValue { value, batched: true }).collect()
}

/// One node of which some operand is batched.
fn over_batch(
    b: &mut Builder,
    op: &Op,
    x: &[BatchValue],
    operands: &[Value],
    y: &[Type],
    size: &Dim,
) -> Result<Vec<BatchValue>> {
    let batched: Vec<bool> = x.iter().map(|x| x.batched).collect();
    match op.batch(&mut Batch { b, x: operands, batched: &batched, size, y })? {
        BatchRule::Batched(values) => Ok(held(values)),
        BatchRule::Same(values) => Ok(single(values)),
        BatchRule::Each(values) => {
            Ok(values.into_iter().map(|(value, batched)| BatchValue { value, batched }).collect())
        }
        BatchRule::Refused(reason) => Err(refused(b, op, operands, reason)),
        BatchRule::Region => match op {
            Op::Call(call) => calls::call(b, call, x, size),
            Op::Cond(cond) => branches::cond(b, cond, x, size),
            Op::While(loop_) => loops::while_loop(b, loop_, x, size),
            _ => Err(refused(b, op, operands, "owns a graph that is run in no known way")),
        },
    }
}

fn refused(b: &Builder, op: &Op, operands: &[Value], reason: &str) -> Error {
    Error::invalid(format!("cannot be done for a batch: it {reason}"))
        .op(op.name())
        .operands(operands.iter().map(|x| b.ty(*x)))
        .at(b.origin().clone())
}

/// A graph over a batch, and which of its results are batched: those that come out so, and those that are wanted so.
fn batched_graph(
    graph: &Graph,
    name: &str,
    batched: &[bool],
    size: &Dim,
    wanted: &dyn Fn(usize, bool) -> bool,
) -> Result<(Graph, Vec<bool>)> {
    let mut b = Builder::new(name);
    let mut arguments = vec![];
    for (n, (param, role)) in graph.params().iter().zip(graph.roles()).enumerate() {
        let name = graph.name_of(*param).cloned().unwrap_or_default();
        b.at(graph.node(*param).origin.clone());
        let value = b.param(name, param_type(graph.ty(*param), batched[n], size)?, *role);
        arguments.push(BatchValue { value, batched: batched[n] });
    }
    let mut results = batch_nodes(&mut b, graph, &arguments, size)?;
    for (n, result) in results.iter_mut().enumerate() {
        if !result.batched && wanted(n, false) && matches!(b.ty(result.value), Type::Tensor(_)) {
            *result = spread(&mut b, *result, size)?;
        }
    }
    let values: Vec<Value> = results.iter().map(|result| result.value).collect();
    let states = graph.states().iter().filter(|state| !results[state.result].batched).copied().collect();
    Ok((b.finish_with_states(&values, states)?, results.iter().map(|result| result.batched).collect()))
}

/// A region over a batch; regions have no states.
fn batched_region(
    graph: &Graph,
    batched: &[bool],
    size: &Dim,
    wanted: &dyn Fn(usize, bool) -> bool,
) -> Result<(Arc<Graph>, Vec<bool>)> {
    let (region, held) = batched_graph(graph, graph.name(), batched, size, wanted)?;
    Ok((Arc::new(region), held))
}

/// The type of a value that holds one item of the given type for each element.
fn param_type(ty: &Type, batched: bool, size: &Dim) -> Result<Type> {
    match ty {
        _ if !batched => Ok(ty.clone()),
        Type::Tensor(tensor) => Ok(Type::tensor(tensor.dtype, with_batch(size, &tensor.shape))),
        Type::Stack(item) => Ok(Type::Stack(TensorType::new(item.dtype, with_batch(size, &item.shape)))),
        other => Err(Error::invalid(format!("a value of type {other} cannot be given for each element of a batch"))),
    }
}

fn with_batch(size: &Dim, shape: &Shape) -> Shape {
    std::iter::once(size).chain(shape).cloned().collect()
}

/// The value repeated for each element, if it is not batched already.
fn spread(b: &mut Builder, x: BatchValue, size: &Dim) -> Result<BatchValue> {
    if x.batched || !matches!(b.ty(x.value), Type::Tensor(_)) {
        return Ok(x);
    }
    let shape = b.ty(x.value).shape().clone();
    let axes: Vec<usize> = (1..=shape.rank()).collect();
    let value = b.broadcast(x.value, with_batch(size, &shape), &axes)?;
    Ok(BatchValue { value, batched: true })
}

/// For each element `x` where the mask, `bool[size]`, is true, and `y` elsewhere; both are batched.
fn choose(b: &mut Builder, mask: Value, x: Value, y: Value) -> Result<Value> {
    let shape = b.ty(x).shape().clone();
    let mask = if shape.rank() == 1 { mask } else { b.broadcast(mask, shape, &[0])? };
    b.select(mask, x, y)
}

/// New parameters of the types of given values.
fn params_like(b: &mut Builder, types: impl IntoIterator<Item = Type>) -> Vec<Value> {
    types.into_iter().map(|ty| b.param("", ty, ParamRole::Input)).collect()
}

/// All nodes of a graph and of the graphs that its nodes own.
fn any_node(graph: &Graph, test: &dyn Fn(&Graph, NodeIndex) -> bool) -> bool {
    // Nesting is bounded by the builder, so this may recurse.
    graph
        .nodes()
        .any(|(index, node)| test(graph, index) || node.op.regions().into_iter().any(|region| any_node(region, test)))
}
