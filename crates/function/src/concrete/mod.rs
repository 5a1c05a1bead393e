//! One trace of a function: its graph, and how it is called.

mod inspect;
mod make;
mod profile;
mod run;
mod signature;

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use tracelift_ir::{Graph, TensorType};
use tracelift_kernel::guard::Guard;
use tracelift_runtime::{CallError, Variable as Cell};
use tracelift_tensor::{Array, Error, Result};

pub use inspect::{MemoryPlan, PlannedBuffer};
pub(crate) use make::Making;
pub use profile::Profile;
pub use signature::{ArgumentKind, FunctionSignature, SignatureArgument};

use crate::{
    Options, Tensor, TensorSpec, Variable,
    backend::{self, Compiled},
    parts::Part,
    tape,
    tensor::{Handle, Recorded},
    trace,
    tree::{Leaf, Leaves, Results},
};

/// One signature's graph and code.
///
/// ```
/// use tracelift_function::{Function, Tensor, spec, tensor};
///
/// let cube = Function::new(|x: &Tensor| x.powi(3));
/// let concrete = cube.concrete(spec!(f32[None, 3]))?;
/// assert_eq!(concrete.signature().to_string(), "(x: f32[None, 3]) -> (f32[None, 3])");
/// let y = concrete.call([&tensor([[1., 2., 3.]])])?;
/// assert_eq!(y[0].to_vec::<f32>()?, [1., 8., 27.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
pub struct ConcreteFunction {
    graph: Arc<Graph>,
    arguments: Vec<Argument>,
    /// Where the parameters after the inputs come from.
    hidden: Vec<Hidden>,
    /// For each state result, the hidden parameter whose variable it becomes.
    assigned: Vec<usize>,
    /// For each leaf of the result, whether it is a tensor, or which variable.
    results: Vec<ResultLeaf>,
    pattern: Box<dyn Any + Send + Sync>,
    guards: Vec<Guard>,
    /// What the arguments consist of.
    parts: Vec<Part>,
    /// The variables, if they are the same at each call.
    fixed_cells: Option<Vec<Cell>>,
    options: Options,
    compiled: OnceLock<Result<Compiled>>,
}

/// A leaf of the arguments.
enum Argument {
    Tensor(TensorType),
    Variable {
        /// What it is called in the graph.
        name: String,
        /// The one of the first call, which serves when the concrete function is called without.
        first: Variable,
        /// Whether the trace is for this variable alone.
        only: bool,
    },
}

/// Where a hidden parameter's value comes from.
enum Hidden {
    /// An array, and what tapes know of it.
    Array(Array, Option<Arc<Recorded>>),
    Variable(Variable),
    /// The variable that is this leaf of the arguments.
    Argument(usize),
}

enum ResultLeaf {
    Tensor,
    Variable(Variable),
    /// The variable that is this leaf of the arguments.
    Argument(usize),
}

impl ConcreteFunction {
    pub(crate) fn pattern(&self) -> &(dyn Any + Send + Sync) {
        &*self.pattern
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Bytes of its native code; 0 if it is not compiled yet, or not native.
    pub fn code_bytes(&self) -> usize {
        let compiled = self.compiled.get().and_then(|made| made.as_ref().ok());
        compiled.and_then(Compiled::executable).map_or(0, |executable| executable.code_bytes())
    }

    /// The graph as traced.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The code, made at the first use.
    pub fn compiled(&self) -> Result<&Compiled> {
        let made = self.compiled.get_or_init(|| backend::compile(&self.graph, &self.options));
        made.as_ref().map_err(Clone::clone)
    }

    fn tensor_results(&self) -> usize {
        self.graph.results().len() - self.assigned.len()
    }

    /// Calls it with tensors of just its types.
    pub fn call<const N: usize>(&self, arguments: [&Tensor; N]) -> Result<Vec<Tensor>> {
        self.call_slice(&arguments)
    }

    /// Calls it with tensors of just its types.
    pub fn call_slice(&self, arguments: &[&Tensor]) -> Result<Vec<Tensor>> {
        let mut leaves = Leaves::default();
        self.check(arguments, &mut leaves)?;
        let mut results = Results::new();
        self.run(&leaves, None, &mut results).map_err(|error| self.mistake(error))?;
        Ok(results.drain(..).filter_map(Leaf::into_tensor).collect())
    }

    /// Calls it and puts the results into given tensors, whose memory is used again.
    pub fn call_into<const N: usize>(&self, arguments: [&Tensor; N], results: &mut [Tensor]) -> Result {
        let mut leaves = Leaves::default();
        self.check(&arguments, &mut leaves)?;
        if results.len() != self.tensor_results() {
            let message = format!("gives {} results, not {}", self.tensor_results(), results.len());
            return Err(Error::invalid(message).op(self.graph.name()));
        }
        if trace::is_active() || tape::is_recording() {
            let mut given = Results::new();
            self.run(&leaves, None, &mut given).map_err(|error| self.mistake(error))?;
            let given = given.into_iter().filter_map(Leaf::into_tensor);
            results.iter_mut().zip(given).for_each(|(result, given)| *result = given);
            return Ok(());
        }
        // Taken out of their tensors, so that arrays which nobody else holds are written over.
        let mut arrays = run::ARRAYS.take();
        arrays.extend(results.iter_mut().map(Tensor::take_array));
        let done = self.run_into(&leaves, &mut arrays);
        results.iter_mut().zip(arrays.drain(..)).for_each(|(result, array)| *result = Tensor::eager(array));
        run::ARRAYS.set(arrays);
        done.map_err(|error| self.mistake(error))
    }

    /// What is left of a broken guard where nothing is traced again.
    fn mistake(&self, error: CallError) -> Error {
        match error {
            CallError::Failed(error) => error,
            CallError::Guard(guard) => {
                let message = format!("was traced for sizes with {guard}, which these are not");
                Error::invalid(message).op(self.graph.name()).help("call the function, which traces again")
            }
        }
    }

    /// Puts the leaves of a call there: the tensors given, and the variables it was traced with.
    fn check<'a>(&'a self, arguments: &[&'a Tensor], leaves: &mut Leaves<'a>) -> Result {
        let wanted = self.arguments.iter().filter(|argument| matches!(argument, Argument::Tensor(_))).count();
        if wanted != arguments.len() {
            let message =
                format!("takes {wanted} {}, not {}", if wanted == 1 { "tensor" } else { "tensors" }, arguments.len());
            return Err(Error::invalid(message).op(self.graph.name()));
        }
        let mut given = arguments.iter();
        for argument in &self.arguments {
            match argument {
                Argument::Variable { first, .. } => leaves.variable(first),
                Argument::Tensor(ty) => {
                    let tensor = given.next().expect("they were counted");
                    if let Some(error) = tensor.error() {
                        return Err(error.clone());
                    }
                    if !accepts(ty, tensor) {
                        let message = format!("was traced for {}, not for {}", TensorSpec::from(ty), tensor.ty());
                        return Err(Error::invalid(message)
                            .op(self.graph.name())
                            .help("call the function, which traces again"));
                    }
                    leaves.tensor(tensor);
                }
            }
        }
        Ok(())
    }
}

/// Whether a tensor is of a type, whose unknown sizes are any.
fn accepts(ty: &TensorType, tensor: &Tensor) -> bool {
    match &tensor.handle {
        Handle::Eager(array) => {
            let sizes = ty.shape.iter().zip(array.shape());
            ty.dtype == array.dtype()
                && ty.shape.rank() == array.rank()
                && sizes.into_iter().all(|(dim, n)| dim.known_len().is_none_or(|known| known == *n))
        }
        _ => TensorSpec::from(ty).accepts(&tensor.ty()),
    }
}

impl fmt::Debug for ConcreteFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConcreteFunction {}{}", self.graph.name(), self.signature())
    }
}
