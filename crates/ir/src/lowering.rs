//! What the scheduler makes of an op.

use smallvec::SmallVec;
use tracelift_kernel::lane::LaneOp;
use tracelift_kernel::loops::{Affine, Kernel};
use tracelift_kernel::meaning::{ReduceKind, ReduceOrder};
use tracelift_tensor::Dim;

/// How an op becomes steps and kernels.
#[derive(Clone, Debug, PartialEq)]
pub enum Lowering {
    /// One scalar operation per element; all operands have the result's shape.
    Lane(LaneOp),
    /// Each element of the result is one element of operand 0.
    Index(IndexMap),
    /// The elements of operand 0 in the same order: no work at all.
    View,
    /// A reduction of operand 0.
    Reduce(Reduction),
    /// A library kernel may do it.
    Library(Library),
    /// A kernel of its own.
    Kernel(CustomKernel),
    /// The position along an axis of the result, as its element type.
    Iota {
        /// The axis.
        axis: usize,
    },
    /// A group of nodes that becomes one kernel.
    Fusion,
    /// A literal.
    Const,
    /// An argument.
    Parameter,
    /// A size that is read when the function is called.
    Dim(Dim),
    /// Loops, branches and calls.
    Control,
    /// The next state of a stack.
    Stack,
    /// Something only the host does: printing, asserting.
    Host,
}

/// A kernel written by the op.
///
/// Its buffers are the operands that have axes, in order, then the result; its rank-0 arguments are the other operands.
/// An operand that the result starts as is not among them.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomKernel {
    /// The kernel.
    pub kernel: Kernel,
    /// The operand whose elements the result starts with, if the kernel only changes some.
    pub starts_as: Option<usize>,
    /// Operands that hold indices, with the size that bounds them.
    pub checks: Vec<(usize, Dim)>,
}

/// For each axis of the operand: where the element of a result index is found.
pub type IndexMap = Vec<AxisMap>;

/// `operand index = start + Σ step * result index [axis]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisMap {
    /// Axes of the result, each with how far one step on it goes, which may be negative; none if the operand's index is
    /// always `start`.
    pub terms: SmallVec<[(usize, i64); 1]>,
    /// Where result index 0 is found.
    pub start: Dim,
}

impl AxisMap {
    /// The index on that axis of the result.
    pub fn same(axis: usize) -> AxisMap {
        AxisMap::strided(axis, 1, Dim::ZERO)
    }

    /// `start + step * index` on that axis of the result.
    pub fn strided(axis: usize, step: i64, start: impl Into<Dim>) -> AxisMap {
        AxisMap { terms: SmallVec::from_buf([(axis, step)]), start: start.into() }
    }

    /// Where the element of a result index is found.
    pub fn at(&self, index: &[Affine]) -> Affine {
        let Some(((axis, step), others)) = self.terms.split_first() else {
            return Affine::constant(self.start.clone());
        };
        let first = index[*axis].strided(&self.start, *step);
        others.iter().fold(first, |sum, (axis, step)| sum.plus(&index[*axis].strided(&Dim::ZERO, *step)))
    }

    /// Always the same index.
    pub fn fixed(start: impl Into<Dim>) -> AxisMap {
        AxisMap { terms: SmallVec::new(), start: start.into() }
    }
}

/// A reduction over some axes of the operand.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduction {
    /// What is combined.
    pub kind: ReduceKind,
    /// The axes that are reduced, ascending.
    pub axes: SmallVec<[usize; 4]>,
    /// In which order: part of the meaning.
    pub order: ReduceOrder,
    /// Whether reduced axes stay, with size one.
    pub keep: bool,
}

/// The library kernels.
#[derive(Clone, Debug, PartialEq)]
pub enum Library {
    /// A product of matrices; see [`DotGeneral`](crate::ops::DotGeneral).
    MatMul(crate::ops::DotGeneral),
    /// The order of rows; see [`ArgSort`](crate::ops::ArgSort).
    ArgSort(crate::ops::ArgSort),
}
