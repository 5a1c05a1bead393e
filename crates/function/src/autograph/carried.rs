//! What branches and loops carry, as far as the dispatch on types goes.

use tracelift_tensor::DType;

use crate::{Tensor, TensorArray, Variable, tree::Tree};

/// A [`Tree`] that does not contain borrowed text.
///
/// `&'static str` is a tree, but dispatch on types does not see lifetimes and would take any `&str` for one.
pub trait Carried: Tree {}

macro_rules! carried {
    ($($t:ty)*) => {$(impl Carried for $t {})*};
}
carried!(Tensor TensorArray Variable i32 i64 u8 u32 u64 usize f32 f64 bool char DType String);

impl Carried for () {}

impl<T: Carried> Carried for Vec<T> {}
impl<T: Carried> Carried for Option<T> {}
impl<T: Carried, const N: usize> Carried for [T; N] {}

macro_rules! tuples {
    ($($($T:ident)*;)*) => {$(impl<$($T: Carried),*> Carried for ($($T,)*) {})*};
}
tuples! { A; A B; A B C; A B C D; A B C D E; A B C D E F; }
