//! The value of an `if`: that of the branch that was run, or the joined ones of both.

use std::cell::RefCell;

use tracelift_tensor::Array;

use super::{
    Carried, Joined,
    slot::{Group, Parts},
};
use crate::{
    Tensor, trace,
    tree::{poisoned, with_tensors},
};

/// Places for the values of both branches, of one type.
pub fn values<T>() -> (Option<T>, Option<T>) {
    (None, None)
}

/// Places for a number and a tensor, in any order.
pub fn numbers<A, B>() -> (Option<A>, Option<B>) {
    (None, None)
}

/// What a branch gave; its kind is told apart by which trait has the method.
pub struct Given<'a, T>(pub &'a Option<T>);

/// A value made of tensors and host values.
pub trait GivenTree {
    /// Its parts.
    fn parts(&self) -> Parts;
}

impl<T: Carried> GivenTree for &Given<'_, T> {
    fn parts(&self) -> Parts {
        self.0.as_ref().map_or(Parts::Absent, |value| Parts::Tree(Group::of(value)))
    }
}

/// Any other value.
pub trait GivenOpaque {
    /// Its type.
    fn parts(&self) -> Parts;
}

impl<T> GivenOpaque for Given<'_, T> {
    fn parts(&self) -> Parts {
        self.0.as_ref().map_or(Parts::Absent, |_| Parts::Opaque(std::any::type_name::<T>()))
    }
}

/// Both values; how they are joined is told apart by which trait has the method.
pub struct Join<A, B>(RefCell<Option<(Option<A>, Option<B>)>>);

impl<A, B> Join<A, B> {
    /// Of the values of both branches, as far as they ran.
    pub fn new(then: Option<A>, otherwise: Option<B>) -> Self {
        Join(RefCell::new(Some((then, otherwise))))
    }

    fn take(&self) -> (Option<A>, Option<B>) {
        self.0.take().expect("values are joined once")
    }
}

/// Values made of tensors and host values.
pub trait JoinTree<T> {
    /// The value.
    fn join(&self, joined: Joined) -> T;
}

impl<T: Carried> JoinTree<T> for &&Join<T, T> {
    fn join(&self, joined: Joined) -> T {
        let (then, otherwise) = self.take();
        let value = one(then, otherwise);
        match joined {
            Joined::One => value,
            Joined::Tensors(tensors) => with_tensors(&value, tensors),
            Joined::Failed(error) => poisoned(&value, &error),
        }
    }
}

/// Any other values.
pub trait JoinOpaque<T> {
    /// The value.
    fn join(&self, joined: Joined) -> T;
}

impl<T> JoinOpaque<T> for &Join<T, T> {
    fn join(&self, _: Joined) -> T {
        let (then, otherwise) = self.take();
        one(then, otherwise)
    }
}

fn one<T>(then: Option<T>, otherwise: Option<T>) -> T {
    then.or(otherwise).expect("one of the branches has run")
}

/// A number that stands beside a tensor in the other branch.
pub trait Number: Copy + 'static {
    /// As a tensor: f32 or i32.
    fn tensor(self) -> Tensor;
}

macro_rules! numbers {
    ($($t:ty: $to:ty),*) => {$(
        impl Number for $t {
            fn tensor(self) -> Tensor {
                // A literal is read as `tensor(…)` reads it.
                Tensor::eager(Array::scalar(self as $to))
            }
        }
    )*};
}
numbers!(f64: f32, f32: f32, i32: i32);

/// Places whose types may differ: the number's own type says which.
pub struct Mixed<'a, T>(pub &'a Option<T>);

/// A number.
pub trait MixedNumber {
    /// Its parts.
    fn parts(&self) -> Parts;
}

impl<T: Number + Carried> MixedNumber for &&Mixed<'_, T> {
    fn parts(&self) -> Parts {
        self.0.map_or(Parts::Absent, |number| Parts::Number(number.tensor(), Group::of(&number)))
    }
}

/// Values made of tensors and host values.
pub trait MixedTree {
    /// Its parts.
    fn parts(&self) -> Parts;
}

impl<T: Carried> MixedTree for &Mixed<'_, T> {
    fn parts(&self) -> Parts {
        Given(self.0).tree_parts()
    }
}

impl<T: Carried> Given<'_, T> {
    fn tree_parts(&self) -> Parts {
        self.0.as_ref().map_or(Parts::Absent, |value| Parts::Tree(Group::of(value)))
    }
}

/// Any other value.
pub trait MixedOpaque {
    /// Its type.
    fn parts(&self) -> Parts;
}

impl<T> MixedOpaque for Mixed<'_, T> {
    fn parts(&self) -> Parts {
        self.0.as_ref().map_or(Parts::Absent, |_| Parts::Opaque(std::any::type_name::<T>()))
    }
}

/// A number in the first branch, a tensor in the other.
pub trait JoinLeft {
    /// The value, a tensor.
    fn join(&self, joined: Joined) -> Tensor;
}

impl<N: Number> JoinLeft for &&&Join<N, Tensor> {
    fn join(&self, joined: Joined) -> Tensor {
        let (then, otherwise) = self.take();
        joined_tensor(then.map(Number::tensor).or(otherwise), joined)
    }
}

/// A tensor in the first branch, a number in the other.
pub trait JoinRight {
    /// The value, a tensor.
    fn join(&self, joined: Joined) -> Tensor;
}

impl<N: Number> JoinRight for &&&&Join<Tensor, N> {
    fn join(&self, joined: Joined) -> Tensor {
        let (then, otherwise) = self.take();
        joined_tensor(then.or(otherwise.map(Number::tensor)), joined)
    }
}

fn joined_tensor(value: Option<Tensor>, joined: Joined) -> Tensor {
    match joined {
        Joined::Tensors(mut tensors) => tensors.pop().expect("a tensor is joined to a tensor"),
        Joined::Failed(error) => Tensor::failed(error),
        Joined::One => {
            value.unwrap_or_else(|| trace::fail(tracelift_tensor::Error::internal("no branch has run"), None))
        }
    }
}
