//! Gradients of finished graphs.

use crate::reverse::gradients;
use tracelift_ir::{Builder, Graph, Value};
use tracelift_tensor::{Error, Result};

/// A graph that answers the results of `graph` and then the gradients of its first result, which is one float, with
/// respect to the parameters `wrt` (positions); zeros where no path leads.
///
/// ```
/// use tracelift_autodiff::value_and_grad;
/// use tracelift_ir::{Builder, ParamRole, Type, evaluate};
/// use tracelift_tensor::{Array, F64};
///
/// let mut b = Builder::new("cube");
/// let x = b.param("x", Type::scalar(F64), ParamRole::Input);
/// let square = b.mul(x, x)?;
/// let y = b.mul(square, x)?;
/// let graph = value_and_grad(&b.finish(&[y])?, &[0])?;
/// let results = evaluate(&graph, &[Array::scalar(2.0_f64)])?;
/// assert_eq!((results[0].item::<f64>()?, results[1].item::<f64>()?), (8.0, 12.0));
/// # Ok::<(), tracelift_tensor::Error>(())
/// ```
pub fn value_and_grad(graph: &Graph, wrt: &[usize]) -> Result<Graph> {
    differentiate(graph, wrt, true)
}

/// As [`value_and_grad`], without the results of the graph itself.
pub fn grad(graph: &Graph, wrt: &[usize]) -> Result<Graph> {
    differentiate(graph, wrt, false)
}

fn differentiate(graph: &Graph, wrt: &[usize], values: bool) -> Result<Graph> {
    let Some(&target) = graph.results().first() else {
        return Err(Error::invalid(format!("@{} has no result to differentiate", graph.name())));
    };
    let ty = graph.ty(target);
    if !ty.is_float() || ty.rank() != 0 {
        let message = format!("@{} answers {ty}, and only one float has a gradient", graph.name());
        return Err(Error::invalid(message).help("reduce the result with a sum or a mean"));
    }
    let mut b = Builder::new(format!("{}.gradient", graph.name()));
    let mut arguments = vec![];
    for (param, role) in graph.params().iter().zip(graph.roles()) {
        let name = graph.name_of(*param).cloned().unwrap_or_default();
        b.at(graph.node(*param).origin.clone());
        arguments.push(b.param(name, graph.ty(*param).clone(), *role));
    }
    let mut sources = vec![];
    for n in wrt {
        let Some(x) = arguments.get(*n).copied() else {
            let message = format!("@{} has {} parameters, none with number {n}", graph.name(), arguments.len());
            return Err(Error::invalid(message));
        };
        if !b.ty(x).is_float() {
            return Err(Error::type_(format!("parameter {n} of @{} is {}, not of floats", graph.name(), b.ty(x))));
        }
        sources.push(x);
    }
    let made = b.splice(graph, &arguments)?;
    let y = made[target];
    let one = b.scalar_like(y, 1.0)?;
    let found = gradients(&mut b, &[(y, one)], &sources)?;
    let kept = graph.results().iter().map(|y| made[*y]).filter(|_| values);
    let mut results: Vec<Value> = kept.collect();
    for (x, dx) in sources.iter().zip(found) {
        results.push(dx.map_or_else(|| b.zeros_like(*x), Ok)?);
    }
    for (guard, _) in graph.guards_with_origins() {
        b.assume(guard.clone());
    }
    b.finish_with_states(&results, if values { graph.states().to_vec() } else { vec![] })
}
