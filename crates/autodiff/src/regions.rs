//! Gradients of the ops that own graphs.

use crate::loops;
use crate::names::Names;
use crate::reverse::{gradients, zeros};
use std::sync::Arc;
use tracelift_ir::ops::{Call, Cond};
use tracelift_ir::{Builder, Graph, NodeIndex, Op, ParamRole, Type, Value};
use tracelift_tensor::{Dim, Error, Result, Sym};

/// A node with regions whose gradient is wanted.
pub(crate) struct Region<'a> {
    /// Which node.
    pub(crate) at: NodeIndex,
    /// Its op.
    pub(crate) op: &'a Op,
    /// Its operands.
    pub(crate) x: &'a [Value],
    /// Which operands need cotangents.
    pub(crate) wanted: &'a [bool],
    /// Its results.
    pub(crate) y: &'a [Value],
    /// The cotangents of its results.
    pub(crate) dy: &'a [Option<Value>],
}

impl Region<'_> {
    /// The cotangents of the operands.
    pub(crate) fn vjp(&self, b: &mut Builder) -> Result<Vec<Option<Value>>> {
        match self.op {
            Op::While(op) => loops::vjp(b, self, op),
            _ if self.x.iter().any(|x| b.ty(*x).is_stack()) => {
                Err(Error::invalid("has no gradient: it changes a stack that was made outside")
                    .op(self.op.name())
                    .help("make the stack inside"))
            }
            Op::Call(Call { gradient: Some(gradient), .. }) => self.given(b, gradient),
            Op::Cond(op) => self.branches(b, op),
            Op::Call(op) => self.callee(b, op),
            _ => Err(Error::internal("owns graphs and has no gradient").op(self.op.name())),
        }
    }

    /// A branch on the same condition, whose regions run the forward region again and walk back over it.
    fn branches(&self, b: &mut Builder, cond: &Cond) -> Result<Vec<Option<Value>>> {
        let sources: Vec<usize> = (1..self.x.len()).filter(|n| self.wanted[*n]).map(|n| n - 1).collect();
        // Where the branches differ in sizes, what comes has those that were found.
        let known = |dy: &Option<Value>| dy.filter(|_| !cond.sizes.is_empty()).map(|dy| b.ty(dy).clone());
        let types: Vec<Option<Type>> = self.dy.iter().map(known).collect();
        let then = backward(&cond.then, &sources, self.dy, &types)?;
        let otherwise = backward(&cond.otherwise, &sources, self.dy, &types)?;
        let backward = Cond::new(Arc::new(then), Arc::new(otherwise));
        let operands: Vec<Value> = self.x.iter().copied().chain(self.dy.iter().flatten().copied()).collect();
        let gradients = b.push_multi(backward, &operands)?;
        let mut all = vec![None; self.x.len()];
        for (n, dx) in sources.iter().zip(gradients) {
            all[n + 1] = Some(dx);
        }
        Ok(all)
    }

    /// A call of the callee's gradient.
    fn callee(&self, b: &mut Builder, call: &Call) -> Result<Vec<Option<Value>>> {
        let sources: Vec<usize> = (0..self.x.len()).filter(|n| self.wanted[*n]).collect();
        let backward = Call::new(Arc::new(backward(&call.callee, &sources, self.dy, &[])?));
        let operands: Vec<Value> = self.x.iter().copied().chain(self.dy.iter().flatten().copied()).collect();
        let gradients = b.push_multi(backward, &operands)?;
        let mut all = vec![None; self.x.len()];
        for (n, dx) in sources.iter().zip(gradients) {
            all[*n] = Some(dx);
        }
        Ok(all)
    }

    /// A call of the gradient that the caller gave.
    fn given(&self, b: &mut Builder, gradient: &Arc<Graph>) -> Result<Vec<Option<Value>>> {
        let mut operands: Vec<Value> = self.x.iter().chain(self.y).copied().collect();
        for (y, dy) in self.y.iter().zip(self.dy) {
            operands.push(dy.map_or_else(|| b.zeros_like(*y), Ok)?);
        }
        let mut gradients = b.push_multi(Call::new(gradient.clone()), &operands)?.into_iter();
        Ok(self.x.iter().map(|x| if b.ty(*x).is_float() { gradients.next() } else { None }).collect())
    }
}

/// A graph from the parameters of `graph` and the cotangents of those results that have one to the gradients with respect
/// to some parameters; zeros where no path leads. `types` are those of cotangents where they are not those of the results.
fn backward(graph: &Arc<Graph>, sources: &[usize], dy: &[Option<Value>], types: &[Option<Type>]) -> Result<Graph> {
    let mut b = Builder::new(format!("{}.gradient", graph.name()));
    let mut arguments = vec![];
    for (param, role) in graph.params().iter().zip(graph.roles()) {
        let name = graph.name_of(*param).cloned().unwrap_or_default();
        arguments.push(b.param(name, graph.ty(*param).clone(), *role));
    }
    // Sizes that the graph finds are not known when it is called, but to those who have its results.
    let found = graph.found_sizes();
    let mut names = Names::of(graph);
    let given: Vec<(Sym, Dim)> = found.iter().map(|sym| (sym.clone(), names.next(sym))).collect();
    let mut cotangents = vec![];
    for (n, _) in dy.iter().enumerate().filter(|(_, dy)| dy.is_some()) {
        let own = || names.open(graph.ty(graph.results()[n]), &found);
        let ty = types.get(n).cloned().flatten().unwrap_or_else(own);
        cotangents.push((n, b.param("", ty, ParamRole::Input)));
    }
    let forward = if found.is_empty() { graph.clone() } else { Arc::new(graph.with_sizes(&given)?) };
    let made = b.splice(&forward, &arguments)?;
    let mut targets: Vec<(Value, Value)> = vec![];
    for (n, dy) in cotangents {
        let y = made[forward.results()[n]];
        let same = b.ty(y) == b.ty(dy);
        let dy = if same { dy } else { b.reshape(dy, b.ty(y).shape().clone())? };
        targets.push((y, dy));
    }
    let wanted: Vec<Value> = sources.iter().map(|n| arguments[*n]).collect();
    let found = gradients(&mut b, &targets, &wanted)?;
    let results =
        wanted.iter().zip(found).map(|(x, dx)| dx.map_or_else(|| zeros(&mut b, *x), Ok)).collect::<Result<Vec<_>>>()?;
    for (guard, _) in forward.guards_with_origins() {
        b.assume(guard.clone());
    }
    b.finish(&results)
}
