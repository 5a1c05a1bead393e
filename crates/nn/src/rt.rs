//! What macros expand to; not for users.

use std::{
    any::{Any, TypeId},
    fmt::{Debug, Write},
    sync::{LazyLock, Mutex, PoisonError},
};

use indexmap::IndexMap;
use tracelift_function::{Signature, Variable};

pub use tracelift_function::__rt::{
    Code, ag, and, arithmetic, check, compare, each, given, join, keep, mixed, or, slots,
};
pub use tracelift_function::{Function, LeafSource, Leaves, Result, SpecSource, Tensor, Tree};

pub use crate::{
    Module,
    module::{Visitor, visit_field},
};
use crate::{Weight, weight::Place};

type Methods = IndexMap<(TypeId, String), Box<dyn Any + Send>>;

/// The traced functions of methods: by the method, that is the type of the closure that makes them, and by the object.
static METHODS: LazyLock<Mutex<Methods>> = LazyLock::new(Mutex::default);

/// How many are kept; the oldest is dropped, and would be traced again.
const KEPT: usize = 1024;

/// The traced function of a method of an object: the same one for all shares of the object.
pub fn method<T: Module, S: Signature>(this: &T, make: impl FnOnce(T) -> Function<S> + 'static) -> Function<S> {
    let mut identity = Identity::default();
    this.visit(&mut identity);
    let key = (type_of(&make), identity.0);
    let mut methods = METHODS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = methods.get(&key).and_then(|known| known.downcast_ref::<Function<S>>()) {
        return known.clone();
    }
    let function = make(this.share());
    methods.insert(key, Box::new(function.clone()));
    if methods.len() > KEPT {
        methods.shift_remove_index(0);
    }
    function
}

fn type_of<T: 'static>(_: &T) -> TypeId {
    TypeId::of::<T>()
}

/// What tells one module from another: its weights, its variables, and the values of everything else.
#[derive(Default)]
struct Identity(String);

impl Identity {
    fn add(&mut self, what: std::fmt::Arguments<'_>) {
        self.0.write_fmt(what).expect("a string takes all text");
        self.0.push(';');
    }
}

impl Visitor for Identity {
    fn weight(&mut self, weight: &Weight) {
        // The share that is kept keeps the weight alive, so that no other gets its address.
        self.add(format_args!("weight {}", weight.address()));
    }

    fn variable(&mut self, variable: &Variable) {
        self.add(format_args!("variable {}", variable.id()));
    }

    fn place(&mut self, place: &Place) {
        self.add(format_args!("place {}", place.address()));
    }

    fn host(&mut self, value: &dyn Debug) {
        self.add(format_args!("{value:?}"));
    }

    fn enter(&mut self, name: &str) {
        self.add(format_args!("{name}"));
    }
}
