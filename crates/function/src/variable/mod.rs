//! Variables: tensors that can be changed.

mod change;

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use tracelift_ir::TensorType;
use tracelift_runtime::Variable as Cell;
use tracelift_tensor::{Array, Error, Origin, Result};

pub use change::{IndexedSlices, VariableSlice};

use crate::{
    IntoTensor, Tensor, scope,
    tensor::Handle,
    trace::{self, Creation},
};

/// A value that can be changed; clones are the same variable.
///
/// It derefs to a tensor that always is its current value, so it goes where a tensor goes; cloning that tensor
/// ([`value`](Self::value)) takes a snapshot that no later assignment changes.
///
/// ```
/// use tracelift_function::Variable;
///
/// let v = Variable::new([[1., 2., 3.], [4., 5., 6.]]);
/// let before = v.value();
/// v.assign(2 * &v)?;
/// v.at((0, 1)).assign(42)?;
/// assert_eq!(v.to_vec::<f32>()?, [2., 42., 6., 8., 10., 12.]);
/// assert_eq!(before.to_vec::<f32>()?, [1., 2., 3., 4., 5., 6.]);
///
/// assert!(v.assign([1., 2.]).is_err());
/// assert_eq!(v.shape(), [2, 3]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
///
/// Parts are assigned by [`at`](Self::at); there is no item assignment:
///
/// ```compile_fail
/// let v = tracelift_function::Variable::new([1., 2.]);
/// v[0] = 3.;
/// ```
pub struct Variable {
    live: Tensor,
}

/// A projection of a variable's value.
type Constraint = dyn Fn(&Tensor) -> Tensor + Send + Sync;

/// What all clones of a variable share.
pub(crate) struct VariableData {
    ty: TensorType,
    name: OnceLock<String>,
    trainable: AtomicBool,
    constraint: OnceLock<Arc<Constraint>>,
    made: Origin,
    cell: Cell,
    /// Whether it is what a traced function gets for a variable argument: it has a type, but never a value.
    stands_in: bool,
}

impl Variable {
    /// A trainable variable with an initial value.
    ///
    /// While tracing, the initial value must be known: compute it inside [`eagerly`](crate::eagerly). If it carries an
    /// error, so does the variable.
    #[track_caller]
    #[must_use]
    pub fn new(value: impl IntoTensor) -> Self {
        Variable::from_value(value.into_tensor(), scope::origin())
    }

    fn from_value(value: Tensor, origin: Origin) -> Self {
        let array = match &value.handle {
            Handle::Eager(array) => array.clone(),
            Handle::Recorded(recorded) => recorded.array.clone(),
            Handle::Traced(_) => {
                let error = Error::invalid("a variable's initial value must be known, but it is being traced")
                    .op("Variable::new")
                    .help("compute it inside `eagerly(|| …)`, or make the variable outside of the traced function");
                return Variable { live: trace::fail(error.at(origin), Some(&value)) };
            }
            Handle::Failed(_) | Handle::Live(_) => return Variable { live: value },
        };
        if trace::creation() == Creation::Forbidden {
            let error = Error::value("makes a variable each time it is traced")
                .op("Variable::new")
                .help("a traced function may make variables in its first trace only: make it outside and capture it");
            return Variable { live: trace::fail(error.at(origin), Some(&value)) };
        }
        let ty = value.ty();
        Variable::of(VariableData {
            ty,
            name: OnceLock::new(),
            trainable: AtomicBool::new(true),
            constraint: OnceLock::new(),
            made: origin,
            cell: Cell::new("variable", array),
            stands_in: false,
        })
    }

    fn of(data: VariableData) -> Self {
        Variable { live: Tensor { handle: Handle::Live(Arc::new(data)) } }
    }

    /// A variable of the same type without a value, for tracing what is done with a variable argument; of the same name
    /// unless another is given.
    pub(crate) fn stand_in(&self, argument: Option<&str>) -> Result<Variable> {
        let data = self.data()?;
        let name = OnceLock::new();
        if let Some(given) = argument.map(str::to_owned).or_else(|| data.name.get().cloned()) {
            name.set(given).expect("it was made just now");
        }
        Ok(Variable::of(VariableData {
            ty: data.ty.clone(),
            name,
            trainable: AtomicBool::new(self.is_trainable()),
            constraint: data.constraint.clone(),
            made: data.made.clone(),
            cell: Cell::new(data.name(), Array::zeros(data.ty.dtype, [0])?),
            stands_in: true,
        }))
    }

    pub(crate) fn of_data(data: Arc<VariableData>) -> Self {
        Variable { live: Tensor { handle: Handle::Live(data) } }
    }

    /// The shared data, or the error of the initial value.
    pub(crate) fn data(&self) -> Result<&Arc<VariableData>> {
        match &self.live.handle {
            Handle::Live(data) => Ok(data),
            Handle::Failed(poison) => Err(poison.error.clone()),
            Handle::Eager(_) | Handle::Recorded(_) | Handle::Traced(_) => {
                unreachable!("a variable holds a live tensor or a failed one")
            }
        }
    }

    /// The same variable, with a name; a variable keeps the first name it is given.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        if let Handle::Live(data) = &mut self.live.handle
            && data.name.set(name.to_owned()).is_ok()
            && let Some(data) = Arc::get_mut(data)
            && let Ok(value) = data.cell.value()
        {
            // Nobody has seen the cell yet; its messages are to know the name, too.
            data.cell = Cell::new(name, value);
        }
        self
    }

    /// The same variable, which optimizers leave alone.
    #[must_use]
    pub fn not_trainable(self) -> Self {
        if let Ok(data) = self.data() {
            data.trainable.store(false, Ordering::Relaxed);
        }
        self
    }

    /// The same variable with a projection: what its value becomes after each update by an optimizer, and by
    /// [`constrain`](Self::constrain). A variable keeps the first one it is given.
    ///
    /// ```
    /// use tracelift_function::{Tensor, Variable};
    ///
    /// let v = Variable::new([1., -2., 3.]).named("kernel").constraint(Tensor::relu);
    /// v.assign_sub([2., 0., 0.])?;
    /// v.constrain()?;
    /// assert_eq!(v.to_vec::<f32>()?, [0., 0., 3.]);
    /// # Ok::<(), tracelift_function::Error>(())
    /// ```
    #[must_use]
    pub fn constraint(self, constraint: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static) -> Self {
        if let Ok(data) = self.data() {
            // A second one is ignored: calls may have used the first.
            let _ = data.constraint.set(Arc::new(constraint));
        }
        self
    }

    /// Whether it has a projection.
    pub fn is_constrained(&self) -> bool {
        self.data().is_ok_and(|data| data.constraint.get().is_some())
    }

    /// Its name, or `variable`.
    pub fn name(&self) -> &str {
        self.data().map_or("variable", |data| data.name())
    }

    /// Whether optimizers change it.
    pub fn is_trainable(&self) -> bool {
        self.data().is_ok_and(|data| data.is_trainable())
    }

    /// A number that no other variable of the process has; `u64::MAX` if the initial value failed.
    pub fn id(&self) -> u64 {
        self.data().map_or(u64::MAX, |data| data.id())
    }

    /// Whether both are the same variable.
    pub fn same(&self, other: &Variable) -> bool {
        self.id() == other.id() && self.id() != u64::MAX
    }

    /// Its current value: a tensor that stays as it is when the variable changes.
    pub fn value(&self) -> Tensor {
        self.live.snapshot()
    }
}

impl VariableData {
    pub(crate) fn id(&self) -> u64 {
        self.cell.id()
    }

    pub(crate) fn is_trainable(&self) -> bool {
        self.trainable.load(Ordering::Relaxed)
    }

    pub(crate) fn ty(&self) -> &TensorType {
        &self.ty
    }

    pub(crate) fn name(&self) -> &str {
        self.name.get().map_or("variable", String::as_str)
    }

    fn not_standing_in(&self, what: &str, origin: &Origin) -> Result {
        if !self.stands_in {
            return Ok(());
        }
        let message = format!("the variable argument `{}` was used after its trace had ended", self.name());
        Err(Error::runtime(message).op(what).at(origin.clone()))
    }

    /// The value, outside of any trace.
    pub(crate) fn load(&self) -> Result<Array> {
        self.not_standing_in("read", &self.made)?;
        self.cell.value()
    }

    /// Where the value lives.
    pub(crate) fn cell(&self) -> Result<&Cell> {
        self.not_standing_in("call", &self.made)?;
        Ok(&self.cell)
    }

    /// That a value may be assigned.
    pub(crate) fn check(&self, what: &str, value: &Tensor, origin: &Origin) -> Result {
        let ty = value.ty();
        let fits = ty.dtype == self.ty.dtype
            && ty.shape.rank() == self.ty.shape.rank()
            && ty.shape.iter().zip(self.ty.shape.iter()).all(|(given, own)| given == own || given.known().is_none());
        if fits {
            return Ok(());
        }
        let (message, help) = if ty.dtype == self.ty.dtype {
            (Error::value as fn(String) -> Error, "a variable keeps its shape")
        } else {
            (Error::type_ as fn(String) -> Error, "a variable keeps its dtype: cast the value")
        };
        Err(message(format!("cannot put {ty} into the variable `{}` of {}", self.name(), self.ty))
            .op(what)
            .at(origin.clone())
            .help(help))
    }
}

impl Clone for Variable {
    fn clone(&self) -> Self {
        let handle = match &self.live.handle {
            Handle::Live(data) => Handle::Live(data.clone()),
            Handle::Failed(poison) => Handle::Failed(poison.clone()),
            Handle::Eager(_) | Handle::Recorded(_) | Handle::Traced(_) => {
                unreachable!("a variable holds a live tensor or a failed one")
            }
        };
        Variable { live: Tensor { handle } }
    }
}

impl Deref for Variable {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.live
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variable({}: {:?})", self.name(), self.live)
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.live, f)
    }
}
