//! Calls of other functions.

use super::{laws, results};
use crate::attrs::{AttrReader, Attrs};
use crate::batch::{Batch, BatchRule};
use crate::build::Builder;
use crate::eval::EvalCx;
use crate::found::{guard_uses, shape_uses};
use crate::graph::{Graph, ParamRole};
use crate::infer::{Infer, wrong_count};
use crate::laws::Laws;
use crate::lowering::Lowering;
use crate::op::OpDef;
use crate::sample::{Sample, special_values};
use crate::types::{Type, Types};
use crate::vjp::{Vjp, VjpRule};
use std::sync::Arc;
use tracelift_kernel::guard::Guard;
use tracelift_tensor::{Array, Binding, DType, Dim, Error, Result, Shape, Sym};

/// Runs another function, whose unknown sizes are its own.
///
/// Its states are operands and results like all others: the caller threads them through.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Call {
    /// The function.
    pub callee: Arc<Graph>,
    /// What is to flow back instead of the callee's own gradient: a function of the operands, the results, and the
    /// cotangent of each result, which answers the cotangents of the first operands of floats; further ones have none.
    pub gradient: Option<Arc<Graph>>,
    /// What the sizes that the callee finds while it runs, its [`found_result_sizes`](Graph::found_result_sizes), are
    /// called here: unknowns, which this call finds, or numbers.
    pub found: Vec<Dim>,
}

impl Call {
    /// A call whose gradient is that of the callee.
    pub fn new(callee: Arc<Graph>) -> Call {
        Call { callee, gradient: None, found: Vec::new() }
    }

    /// Checks that the gradient takes and gives what it must.
    fn check_gradient(&self, cx: &mut Infer, x: &[Type], y: &Types) -> Result {
        let Some(gradient) = &self.gradient else { return Ok(()) };
        let given: Vec<Type> = x.iter().chain(y).chain(y).cloned().collect();
        // The same rules as for a call of it.
        let answered = Call::new(gradient.clone()).infer(cx, &given)?;
        let floats: Vec<&Type> = x.iter().filter(|ty| ty.is_float()).collect();
        if answered.len() > floats.len() {
            return Err(wrong_count(floats.len(), answered.len()));
        }
        for (wanted, given) in floats.into_iter().zip(&answered) {
            if !cx.same_type(wanted, given) {
                let name = gradient.name();
                return Err(Error::invalid(format!("has @{name} as its gradient, which answers {given} for {wanted}")));
            }
        }
        Ok(())
    }

    /// The callee's unknown sizes in terms of the operands' sizes.
    pub fn sizes(&self, x: &[Type]) -> Vec<(Sym, Dim)> {
        let size = |(sym, position, axis): (Sym, usize, usize)| {
            let dim = x.get(position)?.as_tensor()?.shape.get(axis)?.clone();
            Some((sym, dim))
        };
        self.callee.unknowns().into_iter().filter_map(size).collect()
    }

    /// The types of the results.
    fn results(&self, x: &[Type], sizes: &[(Sym, Dim)]) -> Result<Types> {
        let inner = self.callee.found_result_sizes();
        if inner.len() != self.found.len() {
            let (name, wanted, given) = (self.callee.name(), inner.len(), self.found.len());
            let message = format!("calls @{name}, which finds {wanted} sizes while it runs, with names for {given}");
            return Err(Error::invalid(message));
        }
        for (n, dim) in self.found.iter().enumerate() {
            let named = dim.as_sym();
            let taken = named.is_some() && self.found[..n].contains(dim);
            let used = || x.iter().any(|ty| ty.held().is_some_and(|ty| shape_uses(&ty.shape, named.as_slice())));
            if dim.known_len().is_none() && (named.is_none() || taken || used()) {
                return Err(Error::invalid(format!("cannot call a size that it finds `{dim}`")));
            }
        }
        let here = |dim: &Dim| match inner.iter().position(|known| known == dim) {
            Some(n) => self.found[n].clone(),
            None => dim.substitute(sizes),
        };
        let named = |ty: &Type| match ty {
            Type::Tensor(tensor) if !inner.is_empty() => {
                Type::tensor(tensor.dtype, tensor.shape.iter().map(here).collect::<Shape>())
            }
            other => other.with_sizes(sizes),
        };
        Ok(results(&self.callee).iter().map(named).collect())
    }
}

impl OpDef for Call {
    const NAMES: &'static [&'static str] = &["call"];

    fn name(&self) -> &'static str {
        "call"
    }

    fn infer(&self, cx: &mut Infer, x: &[Type]) -> Result<Types> {
        let name = self.callee.name();
        if self.callee.params().len() != x.len() {
            return Err(wrong_count(self.callee.params().len(), x.len()));
        }
        let sizes = self.sizes(x);
        for (i, (param, given)) in self.callee.param_types().zip(x).enumerate() {
            if !cx.same_type(given, &param.with_sizes(&sizes)) {
                return Err(Error::invalid(format!("gives {given} to @{name}, which takes {param} as argument {i}")));
            }
        }
        let found = self.callee.found_sizes();
        // What it assumes of sizes that it finds itself is checked when it has found them.
        for guard in self.callee.guards().filter(|guard| !guard_uses(guard, &found)) {
            let Guard { lhs, op, rhs } = guard;
            let here = Guard { lhs: lhs.substitute(&sizes), op: *op, rhs: rhs.substitute(&sizes) };
            if here.lhs.known().is_none() || here.rhs.known().is_none() {
                if here.lhs != here.rhs {
                    cx.assume(here);
                }
            } else if !here.holds(&Binding::new())? {
                return Err(Error::invalid(format!("calls @{name}, which was built for {guard}: here that is {here}")));
            }
        }
        let y = self.results(x, &sizes)?;
        self.check_gradient(cx, x, &y)?;
        Ok(y)
    }

    fn eval(&self, cx: &mut EvalCx<'_>, x: &[Array]) -> Result<Vec<Array>> {
        cx.call(&self.callee, x)
    }

    fn vjp(&self, _: &mut Vjp<'_>) -> Result<VjpRule> {
        Ok(VjpRule::Region)
    }

    fn batch(&self, _: &mut Batch<'_>) -> Result<BatchRule> {
        Ok(BatchRule::Region)
    }

    fn lowering(&self, _: &[Type], _: &[Type]) -> Lowering {
        Lowering::Control
    }

    fn attributes(&self) -> Attrs {
        let mut attrs = Attrs::new();
        if !self.found.is_empty() {
            attrs = attrs.dims("sizes", &self.found);
        }
        let attrs = attrs.region("callee", &self.callee);
        match &self.gradient {
            Some(gradient) => attrs.region("gradient", gradient),
            None => attrs,
        }
    }

    fn from_attributes(_: &str, attrs: &mut AttrReader<'_>) -> Result<Self> {
        let callee = attrs.region("callee")?;
        let gradient = if attrs.has("gradient") { Some(attrs.region("gradient")?) } else { None };
        let found = if attrs.has("sizes") { attrs.dims("sizes")? } else { Vec::new() };
        Ok(Call { callee, gradient, found })
    }

    fn laws(&self, _: DType) -> Laws {
        laws([&*self.callee])
    }

    fn samples() -> Vec<Sample> {
        let square = |rows: Dim| {
            let mut b = Builder::new("square");
            let x = b.param("x", Type::tensor(DType::F32, [rows]), ParamRole::Input);
            let y = b.mul(x, x).expect("the operands of the sample fit");
            Call::new(Arc::new(b.finish(&[y]).expect("the sample is a graph")))
        };
        let sample = |rows: usize| Sample::new(square(Dim::sym("N")), vec![special_values(DType::F32, &[rows])]);
        vec![
            sample(13),
            sample(1),
            sample(0),
            sample(5).unknown_first_axis(),
            Sample::new(square(Dim::from(4)), vec![special_values(DType::F32, &[4])]),
        ]
    }
}
