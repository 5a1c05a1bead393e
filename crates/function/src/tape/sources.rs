//! What is differentiated, and by what: tensors and variables, alone or several together.

use crate::{Tensor, Variable};

/// Something that has gradients: a tensor, or a variable.
#[diagnostic::on_unimplemented(message = "there is no gradient of or by a `{Self}`")]
pub trait AsSource {
    /// Its tensor; that of a variable is always its current value.
    fn source(&self) -> &Tensor;
}

impl AsSource for Tensor {
    fn source(&self) -> &Tensor {
        self
    }
}

impl AsSource for Variable {
    fn source(&self) -> &Tensor {
        self
    }
}

/// Tensors that are differentiated: `&y`, `[&y, &z]`, `(&y, &z)`, `&list`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tensor, a variable, or several of them",
    note = "give references: `&y`, `[&y, &z]`, `(&y, &v)`, or a list `&[Tensor]`"
)]
pub trait Targets {
    /// The tensors, in order.
    #[doc(hidden)]
    fn tensors(&self) -> Vec<&Tensor>;
}

/// Tensors and variables by which a gradient is taken; the gradients have the same form.
///
/// `&v` gives a tensor, `[&v, &w]` an array, `(&v, &x)` a tuple, a list a vector.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tensor, a variable, or several of them",
    note = "give references: `&v`, `[&v, &w]`, `(&v, &x)`, or a list `&[Variable]`"
)]
pub trait Sources: Targets {
    /// One tensor for each source.
    type Gradients;

    /// The tensors in the form of the sources.
    #[doc(hidden)]
    fn gradients(tensors: Vec<Tensor>) -> Self::Gradients;
}

impl<T: AsSource> Targets for &T {
    fn tensors(&self) -> Vec<&Tensor> {
        vec![self.source()]
    }
}

impl<T: AsSource> Sources for &T {
    type Gradients = Tensor;

    fn gradients(mut tensors: Vec<Tensor>) -> Tensor {
        tensors.swap_remove(0)
    }
}

impl<T: AsSource, const N: usize> Targets for [&T; N] {
    fn tensors(&self) -> Vec<&Tensor> {
        self.iter().map(|source| source.source()).collect()
    }
}

impl<T: AsSource, const N: usize> Sources for [&T; N] {
    type Gradients = [Tensor; N];

    fn gradients(tensors: Vec<Tensor>) -> [Tensor; N] {
        tensors.try_into().expect("there is a gradient for every source")
    }
}

macro_rules! lists {
    ($([$($n:tt)*] $t:ty;)*) => {$(
        impl<T: AsSource, $($n)*> Targets for $t {
            fn tensors(&self) -> Vec<&Tensor> {
                self.iter().map(AsSource::source).collect()
            }
        }

        impl<T: AsSource, $($n)*> Sources for $t {
            type Gradients = Vec<Tensor>;

            fn gradients(tensors: Vec<Tensor>) -> Vec<Tensor> {
                tensors
            }
        }
    )*};
}
lists! { [] &[T]; [] &Vec<T>; [const N: usize] &[T; N]; }

macro_rules! tuples {
    ($($($T:ident $t:ident)*;)*) => {$(
        impl<$($T: AsSource),*> Targets for ($(&$T,)*) {
            fn tensors(&self) -> Vec<&Tensor> {
                let ($($t,)*) = self;
                vec![$($t.source()),*]
            }
        }

        impl<$($T: AsSource),*> Sources for ($(&$T,)*) {
            type Gradients = ($(tuples!(@tensor $T),)*);

            fn gradients(tensors: Vec<Tensor>) -> Self::Gradients {
                let mut tensors = tensors.into_iter();
                ($({
                    let $t = tensors.next();
                    $t.expect("there is a gradient for every source")
                },)*)
            }
        }
    )*};
    (@tensor $T:ident) => { Tensor };
}
tuples! { A a; A a B b; A a B b C c; A a B b C c D d; A a B b C c D d E e; A a B b C c D d E e F f; }
