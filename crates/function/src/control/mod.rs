//! Loops and branches on tensors.

mod node;
mod options;
mod range;
mod relaxed;
mod scan;

use tracelift_ir::TensorType;
use tracelift_tensor::{DType, Error, Origin, Result};

use crate::{
    Operand, Tensor, TensorSpec,
    once::in_trace,
    scope, tensor,
    trace::{self, Region, disagreement, region},
    tree::{Leaves, Tree, poisoned, with_tensors},
};
pub(crate) use node::{push_call, push_cond, push_while};
pub use options::{ShapeInvariant, ShapeInvariants, WhileLoop, switch_case};
pub use range::{IntoTensorRange, TensorRange, range_t};
use relaxed::Marks;
pub use relaxed::relax;
pub(crate) use relaxed::{CarriedTypes, begins_otherwise};
pub use scan::{map_fn, scan, scan_reverse};

/// `while condition(state) { state = body(state) }` as a loop of the graph.
///
/// Condition and body are traced once; the tensors of the state keep their dtypes and shapes, its host values their
/// values. Variables that the body assigns are carried along. With [`WhileLoop::shape_invariants`] shapes may change.
///
/// ```
/// use tracelift_function::{Tensor, tensor, while_loop};
///
/// let (n, x) = while_loop((tensor(0), tensor(1.0)), |(n, _)| n.lt(10), |(n, x)| (n + 1, x * 2));
/// assert_eq!((n.item::<i32>()?, x.item::<f32>()?), (10, 1024.0));
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn while_loop<S: Tree>(init: S, condition: impl FnOnce(&S) -> Tensor, body: impl FnOnce(S) -> S) -> S {
    loop_with(&[], init, condition, body)
}

/// [`while_loop`] with specs for some of the tensors of the state.
#[track_caller]
fn loop_with<S: Tree>(
    specs: &[Option<TensorSpec>],
    init: S,
    condition: impl FnOnce(&S) -> Tensor,
    body: impl FnOnce(S) -> S,
) -> S {
    let origin = scope::origin();
    let marks = Marks::of(&init, specs);
    marks.on(in_trace("while_loop", || {
        push_loop(specs, &init, condition, body, &origin).unwrap_or_else(|error| {
            trace::record(&error);
            poisoned(&init, &error)
        })
    }))
}

/// `for i in 0..n { state = body(i, state) }` as a loop of the graph; `n` is a number or an integer tensor.
///
/// ```
/// use tracelift_function::{for_range, tensor};
///
/// assert_eq!(for_range(5, tensor(0), |i, sum| sum + i).item::<i32>()?, 10);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn for_range<S: Tree>(n: impl Operand, init: S, body: impl FnOnce(&Tensor, S) -> S) -> S {
    let zero = tensor(0);
    let n = n.operand(&zero);
    let zero = zero.cast(n.dtype());
    while_loop(
        (zero, init),
        |(i, _)| i.lt(&n),
        |(i, state)| {
            let state = body(&i, state);
            (i + 1, state)
        },
    )
    .1
}

/// One of two branches, by a bool.
///
/// While tracing, a traced condition makes a branch of the graph: both closures are traced, and one runs at each call.
/// A condition that has its value already just chooses a closure.
///
/// ```
/// use tracelift_function::{Function, Tensor, cond, tensor};
///
/// let f = Function::new(|x: &Tensor| cond(&x.gt(0), || x * 2, || -x));
/// assert_eq!(f(&tensor(3.0)).item::<f32>()?, 6.0);
/// assert_eq!(f(&tensor(-3.0)).item::<f32>()?, 3.0);
/// assert_eq!(f.trace_count(), 1);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
pub fn cond<R: Tree>(condition: &Tensor, then: impl FnOnce() -> R, otherwise: impl FnOnce() -> R) -> R {
    let origin = scope::origin();
    let condition = condition.snapshot();
    if condition.is_traced() {
        return push_branch(&condition, then, otherwise, &origin);
    }
    // As in a trace, where bool[1] is no condition either.
    let scalar = || match condition.error().is_none() && condition.shape().rank() > 0 {
        true => Err(not_bool("cond", &condition, &origin)),
        false => condition.item::<bool>(),
    };
    match scalar() {
        Ok(true) => then(),
        Ok(false) => otherwise(),
        Err(error) => {
            let error = if condition.error().is_some() { error } else { not_bool("cond", &condition, &origin) };
            trace::record(&error);
            poisoned(&trace::discarded(then), &error)
        }
    }
}

fn not_bool(op: &str, condition: &Tensor, origin: &Origin) -> Error {
    Error::type_(format!("wants bool[] as its condition, not {}", condition.ty())).op(op).at(origin.clone())
}

fn push_loop<S: Tree>(
    specs: &[Option<TensorSpec>],
    init: &S,
    condition: impl FnOnce(&S) -> Tensor,
    body: impl FnOnce(S) -> S,
    origin: &Origin,
) -> Result<S> {
    let state = Leaves::of(init);
    let host = state.host.clone();
    let tensors = state.into_tensors();
    tensors.iter().try_for_each(|tensor| tensor.error().map_or(Ok(()), |error| Err(error.clone())))?;
    if !specs.is_empty() && specs.len() != tensors.len() {
        let message = format!("is given {} shape invariants for {} tensors", specs.len(), tensors.len());
        return Err(Error::value(message)
            .op("while_loop")
            .at(origin.clone())
            .help("give one for each tensor of the state in turn: a spec, or `None` where the shape stays"));
    }
    let carried = CarriedTypes::of(&tensors, specs).map_err(|unfit| {
        let (place, spec, given) = *unfit;
        begins_otherwise("while_loop", &format!("value {place}"), &spec, &given, origin)
    })?;
    let (condition, given) = region("condition", &carried.types, origin, |state| {
        carried.mark(&state);
        let given = condition(&with_tensors(init, state));
        let ty = given.clone();
        (vec![given], ty)
    })?;
    if given.dtype() != DType::Bool || given.rank() != 0 {
        return Err(not_bool("while_loop", &given, origin));
    }
    let (body, next_host) = region("body", &carried.types, origin, |state| {
        carried.mark(&state);
        let next = body(with_tensors(init, state));
        let leaves = Leaves::of(&next);
        let host = leaves.host.clone();
        (leaves.into_tensors(), host)
    })?;
    let after = body.result_types();
    if next_host != host || after.len() != carried.types.len() {
        let message = "has a body that changes host values or the structure of its state".to_owned();
        return Err(disagreement("while_loop", message, origin).help("what changes in a loop is a tensor: `tensor(0)`"));
    }
    if let Some((place, ty)) = after.iter().enumerate().find(|(place, ty)| !carried.keeps(*place, ty)) {
        let (before, after) = carried.shown(place, ty);
        let message = format!("carries {before} as value {place}, which cannot become {after}");
        return Err(disagreement("while_loop", message, origin).help(match carried.could_be_relaxed(place, ty) {
            true => "what a loop carries keeps its shape, unless `WhileLoop::shape_invariants` says which sizes change",
            false => "what a loop carries keeps its dtype and shape",
        }));
    }
    let results = push_while(&tensors, condition, body, carried.sizes.clone(), origin)?;
    carried.mark(&results);
    Ok(with_tensors(init, results))
}

fn push_branch<R: Tree>(
    condition: &Tensor,
    then: impl FnOnce() -> R,
    otherwise: impl FnOnce() -> R,
    origin: &Origin,
) -> R {
    let traced = |name, branch: &mut dyn FnMut() -> R| {
        let mut tree = None;
        let made = region(name, &[], origin, |_| {
            let given = tree.insert(branch());
            (Leaves::of(given).into_tensors(), ())
        });
        (made.map(|(region, ())| region), tree.expect("the branch was run"))
    };
    let (mut then, mut otherwise) = (Some(then), Some(otherwise));
    let (then, tree) = traced("then", &mut || then.take().expect("it is run once")());
    let (otherwise, other) = traced("else", &mut || otherwise.take().expect("it is run once")());
    let made = then.and_then(|then| join(condition, (then, &tree), (otherwise?, &other), origin));
    made.map_or_else(
        |error| {
            trace::record(&error);
            poisoned(&tree, &error)
        },
        |results| with_tensors(&tree, results),
    )
}

fn join<R: Tree>(
    condition: &Tensor,
    then: (Region, &R),
    otherwise: (Region, &R),
    origin: &Origin,
) -> Result<Vec<Tensor>> {
    if condition.dtype() != DType::Bool || condition.rank() != 0 {
        return Err(not_bool("cond", condition, origin));
    }
    let ((then, tree), (otherwise, other)) = (then, otherwise);
    let (types, others) = (then.result_types(), otherwise.result_types());
    let may_join =
        |a: &TensorType, b: &TensorType| a == b || trace::with_active(|stack| stack.may_join(a, b)).unwrap_or(false);
    if Leaves::of(tree).host != Leaves::of(other).host || types.len() != others.len() {
        let message = "has branches that give different host values or structures".to_owned();
        return Err(disagreement("cond", message, origin).help("what a branch decides is a tensor: `tensor(0)`"));
    }
    if let Some((place, (a, b))) = types.iter().zip(&others).enumerate().find(|(_, (a, b))| !may_join(a, b)) {
        let message = format!("has branches whose results {place} are {a} and {b}");
        return Err(disagreement("cond", message, origin).help("both branches give values of equal dtype and shape"));
    }
    push_cond(condition, then, otherwise, origin)
}
