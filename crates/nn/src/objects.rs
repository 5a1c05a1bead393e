//! What users replace: activations, losses, initializers and the like, by name, function, closure or struct.
//!
//! One rule for all kinds: implement the trait `X`, store an `AnyX`, take `impl IntoAny<AnyX>`.

use std::{any::Any, fmt, sync::Arc};

use tracelift_function::{DType, Error, Result, Tensor};

use crate::{
    Module, Reduction, Visitor, activations, constraints, initializers, losses, name::snake_case, regularizers,
    suggest::unknown,
};

/// What an argument of some kind takes: a name, a function, a closure, or a struct that implements the trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as `{A}`",
    note = "give a name such as \"mse\", a function, a closure with annotated arguments, or a value of a type that implements the trait"
)]
pub trait IntoAny<A> {
    /// The stored form.
    #[doc(hidden)]
    fn into_any(self) -> A;
}

/// Any object of a kind: the object, or the error of an unknown name, which `build` or `compile` reports.
macro_rules! any {
    ($(#[$doc:meta])* $Any:ident, $Trait:ident, $known:path, $kind:literal, fn($($a:ident: $A:ty),*) -> Tensor) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $Any(Result<Arc<dyn $Trait>>);

        impl $Any {
            /// Calls it; an unknown name gives a tensor that carries the error.
            #[track_caller]
            #[must_use]
            pub fn call(&self, $($a: $A),*) -> Tensor {
                match &self.0 {
                    Ok(object) => object.call($($a),*),
                    Err(error) => Tensor::failed(error.clone()),
                }
            }

            /// Itself, or the error of an unknown name.
            pub fn check(&self) -> Result {
                self.object().map(|_| ())
            }

            /// The concrete object, if it is a `T`.
            pub fn get<T: $Trait>(&self) -> Option<&T> {
                let object: &dyn Any = &**self.0.as_ref().ok()?;
                object.downcast_ref()
            }

            pub(crate) fn object(&self) -> Result<&dyn $Trait> {
                self.0.as_deref().map_err(Error::clone)
            }

            /// What it is called in summaries and logs.
            pub fn name(&self) -> String {
                self.object().map_or_else(|_| "unknown".to_owned(), |object| object.name())
            }
        }

        impl<T: $Trait> From<T> for $Any {
            fn from(object: T) -> Self {
                $Any(Ok(Arc::new(object)))
            }
        }

        impl From<&str> for $Any {
            fn from(name: &str) -> Self {
                use $known::{KNOWN, known};
                known(name).unwrap_or_else(|| $Any(Err(unknown($kind, name, KNOWN))))
            }
        }

        impl<T: $Trait> IntoAny<$Any> for T {
            fn into_any(self) -> $Any {
                self.into()
            }
        }

        impl IntoAny<$Any> for &str {
            fn into_any(self) -> $Any {
                self.into()
            }
        }

        impl IntoAny<$Any> for $Any {
            fn into_any(self) -> $Any {
                self
            }
        }

        impl fmt::Debug for $Any {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match &self.0 {
                    Ok(object) => f.write_str(&object.name()),
                    Err(error) => fmt::Display::fmt(error, f),
                }
            }
        }

        impl Module for $Any {
            fn visit(&self, visitor: &mut dyn Visitor) {
                // The address tells apart objects of one type with other numbers.
                let address = self.0.as_ref().map_or(0, |object| Arc::as_ptr(object).addr());
                visitor.host(&address);
            }

            fn share(&self) -> Self {
                self.clone()
            }
        }

        impl<F: Fn($($A),*) -> Tensor + Send + Sync + 'static> $Trait for F {
            fn call(&self, $($a: $A),*) -> Tensor {
                self($($a),*)
            }
        }
    };
}

macro_rules! object {
    ($(#[$doc:meta])* $Trait:ident, $(#[$any_doc:meta])* $Any:ident, $known:path, $kind:literal, fn($($a:ident: $A:ty),*) -> Tensor) => {
        $(#[$doc])*
        pub trait $Trait: Any + Send + Sync {
            /// What it computes.
            fn call(&self, $($a: $A),*) -> Tensor;

            /// Its name: that of the type or function, in snake case.
            fn name(&self) -> String {
                snake_case(std::any::type_name::<Self>())
            }
        }

        any!($(#[$any_doc])* $Any, $Trait, $known, $kind, fn($($a: $A),*) -> Tensor);
    };
}

object! {
    /// A function between layers.
    Activation,
    /// Any activation.
    AnyActivation, activations, "activation", fn(x: &Tensor) -> Tensor
}
object! {
    /// What gives a weight its first values.
    Initializer,
    /// Any initializer.
    AnyInitializer, initializers, "initializer", fn(shape: &[usize], dtype: DType) -> Tensor
}
object! {
    /// A penalty on a weight, a scalar that is added to the loss.
    Regularizer,
    /// Any regularizer.
    AnyRegularizer, regularizers, "regularizer", fn(weight: &Tensor) -> Tensor
}
object! {
    /// A projection of a weight after each update.
    Constraint,
    /// Any constraint.
    AnyConstraint, constraints, "constraint", fn(weight: &Tensor) -> Tensor
}

/// A loss: one value per sample, which `compile` reduces to one number.
///
/// ```
/// use tracelift_nn::{AnyLoss, Loss, Tensor, tensor};
///
/// struct Quantile { q: f64 }
///
/// impl Loss for Quantile {
///     fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
///         let error = y_true - y_pred;
///         (&error * self.q).maximum(&error * (self.q - 1.0)).mean(-1)
///     }
/// }
///
/// let loss: AnyLoss = Quantile { q: 0.9 }.into();
/// assert_eq!(loss.call(&tensor([[1.0]]), &tensor([[0.0]])).to_vec::<f32>()?, [0.9]);
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
pub trait Loss: Any + Send + Sync {
    /// One value per sample.
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor;

    /// Its name: that of the type or function, in snake case.
    fn name(&self) -> String {
        snake_case(std::any::type_name::<Self>())
    }

    /// How the values of a batch become one number.
    fn reduction(&self) -> Reduction {
        Reduction::SumOverBatchSize
    }

    /// Looks at the targets of a whole training before it begins; `outputs` is the model's output shape.
    fn check_targets(&self, y_true: &tracelift_function::Array, outputs: &tracelift_function::Shape) -> Result {
        let _ = (y_true, outputs);
        Ok(())
    }
}

any! {
    /// Any loss.
    AnyLoss, Loss, losses, "loss", fn(y_true: &Tensor, y_pred: &Tensor) -> Tensor
}

/// A loss from a closure whose arguments need no annotation, with the name it has in logs.
///
/// ```
/// use tracelift_nn::{loss_fn, tensor};
///
/// let loss = loss_fn("cubed", |y, p| (y - p).abs().powi(3));
/// assert_eq!((loss.name(), loss.call(&tensor(3.0), &tensor(1.0)).item::<f32>()?), ("cubed".to_owned(), 8.0));
/// # Ok::<(), tracelift_nn::Error>(())
/// ```
#[must_use]
pub fn loss_fn(name: &str, f: impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + 'static) -> AnyLoss {
    Named { name: name.to_owned(), f }.into()
}

struct Named<F> {
    name: String,
    f: F,
}

impl<F: Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + 'static> Loss for Named<F> {
    fn call(&self, y_true: &Tensor, y_pred: &Tensor) -> Tensor {
        (self.f)(y_true, y_pred)
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}
