//! What a loop carries as which type: by default as it is given, else with sizes that may change from round to round.

use tracelift_ir::{NodeIndex, TensorType, Value, ops};
use tracelift_tensor::{Dim, Error, Origin, Result, Shape, Sym};

use crate::{
    IntoTensor, Tensor, TensorSpec, scope, tape,
    tensor::{Handle, Recorded},
    trace::{self, Region},
    tree::{Leaves, Tree, with_tensors},
};

/// A tensor that loops of the graph may carry in other shapes, where the spec says `None`.
///
/// A loop carries values of fixed shape, unless they begin as such a tensor. What comes out of the loop has the shape of
/// the last round, and may be carried by another one in the same way. All else takes it as just the tensor.
///
/// ```
/// use tracelift_function::{Function, Tensor, concat, for_range, relax, spec, tensor};
///
/// let squares = Function::new(|n: &Tensor| {
///     let none = relax(Tensor::zeros([0]), spec!(f32[None]));
///     for_range(n, none, |i, list| concat(&[&list, &i.cast(tracelift_function::DType::F32).square().reshape([1])], 0))
/// });
/// assert_eq!(squares(&tensor(4)).to_vec::<f32>()?, [0., 1., 4., 9.]);
/// assert_eq!(squares(&tensor(2)).to_vec::<f32>()?, [0., 1.]);
/// assert_eq!(squares.trace_count(), 1);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn relax(tensor: impl IntoTensor, spec: TensorSpec) -> Tensor {
    let (tensor, origin) = (tensor.into_tensor(), scope::origin());
    if tensor.error().is_some() {
        return tensor;
    }
    if !may_be(&spec, &tensor.ty()) {
        let message = format!("is told that its tensor is {spec}, but it is {}", tensor.ty());
        let error = Error::invalid(message).op("relax").at(origin).help(SPEC_HELP);
        return trace::fail(error, Some(&tensor));
    }
    let marked = trace::with_active(|stack| {
        let value = stack.lift(&tensor, &origin)?;
        let frame = stack.top_frame();
        // A value of its own, so that others that are the same are carried as they were.
        let value = frame.builder.at(origin.clone()).push(ops::Identity, &[value])?;
        frame.relaxed.insert(value, spec.clone());
        Ok(frame.tensor(value))
    });
    match marked {
        Some(Ok(marked)) => marked,
        Some(Err(error)) => trace::fail(error, Some(&tensor)),
        None => carried_by(&tensor, spec),
    }
}

/// A tensor with data that loops may carry by a spec; others as they are.
fn carried_by(tensor: &Tensor, spec: TensorSpec) -> Tensor {
    let (record, value, array) = match tensor.snapshot().handle {
        Handle::Eager(array) => (tape::no_record(), Value { node: NodeIndex(0), result: 0 }, array),
        Handle::Recorded(recorded) => (recorded.record, recorded.value, recorded.array.clone()),
        _ => return tensor.clone(),
    };
    Tensor::recorded(Recorded { record, value, array, relaxed: Some(spec) })
}

/// The specs of what a loop begins with, of those that have data: what comes out of it is carried in the same way.
pub(super) struct Marks(Vec<Option<TensorSpec>>);

impl Marks {
    /// Of the tensors of a state; `specs` are those that the loop was given, for some of them.
    pub(super) fn of<S: Tree>(init: &S, specs: &[Option<TensorSpec>]) -> Marks {
        if trace::is_active() {
            return Marks(vec![]);
        }
        let tensors = Leaves::of(init).into_tensors();
        let spec = |(n, tensor): (usize, &Tensor)| specs.get(n).cloned().flatten().or_else(|| spec_of(tensor));
        Marks(tensors.iter().enumerate().map(spec).collect())
    }

    /// The state after the loop.
    pub(super) fn on<S: Tree>(self, last: S) -> S {
        if self.0.iter().all(Option::is_none) {
            return last;
        }
        let tensors = Leaves::of(&last).into_tensors();
        let marked = |(tensor, spec): (&Tensor, Option<TensorSpec>)| match spec {
            Some(spec) => carried_by(tensor, spec),
            None => tensor.clone(),
        };
        with_tensors(&last, tensors.iter().zip(self.0).map(marked))
    }
}

const SPEC_HELP: &str = "a spec has the dtype and the rank of its tensor, and `None` for each size that may change";

/// The spec that a tensor was relaxed by.
fn spec_of(tensor: &Tensor) -> Option<TensorSpec> {
    match &tensor.handle {
        Handle::Traced(traced) => {
            trace::with_frame(traced.trace, |frame| frame.relaxed.get(&traced.value).cloned()).flatten()
        }
        Handle::Recorded(recorded) => recorded.relaxed.clone(),
        _ => None,
    }
}

/// Whether a value of a type can be one of a spec: sizes that are not known may be.
fn may_be(spec: &TensorSpec, ty: &TensorType) -> bool {
    let fits = |(own, given): (&Option<usize>, &Dim)| own.is_none_or(|n| given.known_len().is_none_or(|m| n == m));
    spec.dtype == ty.dtype && spec.dims.len() == ty.shape.rank() && spec.dims.iter().zip(&ty.shape).all(fits)
}

/// How a loop carries its values.
pub(crate) struct CarriedTypes {
    /// The types inside of its bodies.
    pub(crate) types: Vec<TensorType>,
    specs: Vec<Option<TensorSpec>>,
    /// The sizes that may change.
    pub(crate) sizes: Vec<Sym>,
}

impl CarriedTypes {
    /// Of the values that a loop begins with; `specs` are those that it was given, for some of them.
    ///
    /// A value that is none of its spec is named by its position, with the spec and its type.
    pub(crate) fn of(
        tensors: &[Tensor],
        specs: &[Option<TensorSpec>],
    ) -> Result<CarriedTypes, Box<(usize, TensorSpec, TensorType)>> {
        let mut carried = CarriedTypes { types: Vec::new(), specs: Vec::new(), sizes: Vec::new() };
        for (n, tensor) in tensors.iter().enumerate() {
            let given = tensor.ty();
            let spec = specs.get(n).cloned().flatten().or_else(|| spec_of(tensor));
            let ty = match &spec {
                None => given,
                Some(spec) if may_be(spec, &given) => carried.relaxed(spec),
                Some(spec) => return Err(Box::new((n, spec.clone(), given))),
            };
            carried.types.push(ty);
            carried.specs.push(spec);
        }
        Ok(carried)
    }

    fn relaxed(&mut self, spec: &TensorSpec) -> TensorType {
        let dims = spec.dims.iter().map(|dim| match dim {
            Some(n) => Dim::from(*n),
            None => {
                let fresh = trace::with_active(|stack| stack.fresh_size()).expect("loops are built inside of traces");
                self.sizes.push(fresh.clone());
                Dim::from(fresh)
            }
        });
        TensorType::new(spec.dtype, dims.collect::<Shape>())
    }

    /// The type of one more value, which begins as something that nobody looks at.
    pub(crate) fn late(&mut self, ty: &TensorType) -> TensorType {
        let sizes = &mut self.sizes;
        let fresh = |stack: &mut trace::Stack<'_>| {
            sizes.push(stack.fresh_size());
            Dim::from(&sizes[sizes.len() - 1])
        };
        trace::with_active(|stack| stack.with_found(ty, fresh)).unwrap_or_else(|| ty.clone())
    }

    /// Whether value `n` may be of this type after a round.
    pub(crate) fn keeps(&self, n: usize, after: &TensorType) -> bool {
        let before = &self.types[n];
        match &self.specs[n] {
            None => before == after,
            Some(spec) => {
                let fits = |((own, dim), after): ((&Option<usize>, &Dim), &Dim)| own.is_none() || dim == after;
                before.dtype == after.dtype
                    && before.shape.rank() == after.shape.rank()
                    && spec.dims.iter().zip(&before.shape).zip(&after.shape).all(fits)
            }
        }
    }

    /// The type of value `n` and that which it cannot become, as users write them.
    pub(crate) fn shown(&self, n: usize, after: &TensorType) -> (String, String) {
        match &self.specs[n] {
            None if !self.speaks_of(after) => (self.types[n].to_string(), after.to_string()),
            Some(spec) => (spec.to_string(), TensorSpec::from(after).to_string()),
            None => (self.types[n].to_string(), TensorSpec::from(after).to_string()),
        }
    }

    /// Whether a type has a size that changes.
    pub(crate) fn speaks_of(&self, ty: &TensorType) -> bool {
        ty.shape.syms().iter().any(|sym| self.sizes.contains(sym))
    }

    /// Whether a spec would let value `n` become this.
    pub(crate) fn could_be_relaxed(&self, n: usize, after: &TensorType) -> bool {
        let before = &self.types[n];
        self.specs[n].is_none() && before.dtype == after.dtype && before.shape.rank() == after.shape.rank()
    }

    /// What stands for the values in a body, or comes out of the loop, is carried by other loops in the same way.
    pub(crate) fn mark(&self, tensors: &[Tensor]) {
        for (tensor, spec) in tensors.iter().zip(&self.specs) {
            let (Handle::Traced(traced), Some(spec)) = (&tensor.handle, spec) else { continue };
            trace::with_frame(traced.trace, |frame| frame.relaxed.insert(traced.value, spec.clone()));
        }
    }

    /// Gives the parameters of a body that stand for relaxed values names, of which errors can speak.
    pub(crate) fn name(&self, region: &mut Region, name: impl Fn(usize) -> Option<String>) {
        let params: Vec<Value> = region.inputs().to_vec();
        for (n, (param, spec)) in params.into_iter().zip(&self.specs).enumerate() {
            if let (Some(_), Some(name)) = (spec, name(n)) {
                region.builder().set_name(param, name);
            }
        }
    }
}

/// That a value begins as something that its spec does not allow.
pub(crate) fn begins_otherwise(op: &str, name: &str, spec: &TensorSpec, given: &TensorType, origin: &Origin) -> Error {
    let message = format!("carries {name} as {spec}, but is given {given}");
    let error = if spec.dtype == given.dtype { Error::value(message) } else { Error::type_(message) };
    error.op(op).at(origin.clone()).help(SPEC_HELP)
}
