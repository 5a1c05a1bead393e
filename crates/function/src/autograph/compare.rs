//! `<`, `<=`, `>`, `>=`, `==`, `!=`: of tensors a tensor, of everything else a bool.

use crate::{Operand, Tensor, Variable};

/// Two operands; what they are compared as is told apart by which trait has the method.
pub struct Compare<'a, A: ?Sized, B: ?Sized>(&'a A, &'a B);

impl<'a, A: ?Sized, B: ?Sized> Compare<'a, A, B> {
    /// Of references, as the operators take them.
    pub fn new(a: &'a A, b: &'a B) -> Self {
        Compare(a, b)
    }
}

/// What is compared as a tensor.
pub trait TensorLike {
    /// The tensor.
    fn like(&self) -> &Tensor;
}

impl TensorLike for Tensor {
    fn like(&self) -> &Tensor {
        self
    }
}

impl TensorLike for Variable {
    fn like(&self) -> &Tensor {
        self
    }
}

impl<T: TensorLike + ?Sized> TensorLike for &T {
    fn like(&self) -> &Tensor {
        (**self).like()
    }
}

macro_rules! number_on_the_left {
    (@one ($($name:ident $mirrored:ident)*) $t:ty) => {
        impl<B: TensorLike + ?Sized> CompareNumber for &Compare<'_, $t, B> {$(
            fn $name(&self) -> Tensor {
                self.1.like().$mirrored(self.0)
            }
        )*}
    };
    ($methods:tt $($t:ty)*) => {$(number_on_the_left! { @one $methods $t })*};
}
macro_rules! comparisons {
    ($($name:ident $mirrored:ident;)*) => {
        /// A tensor on the left.
        pub trait CompareTensor {$(
            /// The comparison, by element.
            #[track_caller]
            fn $name(&self) -> Tensor;
        )*}

        impl<A: TensorLike + ?Sized, B: Operand + ?Sized> CompareTensor for &&Compare<'_, A, B> {$(
            fn $name(&self) -> Tensor {
                self.0.like().$name(self.1)
            }
        )*}

        /// A number on the left, a tensor on the right.
        pub trait CompareNumber {$(
            /// The comparison, by element.
            #[track_caller]
            fn $name(&self) -> Tensor;
        )*}

        number_on_the_left! { ($($name $mirrored)*) f64 f32 i32 i64 u8 usize bool }
    };
}
comparisons! { lt gt; le ge; gt lt; ge le; eq eq; ne ne; }

/// Anything that has an order.
pub trait CompareOrder {
    /// `a < b`
    fn lt(&self) -> bool;
    /// `a <= b`
    fn le(&self) -> bool;
    /// `a > b`
    fn gt(&self) -> bool;
    /// `a >= b`
    fn ge(&self) -> bool;
}

impl<A: PartialOrd<B> + ?Sized, B: ?Sized> CompareOrder for Compare<'_, A, B> {
    fn lt(&self) -> bool {
        self.0 < self.1
    }

    fn le(&self) -> bool {
        self.0 <= self.1
    }

    fn gt(&self) -> bool {
        self.0 > self.1
    }

    fn ge(&self) -> bool {
        self.0 >= self.1
    }
}

/// Anything that has an equality.
pub trait CompareEqual {
    /// `a == b`
    fn eq(&self) -> bool;
    /// `a != b`
    fn ne(&self) -> bool;
}

impl<A: PartialEq<B> + ?Sized, B: ?Sized> CompareEqual for Compare<'_, A, B> {
    fn eq(&self) -> bool {
        self.0 == self.1
    }

    fn ne(&self) -> bool {
        self.0 != self.1
    }
}
