//! The tensor handle: an array, a value of the graph being traced, a variable's current value, or an error.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use tracelift_ir::{TensorType, Value};
use tracelift_tensor::{Array, DType, Element, Error, Origin, Result, Shape};

use crate::{TensorSpec, scope, trace, variable::VariableData};

/// A handle to numbers; immutable and cheap to clone.
///
/// It holds an array, or stands for a value of the graph that is being traced, or carries the error of the call that
/// should have made it: methods and operators never panic and need no `?`, and reading the data returns the error.
///
/// ```
/// use tracelift_function::tensor;
///
/// let t = tensor([[1., 2., 3.], [4., 5., 6.]]);
/// assert_eq!(t.shape(), [2, 3]);
/// assert_eq!((&t * 2 + 1).sum(..).item::<f32>()?, 48.0);
///
/// let bad = tensor(2.0) + tensor(40);
/// assert!(bad.item::<f32>().unwrap_err().to_string().starts_with("`add` takes operands of one dtype"));
/// # Ok::<(), tracelift_function::Error>(())
/// ```
///
/// A tensor cannot be changed, so its clones can share its data:
///
/// ```compile_fail
/// let mut t = tracelift_function::tensor([1., 2.]);
/// t[0] = 3.;
/// ```
pub struct Tensor {
    pub(crate) handle: Handle,
}

/// What a tensor is behind its handle.
pub(crate) enum Handle {
    /// Holds its data.
    Eager(Array),
    /// A value of a graph being traced.
    Traced(Arc<Traced>),
    /// Whatever a variable holds at the moment of use; only inside [`Variable`](crate::Variable), never cloned as such.
    Live(Arc<VariableData>),
    /// The error that kept it from being made.
    Failed(Arc<Poison>),
    /// Holds its data, which gradient tapes have seen being computed, or which loops may carry in other shapes.
    Recorded(Arc<Recorded>),
}

/// A tensor with data that is a value of a thread's record; to all others it is just its data.
pub(crate) struct Recorded {
    /// The record, by its number: unique in the process.
    pub(crate) record: u64,
    pub(crate) value: Value,
    pub(crate) array: Array,
    /// As what loops carry it, if it was relaxed.
    pub(crate) relaxed: Option<TensorSpec>,
}

/// A value of the graph that a trace builds.
pub(crate) struct Traced {
    /// The trace, by its number: unique in the process, so that a leaked tensor is noticed.
    pub(crate) trace: u64,
    pub(crate) value: Value,
    pub(crate) ty: TensorType,
    pub(crate) made: Origin,
}

/// The first error on the way to a tensor, and what the tensor would have been.
pub(crate) struct Poison {
    pub(crate) error: Error,
    pub(crate) ty: TensorType,
}

impl Tensor {
    pub(crate) fn eager(array: Array) -> Tensor {
        Tensor { handle: Handle::Eager(array) }
    }

    pub(crate) fn recorded(recorded: Recorded) -> Tensor {
        Tensor { handle: Handle::Recorded(Arc::new(recorded)) }
    }

    pub(crate) fn traced(traced: Traced) -> Tensor {
        Tensor { handle: Handle::Traced(Arc::new(traced)) }
    }

    pub(crate) fn poisoned(error: Error, ty: TensorType) -> Tensor {
        Tensor { handle: Handle::Failed(Arc::new(Poison { error, ty })) }
    }

    /// What stands for a tensor of a type where only the type matters.
    pub(crate) fn placeholder(ty: TensorType) -> Tensor {
        // No trace has the number 0, so it cannot be computed with.
        let value = Value { node: tracelift_ir::NodeIndex(0), result: 0 };
        Tensor::traced(Traced { trace: 0, value, ty, made: Origin::default() })
    }

    /// A tensor that carries an error; everything computed from it carries the same one.
    pub fn failed(error: Error) -> Tensor {
        Tensor::poisoned(error, TensorType { dtype: DType::F32, shape: Shape::default() })
    }

    /// The error it carries, if any.
    pub fn error(&self) -> Option<&Error> {
        match &self.handle {
            Handle::Failed(poison) => Some(&poison.error),
            _ => None,
        }
    }

    /// Itself, or the error it carries.
    pub fn ok(self) -> Result<Tensor> {
        match self.error() {
            Some(error) => Err(error.clone()),
            None => Ok(self),
        }
    }

    /// A gradient as an option: `None` where the target does not depend on the source.
    pub fn connected(self) -> Option<Tensor> {
        match self.error() {
            Some(error) if error.kind == tracelift_tensor::ErrorKind::Unconnected => None,
            _ => Some(self),
        }
    }

    /// The shape; sizes that the trace does not know are symbols.
    pub fn shape(&self) -> Shape {
        self.ty().shape
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match &self.handle {
            Handle::Eager(array) => array.dtype(),
            Handle::Recorded(recorded) => recorded.array.dtype(),
            Handle::Traced(traced) => traced.ty.dtype,
            Handle::Live(variable) => variable.ty().dtype,
            Handle::Failed(poison) => poison.ty.dtype,
        }
    }

    /// How many axes it has.
    pub fn rank(&self) -> usize {
        match &self.handle {
            Handle::Eager(array) => array.rank(),
            Handle::Recorded(recorded) => recorded.array.rank(),
            Handle::Traced(traced) => traced.ty.shape.rank(),
            Handle::Live(variable) => variable.ty().shape.rank(),
            Handle::Failed(poison) => poison.ty.shape.rank(),
        }
    }

    /// Dtype and shape.
    pub(crate) fn ty(&self) -> TensorType {
        match &self.handle {
            Handle::Eager(array) => TensorType::of(array),
            Handle::Recorded(recorded) => TensorType::of(&recorded.array),
            Handle::Traced(traced) => traced.ty.clone(),
            Handle::Live(variable) => variable.ty().clone(),
            Handle::Failed(poison) => poison.ty.clone(),
        }
    }

    /// The first size; an error for a scalar, or if the trace does not know it.
    #[track_caller]
    pub fn len(&self) -> Result<usize> {
        if let Some(error) = self.error() {
            return Err(error.clone());
        }
        let _here = scope::here();
        let shape = self.shape();
        let first = shape.first().ok_or_else(|| Error::invalid("a scalar has no length").at(scope::origin()))?;
        first.known().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
            Error::invalid(format!("the length of {} is not known while tracing", self.ty()))
                .at(scope::origin())
                .help("`size()` and `dim(axis)` give sizes as tensors")
        })
    }

    /// Whether it is known to have no rows.
    pub fn is_empty(&self) -> bool {
        self.shape().first().is_some_and(|n| n.known() == Some(0))
    }

    /// The one value.
    #[track_caller]
    pub fn item<T: Element>(&self) -> Result<T> {
        let array = self.read("item", scope::origin())?;
        let _here = scope::here();
        array.item::<T>().map_err(|error| placed(error, "item"))
    }

    /// All values in reading order.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let array = self.read("to_vec", scope::origin())?;
        let _here = scope::here();
        array.to_vec::<T>().map_err(|error| placed(error, "to_vec"))
    }

    /// The data, shared rather than copied.
    #[track_caller]
    pub fn to_array(&self) -> Result<Array> {
        self.read("to_array", scope::origin())
    }

    /// Its array, leaving an empty tensor behind; an empty array if it holds none.
    pub(crate) fn take_array(&mut self) -> Array {
        static EMPTY: LazyLock<Array> =
            LazyLock::new(|| Array::zeros(DType::F32, [0]).expect("no elements need no memory"));
        let empty = EMPTY.clone();
        match std::mem::replace(&mut self.handle, Handle::Eager(empty.clone())) {
            Handle::Eager(array) => array,
            Handle::Recorded(recorded) => Arc::into_inner(recorded).map_or(empty, |recorded| recorded.array),
            Handle::Traced(_) | Handle::Live(_) | Handle::Failed(_) => empty,
        }
    }

    /// Whether it stands for a value of a graph, so that its data cannot be read.
    pub fn is_traced(&self) -> bool {
        match &self.handle {
            Handle::Traced(_) => true,
            // Asking is not reading: the variable does not become part of the trace.
            Handle::Live(_) => trace::is_active(),
            Handle::Eager(_) | Handle::Recorded(_) | Handle::Failed(_) => false,
        }
    }

    fn read(&self, what: &str, origin: Origin) -> Result<Array> {
        match self.snapshot().handle {
            Handle::Eager(array) => Ok(array),
            Handle::Recorded(recorded) => Ok(recorded.array.clone()),
            Handle::Failed(poison) => Err(poison.error.clone()),
            Handle::Traced(traced) => Err(trace::no_value(what, &traced, origin)),
            Handle::Live(_) => unreachable!("a snapshot is never live"),
        }
    }

    /// The tensor itself, or the value its variable holds now.
    pub(crate) fn snapshot(&self) -> Tensor {
        match &self.handle {
            Handle::Eager(array) => Tensor::eager(array.clone()),
            Handle::Recorded(recorded) => Tensor { handle: Handle::Recorded(recorded.clone()) },
            Handle::Traced(traced) => Tensor { handle: Handle::Traced(traced.clone()) },
            Handle::Failed(poison) => Tensor { handle: Handle::Failed(poison.clone()) },
            Handle::Live(variable) => trace::read_variable(variable),
        }
    }
}

#[track_caller]
fn placed(error: Error, op: &str) -> Error {
    let error = if error.op.is_none() { error.op(op) } else { error };
    if error.origin.is_unknown() { error.at(scope::origin()) } else { error }
}

impl Clone for Tensor {
    /// Shares the data; a clone of a variable's tensor is the value that it holds now.
    fn clone(&self) -> Self {
        self.snapshot()
    }
}

impl fmt::Display for Tensor {
    /// The numbers as NumPy prints them; name, shape and dtype of a traced tensor; the message of an error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.snapshot().handle {
            Handle::Eager(array) => fmt::Display::fmt(array, f),
            Handle::Recorded(recorded) => fmt::Display::fmt(&recorded.array, f),
            Handle::Traced(traced) => write!(f, "Tensor({traced}, traced)"),
            Handle::Failed(poison) => fmt::Display::fmt(&poison.error, f),
            Handle::Live(_) => unreachable!("a snapshot is never live"),
        }
    }
}

impl fmt::Display for Traced {
    /// `x: f32[2]`, or the type of what has no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match trace::name_of(self) {
            Some(name) => write!(f, "{name}: {}", self.ty),
            None => write!(f, "{}", self.ty),
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.snapshot().handle {
            Handle::Eager(array) => fmt::Debug::fmt(array, f),
            Handle::Recorded(recorded) => fmt::Debug::fmt(&recorded.array, f),
            Handle::Traced(traced) => write!(f, "Tensor({traced}, traced at {})", traced.made),
            Handle::Failed(poison) => fmt::Debug::fmt(&poison.error, f),
            Handle::Live(_) => unreachable!("a snapshot is never live"),
        }
    }
}
