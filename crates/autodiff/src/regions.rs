//! Gradients of the ops that own graphs.

use crate::reverse::gradients;
use std::sync::Arc;
use tracelift_ir::ops::{Call, Cond};
use tracelift_ir::{Builder, Graph, Op, ParamRole, Value};
use tracelift_tensor::{Error, Result};

/// The cotangents of the operands of a branch or call; a loop has no gradient yet.
pub(crate) fn vjp(
    b: &mut Builder,
    op: &Op,
    x: &[Value],
    y: &[Value],
    dy: &[Option<Value>],
) -> Result<Vec<Option<Value>>> {
    match op {
        Op::Call(Call { gradient: Some(gradient), .. }) => given(b, gradient, x, y, dy),
        Op::Cond(cond) => branches(b, cond, x, dy),
        Op::Call(call) => callee(b, call, x, dy),
        _ => Err(Error::invalid("has no gradient yet: what flows back through a loop is not implemented")
            .op(op.name())
            .operands(x.iter().map(|x| b.ty(*x)))
            .help("unroll the loop with a Rust `for`, or use `stop_gradient` on what goes into it")),
    }
}

/// A branch on the same condition, whose regions run the forward region again and walk back over it.
fn branches(b: &mut Builder, cond: &Cond, x: &[Value], dy: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
    let captured = &x[1..];
    let sources: Vec<usize> = (0..captured.len()).filter(|n| b.ty(captured[*n]).is_float()).collect();
    let backward = Cond {
        then: Arc::new(backward(&cond.then, &sources, dy)?),
        otherwise: Arc::new(backward(&cond.otherwise, &sources, dy)?),
    };
    let operands: Vec<Value> = x.iter().copied().chain(dy.iter().flatten().copied()).collect();
    let gradients = b.push_multi(backward, &operands)?;
    let mut all = vec![None; x.len()];
    for (n, dx) in sources.iter().zip(gradients) {
        all[n + 1] = Some(dx);
    }
    Ok(all)
}

/// A call of the callee's gradient.
fn callee(b: &mut Builder, call: &Call, x: &[Value], dy: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
    let sources: Vec<usize> = (0..x.len()).filter(|n| b.ty(x[*n]).is_float()).collect();
    let backward = Call::new(Arc::new(backward(&call.callee, &sources, dy)?));
    let operands: Vec<Value> = x.iter().copied().chain(dy.iter().flatten().copied()).collect();
    let gradients = b.push_multi(backward, &operands)?;
    let mut all = vec![None; x.len()];
    for (n, dx) in sources.iter().zip(gradients) {
        all[*n] = Some(dx);
    }
    Ok(all)
}

/// A call of the gradient that the caller gave.
fn given(
    b: &mut Builder,
    gradient: &Arc<Graph>,
    x: &[Value],
    y: &[Value],
    dy: &[Option<Value>],
) -> Result<Vec<Option<Value>>> {
    let mut operands: Vec<Value> = x.iter().chain(y).copied().collect();
    for (y, dy) in y.iter().zip(dy) {
        operands.push(dy.map_or_else(|| b.zeros_like(*y), Ok)?);
    }
    let mut gradients = b.push_multi(Call::new(gradient.clone()), &operands)?.into_iter();
    Ok(x.iter().map(|x| if b.ty(*x).is_float() { gradients.next() } else { None }).collect())
}

/// A graph from the parameters of `graph` and the cotangents of those results that have one to the gradients with respect
/// to some parameters; zeros where no path leads.
fn backward(graph: &Arc<Graph>, sources: &[usize], dy: &[Option<Value>]) -> Result<Graph> {
    let mut b = Builder::new(format!("{}.gradient", graph.name()));
    let mut arguments = vec![];
    for (param, role) in graph.params().iter().zip(graph.roles()) {
        let name = graph.name_of(*param).cloned().unwrap_or_default();
        arguments.push(b.param(name, graph.ty(*param).clone(), *role));
    }
    let mut cotangents = vec![];
    for (result, _) in graph.results().iter().zip(dy).filter(|(_, dy)| dy.is_some()) {
        cotangents.push((*result, b.param("", graph.ty(*result).clone(), ParamRole::Input)));
    }
    let made = b.splice(graph, &arguments)?;
    let targets: Vec<(Value, Value)> = cotangents.into_iter().map(|(y, dy)| (made[y], dy)).collect();
    let wanted: Vec<Value> = sources.iter().map(|n| arguments[*n]).collect();
    let found = gradients(&mut b, &targets, &wanted)?;
    let results =
        wanted.iter().zip(found).map(|(x, dx)| dx.map_or_else(|| b.zeros_like(*x), Ok)).collect::<Result<Vec<_>>>()?;
    for (guard, _) in graph.guards_with_origins() {
        b.assume(guard.clone());
    }
    b.finish(&results)
}
