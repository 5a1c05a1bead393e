//! Where loads and stores go, as numbers that instructions compute with.

use super::ir::*;
use super::list::Lister;
use crate::access::Access;
use smallvec::smallvec;
use tracelift_kernel::loops::{Affine, Base, LoopVar, Place};
use tracelift_tensor::{DType, Dim};

impl Lister<'_> {
    /// A size as a number that fits an instruction, or the slot it is in.
    pub(super) fn size(&self, dim: &Dim) -> Option<Size> {
        match dim.known() {
            Some(known) => i32::try_from(known.checked_mul(8)?).ok().map(|_| Size::Known(known)),
            None => {
                let n = self.abi.extents.iter().position(|extent| extent == dim)?;
                Some(Size::Slot(self.abi.extent_slot(n), dim.clone()))
            }
        }
    }

    /// The address of a place, at the first lane of the loop over `wide`.
    pub(super) fn place(&mut self, place: &Place, wide: Option<LoopVar>) -> Option<Address> {
        let access = self.accesses.of(place);
        self.address(&access, wide)
    }

    /// The address of an access, at the first lane of the loop over `wide`.
    pub(super) fn address(&mut self, access: &Access, wide: Option<LoopVar>) -> Option<Address> {
        let (slot, dtype) = match access.base {
            Base::Param(n) => (self.abi.param_slot(n as usize), self.kernel.params[n as usize].dtype),
            Base::Scratch(n) => (self.abi.scratch_slot(n as usize), self.kernel.scratch[n as usize].dtype),
        };
        let mut terms = smallvec![];
        for (var, step) in &access.terms {
            // Variables without a counter are those of loops merged into another one: they stay 0.
            if let (Some(counter), true) = (self.counters[var.0 as usize], Some(*var) != wide) {
                terms.push((counter, self.size(step)?));
            }
        }
        for (reg, stride) in &access.indirect {
            terms.push((self.cells[reg.0 as usize]?, self.size(stride)?));
        }
        let offset = self.beyond(&access.offset, |var| access.coefficient(var));
        Some(Address { root: Root::Slot(slot), terms, offset: self.size(&offset)?, dtype })
    }

    /// An offset with what a loop variable beyond its counter adds, whose coefficient is asked for.
    fn beyond(&self, offset: &Dim, coefficient: impl Fn(LoopVar) -> Dim) -> Dim {
        match self.beyond {
            Some((var, by)) => offset + coefficient(var) * by,
            None => offset.clone(),
        }
    }

    /// The low half of a sum of loop variables, without those that have no counter.
    pub(super) fn number(&mut self, value: &Affine) -> Option<Arg> {
        let mut terms = smallvec![];
        for (var, factor) in &value.terms {
            if let Some(counter) = self.counters[var.0 as usize] {
                terms.push((counter, self.size(factor)?));
            }
        }
        let offset = self.beyond(&value.offset, |var| value.coefficient(var));
        let (dst, offset) = (self.l.value(Class::Vector), self.size(&offset)?);
        self.l.items.push(Item::Number { dst, terms, offset });
        Some(Arg::Value(dst))
    }

    /// Whether wide code has values of this type.
    pub(super) fn fits(dtype: DType) -> bool {
        matches!(dtype, DType::F32 | DType::I32 | DType::U8 | DType::Bool)
    }
}
