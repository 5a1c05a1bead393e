//! Places for weights and for sub-layers, which `build` fills.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, LazyLock, OnceLock},
};

use tracelift_function::{AsSource, DType, Error, IntoTensor, Operand, Shape, Tensor, Variable};

use crate::{AnyConstraint, AnyInitializer, AnyRegularizer, objects::IntoAny, paths};

/// Where a weight or a late module is: the field names and list positions from the root module to it.
#[doc(hidden)]
#[derive(Clone, Default)]
pub struct Place(Arc<OnceLock<Arc<str>>>);

impl Place {
    /// The path, once the root module was used.
    pub(crate) fn path(&self) -> Option<&Arc<str>> {
        self.0.get()
    }

    /// An address that no other place has as long as this one lives.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Gives the path, unless there is one: a shared module keeps that of its first root.
    pub(crate) fn set(&self, path: &str) {
        let _ = self.0.set(path.into());
    }
}

/// A place for a weight, which `build` fills; clones are the same weight. It derefs to its [`Variable`].
#[derive(Clone)]
pub struct Weight(Arc<Slot>);

struct Slot {
    variable: OnceLock<Variable>,
    /// The layer that made the input for which the weight was built, as far as is known.
    before: OnceLock<String>,
    place: Place,
    settings: Settings,
}

#[derive(Clone)]
struct Settings {
    initializer: AnyInitializer,
    regularizer: Option<AnyRegularizer>,
    constraint: Option<AnyConstraint>,
    trainable: bool,
}

impl Weight {
    /// A weight with the way its first values are made: a name, function, closure or struct.
    #[must_use]
    pub fn new(initializer: impl IntoAny<AnyInitializer>) -> Self {
        let initializer = initializer.into_any();
        Weight::with(Settings { initializer, regularizer: None, constraint: None, trainable: true }, OnceLock::new())
    }

    /// Zeros of a known shape, f32, made at once and not trained: the state of a metric.
    #[must_use]
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        let weight = Weight::new("zeros").not_trainable();
        let variable = tracelift_function::eagerly(|| Variable::new(Tensor::zeros(shape)).not_trainable());
        Weight::with(weight.0.settings.clone(), OnceLock::from(variable))
    }

    fn with(settings: Settings, variable: OnceLock<Variable>) -> Self {
        Weight(Arc::new(Slot { variable, before: OnceLock::new(), place: Place::default(), settings }))
    }

    fn change(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.0.settings.clone();
        change(&mut settings);
        let variable = self.0.variable.get().cloned().map_or_else(OnceLock::new, OnceLock::from);
        Weight::with(settings, variable)
    }

    /// The same with another way to make its first values.
    #[must_use]
    pub fn initializer(self, initializer: impl IntoAny<AnyInitializer>) -> Self {
        self.change(|settings| settings.initializer = initializer.into_any())
    }

    /// The same, penalized: what the regularizer gives is added to the loss.
    #[must_use]
    pub fn regularizer(self, regularizer: impl IntoAny<AnyRegularizer>) -> Self {
        self.change(|settings| settings.regularizer = Some(regularizer.into_any()))
    }

    /// The same, projected after each update.
    #[must_use]
    pub fn constraint(self, constraint: impl IntoAny<AnyConstraint>) -> Self {
        self.change(|settings| settings.constraint = Some(constraint.into_any()))
    }

    /// The same, which optimizers leave alone.
    #[must_use]
    pub fn not_trainable(self) -> Self {
        self.change(|settings| settings.trainable = false)
    }

    /// Whether `build` has filled it.
    pub fn is_built(&self) -> bool {
        self.0.variable.get().is_some()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0.place
    }

    /// An address that no other weight has as long as this one lives.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    pub(crate) fn first_values(&self) -> &AnyInitializer {
        &self.0.settings.initializer
    }

    pub(crate) fn penalty(&self) -> Option<&AnyRegularizer> {
        self.0.settings.regularizer.as_ref()
    }

    pub(crate) fn projection(&self) -> Option<&AnyConstraint> {
        self.0.settings.constraint.as_ref()
    }

    /// The layer that made the input for which the weight was built, as far as is known.
    pub(crate) fn before(&self) -> Option<&str> {
        self.0.before.get().map(String::as_str)
    }

    /// Fills it with a variable, unless it is filled; `before` is the layer that made the input.
    pub(crate) fn fill(&self, variable: Variable, before: Option<String>) {
        let variable = if self.0.settings.trainable { variable } else { variable.not_trainable() };
        if let (Ok(()), Some(before)) = (self.0.variable.set(variable), before) {
            let _ = self.0.before.set(before);
        }
    }
}

impl Deref for Weight {
    type Target = Variable;

    /// The variable; before `build`, one that carries an error.
    fn deref(&self) -> &Variable {
        static UNBUILT: LazyLock<Variable> = LazyLock::new(|| {
            let error = Error::runtime("the weight has no values yet: its layer was called before it was built");
            Variable::new(Tensor::failed(
                error.help("use `layer.apply(&x)`, which builds the layer, rather than `layer.call(…)`"),
            ))
        });
        self.0.variable.get().unwrap_or(&UNBUILT)
    }
}

impl fmt::Debug for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.variable.get() {
            Some(variable) => fmt::Debug::fmt(variable, f),
            None => f.write_str("Weight(not built)"),
        }
    }
}

impl AsSource for Weight {
    fn source(&self) -> &Tensor {
        self
    }
}

impl Operand for Weight {
    fn operand(&self, like: &Tensor) -> Tensor {
        (**self).operand(like)
    }
}

impl tracelift_function::autograph::TensorLike for Weight {
    fn like(&self) -> &Tensor {
        self
    }
}

impl IntoTensor for &Weight {
    fn into_tensor(self) -> Tensor {
        self.value()
    }
}

tracelift_function::__operators!(&Weight);

/// A place for a sub-layer that `build` makes; applied before, it gives an error.
pub struct Late<L>(Arc<(OnceLock<L>, Place)>);

impl<L> Late<L> {
    /// Makes the module, unless it is made.
    pub fn make(&self, make: impl FnOnce() -> L) -> &L
    where
        L: crate::Module,
    {
        let made = self.0.0.get_or_init(make);
        // What is made late gets its paths late.
        if let Some(path) = self.0.1.path() {
            paths::give_below(made, path);
        }
        made
    }

    /// The module, if it is made.
    pub fn get(&self) -> Option<&L> {
        self.0.0.get()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0.1
    }

    pub(crate) fn same(&self) -> Self {
        Late(self.0.clone())
    }
}

impl<L> Default for Late<L> {
    fn default() -> Self {
        Late(Arc::new((OnceLock::new(), Place::default())))
    }
}

/// The dtype of weights.
pub(crate) const WEIGHT_DTYPE: DType = DType::F32;
