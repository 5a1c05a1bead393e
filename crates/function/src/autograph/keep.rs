//! Values moved in a branch that is not the only one to be run: such a branch gets a clone.

use std::{convert::Infallible, marker::PhantomData};

/// A value; whether it can be cloned is told apart by which trait has the method.
pub struct Keep<'a, T>(pub &'a T);

/// The clone, or nothing; the one that cannot be has a type without values, so that the compiler sees which it is.
pub enum Kept<A, B> {
    /// The clone.
    Clone(A),
    /// There is none.
    Move(B),
}

/// A clone.
pub struct Cloned<T>(T);

/// A clone that there cannot be.
pub struct Never<T>(Infallible, PhantomData<T>);

/// A type with clones.
pub trait KeepClone<T> {
    /// A clone.
    fn kept(&self) -> Kept<Cloned<T>, Infallible>;
}

impl<T: Clone> KeepClone<T> for &Keep<'_, T> {
    fn kept(&self) -> Kept<Cloned<T>, Infallible> {
        Kept::Clone(Cloned(self.0.clone()))
    }
}

/// Any other type: it is moved, as in plain Rust.
pub trait KeepMove<T> {
    /// No clone.
    fn kept(&self) -> Kept<Never<T>, ()>;
}

impl<T> KeepMove<T> for Keep<'_, T> {
    fn kept(&self) -> Kept<Never<T>, ()> {
        Kept::Move(())
    }
}

impl<T> Cloned<T> {
    /// The value.
    pub fn get(self) -> T {
        self.0
    }
}

impl<T> Never<T> {
    /// The value that there is not.
    pub fn get(self) -> T {
        match self.0 {}
    }
}

/// That this point is reached: never, if it is given a value that does not exist.
pub trait Reached {
    /// Nothing, or what does not exist.
    type Done;
    /// Does nothing.
    fn reached(self) -> Self::Done;
}

impl Reached for () {
    type Done = ();
    fn reached(self) {}
}

impl Reached for Infallible {
    type Done = Infallible;
    fn reached(self) -> Infallible {
        self
    }
}
