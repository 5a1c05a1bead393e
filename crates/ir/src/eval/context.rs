//! What an op is given besides its operands when it is evaluated.

use super::run::Evaluator;
use super::stacks::Stack;
use crate::graph::Graph;
use crate::lowering::IndexMap;
use crate::types::Type;
use smallvec::SmallVec;
use tracelift_tensor::{Array, Binding, DType, Dim, Dims, Error, Result};

/// The sizes of the call, the types of the results, and the way into regions.
pub struct EvalCx<'a> {
    pub(super) types: &'a [Type],
    pub(super) sizes: &'a Binding,
    pub(super) evaluator: &'a mut Evaluator,
}

/// One axis of an operand under a call's sizes; see [`AxisMap`](crate::AxisMap).
#[derive(Clone, Debug)]
pub struct KnownAxis {
    /// Axes of the result, each with how far one step on it goes.
    pub terms: SmallVec<[(usize, i64); 1]>,
    /// Where index 0 is found.
    pub start: i64,
}

impl EvalCx<'_> {
    /// The sizes of a result.
    pub fn result_dims(&self, result: usize) -> Result<Dims> {
        self.types[result].shape().eval(self.sizes)
    }

    /// The element type of a result.
    pub fn result_dtype(&self, result: usize) -> DType {
        self.types[result].dtype()
    }

    /// The number that a size stands for.
    pub fn size(&self, dim: &Dim) -> Result<i64> {
        dim.eval(self.sizes)
    }

    /// The number that a size stands for, which is not negative.
    pub fn len(&self, dim: &Dim) -> Result<usize> {
        let n = self.size(dim)?;
        usize::try_from(n).map_err(|_| Error::invalid(format!("needs a size that is not negative, but `{dim}` is {n}")))
    }

    /// An index map under the call's sizes.
    pub fn affine(&self, map: &IndexMap) -> Result<Vec<KnownAxis>> {
        map.iter().map(|axis| Ok(KnownAxis { terms: axis.terms.clone(), start: self.size(&axis.start)? })).collect()
    }

    /// Runs a region: closed, but for the sizes that it shares with the graph around it.
    pub fn run(&mut self, region: &Graph, operands: &[Array]) -> Result<Vec<Array>> {
        self.evaluator.run(region, operands, self.sizes)
    }

    /// Runs a function of its own sizes.
    pub fn call(&mut self, callee: &Graph, operands: &[Array]) -> Result<Vec<Array>> {
        self.evaluator.run(callee, operands, &Binding::new())
    }

    /// An error if the caller wants to stop; loops ask before each iteration.
    pub fn check_stop(&self) -> Result {
        self.evaluator.check_stop()
    }

    /// An empty stack, as the array that stands for it.
    pub(crate) fn new_stack(&mut self, capacity: Option<usize>) -> Array {
        self.evaluator.stacks.new_stack(capacity)
    }

    /// The stack that an array stands for.
    pub(crate) fn stack(&mut self, handle: &Array) -> Result<&mut Stack> {
        self.evaluator.stacks.get(handle)
    }

    /// Shows a line to the user.
    pub fn print(&mut self, line: &str) {
        (self.evaluator.print)(line);
    }
}

/// What stands for a token, which has no data.
pub(crate) fn token() -> Array {
    Array::zeros(DType::Bool, [0]).expect("no elements need no memory")
}
