//! Which types are trees: tensors, variables, host values, and lists, options, arrays and tuples of trees.

use tracelift_tensor::{DType, Error, Result};

use super::{LeafSource, Leaves, Tree};
use crate::{
    Tensor, Variable,
    spec::{SpecItem, SpecSource},
};

impl Tree for Tensor {
    fn visit<'a>(&'a self, leaves: &mut Leaves<'a>) {
        leaves.tensor(self);
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        leaves.tensor()
    }

    fn from_spec(specs: &mut SpecSource) -> Result<Self> {
        match specs.next("a tensor")? {
            SpecItem::Tensor(ty) => Ok(Tensor::placeholder(ty)),
            SpecItem::AnyRank(dtype) => Err(no_rank(dtype)),
            SpecItem::Variable(variable) => Ok(Tensor::placeholder(variable.ty())),
            SpecItem::Host(_) => {
                Err(Error::type_("was given a host value where a tensor was expected").help("wrap it: `tensor(…)`"))
            }
        }
    }

    fn failed(error: &Error) -> Option<Self> {
        Some(Tensor::failed(error.clone()))
    }
}

fn no_rank(dtype: DType) -> Error {
    Error::value(format!("was given {dtype}[..], but a concrete function is made for one rank"))
        .help(format!("say which: `spec!({dtype}[None, None])`; an `input_signature` may be of any rank"))
}

impl Tree for Variable {
    fn visit<'a>(&'a self, leaves: &mut Leaves<'a>) {
        leaves.variable(self);
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        leaves.variable()
    }

    fn from_spec(specs: &mut SpecSource) -> Result<Self> {
        match specs.next("a variable")? {
            SpecItem::Variable(variable) => Ok(variable),
            SpecItem::Tensor(ty) => {
                Err(Error::type_(format!("was given a tensor of {ty} where a variable was expected")))
            }
            SpecItem::AnyRank(dtype) => Err(no_rank(dtype)),
            SpecItem::Host(_) => Err(Error::type_("was given a host value where a variable was expected")),
        }
    }
}

macro_rules! host_values {
    ($($t:ty = $none:expr, $value:ident => $bits:expr;)*) => {$(
        impl Tree for $t {
            fn visit<'a>(&'a self, leaves: &mut Leaves<'a>) {
                let $value = *self;
                leaves.value($bits, &$value);
            }

            fn rebuild(&self, _: &mut LeafSource<'_>) -> Self {
                *self
            }

            fn from_spec(specs: &mut SpecSource) -> Result<Self> {
                specs.host()
            }

            fn failed(_: &Error) -> Option<Self> {
                Some($none)
            }
        }
    )*};
}
host_values! {
    i8 = 0, n => n as u8 as u64;
    i16 = 0, n => n as u16 as u64;
    i32 = 0, n => n as u32 as u64;
    i64 = 0, n => n as u64;
    isize = 0, n => n as u64;
    u8 = 0, n => n.into();
    u16 = 0, n => n.into();
    u32 = 0, n => n.into();
    u64 = 0, n => n;
    usize = 0, n => n as u64;
    f32 = 0.0, x => x.to_bits().into();
    f64 = 0.0, x => x.to_bits();
    bool = false, b => b.into();
    char = '\0', c => c.into();
    DType = DType::F32, dtype => dtype as u64;
}

macro_rules! host_texts {
    ($($t:ty)*) => {$(
        impl Tree for $t {
            fn visit<'a>(&'a self, leaves: &mut Leaves<'a>) {
                leaves.text(self);
            }

            fn rebuild(&self, _: &mut LeafSource<'_>) -> Self {
                self.clone()
            }

            fn from_spec(specs: &mut SpecSource) -> Result<Self> {
                specs.host()
            }

            fn failed(_: &Error) -> Option<Self> {
                Some(Self::default())
            }
        }
    )*};
}
host_texts!(String &'static str);

impl<T: Tree> Tree for Vec<T> {
    fn visit<'a>(&'a self, leaves: &mut Leaves<'a>) {
        leaves.length(self.len());
        for (n, item) in self.iter().enumerate() {
            leaves.part(&format_args!("[{n}]"), |leaves| item.visit(leaves));
        }
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        self.iter().map(|item| item.rebuild(leaves)).collect()
    }
}

impl<T: Tree> Tree for Option<T> {
    fn visit<'a>(&'a self, leaves: &mut Leaves<'a>) {
        leaves.structure(self.is_some().into(), if self.is_some() { "Some" } else { "None" });
        self.iter().for_each(|item| item.visit(leaves));
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        self.as_ref().map(|item| item.rebuild(leaves))
    }
}

impl<T: Tree, const N: usize> Tree for [T; N] {
    fn visit<'a>(&'a self, leaves: &mut Leaves<'a>) {
        for (n, item) in self.iter().enumerate() {
            leaves.part(&format_args!("[{n}]"), |leaves| item.visit(leaves));
        }
    }

    fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
        self.each_ref().map(|item| item.rebuild(leaves))
    }

    fn from_spec(specs: &mut SpecSource) -> Result<Self> {
        let items = (0..N).map(|_| T::from_spec(specs)).collect::<Result<Vec<T>>>()?;
        Ok(items.try_into().unwrap_or_else(|_| unreachable!("N items were made")))
    }

    fn failed(error: &Error) -> Option<Self> {
        let item = T::failed(error)?;
        Some(std::array::from_fn(|_| item.clone()))
    }
}

impl Tree for () {
    fn visit<'a>(&'a self, _: &mut Leaves<'a>) {}

    fn rebuild(&self, _: &mut LeafSource<'_>) -> Self {}

    fn from_spec(_: &mut SpecSource) -> Result<Self> {
        Ok(())
    }

    fn failed(_: &Error) -> Option<Self> {
        Some(())
    }
}

macro_rules! tuples {
    ($($($T:ident $t:ident $n:tt)*;)*) => {$(
        impl<$($T: Tree),*> Tree for ($($T,)*) {
            fn visit<'a>(&'a self, leaves: &mut Leaves<'a>) {
                let ($($t,)*) = self;
                $(leaves.part(&concat!(".", $n), |leaves| $t.visit(leaves));)*
            }
            fn rebuild(&self, leaves: &mut LeafSource<'_>) -> Self {
                let ($($t,)*) = self;
                ($($t.rebuild(leaves),)*)
            }

            fn from_spec(specs: &mut SpecSource) -> Result<Self> {
                Ok(($($T::from_spec(specs)?,)*))
            }

            fn failed(error: &Error) -> Option<Self> {
                Some(($($T::failed(error)?,)*))
            }
        }
    )*};
}
tuples! {
    A a 0;
    A a 0 B b 1;
    A a 0 B b 1 C c 2;
    A a 0 B b 1 C c 2 D d 3;
    A a 0 B b 1 C c 2 D d 3 E e 4;
    A a 0 B b 1 C c 2 D d 3 E e 4 F f 5;
}
