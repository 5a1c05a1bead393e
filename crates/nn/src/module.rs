//! Modules: whatever holds variables, found through its fields.

use std::{any::Any, fmt::Debug, sync::Arc};

use tracelift_function::{DType, Error, PerAxis, Result, Shape, Sliding, Tensor, Variable};

use crate::{Late, Weight, weight::Place};

/// Goes through the weights of a module.
#[doc(hidden)]
pub trait Visitor {
    /// A place for a weight.
    fn weight(&mut self, weight: &Weight) {
        let _ = weight;
    }

    /// A variable that the module holds directly.
    fn variable(&mut self, variable: &Variable) {
        let _ = variable;
    }

    /// A place for a module that is made later.
    fn place(&mut self, place: &Place) {
        let _ = place;
    }

    /// A value without weights.
    fn host(&mut self, value: &dyn Debug) {
        let _ = value;
    }

    /// What comes now is inside a field or list item of this name.
    fn enter(&mut self, name: &str) {
        let _ = name;
    }

    /// The field or item is left.
    fn leave(&mut self) {}
}

/// Anything that holds variables, or holds none for sure; derive it.
///
/// ```
/// # extern crate tracelift_nn as tracelift;
/// use tracelift_nn::{Dense, Layer, Module, Tensor};
///
/// #[derive(Module)]
/// struct Tower { floors: Vec<Dense>, height: f64 }
///
/// let tower = Tower { floors: vec![Dense::new(4), Dense::new(2)], height: 2.5 };
/// let mut x = Tensor::ones([1, 3]);
/// for floor in &tower.floors {
///     x = floor.apply(&x);
/// }
/// assert_eq!(tower.trainable_variables().len(), 4);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to hold weights or to hold none",
    note = "add `#[derive(Module)]` to its type, or `#[module(skip)]` to the field if it holds no weights"
)]
pub trait Module: Any + Send + Sync {
    /// Shows all weights and sub-modules; derived.
    #[doc(hidden)]
    fn visit(&self, visitor: &mut dyn Visitor);

    /// The same module again: both have the same weights.
    ///
    /// (Modules are not `Clone`, so that `vec![layer; 5]`, five times the same weights, is refused.)
    #[must_use]
    fn share(&self) -> Self
    where
        Self: Sized;

    /// All variables made so far, each once, in the order of the fields.
    fn variables(&self) -> Vec<Variable> {
        let mut found = Found::default();
        self.visit(&mut found);
        found.variables
    }

    /// Those that optimizers change.
    fn trainable_variables(&self) -> Vec<Variable> {
        let mut variables = self.variables();
        variables.retain(Variable::is_trainable);
        variables
    }

    /// The values of all variables.
    fn weights(&self) -> Vec<Tensor> {
        self.variables().iter().map(Variable::value).collect()
    }

    /// Replaces the values of all variables; on an error all are as before.
    fn set_weights(&self, values: &[Tensor]) -> Result {
        let variables = self.variables();
        if variables.len() != values.len() {
            let message = format!("got {} values for {} variables", values.len(), variables.len());
            let error = Error::value(message).op("set_weights");
            return Err(if variables.is_empty() {
                error.help("apply the layer first: that makes its weights")
            } else {
                error
            });
        }
        for (variable, value) in variables.iter().zip(values) {
            if variable.shape() != value.shape() || variable.dtype() != value.dtype() {
                let (own, given) = (type_text(variable), type_text(value));
                let message = format!("cannot put {given} into the variable `{}` of {own}", variable.name());
                return Err(Error::value(message).op("set_weights"));
            }
            value.clone().ok()?;
        }
        variables.iter().zip(values).try_for_each(|(variable, value)| variable.assign(value).map(|_| ()))
    }
}

/// `f32[8, 30]`
pub(crate) fn type_text(tensor: &Tensor) -> String {
    format!("{}{}", tensor.dtype(), tensor.shape())
}

/// What a derived `visit` does for each field.
#[doc(hidden)]
pub fn visit_field<T: Module>(visitor: &mut dyn Visitor, name: &str, field: &T) {
    visitor.enter(name);
    field.visit(visitor);
    visitor.leave();
}

/// Collects variables, each once.
#[derive(Default)]
struct Found {
    variables: Vec<Variable>,
}

impl Visitor for Found {
    fn weight(&mut self, weight: &Weight) {
        if weight.is_built() {
            self.variable(weight);
        }
    }

    fn variable(&mut self, variable: &Variable) {
        if !self.variables.iter().any(|known| known.same(variable)) {
            self.variables.push(variable.clone());
        }
    }
}

/// Makes cloneable types modules without weights.
macro_rules! no_weights {
    ($($t:ty),* $(,)?) => {$(
        impl $crate::Module for $t {
            fn visit(&self, visitor: &mut dyn $crate::module::Visitor) {
                visitor.host(self);
            }

            fn share(&self) -> Self {
                ::core::clone::Clone::clone(self)
            }
        }
    )*};
}
pub(crate) use no_weights;

no_weights!(
    (),
    bool,
    char,
    i32,
    i64,
    u8,
    u32,
    u64,
    usize,
    f32,
    f64,
    String,
    &'static str,
    DType,
    Shape,
    PerAxis,
    Sliding
);

impl Module for Variable {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visitor.variable(self);
    }

    fn share(&self) -> Self {
        self.clone()
    }
}

impl Module for Weight {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visitor.weight(self);
    }

    fn share(&self) -> Self {
        self.clone()
    }
}

impl<L: Module> Module for Late<L> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visitor.place(self.place());
        if let Some(made) = self.get() {
            made.visit(visitor);
        }
    }

    fn share(&self) -> Self {
        self.same()
    }
}

impl<T: Module> Module for Vec<T> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        self.iter().enumerate().for_each(|(i, item)| visit_field(visitor, &i.to_string(), item));
    }

    fn share(&self) -> Self {
        self.iter().map(T::share).collect()
    }
}

impl<T: Module, const N: usize> Module for [T; N] {
    fn visit(&self, visitor: &mut dyn Visitor) {
        self.iter().enumerate().for_each(|(i, item)| visit_field(visitor, &i.to_string(), item));
    }

    fn share(&self) -> Self {
        self.each_ref().map(T::share)
    }
}

impl<T: Module> Module for Option<T> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        self.iter().for_each(|item| item.visit(visitor));
    }

    fn share(&self) -> Self {
        self.as_ref().map(T::share)
    }
}

impl<T: Module> Module for Box<T> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        (**self).visit(visitor);
    }

    fn share(&self) -> Self {
        Box::new((**self).share())
    }
}

impl<T: Module + ?Sized> Module for Arc<T> {
    fn visit(&self, visitor: &mut dyn Visitor) {
        (**self).visit(visitor);
    }

    fn share(&self) -> Self {
        Arc::clone(self)
    }
}

macro_rules! tuples {
    ($($($T:ident $i:tt)*;)*) => {$(
        impl<$($T: Module),*> Module for ($($T,)*) {
            fn visit(&self, visitor: &mut dyn Visitor) {
                $(visit_field(visitor, stringify!($i), &self.$i);)*
            }

            fn share(&self) -> Self {
                ($(self.$i.share(),)*)
            }
        }
    )*};
}
tuples! { A 0; A 0 B 1; A 0 B 1 C 2; A 0 B 1 C 2 D 3; A 0 B 1 C 2 D 3 E 4; A 0 B 1 C 2 D 3 E 4 F 5; }
