//! `+ - * / %`, unary minus and `!` on tensors, variables and numbers.

use crate::{Tensor, Variable};

/// What the operators do; for the macro that writes them.
pub mod arithmetic {
    use tracelift_ir::ops;

    use crate::{
        Tensor,
        dispatch::apply,
        ops::{combine, divide},
    };

    macro_rules! combined {
        ($($name:ident $op:ident)*) => {$(
            #[doc = concat!("The operator `", stringify!($name), "` on tensors.")]
            #[track_caller]
            #[must_use]
            pub fn $name(a: &Tensor, b: &Tensor) -> Tensor {
                combine(ops::$op.into(), a, b)
            }
        )*};
    }
    combined!(add Add sub Sub mul Mul rem Rem);

    /// The operator `div` on tensors: integers give f64.
    #[track_caller]
    #[must_use]
    pub fn div(a: &Tensor, b: &Tensor) -> Tensor {
        divide(a, b)
    }

    /// The opposite truth value, or all bits flipped.
    #[track_caller]
    #[must_use]
    pub fn not(x: &Tensor) -> Tensor {
        apply(ops::Not, &[x])
    }

    /// The negative.
    #[track_caller]
    #[must_use]
    pub fn neg(x: &Tensor) -> Tensor {
        apply(ops::Neg, &[x])
    }
}

/// Operators for types that deref to a tensor: anything stands on the right, f64 and i32 on the left.
///
/// These two number types only, one float and one integer, so that the type of `(1.0 - &x).exp()` is inferred.
#[doc(hidden)]
#[macro_export]
macro_rules! __operators {
    ($($t:ty),* $(,)?) => {$(
        $crate::__operators!(@all $t: Add add, Sub sub, Mul mul, Div div, Rem rem);
        impl ::std::ops::Neg for $t {
            type Output = $crate::Tensor;
            #[track_caller]
            fn neg(self) -> $crate::Tensor {
                $crate::__rt::arithmetic::neg(&self)
            }
        }
        impl ::std::ops::Not for $t {
            type Output = $crate::Tensor;
            #[track_caller]
            fn not(self) -> $crate::Tensor {
                $crate::__rt::arithmetic::not(&self)
            }
        }
    )*};
    (@all $t:ty: $($Trait:ident $f:ident),*) => {$(
        impl<R: $crate::Operand> ::std::ops::$Trait<R> for $t {
            type Output = $crate::Tensor;
            #[track_caller]
            fn $f(self, other: R) -> $crate::Tensor {
                $crate::__rt::arithmetic::$f(&self, &$crate::Operand::operand(&other, &self))
            }
        }
        $crate::__operators!(@left $Trait $f f64 $t);
        $crate::__operators!(@left $Trait $f i32 $t);
    )*};
    (@left $Trait:ident $f:ident $number:ident $t:ty) => {
        impl ::std::ops::$Trait<$t> for $number {
            type Output = $crate::Tensor;
            #[track_caller]
            fn $f(self, other: $t) -> $crate::Tensor {
                $crate::__rt::arithmetic::$f(&$crate::Operand::operand(&self, &other), &other)
            }
        }
    };
}

__operators!(Tensor, &Tensor, &Variable);

macro_rules! assigning {
    ($($Trait:ident $f:ident $op:tt;)*) => {$(
        impl<R: crate::Operand> std::ops::$Trait<R> for Tensor {
            #[track_caller]
            fn $f(&mut self, other: R) {
                *self = &*self $op other;
            }
        }
    )*};
}
assigning! { AddAssign add_assign +; SubAssign sub_assign -; MulAssign mul_assign *; DivAssign div_assign /; RemAssign rem_assign %; }
