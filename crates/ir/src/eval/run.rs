//! Evaluating whole graphs.

use super::context::EvalCx;
use super::stacks::Stacks;
use crate::found::guard_uses;
use crate::graph::Graph;
use crate::op::Op;
use crate::types::Type;
use crate::value::{Value, ValueMap};
use tracelift_kernel::guard::{Guard, GuardOp};
use tracelift_tensor::{Array, Binding, Error, Origin, Result, Sym};

/// Runs a graph on arrays: one per parameter, states included; answers one per result.
///
/// ```
/// use tracelift_ir::{Builder, ParamRole, Type, evaluate};
/// use tracelift_tensor::{Array, Dim, F32};
///
/// let mut b = Builder::new("f");
/// let x = b.param("x", Type::tensor(F32, [Dim::sym("B")]), ParamRole::Input);
/// let y = b.mul(x, x)?;
/// let graph = b.finish(&[y])?;
/// let y = evaluate(&graph, &[Array::vector([1.0f32, -3.0])?])?;
/// assert_eq!(y[0].to_vec::<f32>()?, [1.0, 9.0]);
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn evaluate(graph: &Graph, arguments: &[Array]) -> Result<Vec<Array>> {
    Evaluator::new().evaluate(graph, arguments)
}

/// The reference evaluator with its surroundings.
pub struct Evaluator {
    pub(super) print: Box<dyn FnMut(&str)>,
    stop: Option<Box<dyn Fn() -> bool>>,
    pub(super) stacks: Stacks,
}

impl Default for Evaluator {
    fn default() -> Self {
        Evaluator::new()
    }
}

impl Evaluator {
    /// Prints go to standard output.
    pub fn new() -> Evaluator {
        Evaluator::with_print(|line| println!("{line}"))
    }

    /// Prints go to `sink`, line by line.
    pub fn with_print(sink: impl FnMut(&str) + 'static) -> Evaluator {
        Evaluator { print: Box::new(sink), stop: None, stacks: Stacks::default() }
    }

    /// Asks before each iteration of a loop whether to give up, with an error of kind `Cancelled`.
    #[must_use]
    pub fn stopping_when(mut self, stop: impl Fn() -> bool + 'static) -> Evaluator {
        self.stop = Some(Box::new(stop));
        self
    }

    pub(super) fn check_stop(&self) -> Result {
        match &self.stop {
            Some(stop) if stop() => Err(Error::cancelled("was stopped on request")),
            _ => Ok(()),
        }
    }

    /// Runs a graph on arrays; a stack is given and answered as the array of its items, the bottom first.
    pub fn evaluate(&mut self, graph: &Graph, arguments: &[Array]) -> Result<Vec<Array>> {
        self.stacks.clear();
        let (mut given, mut sizes) = (arguments.to_vec(), Binding::new());
        for (array, ty) in given.iter_mut().zip(graph.param_types()) {
            if let Type::Stack(item) = ty {
                for (dim, size) in item.shape.iter().zip(array.shape().iter().skip(1)) {
                    if let Some(sym) = dim.as_sym() {
                        sizes.bind(sym, *size as i64);
                    }
                }
                *array = self.stacks.unpack(array, item)?;
            }
        }
        let sizes = bind(graph, &given, &sizes)?;
        if let Some(guard) = broken(graph, &sizes, &|_| true)?.first() {
            return Err(unfit(graph, guard, &sizes));
        }
        let mut results = self.run_bound(graph, &given, sizes)?;
        for (array, ty) in results.iter_mut().zip(graph.result_types()) {
            if let Type::Stack(item) = ty {
                *array = self.stacks.pack(array, item)?;
            }
        }
        Ok(results)
    }

    /// Runs one op on arrays: eager execution.
    pub fn apply(&mut self, op: &Op, operands: &[Array]) -> Result<Vec<Array>> {
        let types: Vec<Type> = operands.iter().map(Type::of).collect();
        let describe = |error: Error| {
            let error = if error.op.is_none() { error.op(op.name()) } else { error };
            if error.operands.is_empty() { error.operands(&types) } else { error }
        };
        let results = op.infer(&mut crate::infer::Infer::new(), &types).map_err(describe)?;
        let sizes = Binding::new();
        let mut cx = EvalCx { types: &results, sizes: &sizes, evaluator: self };
        op.eval(&mut cx, operands).map_err(describe)
    }

    /// A region, or a function that is called; `outer` are the sizes that a region shares with the graph around it.
    pub(super) fn run(&mut self, graph: &Graph, arguments: &[Array], outer: &Binding) -> Result<Vec<Array>> {
        let sizes = bind(graph, arguments, outer)?;
        check_found(graph, &sizes, &|_| true)?;
        self.run_bound(graph, arguments, sizes)
    }

    fn run_bound(&mut self, graph: &Graph, arguments: &[Array], mut sizes: Binding) -> Result<Vec<Array>> {
        let mut last_use: ValueMap<usize> = ValueMap::with_capacity(graph.len());
        for (index, node) in graph.nodes() {
            for operand in &node.operands {
                last_use.insert(*operand, index.index());
            }
        }
        for result in graph.results() {
            last_use.insert(*result, usize::MAX);
        }
        let mut values: ValueMap<Array> = ValueMap::with_capacity(graph.len());
        for (param, argument) in graph.params().iter().zip(arguments) {
            values.insert(*param, argument.clone());
        }
        for (index, node) in graph.nodes() {
            if matches!(node.op, Op::Parameter(_)) {
                continue;
            }
            let mut operands: Vec<Array> = Vec::with_capacity(node.operands.len());
            for (position, operand) in node.operands.iter().enumerate() {
                // The last use takes the array, so that its memory may be reused.
                let again = node.operands[position + 1..].contains(operand);
                let taken = if last_use.get(*operand) == Some(&index.index()) && !again {
                    values.remove(*operand)
                } else {
                    values.get(*operand).cloned()
                };
                operands.push(taken.expect("operands stand before their users"));
            }
            let mut cx = EvalCx { types: &node.types, sizes: &sizes, evaluator: self };
            let results = node.op.eval(&mut cx, &operands).map_err(|error| {
                let error = if error.op.is_none() { error.op(node.op.name()) } else { error };
                if error.origin.is_unknown() { error.at(node.origin.clone()) } else { error }
            })?;
            let found = node.bind_found(&results, &mut sizes);
            if !found.is_empty() {
                check_found(graph, &sizes, &|guard| guard_uses(guard, &found))?;
            }
            for (n, result) in results.into_iter().enumerate() {
                let value = index.result(n);
                if last_use.contains(value) {
                    values.insert(value, result);
                }
            }
        }
        Ok(graph.results().iter().map(|result| values[*result].clone()).collect())
    }
}

/// Reads the unknown sizes off the arguments, and checks dtypes and sizes.
fn bind(graph: &Graph, arguments: &[Array], outer: &Binding) -> Result<Binding> {
    if arguments.len() != graph.params().len() {
        let message = format!("@{} takes {} arguments, not {}", graph.name(), graph.params().len(), arguments.len());
        return Err(Error::invalid(message));
    }
    let mut sizes = outer.clone();
    for (sym, position, axis) in graph.unknowns() {
        if let Some(size) = arguments[position].shape().get(axis) {
            sizes.bind(sym, *size as i64);
        }
    }
    for (param, argument) in graph.params().iter().zip(arguments) {
        let Type::Tensor(tensor) = graph.ty(*param) else { continue };
        let fits = tensor.dtype == argument.dtype() && tensor.dims(&sizes)?.as_slice() == argument.shape();
        if !fits {
            let name = graph.name_of(*param).map_or_else(|| describe(*param), |name| format!("`{name}`"));
            let message = format!("@{} takes {tensor} as {name}, not {}", graph.name(), argument.type_text());
            return Err(Error::invalid(message));
        }
    }
    Ok(sizes)
}

/// Whether sizes that break a guard are a mistake. A number of columns that is 1 is none: it chooses the order of a sum,
/// which the evaluator takes from the arrays.
fn is_mistake(guard: &Guard) -> bool {
    guard.op != GuardOp::Ne1
}

/// The guards that do not hold, of those whose sizes are known.
fn broken<'g>(graph: &'g Graph, sizes: &Binding, wanted: &dyn Fn(&Guard) -> bool) -> Result<Vec<&'g (Guard, Origin)>> {
    let mut broken = Vec::new();
    if graph.guards().len() == 0 {
        return Ok(broken);
    }
    let later: Vec<Sym> = graph.found_sizes().into_iter().filter(|sym| sizes.get(sym).is_none()).collect();
    for guard in graph.guards_with_origins().iter().filter(|(guard, _)| wanted(guard) && !guard_uses(guard, &later)) {
        if !guard.0.holds(sizes)? {
            broken.push(guard);
        }
    }
    Ok(broken)
}

/// That a graph was made for other sizes.
fn unfit(graph: &Graph, (guard, origin): &(Guard, Origin), sizes: &Binding) -> Error {
    let message = format!("@{} was built for {guard}, which does not hold for {sizes}", graph.name());
    Error::invalid(message).at(origin.clone())
}

/// That sizes which were found while running do not fit together. What only a region needs is looked at when that runs.
fn check_found(graph: &Graph, sizes: &Binding, wanted: &dyn Fn(&Guard) -> bool) -> Result {
    let broken = broken(graph, sizes, &|guard| is_mistake(guard) && wanted(guard))?;
    if broken.is_empty() {
        return Ok(());
    }
    if let Some(error) = misfit(graph, sizes) {
        return Err(error);
    }
    let of_region = |guard: &Guard| {
        let owners = graph.nodes().filter(|(_, node)| !matches!(node.op, Op::Call(_)));
        owners.flat_map(|(_, node)| node.op.regions()).any(|region| region.guards().any(|other| other == guard))
    };
    match broken.into_iter().find(|(guard, _)| !of_region(guard)) {
        None => Ok(()),
        Some(guard) => Err(unfit(graph, guard, sizes)),
    }
}

/// What the first node says that does not accept these sizes.
fn misfit(graph: &Graph, sizes: &Binding) -> Option<Error> {
    let known = |ty: &Type| match ty {
        Type::Tensor(tensor) => match tensor.dims(sizes) {
            Ok(dims) => Type::tensor(tensor.dtype, dims.as_slice()),
            Err(_) => ty.clone(),
        },
        other => other.clone(),
    };
    graph.nodes().filter(|(_, node)| !matches!(node.op, Op::Parameter(_))).find_map(|(_, node)| {
        let operands: Vec<Type> = node.operands.iter().map(|x| known(graph.ty(*x))).collect();
        let error = node.op.infer(&mut crate::infer::Infer::new(), &operands).err()?;
        let error = if error.op.is_none() { error.op(node.op.name()) } else { error };
        let error = if error.operands.is_empty() { error.operands(&operands) } else { error };
        Some(if error.origin.is_unknown() { error.at(node.origin.clone()) } else { error })
    })
}

fn describe(param: Value) -> String {
    format!("parameter {}", param.node.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use tracelift_tensor::ErrorKind;

    fn array(items: &[f32]) -> Array {
        Array::vector(items).unwrap()
    }

    fn graph(text: &str) -> Graph {
        Graph::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn arguments_are_checked() {
        let graph = graph("func @f(%x: f32[B, 2], %y: f32[B]) -> f32[B] { return %y }");
        let x = Array::zeros(tracelift_tensor::F32, [3, 2]).unwrap();
        let refused = |arguments: &[Array]| evaluate(&graph, arguments).unwrap_err().to_string();
        assert_eq!(refused(std::slice::from_ref(&x)), "@f takes 2 arguments, not 1");
        assert_eq!(refused(&[x.clone(), array(&[1.0])]), "@f takes f32[B] as `y`, not f32[1]");
        assert_eq!(refused(&[array(&[1.0]), array(&[1.0])]), "@f takes f32[B, 2] as `x`, not f32[1]");
        assert!(evaluate(&graph, &[x, array(&[1.0, 2.0, 3.0])]).is_ok());
    }

    #[test]
    fn guards_are_checked() {
        let graph = graph("func @f(%x: f32[B], %y: f32[C]) -> f32[B] { %0 = add %x, %y : f32[B] return %0 }");
        let error = evaluate(&graph, &[array(&[1.0]), array(&[1.0, 2.0])]).unwrap_err();
        assert_eq!(error.to_string(), "@f was built for B == C, which does not hold for B=1, C=2");
    }

    #[test]
    fn prints_come_in_order_and_assertions_stop() {
        let text = "func @f(%x: f32[2]) -> token {
            %0 = token : token
            %1 = print %0, %x {message=\"x\"} : token
            %2 = const 0.0 : f32[]
            %3 = broadcast %2 {shape=[2]} : f32[2]
            %4 = ge %x, %3 : bool[2]
            %5 = assert %1, %4 {message=\"x is negative\"} : token
            %6 = print %5 {message=\"done\"} : token
            return %6
        }";
        let lines = Rc::new(RefCell::new(vec![]));
        let sink = lines.clone();
        let mut evaluator = Evaluator::with_print(move |line| sink.borrow_mut().push(line.to_owned()));
        evaluator.evaluate(&graph(text), &[array(&[1.0, 2.0])]).unwrap();
        let error = evaluator.evaluate(&graph(text), &[array(&[1.0, -2.0])]).unwrap_err();
        assert_eq!(error.to_string(), "`assert` failed at element 1: x is negative");
        assert_eq!(*lines.borrow(), ["x [1. 2.]", "done", "x [ 1. -2.]"]);
    }

    #[test]
    fn an_endless_loop_can_be_stopped() {
        let text = "func @f(%x: i32[]) -> i32[] {
            %0 = while (%i = %x) : i32[] { %1 = eq %i, %i : bool[] yield %1 } do { yield %i }
            return %0
        }";
        let rounds = Cell::new(0);
        let stop = move || {
            rounds.set(rounds.get() + 1);
            rounds.get() > 100
        };
        let error = Evaluator::new().stopping_when(stop).evaluate(&graph(text), &[Array::scalar(1i32)]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Cancelled);
    }
}
