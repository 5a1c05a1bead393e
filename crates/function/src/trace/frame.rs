//! One trace under way: the builder of its graph, and what it has taken from outside.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use indexmap::IndexMap;
use tracelift_ir::{Builder, ParamRole, TensorType, Type, Value};
use tracelift_tensor::{Array, Error, Sym};

use super::{
    capture::{Capture, Source},
    state::Slot,
};
use crate::{Tensor, TensorSpec, tensor::Traced, variable::VariableData};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// What is being traced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A function, for the first time.
    Function,
    /// A function that has been traced before.
    Retrace,
    /// A closure whose graph is run once and forgotten.
    Once,
    /// A closure run for the structure of its result alone.
    Discarded,
    /// The body of a loop or a branch, inside the trace below.
    Region,
}

/// A trace under way.
pub(crate) struct Frame {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    name: String,
    pub(crate) builder: Builder,
    /// What its graph takes from outside, in the order of first use; its parameters after the inputs.
    pub(crate) captures: Vec<Capture>,
    /// The variables it has read or assigned, by id, in the order of first use.
    pub(crate) variables: IndexMap<u64, Slot>,
    pub(crate) errors: Vec<Error>,
    /// How many tapes live that were made in it.
    pub(crate) tapes: usize,
    /// Values of assigned variables under names of their own, which tapes take for leaves.
    pub(crate) rereads: Vec<(Arc<VariableData>, Value)>,
    /// That a branch or loop was left on the way, which matters if nothing else went wrong.
    pub(crate) left: Option<Error>,
    /// Behind which the next effect stands.
    pub(crate) token: Option<Value>,
    /// The sizes that it and the bodies inside of it find while they run.
    pub(crate) found_sizes: Vec<Sym>,
    /// The values that loops carry in other shapes than their own.
    pub(crate) relaxed: HashMap<Value, TensorSpec>,
}

impl Frame {
    pub(crate) fn new(kind: Kind, name: &str) -> Frame {
        Frame {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            kind,
            name: name.to_owned(),
            builder: Builder::new(name),
            captures: Vec::new(),
            variables: IndexMap::new(),
            errors: Vec::new(),
            tapes: 0,
            rereads: Vec::new(),
            left: None,
            token: None,
            found_sizes: Vec::new(),
            relaxed: HashMap::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_function(&self) -> bool {
        matches!(self.kind, Kind::Function | Kind::Retrace)
    }

    /// A new input of the graph.
    pub(crate) fn input(&mut self, name: &str, ty: &TensorType) -> Tensor {
        let value = self.builder.param(name, Type::Tensor(ty.clone()), ParamRole::Input);
        self.tensor(value)
    }

    /// A name for one more size that is found while the graph runs.
    pub(crate) fn find_size(&mut self) -> Sym {
        let given: Vec<Sym> = self
            .builder
            .params()
            .iter()
            .filter_map(|param| self.builder.ty(*param).as_tensor())
            .flat_map(|tensor| tensor.shape.syms())
            .collect();
        // An argument from another trace may have a size of such a name.
        let names = (self.found_sizes.len() + 1..).map(|n| Sym::new(&format!("r{n}")));
        let free = |name: &Sym| !given.contains(name) && !self.found_sizes.contains(name);
        let name = names.into_iter().find(free).expect("there are more names than sizes");
        self.found_sizes.push(name.clone());
        name
    }

    /// The values that a variable had when it was read.
    pub(crate) fn reads_of(&self, id: u64) -> Vec<Value> {
        let captured = self.captures.iter().filter_map(|capture| match &capture.source {
            Source::Variable(variable) if variable.id() == id => Some(capture.param),
            _ => None,
        });
        let again = self.rereads.iter().filter(|(variable, _)| variable.id() == id).map(|(_, value)| *value);
        captured.chain(again).collect()
    }

    /// The handle of one of its values.
    pub(crate) fn tensor(&self, value: Value) -> Tensor {
        let ty = match self.builder.ty(value) {
            Type::Tensor(ty) => ty.clone(),
            // Tokens and stacks are never given to users.
            Type::Token | Type::Stack(_) => TensorType::new(tracelift_tensor::U8, [0usize]),
        };
        Tensor::traced(Traced { trace: self.id, value, ty, made: self.builder.node(value).origin.clone() })
    }

    /// An array as a value: small ones are constants, others hidden parameters.
    pub(crate) fn constant(&mut self, array: &Array) -> Option<Value> {
        const MAX_CONSTANT: usize = 16;
        (array.len() <= MAX_CONSTANT).then(|| self.builder.constant(array.clone()))
    }
}
