//! The axes of carried values that may have another size in each iteration of a loop.

use super::While;
use crate::found::{guard_uses, shape_uses, uses};
use crate::graph::Graph;
use crate::infer::Infer;
use crate::types::{TensorType, Type};
use tracelift_kernel::guard::Guard;
use tracelift_tensor::{Error, Result, Sym};

/// The sizes of a loop that may change; no other region has any.
pub(super) struct Relaxed<'a> {
    sizes: &'a [Sym],
    carried: usize,
}

impl<'a> Relaxed<'a> {
    pub(super) const NONE: Relaxed<'static> = Relaxed { sizes: &[], carried: 0 };

    /// Checks that each of the sizes stands for one axis of one carried value, and for nothing else.
    pub(super) fn of(op: &'a While, x: &[Type]) -> Result<Relaxed<'a>> {
        let sizes = &op.sizes[..];
        let relaxed = Relaxed { sizes, carried: op.carried() };
        if sizes.is_empty() {
            return Ok(relaxed);
        }
        if let Some(given) = x.iter().find(|ty| ty.held().is_some_and(|tensor| shape_uses(&tensor.shape, sizes))) {
            return Err(Error::invalid(format!("is given {given}, whose size it is to find itself")));
        }
        for region in [&op.condition, &op.body] {
            relaxed.check(region)?;
        }
        Ok(relaxed)
    }

    fn check(&self, region: &Graph) -> Result {
        let mut seen: Vec<Sym> = Vec::new();
        for (n, ty) in region.param_types().enumerate() {
            let Some(tensor) = ty.held().filter(|tensor| self.changes(tensor)) else { continue };
            for dim in tensor.shape.iter().filter(|dim| uses(dim, self.sizes)) {
                match dim.as_sym() {
                    Some(sym) if n < self.carried && !ty.is_stack() && !seen.contains(&sym) => seen.push(sym),
                    _ => {
                        let message = format!("has `{dim}` as a size of value {n}, {ty}");
                        return Err(Error::invalid(message)
                            .help("a size that changes is that of one axis of one carried value, and stands alone"));
                    }
                }
            }
        }
        match self.sizes.iter().find(|sym| !seen.contains(sym)) {
            Some(sym) => Err(Error::invalid(format!("carries nothing with the size {sym}"))),
            None if seen.len() != self.sizes.len() => Err(Error::invalid("names a size twice")),
            None => Ok(()),
        }
    }

    /// Whether a type has a size that changes.
    pub(super) fn changes(&self, tensor: &TensorType) -> bool {
        shape_uses(&tensor.shape, self.sizes)
    }

    /// Whether a guard is checked in each iteration.
    pub(super) fn is_inside(&self, guard: &Guard) -> bool {
        guard_uses(guard, self.sizes)
    }

    /// Whether operand `n` fits a parameter: an axis that is relaxed takes any size.
    pub(super) fn same_type(&self, cx: &mut Infer, n: usize, given: &Type, param: &Type) -> bool {
        match (given, param) {
            (Type::Tensor(given), Type::Tensor(wanted)) if n < self.carried && self.changes(wanted) => {
                let open = given.dtype == wanted.dtype && given.shape.rank() == wanted.shape.rank();
                let fixed = || given.shape.iter().zip(&wanted.shape).filter(|(_, dim)| !uses(dim, self.sizes));
                open && fixed().all(|(given, dim)| given == dim || (given - dim).known().is_none())
                    && fixed().all(|(given, dim)| cx.same_dim(given, dim))
            }
            _ => cx.same_type(given, param),
        }
    }

    /// Whether what an iteration starts with may become this.
    pub(super) fn keeps(&self, before: &Type, after: &Type) -> bool {
        match (before, after) {
            (Type::Tensor(before), Type::Tensor(after)) if self.changes(before) => {
                before.dtype == after.dtype
                    && before.shape.rank() == after.shape.rank()
                    && before.shape.iter().zip(&after.shape).all(|(a, b)| a == b || uses(a, self.sizes))
            }
            _ => before == after,
        }
    }
}
