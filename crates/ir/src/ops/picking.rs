//! What picking by index and setting by index have in common.

use crate::attrs::{AttrReader, Attrs};
use crate::eval::count;
use crate::infer::Infer;
use crate::kernels::KernelWriter;
use crate::types::TensorType;
use smallvec::SmallVec;
use tracelift_kernel::loops::{Affine, Index};
use tracelift_tensor::{Array, DType, Error, Result, Shape};

/// Which axis indices stand for.
///
/// The first `batch` axes of operand and indices run together; the axes of the operand before and behind `axis` are
/// taken whole. With operand `[b…, o…, n, i…]` and indices `[b…, k…]` the picked elements are `[b…, o…, k…, i…]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Picking {
    /// The axis of the operand.
    pub(super) axis: usize,
    /// How many leading axes operand and indices have in common.
    pub(super) batch: usize,
}

impl Picking {
    /// The shape of what is picked out of `x`.
    pub(super) fn shape(&self, cx: &mut Infer, x: &TensorType, indices: &TensorType) -> Result<Shape> {
        let Picking { axis, batch } = *self;
        if !matches!(indices.dtype, DType::I32 | DType::I64) {
            return Err(Error::type_(format!("wants indices of i32 or i64, not {indices}")));
        }
        if axis >= x.shape.rank() {
            return Err(Error::invalid(format!("has no axis {axis} in {x}")));
        }
        if batch > axis || batch > indices.shape.rank() {
            return Err(Error::invalid(format!("cannot have {batch} axes in common before axis {axis} of {x}")));
        }
        for (a, b) in x.shape[..batch].iter().zip(&indices.shape[..batch]) {
            if !cx.same_dim(a, b) {
                return Err(Error::invalid(format!("cannot pick from {x} by {indices}: common axes are {a} and {b}")));
            }
        }
        let (before, behind) = (&x.shape[..axis], &x.shape[axis + 1..]);
        Ok(before.iter().chain(&indices.shape[batch..]).chain(behind).cloned().collect())
    }

    /// Calls `visit` with the place in the operand and the place among the picked elements, runs of `i` elements each.
    pub(super) fn for_each(&self, x: &[usize], indices: &Array, mut visit: impl FnMut(usize, usize)) -> Result {
        let Picking { axis, batch } = *self;
        if indices.is_empty() {
            return Ok(());
        }
        let (batches, run) = (count(&x[..batch]), count(&x[axis + 1..]));
        // Without elements there is nothing to visit, but indices are checked.
        let outer = if run == 0 { 0 } else { count(&x[batch..axis]) };
        let count = count(&indices.shape()[batch..]);
        let bound = x[axis];
        for b in 0..batches {
            for k in 0..count {
                let at = indices.get_i64(b * count + k);
                let Some(at) = usize::try_from(at).ok().filter(|at| *at < bound) else {
                    let message = format!("has index {at} at position {}, outside of 0..{bound}", b * count + k);
                    return Err(Error::invalid(message));
                };
                for o in 0..outer {
                    let row = b * outer + o;
                    visit((row * bound + at) * run, (row * count + k) * run);
                }
            }
        }
        Ok(())
    }

    /// The index into the operand that belongs to an index of the picked elements.
    pub(super) fn place(&self, k: &mut KernelWriter, index: &[Affine], index_rank: usize) -> SmallVec<[Index; 4]> {
        let Picking { axis, batch } = *self;
        let picks = index_rank - batch;
        let of_indices = index[..batch].iter().chain(&index[axis..axis + picks]).cloned();
        let at = match k.load(1, of_indices.map(Index::Affine)) {
            tracelift_kernel::loops::Operand::Reg(reg) => reg,
            constant => unreachable!("indices are an operand and not the literal {constant:?}"),
        };
        let before = index[..axis].iter().cloned().map(Index::Affine);
        let behind = index[axis + picks..].iter().cloned().map(Index::Affine);
        before.chain([Index::Indirect(at)]).chain(behind).collect()
    }

    /// The attributes of an op that picks so.
    pub(super) fn attributes(&self) -> Attrs {
        let attrs = Attrs::new().int("axis", self.axis as i64);
        if self.batch == 0 { attrs } else { attrs.int("batch", self.batch as i64) }
    }

    /// The picking that attributes say.
    pub(super) fn from_attributes(attrs: &mut AttrReader<'_>) -> Result<Picking> {
        let batch = if attrs.has("batch") { attrs.number("batch")? } else { 0 };
        Ok(Picking { axis: attrs.number("axis")?, batch })
    }
}
