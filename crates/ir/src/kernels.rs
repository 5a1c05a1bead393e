//! Writing the kernels of ops that are neither elementwise nor affine.

use crate::lowering::{CustomKernel, Lowering};
use crate::types::Type;
use smallvec::SmallVec;
use std::ops::Range;
use tracelift_kernel::loops::{Access, Affine, Base, Index, KernelBuilder, Operand};
use tracelift_tensor::{Dim, Shape};

/// Writes a [`CustomKernel`]: operands with axes are its buffers, the others its scalars, the result comes last; an
/// operand that the result starts as is neither.
pub(crate) struct KernelWriter {
    /// For statements that the helpers below do not cover.
    pub(crate) b: KernelBuilder,
    operands: Vec<Given>,
    result: Base,
    starts_as: Option<usize>,
    checks: Vec<(usize, Dim)>,
}

#[derive(Clone, Copy)]
enum Given {
    Buffer(Base),
    Scalar(Operand),
    /// What the result starts as: found there.
    Start,
}

impl KernelWriter {
    /// A kernel that stores every element of its result.
    pub(crate) fn new(name: &str, x: &[Type], y: &[Type]) -> Self {
        Self::with_access(name, x, y, Access::Write, None)
    }

    /// A kernel whose result starts as a copy of an operand, which it does not read itself.
    pub(crate) fn update(name: &str, x: &[Type], y: &[Type], starts_as: usize) -> Self {
        Self::with_access(name, x, y, Access::Update, Some(starts_as))
    }

    fn with_access(name: &str, x: &[Type], y: &[Type], access: Access, starts_as: Option<usize>) -> Self {
        let mut b = KernelBuilder::new(name);
        let operands = x
            .iter()
            .enumerate()
            .map(|(n, ty)| match ty.rank() {
                _ if starts_as == Some(n) => Given::Start,
                0 => Given::Scalar(b.scalar(format!("x{n}"), ty.dtype())),
                _ => Given::Buffer(b.param(format!("x{n}"), ty.dtype(), ty.shape().clone(), Access::Read)),
            })
            .collect();
        let result = b.param("y", y[0].dtype(), y[0].shape().clone(), access);
        KernelWriter { b, operands, result, starts_as, checks: Vec::new() }
    }

    /// Loops over all indices of a shape.
    pub(crate) fn for_each(&mut self, shape: &Shape, body: impl FnOnce(&mut Self, &[Affine])) {
        self.for_each_with_order(shape, 0..0, body);
    }

    /// Loops over all indices of a shape, along some axes one after the other.
    pub(crate) fn for_each_with_order(
        &mut self,
        shape: &Shape,
        ordered: Range<usize>,
        body: impl FnOnce(&mut Self, &[Affine]),
    ) {
        let open = |(axis, dim): (usize, &Dim)| match ordered.contains(&axis) {
            true => self.b.seq(dim.clone(), &[]).0,
            false => self.b.par(dim.clone()),
        };
        let index: SmallVec<[Affine; 4]> = shape.iter().enumerate().map(open).map(Affine::var).collect();
        body(self, &index);
        for axis in (0..shape.rank()).rev() {
            match ordered.contains(&axis) {
                true => drop(self.b.end_seq(&[])),
                false => self.b.end(),
            }
        }
    }

    /// An element of an operand.
    pub(crate) fn operand(&mut self, n: usize, index: &[Affine]) -> Operand {
        self.load(n, index.iter().cloned().map(Index::Affine))
    }

    /// An element of an operand, by indices that may be values.
    pub(crate) fn load(&mut self, n: usize, index: impl IntoIterator<Item = Index>) -> Operand {
        match self.operands[n] {
            Given::Scalar(value) => value,
            Given::Buffer(base) => self.b.load(base, index),
            Given::Start => self.load_result(index),
        }
    }

    /// An element of the result.
    pub(crate) fn load_result(&mut self, index: impl IntoIterator<Item = Index>) -> Operand {
        self.b.load(self.result, index)
    }

    /// Sets an element of the result.
    pub(crate) fn store(&mut self, index: &[Affine], value: Operand) {
        self.store_at(index.iter().cloned().map(Index::Affine), value);
    }

    /// Sets an element of the result, by indices that may be values.
    pub(crate) fn store_at(&mut self, index: impl IntoIterator<Item = Index>, value: Operand) {
        self.b.store(self.result, index, value);
    }

    /// Says that an operand holds indices below a size.
    pub(crate) fn check(&mut self, operand: usize, bound: &Dim) {
        self.checks.push((operand, bound.clone()));
    }

    /// The kernel.
    pub(crate) fn finish(self) -> Lowering {
        let kernel = self.b.finish(&[]);
        Lowering::Kernel(CustomKernel { kernel, starts_as: self.starts_as, checks: self.checks })
    }
}
