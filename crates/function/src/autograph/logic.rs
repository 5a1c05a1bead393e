//! `&&` and `||`: of two bools a bool, as soon as one operand is a tensor a tensor.

use super::Condition;
use crate::{Tensor, scope};

/// The operands; the right one is there only if it has a say.
pub struct Logic<A, B>(A, Option<B>);

/// Whether the left operand decides alone.
pub trait Decides {
    /// `false && _`
    fn is_false(&self) -> bool;
    /// `true || _`
    fn is_true(&self) -> bool;
}

impl Decides for bool {
    fn is_false(&self) -> bool {
        !*self
    }

    fn is_true(&self) -> bool {
        *self
    }
}

impl<T: super::compare::TensorLike + ?Sized> Decides for T {
    fn is_false(&self) -> bool {
        false
    }

    fn is_true(&self) -> bool {
        false
    }
}

impl<A, B> Logic<A, B> {
    /// Of the left operand and, unless that decides alone, the right one.
    pub fn new(left: A, right: Option<B>) -> Self {
        Logic(left, right)
    }
}

/// Two bools.
pub trait LogicHost {
    /// `a && b`
    fn and(&self) -> bool;
    /// `a || b`
    fn or(&self) -> bool;
}

impl LogicHost for &Logic<bool, bool> {
    fn and(&self) -> bool {
        self.0 && self.1.unwrap_or(false)
    }

    fn or(&self) -> bool {
        self.0 || self.1.unwrap_or(true)
    }
}

/// At least one tensor.
pub trait LogicTensor {
    /// Both.
    #[track_caller]
    fn and(&self) -> Tensor;
    /// One of both.
    #[track_caller]
    fn or(&self) -> Tensor;
}

impl<A: Condition, B: Condition> LogicTensor for Logic<A, B> {
    fn and(&self) -> Tensor {
        let origin = scope::origin();
        let left = self.0.truth("&&", &origin).tensor();
        self.1.as_ref().map_or_else(|| left.clone(), |right| left.and(right.truth("&&", &origin).tensor()))
    }

    fn or(&self) -> Tensor {
        let origin = scope::origin();
        let left = self.0.truth("||", &origin).tensor();
        self.1.as_ref().map_or_else(|| left.clone(), |right| left.or(right.truth("||", &origin).tensor()))
    }
}
