//! What layers take: one tensor, or several in an array, list or tuple.

use tracelift_function::{Shape, Tensor, Tree, Variable};

use crate::Weight;

/// What a layer takes: a tensor, or an array, list or tuple of inputs.
pub trait Inputs: Tree {
    /// Their shapes, in the same form.
    type Shapes;

    /// The shapes of all tensors.
    fn shapes(&self) -> Self::Shapes;

    /// The same with each tensor replaced.
    #[doc(hidden)]
    #[must_use]
    fn map(&self, change: &mut dyn FnMut(&Tensor) -> Tensor) -> Self;
}

impl Inputs for Tensor {
    type Shapes = Shape;

    fn shapes(&self) -> Shape {
        self.shape()
    }

    fn map(&self, change: &mut dyn FnMut(&Tensor) -> Tensor) -> Self {
        change(self)
    }
}

impl<T: Inputs, const N: usize> Inputs for [T; N] {
    type Shapes = [T::Shapes; N];

    fn shapes(&self) -> Self::Shapes {
        self.each_ref().map(T::shapes)
    }

    fn map(&self, change: &mut dyn FnMut(&Tensor) -> Tensor) -> Self {
        self.each_ref().map(|input| input.map(change))
    }
}

impl<T: Inputs> Inputs for Vec<T> {
    type Shapes = Vec<T::Shapes>;

    fn shapes(&self) -> Self::Shapes {
        self.iter().map(T::shapes).collect()
    }

    fn map(&self, change: &mut dyn FnMut(&Tensor) -> Tensor) -> Self {
        self.iter().map(|input| input.map(change)).collect()
    }
}

/// What is given to a layer whose inputs are `In`: references to tensors or variables, in the same form.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the input `{In}` of this layer",
    note = "give `&x` for one tensor, `(&a, &b)` for a pair, `[&a, &b]` for an array or list"
)]
pub trait Feed<In> {
    /// The inputs.
    #[doc(hidden)]
    fn feed(self) -> In;
}

macro_rules! fed {
    ($($t:ty)*) => {$(
        impl Feed<Tensor> for $t {
            fn feed(self) -> Tensor {
                self.value_now()
            }
        }
    )*};
}

/// The tensor that stands there now.
trait ValueNow {
    fn value_now(&self) -> Tensor;
}

impl ValueNow for Tensor {
    fn value_now(&self) -> Tensor {
        self.clone()
    }
}

impl ValueNow for Variable {
    fn value_now(&self) -> Tensor {
        self.value()
    }
}

impl ValueNow for Weight {
    fn value_now(&self) -> Tensor {
        self.value()
    }
}

fed!(&Tensor & Variable & Weight);

impl<In, F: Feed<In>, const N: usize> Feed<[In; N]> for [F; N] {
    fn feed(self) -> [In; N] {
        self.map(F::feed)
    }
}

impl<In, F: Feed<In>, const N: usize> Feed<Vec<In>> for [F; N] {
    fn feed(self) -> Vec<In> {
        self.into_iter().map(F::feed).collect()
    }
}

impl<In, F: Feed<In>> Feed<Vec<In>> for Vec<F> {
    fn feed(self) -> Vec<In> {
        self.into_iter().map(F::feed).collect()
    }
}

macro_rules! tuples {
    ($($($In:ident $F:ident $i:tt)*;)*) => {$(
        impl<$($In: Inputs),*> Inputs for ($($In,)*) {
            type Shapes = ($($In::Shapes,)*);

            fn shapes(&self) -> Self::Shapes {
                ($(self.$i.shapes(),)*)
            }

            fn map(&self, change: &mut dyn FnMut(&Tensor) -> Tensor) -> Self {
                ($(self.$i.map(change),)*)
            }
        }

        impl<$($In, $F: Feed<$In>),*> Feed<($($In,)*)> for ($($F,)*) {
            fn feed(self) -> ($($In,)*) {
                ($(self.$i.feed(),)*)
            }
        }
    )*};
}
tuples! { A F 0 B G 1; A F 0 B G 1 C H 2; A F 0 B G 1 C H 2 D I 3; }
