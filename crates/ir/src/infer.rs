//! Type inference: what ops use to check operands and to state what they assume of unknown sizes.

use crate::types::{TensorType, Type, Types};
use tracelift_kernel::guard::Guard;
use tracelift_tensor::{Atom, DType, Dim, Error, Result, Shape};

/// Collects the guards that one inference makes necessary.
///
/// Equal sizes are equal dims; of different dims, at least one unknown, equality is assumed and becomes a guard that
/// every call checks.
#[derive(Debug, Default)]
pub struct Infer {
    guards: Vec<Guard>,
}

impl Infer {
    /// Nothing assumed yet.
    pub fn new() -> Infer {
        Infer::default()
    }

    /// What was assumed, each once, in the order of need.
    pub fn into_guards(self) -> Vec<Guard> {
        self.guards
    }

    /// Assumes a guard.
    pub fn assume(&mut self, guard: Guard) {
        if !self.guards.contains(&guard) {
            self.guards.push(guard);
        }
    }

    /// Whether two sizes are equal or can be: if that is open, it is assumed.
    pub fn same_dim(&mut self, a: &Dim, b: &Dim) -> bool {
        if a == b {
            return true;
        }
        // `B` and `B + 1` are equal for no binding.
        if (a - b).known().is_some() {
            return false;
        }
        self.assume(Guard::eq(a.clone(), b.clone()));
        true
    }

    /// Whether two shapes are equal or can be: if that is open, it is assumed.
    pub fn same_shape(&mut self, a: &Shape, b: &Shape) -> bool {
        // Both are gone through before anything is assumed, so that an error leaves no guard behind.
        let possible = a.rank() == b.rank() && a.iter().zip(b).all(|(a, b)| a == b || (a - b).known().is_none());
        possible && a.iter().zip(b).all(|(a, b)| self.same_dim(a, b))
    }

    /// Whether a size is at least `least` or can be: if that is open, it is assumed.
    pub fn at_least(&mut self, dim: &Dim, least: i64) -> bool {
        match dim.known() {
            Some(n) => n >= least,
            None if smallest(dim).is_some_and(|n| n >= least) => true,
            None => {
                self.assume(Guard::ge(dim.clone(), Dim::from(least)));
                true
            }
        }
    }

    /// Whether two types are equal or can be.
    pub fn same_type(&mut self, a: &Type, b: &Type) -> bool {
        match (a, b) {
            (Type::Tensor(a), Type::Tensor(b)) | (Type::Stack(a), Type::Stack(b)) => {
                a.dtype == b.dtype && self.same_shape(&a.shape, &b.shape)
            }
            (Type::Token, Type::Token) => true,
            _ => false,
        }
    }
}

/// A number that a size never falls below, if one is easily seen: a sum of products of unknowns, which are not
/// negative, is at least its constant.
fn smallest(dim: &Dim) -> Option<i64> {
    let mut constant = 0;
    for term in dim.terms() {
        let is_product = term.atoms.iter().all(|atom| matches!(atom, Atom::Sym(_)));
        match (term.atoms.is_empty(), is_product && term.coefficient >= 0) {
            (true, _) => constant = term.coefficient,
            (false, true) => {}
            (false, false) => return None,
        }
    }
    Some(constant)
}

/// Exactly `N` operands, all of them tensors.
pub(crate) fn tensors<const N: usize>(x: &[Type]) -> Result<[&TensorType; N]> {
    let all = all_tensors(x)?;
    <[&TensorType; N]>::try_from(all).map_err(|all| wrong_count(N, all.len()))
}

/// All operands, every one a tensor.
pub(crate) fn all_tensors(x: &[Type]) -> Result<Vec<&TensorType>> {
    x.iter()
        .enumerate()
        .map(|(i, ty)| ty.as_tensor().ok_or_else(|| Error::type_(format!("wants a tensor as operand {i}, not {ty}"))))
        .collect()
}

/// The error of a wrong number of operands.
pub(crate) fn wrong_count(wanted: usize, given: usize) -> Error {
    Error::type_(format!("takes {wanted} operand{}, not {given}", if wanted == 1 { "" } else { "s" }))
}

/// One tensor as the only result.
pub(crate) fn one(dtype: DType, shape: impl Into<Shape>) -> Types {
    Types::from_iter([Type::tensor(dtype, shape)])
}

/// Checks that axes are in range and different from each other; they may come in any order.
pub(crate) fn check_axes(what: &str, axes: &[usize], rank: usize) -> Result {
    for (i, axis) in axes.iter().enumerate() {
        if *axis >= rank {
            return Err(Error::invalid(format!("has no {what} {axis}: the operand has {rank} axes")));
        }
        if axes[..i].contains(axis) {
            return Err(Error::invalid(format!("names {what} {axis} twice")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_always_holds_is_not_assumed() {
        let (b, c) = (Dim::sym("B"), Dim::sym("C"));
        let assumed = |dim: &Dim, least| {
            let mut cx = Infer::new();
            assert!(cx.at_least(dim, least));
            cx.into_guards().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(assumed(&b, 0), [""; 0]);
        assert_eq!(assumed(&(&b * &c * 2 + 3), 3), [""; 0]);
        assert_eq!(assumed(&b, 1), ["B >= 1"]);
        assert_eq!(assumed(&(&b - 1), 0), ["B - 1 >= 0"]);
        assert_eq!(assumed(&(&b - &c), 0), ["B - C >= 0"]);
        assert!(!Infer::new().at_least(&Dim::from(0), 1));
    }

    #[test]
    fn a_refusal_assumes_nothing() {
        let mut cx = Infer::new();
        let (b, c) = (Dim::sym("B"), Dim::sym("C"));
        assert!(!cx.same_shape(&Shape::from([b.clone(), Dim::from(2)]), &Shape::from([c.clone(), Dim::from(3)])));
        assert!(!cx.same_shape(&Shape::from([b.clone()]), &Shape::from([b.clone() + 1])));
        assert!(cx.same_shape(&Shape::from([b]), &Shape::from([c])));
        assert_eq!(cx.into_guards().len(), 1);
    }
}
