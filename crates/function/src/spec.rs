//! Types of arguments: `spec!(f32[None, 28, 28])`, and what stands for a whole argument list.

use std::{any::Any, fmt, sync::Arc};

use tracelift_ir::TensorType;
use tracelift_tensor::{DType, Dim, Error, Result, Shape};

use crate::{Tensor, Variable};

/// The type of a tensor argument: its dtype, and its sizes as far as they are known.
///
/// ```
/// use tracelift_function::spec;
///
/// assert_eq!(spec!(f32[None, 28, 28]).to_string(), "f32[None, 28, 28]");
/// assert_eq!(spec!(f32[..]).to_string(), "f32[..]");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TensorSpec {
    /// The element type.
    pub dtype: DType,
    /// The sizes; `None` is any size.
    pub dims: Vec<Option<usize>>,
    /// Whether tensors of any rank, and any sizes, are meant. There are no `dims` then.
    pub any_rank: bool,
}

impl TensorSpec {
    /// A spec of these sizes.
    pub fn new(dtype: DType, dims: impl Into<Vec<Option<usize>>>) -> Self {
        TensorSpec { dtype, dims: dims.into(), any_rank: false }
    }

    /// A spec of any rank, for input signatures: each rank is traced once.
    ///
    /// ```
    /// use tracelift_function::{Function, Tensor, spec, tensor};
    ///
    /// let f = Function::new(|x: &Tensor| x.powi(3)).input_signature(spec!(f32[..]));
    /// assert_eq!(f(&tensor([1.0, 2.0])).to_vec::<f32>()?, [1.0, 8.0]);
    /// assert_eq!(f(&tensor([3.0])).to_vec::<f32>()?, [27.0]);
    /// assert_eq!((f(&tensor(2.0)).item::<f32>()?, f.trace_count()), (8.0, 2));
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    pub fn of_any_rank(dtype: DType) -> Self {
        TensorSpec { dtype, dims: Vec::new(), any_rank: true }
    }

    /// The type for tensors of a rank, with a name for each unknown size.
    pub(crate) fn ty(&self, rank: usize, names: &mut SymNames) -> TensorType {
        let any = vec![None; rank];
        let sizes = if self.any_rank { &any } else { &self.dims };
        let dims = sizes.iter().enumerate().map(|(axis, dim)| match dim {
            Some(n) => Dim::from(*n),
            None => names.next(axis),
        });
        TensorType { dtype: self.dtype, shape: dims.collect::<Shape>() }
    }

    /// Whether a tensor of a type is one of these.
    pub(crate) fn accepts(&self, ty: &TensorType) -> bool {
        let mut sizes = self.dims.iter().zip(ty.shape.iter());
        let fits = |(own, given): (&Option<usize>, &Dim)| own.is_none_or(|n| given.known_len() == Some(n));
        self.dtype == ty.dtype && (self.any_rank || self.dims.len() == ty.shape.rank() && sizes.all(fits))
    }
}

impl From<&TensorType> for TensorSpec {
    fn from(ty: &TensorType) -> Self {
        TensorSpec::new(ty.dtype, ty.shape.iter().map(Dim::known_len).collect::<Vec<_>>())
    }
}

impl fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.any_rank {
            return write!(f, "{}[..]", self.dtype);
        }
        write!(f, "{}[", self.dtype)?;
        for (axis, dim) in self.dims.iter().enumerate() {
            let comma = if axis > 0 { ", " } else { "" };
            match dim {
                Some(n) => write!(f, "{comma}{n}")?,
                None => write!(f, "{comma}None")?,
            }
        }
        f.write_str("]")
    }
}

/// Names for the unknown sizes of one signature: `B` for the first leading one, then `N`, `M`, `K`, `L`, `d5`, ….
#[derive(Default)]
pub(crate) struct SymNames {
    given: usize,
    batch: bool,
}

impl SymNames {
    pub(crate) fn next(&mut self, axis: usize) -> Dim {
        if axis == 0 && !self.batch {
            self.batch = true;
            return Dim::sym("B");
        }
        self.given += 1;
        match self.given {
            1 => Dim::sym("N"),
            2 => Dim::sym("M"),
            3 => Dim::sym("K"),
            4 => Dim::sym("L"),
            n => Dim::sym(&format!("d{n}")),
        }
    }
}

/// Writes a [`TensorSpec`] as graphs print types, with `None` for any size: `spec!(f32[None, 28, 28])`; `spec!(f32[..])`
/// is of any rank.
#[macro_export]
macro_rules! spec {
    ($dtype:ident []) => { $crate::TensorSpec::new($crate::__dtype!($dtype), ::std::vec![]) };
    ($dtype:ident [..]) => { $crate::TensorSpec::of_any_rank($crate::__dtype!($dtype)) };
    ($dtype:ident [$($dim:tt),+ $(,)?]) => {
        $crate::TensorSpec::new($crate::__dtype!($dtype), ::std::vec![$($crate::__size!($dim)),+])
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __size {
    (None) => {
        ::std::option::Option::None
    };
    ($n:expr) => {
        ::std::option::Option::Some($n)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __dtype {
    (f32) => {
        $crate::DType::F32
    };
    (f64) => {
        $crate::DType::F64
    };
    (i32) => {
        $crate::DType::I32
    };
    (i64) => {
        $crate::DType::I64
    };
    (u8) => {
        $crate::DType::U8
    };
    (bool) => {
        $crate::DType::Bool
    };
}

/// What stands for one argument when a function is traced without being called.
pub enum SpecItem {
    /// A tensor of a type.
    Tensor(TensorType),
    /// A tensor of a dtype and any rank, in input signatures.
    AnyRank(DType),
    /// A variable.
    Variable(Variable),
    /// A host value, which becomes part of the signature.
    Host(Arc<dyn Any + Send + Sync>),
}

/// What can stand for one argument: a [`TensorSpec`], a tensor or variable of the type, or a host value.
pub trait Spec {
    /// Adds itself to the list.
    #[doc(hidden)]
    fn add_to(self, list: &mut SpecList);
}

/// A list of [`SpecItem`]s under construction.
#[derive(Default)]
pub struct SpecList {
    pub(crate) items: Vec<SpecItem>,
    names: SymNames,
}

impl SpecList {
    pub(crate) fn of(specs: impl Specs) -> Vec<SpecItem> {
        let mut list = SpecList::default();
        specs.add_all_to(&mut list);
        list.items
    }
}

impl Spec for TensorSpec {
    fn add_to(self, list: &mut SpecList) {
        (&self).add_to(list);
    }
}

impl Spec for &TensorSpec {
    fn add_to(self, list: &mut SpecList) {
        list.items.push(match self.any_rank {
            true => SpecItem::AnyRank(self.dtype),
            false => SpecItem::Tensor(self.ty(self.dims.len(), &mut list.names)),
        });
    }
}

impl Spec for &Tensor {
    fn add_to(self, list: &mut SpecList) {
        list.items.push(SpecItem::Tensor(self.ty()));
    }
}

impl Spec for &Variable {
    fn add_to(self, list: &mut SpecList) {
        list.items.push(SpecItem::Variable(self.clone()));
    }
}

macro_rules! hosts {
    ($($t:ty)*) => {$(
        impl Spec for $t {
            fn add_to(self, list: &mut SpecList) {
                list.items.push(SpecItem::Host(Arc::new(self)));
            }
        }
    )*};
}
hosts!(i32 i64 u8 usize f32 f64 bool String &'static str);

/// Gives the specs from which a [`Tree`](crate::Tree) is made for tracing.
pub struct SpecSource {
    specs: std::vec::IntoIter<SpecItem>,
}

impl SpecSource {
    pub(crate) fn new(specs: Vec<SpecItem>) -> Self {
        SpecSource { specs: specs.into_iter() }
    }

    /// That all specs were used.
    pub(crate) fn finish(mut self) -> Result {
        match self.specs.next() {
            None => Ok(()),
            Some(_) => {
                Err(Error::type_(format!("was given {} specs more than it has arguments", self.specs.len() + 1)))
            }
        }
    }

    pub(crate) fn next(&mut self, wanted: &str) -> Result<SpecItem> {
        self.specs.next().ok_or_else(|| Error::type_(format!("was given too few specs: {wanted} is missing")))
    }

    pub(crate) fn host<T: Clone + 'static>(&mut self) -> Result<T> {
        let wanted = std::any::type_name::<T>();
        match self.next(wanted)? {
            SpecItem::Host(value) => value.downcast_ref::<T>().cloned().ok_or_else(|| {
                Error::type_(format!("was given a host value of another type where `{wanted}` was expected"))
            }),
            SpecItem::Tensor(_) | SpecItem::AnyRank(_) | SpecItem::Variable(_) => {
                Err(Error::type_(format!("was given a tensor where a host value of type `{wanted}` was expected")))
            }
        }
    }
}

/// What can stand for all arguments: one [`Spec`], an array of them, or a tuple.
pub trait Specs {
    /// Adds them to the list.
    #[doc(hidden)]
    fn add_all_to(self, list: &mut SpecList);
}

impl<T: Spec> Specs for T {
    fn add_all_to(self, list: &mut SpecList) {
        self.add_to(list);
    }
}

impl<T: Spec, const N: usize> Specs for [T; N] {
    fn add_all_to(self, list: &mut SpecList) {
        self.into_iter().for_each(|spec| spec.add_to(list));
    }
}

impl<T: Spec> Specs for Vec<T> {
    fn add_all_to(self, list: &mut SpecList) {
        self.into_iter().for_each(|spec| spec.add_to(list));
    }
}

macro_rules! tuples {
    ($($($T:ident $t:ident)*;)*) => {$(
        impl<$($T: Spec),*> Specs for ($($T,)*) {
            fn add_all_to(self, list: &mut SpecList) {
                let ($($t,)*) = self;
                let _ = &list;
                $($t.add_to(list);)*
            }
        }
    )*};
}
tuples! { ; A a; A a B b; A a B b C c; A a B b C c D d; A a B b C c D d E e; A a B b C c D d E e F f; }
