//! Graphs and ops with other sizes in the places of their unknowns.

use crate::attrs::{Attr, Attrs};
use crate::build::Builder;
use crate::graph::Graph;
use crate::op::Op;
use crate::types::{TensorType, Type};
use crate::value::Value;
use std::sync::Arc;
use tracelift_tensor::{Dim, Result, Sym};

impl Type {
    /// The type with unknown sizes replaced.
    #[must_use]
    pub fn with_sizes(&self, sizes: &[(Sym, Dim)]) -> Type {
        let tensor = |tensor: &TensorType| TensorType::new(tensor.dtype, tensor.shape.substitute(sizes));
        match self {
            Type::Tensor(t) => Type::Tensor(tensor(t)),
            Type::Stack(t) => Type::Stack(tensor(t)),
            Type::Token => Type::Token,
        }
    }
}

impl Op {
    /// The op with unknown sizes replaced, in its regions, too; what a callee calls has unknowns of its own.
    pub fn with_sizes(&self, sizes: &[(Sym, Dim)]) -> Result<Op> {
        let unknowns: Vec<Sym> = sizes.iter().map(|(sym, _)| sym.clone()).collect();
        if !self.uses_size(&unknowns) {
            return Ok(self.clone());
        }
        let mut attrs = Attrs::new();
        for (name, value) in self.attributes().iter() {
            let value = match value {
                Attr::Dim(dim) => Attr::Dim(dim.substitute(sizes)),
                Attr::List(dims) => Attr::List(dims.iter().map(|dim| dim.substitute(sizes)).collect()),
                Attr::Region(region) if !matches!(self, Op::Call(_)) => {
                    Attr::Region(Arc::new(region.with_sizes(sizes)?))
                }
                other => other.clone(),
            };
            attrs = attrs.with(name.to_string(), value);
        }
        Op::from_attributes(self.name(), &attrs)
    }
}

impl Graph {
    /// The graph with unknown sizes replaced; it is a region, which has no states.
    pub fn with_sizes(&self, sizes: &[(Sym, Dim)]) -> Result<Graph> {
        let mut b = Builder::new(self.name());
        let mut params = vec![];
        for (param, role) in self.params().iter().zip(self.roles()) {
            let name = self.name_of(*param).cloned().unwrap_or_default();
            params.push(b.param(name, self.ty(*param).with_sizes(sizes), *role));
        }
        let made = b.splice_with(self, &params, |op| op.with_sizes(sizes))?;
        let results: Vec<Value> = self.results().iter().map(|v| made[*v]).collect();
        b.finish(&results)
    }
}
